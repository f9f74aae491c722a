//! From levels to points, totals and start values (v1-contract.md 15.2 to 15.4).

use chrono::NaiveDate;
use domain::time::Timestamp;

use super::calendar::{Bucket, Calendar};
use super::decimal::Decimal4;
use super::levels::Levels;
use super::metric::{Counter, Formula, Metric, Mode};

/// A figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A count, negative where readings dropped. Held within 64 bits.
    Count(i64),
    /// A derived figure.
    Decimal(Decimal4),
}

/// One bucket's figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// First day of the bucket inside the range: `t`.
    pub first_day: NaiveDate,
    /// Last day of the bucket inside the range.
    pub last_day: NaiveDate,
    /// `None` is null.
    pub value: Option<Value>,
    /// Not over yet, or clipped by the range.
    pub is_partial: bool,
    /// A first reading of the metric, or of an input of it, lies in it.
    pub is_baseline: bool,
}

/// One entity's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// One point for each bucket that has begun, without gaps.
    pub points: Vec<Point>,
    /// New: the sum; cumulative: the last value that is not null; derived: the formula over the
    /// whole range as one bucket.
    pub total: Option<Value>,
    /// Cumulative at the start, what was first read inside the range standing with its baseline;
    /// null for derived metrics.
    pub start_value: Option<i64>,
}

/// Computes the series of a metric. `levels` belong to the calendar's edges. A derived metric
/// ignores `mode`.
///
/// What is not begun is left out everywhere, so law 1 holds on what is shown: the sum of `new` is
/// the last cumulative minus the start value.
pub fn series(
    metric: Metric,
    mode: Mode,
    calendar: &Calendar,
    levels: &Levels,
    now: Timestamp,
) -> Series {
    let begun = calendar.begun(now);
    let formula = metric.formula();
    let points: Vec<Point> = begun
        .iter()
        .enumerate()
        .map(|(index, bucket)| point(formula, mode, levels, index, bucket, now))
        .collect();
    let whole = Span {
        levels,
        start: 0,
        end: begun.len(),
    };
    let total = match (formula, mode) {
        (Formula::EngagementByViews, _) | (_, Mode::New) => whole.value(formula, Mode::New),
        (_, Mode::Cumulative) => points.iter().rev().find_map(|point| point.value),
    };
    Series {
        points,
        total,
        start_value: whole.start_value(formula),
    }
}

fn point(
    formula: Formula,
    mode: Mode,
    levels: &Levels,
    index: usize,
    bucket: &Bucket,
    now: Timestamp,
) -> Point {
    let span = Span {
        levels,
        start: index,
        end: index + 1,
    };
    Point {
        first_day: bucket.first_day,
        last_day: bucket.last_day,
        value: span.value(formula, mode),
        is_partial: bucket.is_clipped || bucket.end > now,
        is_baseline: span.holds_baseline(formula),
    }
}

/// What lies between two edges.
#[derive(Clone, Copy)]
struct Span<'a> {
    levels: &'a Levels,
    start: usize,
    end: usize,
}

impl Span<'_> {
    fn value(self, formula: Formula, mode: Mode) -> Option<Value> {
        match (formula, mode) {
            (Formula::Counter(counter), Mode::New) => self.gained(counter).map(count),
            (Formula::Counter(counter), Mode::Cumulative) => {
                self.levels.counter(counter, self.end).known().map(count)
            }
            (Formula::Posts, Mode::New) => {
                let (start, end) = (self.levels.posts(self.start), self.levels.posts(self.end));
                Some(Value::Count(end - start))
            }
            (Formula::Posts, Mode::Cumulative) => Some(Value::Count(self.levels.posts(self.end))),
            (Formula::EngagementByViews, _) => self.engagement_by_views().map(Value::Decimal),
        }
    }

    /// N(s, e): the change of what was read, first readings left out.
    fn gained(self, counter: Counter) -> Option<i128> {
        let start = self.levels.counter(counter, self.start);
        let end = self.levels.counter(counter, self.end);
        (end.units > 0).then_some((end.value - start.value) - (end.base - start.base))
    }

    fn engagement_by_views(self) -> Option<Decimal4> {
        let views = self.gained(Counter::Views).filter(|views| *views > 0)?;
        let gained = Counter::OF_ENGAGEMENT.map(|counter| self.gained(counter));
        if gained.iter().all(Option::is_none) {
            return None;
        }
        let engagement: i128 = gained.into_iter().flatten().sum();
        Decimal4::quotient(engagement * 100, views)
    }

    /// S = C(F) and the baselines inside.
    fn start_value(self, formula: Formula) -> Option<i64> {
        match formula {
            Formula::Counter(counter) => {
                let start = self.levels.counter(counter, self.start);
                let end = self.levels.counter(counter, self.end);
                (end.units > 0).then(|| saturated(start.value + end.base - start.base))
            }
            Formula::Posts => Some(self.levels.posts(self.start)),
            Formula::EngagementByViews => None,
        }
    }

    fn holds_baseline(self, formula: Formula) -> bool {
        let first_read = |counter| {
            let start = self.levels.counter(counter, self.start);
            self.levels.counter(counter, self.end).units > start.units
        };
        match formula {
            Formula::Counter(counter) => first_read(counter),
            Formula::Posts => false,
            Formula::EngagementByViews => Counter::OF_VIDEOS.into_iter().any(first_read),
        }
    }
}

fn count(value: i128) -> Value {
    Value::Count(saturated(value))
}

/// Sums of readings of at most 2^53 leave 64 bits only where readings are absurd.
fn saturated(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
