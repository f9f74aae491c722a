//! Whether what was reached is enough.

use domain::time::Timestamp;

use super::GoalSpan;

/// Whether a goal is reached, or will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GoalStatus {
    /// Projected to reach the target.
    OnTrack,
    /// At least seven tenths of what the elapsed time asks for.
    BehindPace,
    /// Less than that.
    AtRisk,
    /// The period is over and the target was reached.
    Completed,
    /// The period is over and it was not.
    Missed,
}

impl GoalStatus {
    /// All of them, in the contract's order.
    pub const ALL: [Self; 5] = [
        Self::OnTrack,
        Self::BehindPace,
        Self::AtRisk,
        Self::Completed,
        Self::Missed,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnTrack => "on_track",
            Self::BehindPace => "behind_pace",
            Self::AtRisk => "at_risk",
            Self::Completed => "completed",
            Self::Missed => "missed",
        }
    }
}

/// 100 × actual / target, rounded down.
pub fn percentage(actual: i64, target: u64) -> i64 {
    let percent = (i128::from(actual) * 100).div_euclid(i128::from(target.max(1)));
    i64::try_from(percent).unwrap_or(i64::MAX)
}

/// The status, and when it next changes if the figure stays.
///
/// With f the elapsed share of the period: on track if actual ≥ f × target, behind pace if
/// actual ≥ 0.7 × f × target. Compared as integers, so that no rounding decides.
pub(super) fn status(
    actual: i64,
    target: u64,
    span: &GoalSpan,
    now: Timestamp,
) -> (GoalStatus, Option<Timestamp>) {
    if now >= span.end {
        let is_reached = i128::from(actual) >= i128::from(target);
        let status = if is_reached {
            GoalStatus::Completed
        } else {
            GoalStatus::Missed
        };
        return (status, None);
    }
    let length = i128::from(span.end.micros() - span.start.micros());
    let elapsed = i128::from((now.micros() - span.start.micros()).max(0));
    let (actual, target) = (i128::from(actual), i128::from(target.max(1)));
    // The last elapsed time at which the figure is still enough.
    let on_track_for = (actual * length).div_euclid(target);
    let behind_for = (10 * actual * length).div_euclid(7 * target);
    let (status, lasts) = if elapsed <= on_track_for {
        (GoalStatus::OnTrack, Some(on_track_for))
    } else if elapsed <= behind_for {
        (GoalStatus::BehindPace, Some(behind_for))
    } else {
        (GoalStatus::AtRisk, None)
    };
    let changes = lasts.and_then(|lasts| {
        let micros = i64::try_from(lasts + 1).ok()?;
        Timestamp::from_micros(span.start.micros().checked_add(micros)?)
    });
    (status, changes.into_iter().chain([span.end]).min())
}
