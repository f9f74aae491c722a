//! The days that an answer is of: which there are today, and how far back the plan lets see
//! (v1-contract.md 1.2, 15.6).

use api::error::ApiError;
use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use domain::plan::LimitKey;
use domain::time::Timestamp;
use read_model::Org;
use read_model::analytics::{day_of, day_start, next_day_start};

/// How far back answers reach.
pub struct History {
    tz: Tz,
    now: Timestamp,
    days: Option<u64>,
    earliest: Option<NaiveDate>,
    /// When what a downgrade left standing ends.
    until: Option<Timestamp>,
    /// Days of the plan itself.
    tier: Option<u64>,
}

impl History {
    /// Of an org, for days of this zone; the org's own unless one is given.
    pub fn of(org: &Org, tz: Option<Tz>, now: Timestamp) -> Result<Self, ApiError> {
        let tz = match tz {
            Some(tz) => tz,
            None => zone_of(org)?,
        };
        let days = org.history_days(now);
        let kept = org.kept_history.map(|kept| kept.until);
        let of_plan = days.map(|days| {
            let first = day_of(tz, now).checked_sub_days(Days::new(days));
            first.unwrap_or(NaiveDate::MIN)
        });
        // What went under a shorter plan does not come back with a longer one.
        let of_rows = org.pruned_before.map(|before| first_day_from(tz, before));
        Ok(Self {
            tz,
            now,
            days,
            earliest: of_plan.max(of_rows),
            until: kept.filter(|until| now < *until),
            tier: org.profile.limits.max(LimitKey::StatsHistoryRetentionDays),
        })
    }

    /// The zone in which days begin.
    pub const fn tz(&self) -> Tz {
        self.tz
    }

    /// The day it is there.
    pub fn today(&self) -> NaiveDate {
        day_of(self.tz, self.now)
    }

    /// When that day is over.
    pub fn tomorrow(&self) -> Timestamp {
        next_day_start(self.tz, self.now)
    }

    /// `tier_retention_days`.
    pub const fn tier_days(&self) -> Option<u64> {
        self.tier
    }

    /// The first day that can be told of; `None`: all can.
    pub const fn earliest(&self) -> Option<NaiveDate> {
        self.earliest
    }

    /// Whether a range that begins `from` begins before it.
    pub fn lacks(&self, from: NaiveDate) -> bool {
        self.earliest.is_some_and(|earliest| from < earliest)
    }

    /// 402.
    pub fn exceeded(&self) -> ApiError {
        let earliest = self.earliest.unwrap_or(NaiveDate::MIN);
        // Under an unlimited plan, what is there.
        let there = (self.today() - earliest).num_days().unsigned_abs();
        ApiError::retention_exceeded(self.days.unwrap_or(there), earliest)
    }

    /// When a day leaves it by time alone; `None`: never, or it has left.
    pub fn leaves_at(&self, day: NaiveDate) -> Option<Timestamp> {
        if self.lacks(day) {
            return None;
        }
        let last = day.checked_add_days(Days::new(self.days?))?;
        Some(day_start(self.tz, last.succ_opt()?))
    }

    /// When what a downgrade left standing ends, if anything does.
    pub const fn ends_at(&self) -> Option<Timestamp> {
        self.until
    }
}

/// The first day that begins at an instant or later.
fn first_day_from(tz: Tz, instant: Timestamp) -> NaiveDate {
    let day = day_of(tz, instant);
    if day_start(tz, day) >= instant {
        return day;
    }
    day.succ_opt().unwrap_or(day)
}

fn zone_of(org: &Org) -> Result<Tz, ApiError> {
    let zone = org.profile.timezone.parse();
    zone.map_err(|_| ApiError::internal("the org's zone is none that this build knows"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use chrono_tz::Tz;
    use domain::time::Timestamp;

    use super::first_day_from;

    #[test]
    fn the_first_day_that_can_be_told_of_begins_once_everything_is_there() {
        let before = Timestamp::parse("2026-03-01T00:00:00Z").unwrap();
        for (tz, first) in [
            (Tz::UTC, "2026-03-01"),
            (Tz::Europe__Berlin, "2026-03-02"),
            (Tz::America__New_York, "2026-03-01"),
        ] {
            assert_eq!(first_day_from(tz, before).to_string(), first, "{tz}");
        }
    }
}
