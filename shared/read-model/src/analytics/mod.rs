//! Series of figures over time (v1-contract.md 15): a pure core and two sources.
//!
//! [`Calendar`] cuts a range of days in a zone into buckets. A source, roll-ups
//! ([`OrgReader::rolled_up`](crate::OrgReader::rolled_up)) or raw readings
//! ([`OrgReader::from_raw`](crate::OrgReader::from_raw)), tells for each counter its [`Level`] at
//! every edge between buckets. [`series()`] makes of these the points, the total and the start
//! value. So law 2 can only fail in a source, and law 1 holds by construction.
//!
//! A further metric is a variant of [`Metric`] with its formula over levels; comparison with the
//! period before is a second calendar over the same entity; a breakdown is the same metric over
//! other units, and what is left of the entity without them.
//!
//! Summaries of a project (v1-contract.md 16) look at one [`Period`]: what was gained in it comes
//! of the same levels and formulas, and what was posted in it is summed up here.

mod calendar;
mod decimal;
mod formula;
mod levels;
mod measure;
mod metric;
mod outliers;
mod period;
mod posting;
mod series;
mod spread;

#[cfg(test)]
mod tests;

pub use self::calendar::{
    Bucket, BucketDays, Calendar, CalendarError, Granularity, day_of, day_start, next_day_start,
};
pub use self::decimal::Decimal4;
pub(crate) use self::formula::{Span, saturated};
pub use self::levels::{Changes, Edges, Level, Levels, edge_after};
pub(crate) use self::measure::{Formula, Input};
pub use self::measure::{Inputs, Measure};
pub use self::metric::{BaseMetric, Counter, EntityKind, Metric, Mode, Unit, UnknownName};
pub(crate) use self::outliers::outliers;
pub use self::outliers::{Direction, Threshold};
pub use self::period::Period;
pub use self::posting::{Consistency, HeatCell};
pub(crate) use self::posting::{PostedTogether, consistency, heatmap};
pub use self::series::{Asked, Point, Series, Value, series};
pub(crate) use self::spread::spread;
pub use self::spread::{Bin, Scale, Spread};
