//! The upright axis: round ticks, and where a value stands between them.

/// Steps between the lowest and the highest tick, about.
const STEPS: f64 = 5.0;
/// Values that stay so close together, in parts of the highest, are shown without zero.
const CLOSE: f64 = 0.6;
/// What large ticks are counted in.
const LARGE: [(f64, &str); 4] = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")];
/// A logarithm that misses a whole number by so little is that number.
const SLACK: f64 = 1e-9;

/// What values count in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Whole numbers.
    Count,
    Percent,
    /// Numbers with decimals.
    Rate,
}

/// From the lowest tick to the highest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    step: f64,
    unit: Unit,
}

impl Scale {
    /// Around all values; zero is shown unless they stay far from it.
    pub fn around(values: impl Iterator<Item = f64>, unit: Unit) -> Self {
        let range = values.filter(|value| value.is_finite()).fold(
            None,
            |range: Option<(f64, f64)>, value| match range {
                Some((low, high)) => Some((low.min(value), high.max(value))),
                None => Some((value, value)),
            },
        );
        let (low, high) = range.map_or((0.0, 1.0), with_zero);
        let step = match unit {
            Unit::Count => round_step((high - low) / STEPS).max(1.0),
            Unit::Percent | Unit::Rate => round_step((high - low) / STEPS),
        };
        Self {
            low: (low / step).floor() * step,
            high: (high / step).ceil() * step,
            step,
            unit,
        }
    }

    /// The ticks, from the lowest to the highest.
    pub fn ticks(&self) -> impl Iterator<Item = f64> {
        let count = ((self.high - self.low) / self.step).round();
        let next = move |n: &f64| Some(n + 1.0).filter(|n| *n <= count);
        let (first, step) = ((self.low / self.step).round(), self.step);
        // Whole multiples of the step, so that zero is zero.
        std::iter::successors(Some(0.0), next).map(move |n| (first + n) * step)
    }

    /// Where a value stands: 0 is the lowest tick, 1 the highest.
    pub fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// A tick's label: all of an axis have the same decimals and count in the same.
    pub fn label(&self, tick: f64) -> String {
        let highest = self.low.abs().max(self.high.abs());
        let large = LARGE.into_iter().find(|(size, _)| highest >= *size);
        let (size, large) = large.unwrap_or((1.0, ""));
        let decimals = decimals(self.step / size);
        let minus = if tick < 0.0 { "\u{2212}" } else { "" };
        let percent = if self.unit == Unit::Percent {
            "\u{202f}%"
        } else {
            ""
        };
        if tick == 0.0 {
            return format!("0{percent}");
        }
        format!("{minus}{:.decimals$}{large}{percent}", tick.abs() / size)
    }
}

fn with_zero((low, high): (f64, f64)) -> (f64, f64) {
    if low < high && (low > CLOSE * high.max(0.0) || high < CLOSE * low.min(0.0)) {
        return (low, high);
    }
    match (low.min(0.0), high.max(0.0)) {
        (low, high) if low < high => (low, high),
        _ => (0.0, 1.0),
    }
}

/// The next of 1, 2, 5, 10, 20, 50 …
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf((least.log10() + SLACK).floor());
    let digit = least / power;
    let round = [1.0, 2.0, 5.0].into_iter();
    let round = round.chain([10.0]).find(|round| digit <= round + SLACK);
    round.unwrap_or(10.0) * power
}

/// Decimals that tell one step from the next.
fn decimals(step: f64) -> usize {
    (0..12)
        .find(|decimals| step * 10_f64.powi(*decimals) + SLACK >= 1.0)
        .and_then(|decimals| usize::try_from(decimals).ok())
        .unwrap_or(12)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Scale, Unit};

    fn labels(values: &[f64], unit: Unit) -> Vec<String> {
        let scale = Scale::around(values.iter().copied(), unit);
        scale.ticks().map(|tick| scale.label(tick)).collect()
    }

    #[test]
    fn ticks_are_round_and_told_apart() {
        for (values, unit, expected) in [
            (vec![], Unit::Count, vec!["0", "1"]),
            (vec![0.0, 0.0], Unit::Count, vec!["0", "1"]),
            (vec![1.0, 3.0], Unit::Count, vec!["0", "1", "2", "3"]),
            (
                vec![714_810.0, 1_948_159.0],
                Unit::Count,
                vec!["0", "0.5M", "1.0M", "1.5M", "2.0M"],
            ),
            (
                vec![79_000_000.0, 88_600_000.0],
                Unit::Count,
                vec!["78M", "80M", "82M", "84M", "86M", "88M", "90M"],
            ),
            (
                vec![-40.0, 60.0],
                Unit::Count,
                vec!["\u{2212}40", "\u{2212}20", "0", "20", "40", "60"],
            ),
            (
                vec![0.2, 0.9],
                Unit::Percent,
                vec![
                    "0\u{202f}%",
                    "0.2\u{202f}%",
                    "0.4\u{202f}%",
                    "0.6\u{202f}%",
                    "0.8\u{202f}%",
                    "1.0\u{202f}%",
                ],
            ),
            (vec![7.0], Unit::Count, vec!["0", "2", "4", "6", "8"]),
        ] {
            assert_eq!(labels(&values, unit), expected, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn every_axis_holds_its_values_in_few_distinct_ticks(
            values in proptest::collection::vec(-9e15_f64..9e15, 1..20),
            shrink in 0_i32..15,
        ) {
            let values: Vec<_> = values.iter().map(|v| (v / 10_f64.powi(shrink)).round()).collect();
            let scale = Scale::around(values.iter().copied(), Unit::Count);
            for value in &values {
                let share = scale.share(*value);
                prop_assert!((-1e-9..=1.0 + 1e-9).contains(&share), "{value} at {share}");
            }
            let labels = labels(&values, Unit::Count);
            prop_assert!((2..=9).contains(&labels.len()), "{labels:?}");
            let mut distinct = labels.clone();
            distinct.dedup();
            prop_assert_eq!(labels, distinct);
        }
    }
}
