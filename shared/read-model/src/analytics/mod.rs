//! Series of figures over time (v1-contract.md 15): a pure core and two sources.
//!
//! [`Calendar`] cuts a range of days in a zone into buckets. A source, roll-ups
//! ([`OrgReader::rolled_up`](crate::OrgReader::rolled_up)) or raw readings
//! ([`OrgReader::from_raw`](crate::OrgReader::from_raw)), tells for each counter its [`Level`] at
//! every edge between buckets. `series` makes of these the points, the total and the start
//! value. So law 2 can only fail in a source, and law 1 holds by construction.
//!
//! A further metric is a variant of [`Metric`] with its formula over levels; comparison with the
//! period before is a second calendar over the same entity; a breakdown is the same metric over
//! other units.

mod calendar;
mod decimal;
mod levels;
mod metric;
mod series;

#[cfg(test)]
mod tests;

pub use self::calendar::{
    Bucket, BucketDays, Calendar, CalendarError, Granularity, day_of, day_start, next_day_start,
};
pub use self::decimal::Decimal4;
pub use self::levels::{Changes, Level, Levels, edge_after};
pub use self::metric::{Counter, EntityKind, Metric, Mode, Unit, UnknownName};
pub use self::series::{Point, Series, Value, series};
