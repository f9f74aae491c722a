//! How far goals are reached (v1-contract.md 17): periods, pace and advisories, as pure functions of
//! figures and instants.

mod advisory;
mod pace;
#[cfg(test)]
mod tests;

use chrono::{Datelike, Days, Months, NaiveDate};
use chrono_tz::Tz;
use domain::event::GoalPeriod;
use domain::org::Goal;
use domain::time::Timestamp;

pub use self::advisory::{Advisory, Freshness, FreshnessState, Hours};
pub use self::pace::{GoalStatus, percentage};
use crate::analytics::{day_of, day_start};

/// The day, week or month of a goal that holds a reference date, in the org's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoalSpan {
    /// Its first day.
    pub first_day: NaiveDate,
    /// Its last day.
    pub last_day: NaiveDate,
    /// When it begins.
    pub start: Timestamp,
    /// When it is over.
    pub end: Timestamp,
}

impl GoalSpan {
    /// The one that holds a day.
    pub fn of(period: GoalPeriod, day: NaiveDate, tz: Tz) -> Self {
        let (first_day, next) = match period {
            GoalPeriod::Daily => (day, day.checked_add_days(Days::new(1))),
            GoalPeriod::Weekly => {
                let since_monday = u64::from(day.weekday().num_days_from_monday());
                let monday = day.checked_sub_days(Days::new(since_monday));
                let monday = monday.unwrap_or(NaiveDate::MIN);
                (monday, monday.checked_add_days(Days::new(7)))
            }
            GoalPeriod::Monthly => {
                let first = day.with_day(1).unwrap_or(day);
                (first, first.checked_add_months(Months::new(1)))
            }
        };
        let next = next.unwrap_or(NaiveDate::MAX);
        Self {
            first_day,
            last_day: next.pred_opt().unwrap_or(first_day),
            start: day_start(tz, first_day),
            end: day_start(tz, next),
        }
    }

    /// Whether the goal's own range meets it or lies ahead: else there is nothing to tell.
    pub fn concerns(&self, goal: &Goal) -> bool {
        goal.end_date.is_none_or(|end| end >= self.first_day)
    }

    /// The part of it that counts: only days of the goal's own range. `None` where they have none
    /// in common.
    pub fn counted(&self, goal: &Goal, tz: Tz) -> Option<(Timestamp, Timestamp)> {
        let first = goal
            .start_date
            .map_or(self.first_day, |day| day.max(self.first_day));
        let last = goal
            .end_date
            .map_or(self.last_day, |day| day.min(self.last_day));
        let next = last.succ_opt()?;
        (first <= last).then(|| (day_start(tz, first), day_start(tz, next)))
    }
}

/// How far a goal is reached in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What was reached.
    pub actual: i64,
    /// In percent of the target, rounded down.
    pub percentage: i64,
    /// Whether that is enough, for now or for good.
    pub status: GoalStatus,
    /// What to know about the figure.
    pub advisory: Advisory,
}

/// What progress is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// The goal.
    pub goal: &'a Goal,
    /// The period.
    pub span: GoalSpan,
    /// What was reached in it.
    pub actual: i64,
    /// When the creator's posts were last read; `None`: never.
    pub last_stats_at: Option<Timestamp>,
    /// Hours between two updates.
    pub expected_hours: u64,
    /// The org's zone.
    pub tz: Tz,
    /// The present.
    pub now: Timestamp,
}

impl Judged<'_> {
    /// Whether the goal's own range begins on a day that has not come yet, or after the period: then
    /// there was nothing to reach in it.
    fn is_ahead(&self) -> bool {
        let today = day_of(self.tz, self.now);
        let begun_by = today.min(self.span.last_day);
        self.goal.start_date.is_some_and(|start| start > begun_by)
    }

    /// The progress, and the instant at which it can next change by time alone.
    pub fn progress(&self) -> (Progress, Option<Timestamp>) {
        let is_ahead = self.is_ahead();
        let actual = if is_ahead { 0 } else { self.actual };
        let target = self.goal.target_value;
        let (status, status_until) = if is_ahead {
            let begins = self.goal.start_date.map(|day| day_start(self.tz, day));
            (GoalStatus::OnTrack, begins.filter(|at| *at < self.span.end))
        } else {
            pace::status(actual, target, &self.span, self.now)
        };
        let (advisory, advisory_until) = advisory::of(self, is_ahead);
        let progress = Progress {
            actual,
            percentage: percentage(actual, target),
            status,
            advisory,
        };
        let until = [status_until, advisory_until].into_iter().flatten().min();
        (progress, until)
    }
}
