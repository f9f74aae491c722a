//! Percentiles and medians.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::aim::rounded;

/// Buckets in each power of two: no bucket is wider than a thousandth of its value.
const BUCKETS: u64 = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 10;

/// Counts of durations, in buckets of a thousandth of their value. A quantile is the middle of the
/// bucket that holds the sample of that rank, so it is pulled neither up nor down.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(usize, u64)>", into = "Vec<(usize, u64)>")]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

/// The same thing measured several times.
#[derive(Clone, Debug, Default)]
pub struct Repeats(Vec<f64>);

impl Histogram {
    pub fn record(&mut self, nanos: u64) {
        self.add(bucket(nanos), 1);
    }

    pub fn merge(&mut self, other: &Self) {
        for (index, count) in other.filled() {
            self.add(index, count);
        }
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// The sample of rank `ceil(q * total)`, counted from the smallest; none without samples.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank lies between 1 and the number of samples"
        )]
        let rank = (q * float(self.total)).ceil().max(1.0) as u64;
        let mut seen = 0;
        let index = self.filled().find_map(|(index, count)| {
            seen += count;
            (seen >= rank).then_some(index)
        })?;
        Some(Duration::from_nanos(middle(index)))
    }

    /// The quantile in milliseconds; NaN without samples.
    pub fn millis(&self, q: f64) -> f64 {
        self.quantile(q)
            .map_or(f64::NAN, |duration| duration.as_secs_f64() * 1e3)
    }

    pub fn to_json(&self) -> Value {
        json!({
            "samples": self.total,
            "p50_ms": rounded(self.millis(0.5)),
            "p90_ms": rounded(self.millis(0.9)),
            "p99_ms": rounded(self.millis(0.99)),
            "p999_ms": rounded(self.millis(0.999)),
            "max_ms": rounded(self.millis(1.0)),
        })
    }

    fn add(&mut self, index: usize, count: u64) {
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] += count;
        self.total += count;
    }

    fn filled(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let all = self.counts.iter().copied().enumerate();
        all.filter(|(_, count)| *count > 0)
    }
}

impl FromIterator<u64> for Histogram {
    fn from_iter<I: IntoIterator<Item = u64>>(nanos: I) -> Self {
        let mut histogram = Self::default();
        nanos.into_iter().for_each(|nanos| histogram.record(nanos));
        histogram
    }
}

impl From<Vec<(usize, u64)>> for Histogram {
    fn from(filled: Vec<(usize, u64)>) -> Self {
        let mut histogram = Self::default();
        for (index, count) in filled {
            histogram.add(index, count);
        }
        histogram
    }
}

impl From<Histogram> for Vec<(usize, u64)> {
    fn from(histogram: Histogram) -> Self {
        histogram.filled().collect()
    }
}

impl Repeats {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Of an even number the mean of the two in the middle; NaN of none.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        match sorted.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => sorted[n / 2],
            n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
        }
    }

    /// NaN of none.
    pub fn highest(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }

    pub fn to_json(&self) -> Value {
        let sorted = self.sorted();
        json!({
            "median": rounded(self.median()),
            "lowest": sorted.first().map(|value| rounded(*value)),
            "highest": sorted.last().map(|value| rounded(*value)),
            "runs": self.0.iter().map(|value| rounded(*value)).collect::<Vec<_>>(),
        })
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl FromIterator<f64> for Repeats {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// For figures that people read.
#[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
pub fn float(number: u64) -> f64 {
    number as f64
}

/// `count` things in `seconds`.
pub fn per_second(count: u64, seconds: f64) -> f64 {
    float(count) / seconds.max(1e-9)
}

/// By which power of `growth` a figure has grown to so many `times`: 0 if it stays, 1 if it grows alike.
pub fn exponent(times: f64, growth: f64) -> f64 {
    times.ln() / growth.ln()
}

fn bucket(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(BUCKET_BITS + 1);
    let index = u64::from(shift) * BUCKETS + (nanos >> shift);
    usize::try_from(index).unwrap_or(usize::MAX)
}

fn middle(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index / BUCKETS).saturating_sub(1);
    let low = (index - shift * BUCKETS) << shift;
    low + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_value_comes_back_within_half_a_thousandth() {
        for nanos in (0..64).flat_map(|bits| {
            let power = 1_u64 << bits;
            [power - 1, power, power + power / 3, power + (power - 1)]
        }) {
            let back = middle(bucket(nanos));
            assert!(back.abs_diff(nanos) <= nanos / 1_900, "{nanos} {back}");
        }
        assert_eq!(middle(bucket(2_047)), 2_047, "small ones are exact");
    }

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let histogram: Histogram = (1..=100).collect();
        let nanos = |q| u64::try_from(histogram.quantile(q).unwrap().as_nanos()).unwrap();
        assert_eq!(
            [nanos(0.5), nanos(0.99), nanos(1.0), nanos(0.0)],
            [50, 99, 100, 1]
        );
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn merging_equals_recording_together_also_through_json() {
        let mut one: Histogram = (0..1_000).map(|n| n * n * 37).collect();
        let two: Histogram = (0..500).map(|n| n * 1_001).collect();
        let text = serde_json::to_string(&two).unwrap();
        one.merge(&serde_json::from_str(&text).unwrap());
        let both: Histogram = (0..1_000)
            .map(|n| n * n * 37)
            .chain((0..500).map(|n| n * 1_001))
            .collect();
        assert_eq!(one, both);
        assert_eq!(one.total(), 1_500);
    }

    #[test]
    fn the_exponent_says_how_a_figure_grows_with_size() {
        for (times, expected) in [(1.0, 0.0), (10.0, 1.0), (100.0, 2.0)] {
            let found = exponent(times, 10.0);
            assert!((found - expected).abs() < 1e-9, "{found}");
        }
    }

    #[test]
    fn a_median_ignores_one_bad_run() {
        assert!((Repeats(vec![3.0, 1.0, 1_000.0]).median() - 3.0).abs() < 1e-9);
        assert!((Repeats(vec![4.0, 1.0, 2.0, 1_000.0]).median() - 3.0).abs() < 1e-9);
        assert!(Repeats::default().median().is_nan());
    }
}
