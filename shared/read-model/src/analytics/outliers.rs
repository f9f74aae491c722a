//! Which videos stand out (v1-contract.md 16: outliers).
//!
//! The modified z-score of Iglewicz and Hoaglin (How to Detect and Handle Outliers, 1993): with
//! x = log10(views + 1), z = 0.6745 (x - median) / MAD, where MAD is the median of |x - median|;
//! 0.6745 is the MAD of a standard normal variable. They recommend to look at |z| >= 3.5.

use super::decimal::Decimal4;
use super::posting::twice_the_median;
use domain::limits::OUTLIER_GROUP_MIN;

/// MAD of a standard normal variable, as they round it.
const NORMAL_MAD: f64 = 0.6745;

/// Which ones are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Those with many views.
    High,
    /// Those with few.
    Low,
    /// Both.
    #[default]
    Both,
}

impl Direction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::High, Self::Low, Self::Both];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
            Self::Both => "both",
        }
    }
}

/// From which |z| on a video stands out: 1 to 10.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold(f64);

impl Threshold {
    /// As they recommend.
    pub const DEFAULT: Self = Self(3.5);

    /// `None` unless it is a number from 1 to 10: digits, which may have a point between them.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let is_plain = parts.clone().count() <= 2
            && parts.all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        let number: f64 = text.parse().ok().filter(|_| is_plain)?;
        (1.0..=10.0).contains(&number).then_some(Self(number))
    }
}

/// A group's member that stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scored {
    /// Its place in the group.
    pub place: usize,
    /// z, four decimals.
    pub score: Decimal4,
}

/// Those of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outliers {
    /// The median of the group's views; between the two in the middle if their count is even.
    pub median_views: Decimal4,
    /// Who stands out, in the group's order.
    pub scored: Vec<Scored>,
}

/// Of the views of a group's videos, ascending; `None` for a group that is skipped: under five
/// videos, or with a MAD of 0.
pub(crate) fn outliers(
    sorted: &[i64],
    threshold: Threshold,
    direction: Direction,
) -> Option<Outliers> {
    if sorted.len() < OUTLIER_GROUP_MIN {
        return None;
    }
    let logarithms: Vec<f64> = sorted.iter().map(|views| log10_of_next(*views)).collect();
    let center = median(&logarithms);
    let mut distances: Vec<f64> = logarithms.iter().map(|x| (x - center).abs()).collect();
    distances.sort_unstable_by(f64::total_cmp);
    let spread = median(&distances);
    if spread <= 0.0 {
        return None;
    }
    let stands_out = |(place, x): (usize, &f64)| {
        let score = NORMAL_MAD * (x - center) / spread;
        let is_meant = match direction {
            Direction::High => score > 0.0,
            Direction::Low => score < 0.0,
            Direction::Both => true,
        };
        (is_meant && score.abs() >= threshold.0).then(|| Scored {
            place,
            score: Decimal4::nearest(score),
        })
    };
    Some(Outliers {
        median_views: Decimal4::quotient(twice_the_median(sorted)?, 2)?,
        scored: logarithms
            .iter()
            .enumerate()
            .filter_map(stands_out)
            .collect(),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts end at 2^53, below which it is exact"
)]
fn log10_of_next(views: i64) -> f64 {
    (views as f64 + 1.0).log10()
}

/// Of ascending numbers, at least one.
fn median(sorted: &[f64]) -> f64 {
    let middle = |place: usize| sorted.get(place).copied().unwrap_or_default();
    f64::midpoint(
        middle(sorted.len() / 2),
        middle((sorted.len().saturating_sub(1)) / 2),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{Direction, Threshold, outliers};

    fn scores(views: &[i64], threshold: &str, direction: Direction) -> Option<Vec<(i64, String)>> {
        let threshold = Threshold::parse(threshold).unwrap();
        let found = outliers(views, threshold, direction)?;
        let scored = found.scored.iter();
        let scored = scored.map(|scored| (views[scored.place], scored.score.to_string()));
        Some(scored.collect())
    }

    #[test]
    fn a_score_is_the_distance_from_the_median_in_units_of_its_spread() {
        // x: 0, 1, 2, 3, 4 and 7; median 2.5, distances 2.5, 1.5, 0.5, 0.5, 1.5, 4.5, MAD 1.5.
        let views = [0, 9, 99, 999, 9_999, 9_999_999];
        let all = scores(&views, "1", Direction::Both).unwrap();
        assert_eq!(
            all,
            [(0, "-1.1242".to_owned()), (9_999_999, "2.0235".to_owned())]
        );
        assert_eq!(scores(&views, "1", Direction::High).unwrap().len(), 1);
        assert_eq!(scores(&views, "1", Direction::Low).unwrap().len(), 1);
        assert_eq!(scores(&views, "2.0235", Direction::Both).unwrap().len(), 1);
        assert_eq!(scores(&views, "2.0236", Direction::Both).unwrap().len(), 0);
        let found = outliers(&views, Threshold::DEFAULT, Direction::Both).unwrap();
        assert_eq!(found.median_views.to_string(), "549");
        let odd = [1, 2, 3, 4, 7];
        let found = outliers(&odd, Threshold::DEFAULT, Direction::Both).unwrap();
        assert_eq!(found.median_views.to_string(), "3");
    }

    #[test]
    fn a_small_group_and_one_without_spread_are_skipped() {
        assert_eq!(scores(&[], "1", Direction::Both), None);
        assert_eq!(scores(&[1, 10, 100, 1_000], "1", Direction::Both), None);
        assert_eq!(scores(&[5, 5, 5, 5, 1_000_000], "1", Direction::Both), None);
        assert!(scores(&[4, 5, 5, 6, 1_000_000], "1", Direction::Both).is_some());
    }

    #[test]
    fn a_threshold_is_a_plain_number_from_1_to_10() {
        for text in ["1", "10", "3.5", "10.000", "9.99999999", "01.5"] {
            assert!(Threshold::parse(text).is_some(), "{text}");
        }
        for text in [
            "", "0.99", "10.01", "-2", "+2", "2.", ".5", "1e1", "NaN", "inf", " 2", "2,5", "1.2.3",
        ] {
            assert_eq!(Threshold::parse(text), None, "{text}");
        }
    }
}
