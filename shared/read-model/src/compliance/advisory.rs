//! What to know about a figure before anybody acts on it.

use chrono::TimeDelta;
use domain::time::Timestamp;

use super::Judged;

/// For how long after a period its figure may still move.
const SETTLES: TimeDelta = TimeDelta::hours(48);
/// Microseconds of a tenth of an hour.
const TENTH: i64 = 360_000_000;

/// Hours with one decimal, rounded down: tenths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hours(pub i64);

/// Flags of a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags are the contract's, and each may be set beside any other"
)]
pub struct Advisory {
    /// The period is not over.
    pub period_in_progress: bool,
    /// It ended within the last 48 hours.
    pub period_recently_ended: bool,
    /// Readings are stale or overdue, or there are none.
    pub scrape_stale: bool,
    /// The goal's own range lies ahead.
    pub not_yet_started: bool,
    /// One sentence for each flag.
    pub messages: Vec<&'static str>,
    /// When the period begins.
    pub period_start: Timestamp,
    /// When it is over, exclusive.
    pub period_end: Timestamp,
    /// Until then; `None` once it is over.
    pub hours_until_period_end: Option<Hours>,
    /// Since then; `None` before.
    pub hours_since_period_end: Option<Hours>,
    /// How old the readings are; `None` without any.
    pub freshness: Option<Freshness>,
}

/// How old a creator's readings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The newest reading.
    pub last_stats_at: Timestamp,
    /// Its age.
    pub age: Hours,
    /// Hours between two updates.
    pub expected_hours: u64,
    /// What is to be thought of it.
    pub state: FreshnessState,
}

/// Whether readings are as new as they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreshnessState {
    /// They are.
    Fresh,
    /// Older than 1.5 times what is expected.
    Stale,
    /// Older than 3 times.
    Overdue,
}

impl FreshnessState {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Overdue => "overdue",
        }
    }
}

impl Advisory {
    /// Whether any flag is set: without, the figure is final.
    pub const fn has_advisory(&self) -> bool {
        self.period_in_progress
            || self.period_recently_ended
            || self.scrape_stale
            || self.not_yet_started
    }
}

/// The advisory, and when it next changes.
pub(super) fn of(judged: &Judged<'_>, is_ahead: bool) -> (Advisory, Option<Timestamp>) {
    let (now, span) = (judged.now, judged.span);
    let is_over = now >= span.end;
    let settled = span.end.plus(SETTLES);
    let is_recent = is_over && now < settled;
    let freshness = judged.last_stats_at.map(|at| Freshness {
        last_stats_at: at,
        age: hours(at, now),
        expected_hours: judged.expected_hours,
        state: state(at, now, judged.expected_hours),
    });
    let is_stale = freshness.is_none_or(|one| one.state != FreshnessState::Fresh);
    let messages = [
        (!is_over).then_some("The period is not over: the figure will grow."),
        is_recent.then_some(
            "The period ended less than 48 hours ago: readings may still correct the figure.",
        ),
        is_stale.then_some(
            "The newest readings are older than they should be: the figure may be too low.",
        ),
        is_ahead.then_some("The goal begins on a later day."),
    ];
    let advisory = Advisory {
        period_in_progress: !is_over,
        period_recently_ended: is_recent,
        scrape_stale: is_stale,
        not_yet_started: is_ahead,
        messages: messages.into_iter().flatten().collect(),
        period_start: span.start,
        period_end: span.end,
        hours_until_period_end: (!is_over).then(|| hours(now, span.end)),
        hours_since_period_end: is_over.then(|| hours(span.end, now)),
        freshness,
    };
    // Hours move every six minutes, and every flag with one of them or at an instant of its own.
    let instants = [
        // What is left is rounded down too, so it moves just after a tenth.
        (!is_over).then(|| {
            span.end
                .minus(tenths(hours(now, span.end).0))
                .plus(just_after())
        }),
        (!is_over).then_some(span.end),
        is_over.then(|| span.end.plus(tenths(hours(span.end, now).0 + 1))),
        is_recent.then_some(settled),
        judged
            .last_stats_at
            .map(|at| at.plus(tenths(hours(at, now).0 + 1))),
        judged
            .last_stats_at
            .and_then(|at| ages_at(at, now, judged.expected_hours)),
    ];
    let next = instants.into_iter().flatten().filter(|at| *at > now).min();
    (advisory, next)
}

fn hours(from: Timestamp, to: Timestamp) -> Hours {
    Hours((to.micros() - from.micros()).div_euclid(TENTH))
}

const fn just_after() -> TimeDelta {
    TimeDelta::microseconds(1)
}

fn tenths(tenths: i64) -> TimeDelta {
    TimeDelta::microseconds(tenths.saturating_mul(TENTH))
}

/// Half hours after which readings are stale, and overdue.
fn limits(expected_hours: u64) -> [TimeDelta; 2] {
    let hours = i64::try_from(expected_hours)
        .unwrap_or(i64::MAX / 4)
        .min(1 << 32);
    [3, 6].map(|halves| TimeDelta::minutes(30 * halves * hours))
}

fn state(at: Timestamp, now: Timestamp, expected_hours: u64) -> FreshnessState {
    let [stale, overdue] = limits(expected_hours);
    if now > at.plus(overdue) {
        FreshnessState::Overdue
    } else if now > at.plus(stale) {
        FreshnessState::Stale
    } else {
        FreshnessState::Fresh
    }
}

/// When readings become stale, or overdue.
fn ages_at(at: Timestamp, now: Timestamp, expected_hours: u64) -> Option<Timestamp> {
    limits(expected_hours)
        .into_iter()
        .map(|limit| at.plus(limit).plus(just_after()))
        .find(|instant| *instant > now)
}
