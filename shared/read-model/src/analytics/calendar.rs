//! Days, weeks and months of a zone as instants (v1-contract.md 1.2, 15.3).

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use domain::limits::{ANALYTICS_BUCKETS, BUCKET_DAYS_MAX};
use domain::time::Timestamp;
use thiserror::Error;

/// Minutes between two instants at which a day can begin: every offset since 2005 is a multiple.
const QUARTER: TimeDelta = TimeDelta::minutes(15);
/// A zone that jumps over the date line leaves out a whole day, never more.
const QUARTERS_OF_TWO_DAYS: i32 = 192;

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// A day.
    Day,
    /// A week from Monday.
    Week,
    /// A calendar month.
    Month,
    /// So many days, counted from the first day of the range.
    Custom(BucketDays),
}

impl Granularity {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Custom(_) => "custom",
        }
    }

    /// The days of a custom bucket.
    pub const fn bucket_days(self) -> Option<u16> {
        match self {
            Self::Custom(days) => Some(days.0),
            _ => None,
        }
    }
}

/// Days of a custom bucket, 1 to 90.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketDays(u16);

impl BucketDays {
    /// `None` outside 1 to 90.
    pub fn new(days: u16) -> Option<Self> {
        (1..=BUCKET_DAYS_MAX).contains(&days).then_some(Self(days))
    }
}

/// Why a range cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CalendarError {
    /// The last day lies before the first.
    #[error("from {from} lies after to {to}")]
    Backwards {
        /// First day.
        from: NaiveDate,
        /// Last day.
        to: NaiveDate,
    },
    /// More buckets than one answer holds.
    #[error("{count} buckets, at most {ANALYTICS_BUCKETS} are answered")]
    TooManyBuckets {
        /// How many it would be.
        count: i64,
    },
}

/// One bucket: from the start of its first day to the end of its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// First day, inside the range.
    pub first_day: NaiveDate,
    /// Last day, inside the range.
    pub last_day: NaiveDate,
    /// When it begins.
    pub start: Timestamp,
    /// When it is over: the start of the next.
    pub end: Timestamp,
    /// Whether the range cuts something off it.
    pub is_clipped: bool,
}

impl Bucket {
    /// How many days it has.
    pub fn days(&self) -> u64 {
        days_between(self.first_day, self.last_day)
    }
}

/// The buckets of a range of days in a zone: contiguous, at least one, at most
/// [`ANALYTICS_BUCKETS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    from: NaiveDate,
    to: NaiveDate,
    tz: Tz,
    granularity: Granularity,
    buckets: Vec<Bucket>,
}

impl Calendar {
    /// Cuts the days `from` to `to`, both included, into buckets.
    pub fn try_new(
        from: NaiveDate,
        to: NaiveDate,
        tz: Tz,
        granularity: Granularity,
    ) -> Result<Self, CalendarError> {
        if from > to {
            return Err(CalendarError::Backwards { from, to });
        }
        let count = bucket_count(from, to, granularity);
        if count > i64::try_from(ANALYTICS_BUCKETS).unwrap_or(i64::MAX) {
            return Err(CalendarError::TooManyBuckets { count });
        }
        let mut buckets = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        let mut first_day = from;
        let mut start = day_start(tz, from);
        loop {
            let natural_start = natural_start(first_day, granularity);
            let natural_last = natural_last(natural_start, granularity);
            let last_day = natural_last.min(to);
            let end = day_start(tz, next(last_day));
            buckets.push(Bucket {
                first_day,
                last_day,
                start,
                end,
                is_clipped: natural_start < first_day || natural_last > to,
            });
            if last_day == to {
                break;
            }
            first_day = next(last_day);
            start = end;
        }
        Ok(Self {
            from,
            to,
            tz,
            granularity,
            buckets,
        })
    }

    /// As many days just before, cut at the same lengths: bucket i stands beside bucket i, and is
    /// clipped if that one is.
    #[must_use]
    pub fn prior(&self) -> Self {
        let from = minus(self.from, days_between(self.from, self.to));
        let mut first_day = from;
        let mut start = day_start(self.tz, from);
        let beside = |bucket: &Bucket| {
            let following = plus(first_day, bucket.days());
            let end = day_start(self.tz, following);
            let cut = Bucket {
                first_day,
                last_day: minus(following, 1),
                start,
                end,
                is_clipped: bucket.is_clipped,
            };
            (first_day, start) = (following, end);
            cut
        };
        Self {
            from,
            to: minus(self.from, 1),
            tz: self.tz,
            granularity: self.granularity,
            buckets: self.buckets.iter().map(beside).collect(),
        }
    }

    /// First day.
    pub const fn from(&self) -> NaiveDate {
        self.from
    }

    /// Last day.
    pub const fn to(&self) -> NaiveDate {
        self.to
    }

    /// The zone.
    pub const fn tz(&self) -> Tz {
        self.tz
    }

    /// How long the buckets are.
    pub const fn granularity(&self) -> Granularity {
        self.granularity
    }

    /// All buckets, future ones too.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// The buckets that have begun.
    pub fn begun(&self, now: Timestamp) -> &[Bucket] {
        let count = self.buckets.partition_point(|bucket| bucket.start <= now);
        &self.buckets[..count]
    }

    /// The instants between the buckets: one more than there are buckets, ascending.
    pub fn edges(&self) -> Vec<Timestamp> {
        let starts = self.buckets.iter().map(|bucket| bucket.start);
        starts
            .chain(self.buckets.last().map(|bucket| bucket.end))
            .collect()
    }

    /// When so many days before the range begin.
    pub(super) fn days_before(&self, days: u64) -> Timestamp {
        day_start(self.tz, minus(self.from, days))
    }

    /// How many days it has.
    pub fn days(&self) -> u64 {
        days_between(self.from, self.to)
    }

    /// When an answer made at `now` next changes by time alone: a bucket begins or is over.
    /// `None` once the whole range is over.
    pub fn valid_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.edges().into_iter().find(|edge| *edge > now)
    }
}

/// When the day begins in the zone: at midnight or, where clocks jump over midnight, at the jump;
/// the earlier one of two midnights.
pub fn day_start(tz: Tz, day: NaiveDate) -> Timestamp {
    let midnight = day.and_time(NaiveTime::MIN);
    let begins = (0..QUARTERS_OF_TWO_DAYS).find_map(|quarters| {
        let local = midnight.checked_add_signed(QUARTER * quarters)?;
        tz.from_local_datetime(&local).earliest()
    });
    let utc = begins.map_or_else(|| midnight.and_utc(), |begins| begins.with_timezone(&Utc));
    Timestamp::from_datetime(utc)
}

/// The day of an instant in the zone.
pub fn day_of(tz: Tz, at: Timestamp) -> NaiveDate {
    let local: DateTime<Tz> = at.datetime().with_timezone(&tz);
    local.date_naive()
}

/// When the day after that of `at` begins: until then "today" means the same day.
pub fn next_day_start(tz: Tz, at: Timestamp) -> Timestamp {
    let mut day = day_of(tz, at);
    loop {
        day = next(day);
        let start = day_start(tz, day);
        if start > at {
            return start;
        }
    }
}

/// The first day of the bucket that a day lies in, were it not clipped.
fn natural_start(day: NaiveDate, granularity: Granularity) -> NaiveDate {
    match granularity {
        Granularity::Day | Granularity::Custom(_) => day,
        Granularity::Week => {
            let since_monday = day.weekday().num_days_from_monday();
            minus(day, u64::from(since_monday))
        }
        Granularity::Month => minus(day, u64::from(day.day0())),
    }
}

/// The last day of the bucket that begins on a day.
fn natural_last(start: NaiveDate, granularity: Granularity) -> NaiveDate {
    match granularity {
        Granularity::Day => start,
        Granularity::Week => plus(start, 6),
        Granularity::Month => plus(start, u64::from(start.num_days_in_month()) - 1),
        Granularity::Custom(days) => plus(start, u64::from(days.0) - 1),
    }
}

fn bucket_count(from: NaiveDate, to: NaiveDate, granularity: Granularity) -> i64 {
    let days = (to - from).num_days() + 1;
    match granularity {
        Granularity::Day => days,
        Granularity::Week => {
            let before = i64::from(from.weekday().num_days_from_monday());
            (before + days + 6) / 7
        }
        Granularity::Month => {
            let months = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
            months(to) - months(from) + 1
        }
        Granularity::Custom(length) => {
            let length = i64::from(length.0);
            (days + length - 1) / length
        }
    }
}

/// How many days, both included.
pub(super) fn days_between(first: NaiveDate, last: NaiveDate) -> u64 {
    u64::try_from((last - first).num_days() + 1).unwrap_or(0)
}

fn next(day: NaiveDate) -> NaiveDate {
    plus(day, 1)
}

fn plus(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days))
        .unwrap_or(NaiveDate::MAX)
}

fn minus(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_sub_days(Days::new(days))
        .unwrap_or(NaiveDate::MIN)
}
