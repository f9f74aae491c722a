//! From levels to points, totals and start values (v1-contract.md 15.2 to 15.4).

use chrono::NaiveDate;
use domain::time::Timestamp;

use super::calendar::{Bucket, Calendar, day_of, day_start, days_between};
use super::decimal::Decimal4;
use super::formula::Span;
use super::levels::{Edges, Levels};
use super::measure::{Formula, Measure};
use super::metric::Mode;

/// A figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

/// What series are made of levels.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What is measured.
    pub measure: Measure,
    /// Gained or running total; ignored by derived metrics.
    pub mode: Mode,
    /// Range, zone and buckets.
    pub calendar: &'a Calendar,
    /// Buckets that have not begun are left out.
    pub now: Timestamp,
    /// Where history begins: of a bucket that begins earlier nothing is known.
    pub known_from: Option<NaiveDate>,
}

impl Asked<'_> {
    /// The instants at which levels must be known.
    pub fn edges(&self) -> Edges {
        let mut edges = self.calendar.edges();
        if matches!(self.measure.formula(), Formula::GrowthOfGain(_)) {
            edges.extend(self.spans_before());
        }
        Edges::of(edges)
    }

    /// When what stands before the first bucket begins, and before the whole range: as many days.
    fn spans_before(&self) -> [Timestamp; 2] {
        let first = self.calendar.buckets().first().map_or(0, Bucket::days);
        [first, self.calendar.days()].map(|days| self.calendar.days_before(days))
    }
}

/// Computes the series of a metric. `levels` stand at `edges`, which are those of
/// [`Asked::edges`] and may be more.
///
/// What is not begun is left out everywhere, so law 1 holds on what is shown: the sum of `new` is
/// the last cumulative minus the start value. What lies before history is null, and total and
/// start value are of the rest.
pub fn series(asked: &Asked<'_>, edges: &Edges, levels: &Levels) -> Series {
    let view = View {
        asked,
        edges,
        levels,
        today: day_of(asked.calendar.tz(), asked.now),
        known_from: asked
            .known_from
            .map(|day| day_start(asked.calendar.tz(), day)),
    };
    let formula = asked.measure.formula();
    let begun = asked.calendar.begun(asked.now);
    let [mut before, before_all] = asked.spans_before();
    let mut points = Vec::with_capacity(begun.len());
    for bucket in begun {
        points.push(view.point(formula, bucket, before));
        before = bucket.start;
    }
    let whole = view.whole(begun, before_all);
    let total = whole.and_then(|whole| {
        if formula.is_derived() || asked.mode == Mode::New {
            whole.value(formula, Mode::New)
        } else {
            points.iter().rev().find_map(|point| point.value)
        }
    });
    Series {
        total: total.filter(|_| !(formula.is_derived() && begun.is_empty())),
        start_value: whole.and_then(|whole| whole.start_value(formula)),
        points,
    }
}

/// One question about one entity.
struct View<'a> {
    asked: &'a Asked<'a>,
    edges: &'a Edges,
    levels: &'a Levels,
    today: NaiveDate,
    known_from: Option<Timestamp>,
}

impl<'a> View<'a> {
    /// A bucket's point; the span before it begins at `before`.
    fn point(&self, formula: Formula, bucket: &Bucket, before: Timestamp) -> Point {
        let span = self.span(bucket, bucket, before);
        let is_known = self.is_known(bucket.start);
        let value = span.value(formula, self.asked.mode);
        Point {
            first_day: bucket.first_day,
            last_day: bucket.last_day,
            value: value.filter(|_| is_known),
            is_partial: bucket.is_clipped || bucket.end > self.asked.now,
            is_baseline: is_known && span.holds_baseline(formula),
        }
    }

    /// The buckets as one, but for those before history; `None` if that is all of them. Of a range
    /// that has not begun it is its start. The span before the whole range begins at `before`.
    fn whole(&self, begun: &[Bucket], before: Timestamp) -> Option<Span<'a>> {
        let is_known = |bucket: &&Bucket| self.is_known(bucket.start);
        let Some(last) = begun.last() else {
            let first = self.asked.calendar.buckets().first().filter(is_known)?;
            let start = self.edges.place_of(first.start);
            return Some(Span {
                end: start,
                ..self.span(first, first, before)
            });
        };
        let first = begun.iter().find(is_known)?;
        Some(self.span(first, last, before))
    }

    fn span(&self, first: &Bucket, last: &Bucket, before: Timestamp) -> Span<'a> {
        let so_far = last.last_day.min(self.today).max(first.first_day);
        Span {
            levels: self.levels,
            start: self.edges.place_of(first.start),
            end: self.edges.place_of(last.end),
            days: days_between(first.first_day, so_far),
            before: self.is_known(before).then(|| self.edges.place_of(before)),
        }
    }

    /// Whether something is known of a span that begins then.
    fn is_known(&self, start: Timestamp) -> bool {
        self.known_from.is_none_or(|known| known <= start)
    }
}
