//! When a project's videos were posted (v1-contract.md 16: posting-heatmap, posting-consistency).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate, Timelike};
use chrono_tz::Tz;
use domain::time::Timestamp;

use super::calendar::{day_of, days_between};
use super::decimal::Decimal4;
use super::period::Period;

/// Posts of one hour of one day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeatCell {
    /// Local day of the week: 0 is Sunday, 6 Saturday.
    pub day_of_week: u8,
    /// Local hour, 0 to 23.
    pub hour: u8,
    /// How many posts.
    pub posts: u64,
    /// Mean of their last-known views, two decimals; `None` if none is known.
    pub average_views: Option<Decimal4>,
}

/// Posts that lie together in one quarter hour, and so in one hour of any zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PostedTogether {
    pub at: Timestamp,
    pub posts: i64,
    /// How many have known views.
    pub read: i64,
    pub views: i128,
}

/// How regularly a creator posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consistency {
    /// Posts in the period.
    pub posts: u64,
    /// Days with posts.
    pub active_days: u64,
    /// Days of the period.
    pub days: u64,
    /// Weeks, from Monday, with posts.
    pub weeks_with_posts: u64,
    /// Weeks that the period touches.
    pub weeks: u64,
    /// Weeks with posts / weeks.
    pub share: Decimal4,
    /// The longest time between a post and the next, in days; `None` below two posts.
    pub longest_gap_days: Option<Decimal4>,
    /// The median of such times, in hours; `None` below two posts.
    pub median_gap_hours: Option<Decimal4>,
}

/// The cells that have posts, by day of the week and hour.
pub(crate) fn heatmap(posted: &[PostedTogether], tz: Tz) -> Vec<HeatCell> {
    let mut cells: BTreeMap<(u8, u8), (i64, i64, i128)> = BTreeMap::new();
    for together in posted {
        let local = together.at.datetime().with_timezone(&tz);
        let day = local.weekday().num_days_from_sunday();
        let place = [day, local.hour()].map(|part| u8::try_from(part).unwrap_or(u8::MAX));
        let cell = cells.entry(place.into()).or_default();
        cell.0 += together.posts;
        cell.1 += together.read;
        cell.2 += together.views;
    }
    let cell = |((day_of_week, hour), (posts, read, views)): (_, (i64, i64, i128))| HeatCell {
        day_of_week,
        hour,
        posts: posts.unsigned_abs(),
        average_views: Decimal4::hundredths(views, read.into()),
    };
    cells.into_iter().map(cell).collect()
}

/// Of one creator's posts of a period, ascending.
pub(crate) fn consistency(posted: &[Timestamp], period: &Period) -> Consistency {
    let days: BTreeSet<NaiveDate> = posted.iter().map(|at| day_of(period.tz(), *at)).collect();
    let weeks_with_posts: BTreeSet<NaiveDate> = days.iter().map(|day| monday(*day)).collect();
    let weeks = days_between(monday(period.from()), monday(period.to())).div_ceil(7);
    let mut gaps: Vec<i64> = posted
        .windows(2)
        .map(|pair| pair[1].micros() - pair[0].micros())
        .collect();
    gaps.sort_unstable();
    let longest = gaps.last().copied();
    let share = Decimal4::quotient(weeks_with_posts.len() as i128, weeks.into());
    Consistency {
        posts: posted.len() as u64,
        active_days: days.len() as u64,
        days: period.days(),
        weeks_with_posts: weeks_with_posts.len() as u64,
        weeks,
        share: share.unwrap_or_default(),
        longest_gap_days: longest.and_then(|gap| Decimal4::quotient(gap.into(), DAY_MICROS)),
        median_gap_hours: twice_the_median(&gaps)
            .and_then(|twice| Decimal4::quotient(twice, 2 * HOUR_MICROS)),
    }
}

const HOUR_MICROS: i128 = 3_600_000_000;
const DAY_MICROS: i128 = 24 * HOUR_MICROS;

/// Of ascending numbers the sum of the two in the middle, which are one if their count is odd.
pub(super) fn twice_the_median(sorted: &[i64]) -> Option<i128> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(i128::from(lower) + i128::from(upper))
}

fn monday(day: NaiveDate) -> NaiveDate {
    day.week(chrono::Weekday::Mon)
        .checked_first_day()
        .unwrap_or(day)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use chrono_tz::Tz;
    use domain::time::Timestamp;

    use super::super::Period;
    use super::{PostedTogether, consistency, heatmap};

    fn instant(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn an_hour_is_that_of_the_zone_and_the_mean_has_two_decimals() {
        let together = |at, posts, read, views| PostedTogether {
            at: instant(at),
            posts,
            read,
            views,
        };
        let posted = [
            together("2026-01-03T18:15:00Z", 2, 2, 3),
            together("2026-01-03T19:00:00Z", 1, 1, 2),
            together("2026-01-10T18:30:00Z", 1, 0, 0),
            together("2026-01-04T23:45:00Z", 1, 0, 0),
        ];
        // 00:00 and 00:45 on a Sunday, 00:15 a week later, 05:30 on a Monday.
        let cells = heatmap(&posted, Tz::Asia__Kathmandu);
        let shown: Vec<_> = cells
            .iter()
            .map(|cell| (cell.day_of_week, cell.hour, cell.posts))
            .collect();
        assert_eq!(shown, [(0, 0, 4), (1, 5, 1)]);
        assert_eq!(cells[0].average_views.unwrap().to_string(), "1.67");
        assert_eq!(cells[1].average_views, None);
    }

    #[test]
    fn weeks_are_those_that_the_period_touches_and_gaps_lie_between_posts() {
        let day = |text: &str| text.parse().unwrap();
        // From a Sunday to a Monday: three weeks.
        let period = Period::new(
            day("2026-01-04"),
            day("2026-01-12"),
            Tz::Europe__Berlin,
            instant("2026-02-01T00:00:00Z"),
        );
        let posted = [
            "2026-01-04T12:00:00Z",
            "2026-01-04T22:00:00Z",
            "2026-01-04T23:30:00Z",
            "2026-01-08T11:30:00Z",
        ]
        .map(instant);
        let found = consistency(&posted, &period);
        // The third lies in Monday already.
        let counts = [
            found.posts,
            found.active_days,
            found.days,
            found.weeks_with_posts,
        ];
        assert_eq!((counts, found.weeks), ([4, 3, 9, 2], 3));
        assert_eq!(found.share.to_string(), "0.6667");
        assert_eq!(found.longest_gap_days.unwrap().to_string(), "3.5");
        assert_eq!(found.median_gap_hours.unwrap().to_string(), "10");
        let two = consistency(&posted[..3], &period);
        assert_eq!(two.median_gap_hours.unwrap().to_string(), "5.75");
        let one = consistency(&posted[..1], &period);
        assert_eq!((one.longest_gap_days, one.median_gap_hours), (None, None));
        let none = consistency(&[], &period);
        assert_eq!((none.posts, none.share.to_string()), (0, "0".to_owned()));
    }
}
