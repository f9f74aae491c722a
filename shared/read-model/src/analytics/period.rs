//! The days that a summary looks at.

use chrono::NaiveDate;
use chrono_tz::Tz;
use domain::time::Timestamp;

use super::calendar::{day_of, day_start, days_between};

/// A range of days in a zone; of days that have not begun nothing is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    from: NaiveDate,
    to: NaiveDate,
    tz: Tz,
    now: Timestamp,
}

impl Period {
    /// The days `from` to `to`, both included; `from` must not lie after `to`.
    pub const fn new(from: NaiveDate, to: NaiveDate, tz: Tz, now: Timestamp) -> Self {
        Self { from, to, tz, now }
    }

    /// First day.
    pub const fn from(&self) -> NaiveDate {
        self.from
    }

    /// Last day.
    pub const fn to(&self) -> NaiveDate {
        self.to
    }

    /// The zone in which days begin.
    pub const fn tz(&self) -> Tz {
        self.tz
    }

    /// How many days it has, those to come too.
    pub fn days(&self) -> u64 {
        days_between(self.from, self.to)
    }

    /// When it begins.
    pub fn start(&self) -> Timestamp {
        day_start(self.tz, self.from)
    }

    /// When it is over, or today is.
    pub fn end(&self) -> Timestamp {
        let last = self.to.min(day_of(self.tz, self.now));
        let end = last.succ_opt().map(|day| day_start(self.tz, day));
        end.map_or(self.now, |end| end.max(self.start()))
    }
}
