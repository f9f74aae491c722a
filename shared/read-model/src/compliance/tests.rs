#![expect(clippy::unwrap_used, reason = "tests")]

use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;
use domain::event::{GoalMetric, GoalPeriod};
use domain::ids::CreatorId;
use domain::org::Goal;
use domain::time::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

use super::{FreshnessState, GoalSpan, GoalStatus, Hours, Judged, percentage};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn goal(target_value: u64) -> Goal {
    Goal {
        creator_id: CreatorId::from_uuid(Uuid::nil()),
        metric: GoalMetric::Posts,
        period: GoalPeriod::Weekly,
        target_value,
        start_date: None,
        end_date: None,
        is_active: true,
        removed: false,
        created_at: at("2026-01-01T00:00:00Z"),
        updated_at: at("2026-01-01T00:00:00Z"),
    }
}

fn week() -> GoalSpan {
    GoalSpan::of(GoalPeriod::Weekly, day("2026-03-04"), Tz::UTC)
}

fn judged(goal: &Goal, actual: i64, now: &str) -> Judged<'static> {
    Judged {
        goal: Box::leak(Box::new(goal.clone())),
        span: week(),
        actual,
        last_stats_at: Some(at("2026-03-02T00:00:00Z")),
        expected_hours: 12,
        tz: Tz::UTC,
        now: at(now),
    }
}

#[test]
fn periods_begin_at_midnight_of_the_zone_on_days_mondays_and_firsts() {
    let zone = Tz::Europe__Berlin;
    let of = |period, text| GoalSpan::of(period, day(text), zone);
    let month = of(GoalPeriod::Monthly, "2026-03-15");
    assert_eq!(
        (month.first_day, month.last_day),
        (day("2026-03-01"), day("2026-03-31"))
    );
    assert_eq!(month.start, at("2026-02-28T23:00:00Z"));
    // Summer time began in between.
    assert_eq!(month.end, at("2026-03-31T22:00:00Z"));
    let week = of(GoalPeriod::Weekly, "2026-03-01");
    assert_eq!(
        (week.first_day, week.last_day),
        (day("2026-02-23"), day("2026-03-01"))
    );
    let today = of(GoalPeriod::Daily, "2026-03-29");
    assert_eq!(
        today.end.micros() - today.start.micros(),
        23 * 3_600_000_000
    );
}

#[test]
fn a_goal_counts_on_days_of_its_own_range() {
    let mut goal = goal(5);
    goal.start_date = Some(day("2026-03-03"));
    goal.end_date = Some(day("2026-03-05"));
    let counted = week().counted(&goal, Tz::UTC).unwrap();
    assert_eq!(
        counted,
        (at("2026-03-03T00:00:00Z"), at("2026-03-06T00:00:00Z"))
    );
    assert!(week().concerns(&goal));
    goal.end_date = Some(day("2026-03-01"));
    assert!(!week().concerns(&goal));
    goal.start_date = Some(day("2026-03-20"));
    goal.end_date = None;
    assert_eq!(week().counted(&goal, Tz::UTC), None);
    assert!(week().concerns(&goal));
}

#[test]
fn a_running_goal_is_held_to_the_time_that_has_passed() {
    // Half of the week is over at 2026-03-05T12:00.
    let noon = "2026-03-05T12:00:00Z";
    for (actual, status) in [
        (10, GoalStatus::OnTrack),
        (9, GoalStatus::BehindPace),
        (7, GoalStatus::BehindPace),
        (6, GoalStatus::AtRisk),
        (-3, GoalStatus::AtRisk),
        (25, GoalStatus::OnTrack),
    ] {
        let (progress, _) = judged(&goal(20), actual, noon).progress();
        assert_eq!(progress.status, status, "{actual}");
    }
    let over = "2026-03-09T00:00:00Z";
    let status = |actual| judged(&goal(20), actual, over).progress().0.status;
    assert_eq!(status(20), GoalStatus::Completed);
    assert_eq!(status(19), GoalStatus::Missed);
    let before = "2026-03-01T00:00:00Z";
    let (progress, _) = judged(&goal(20), 0, before).progress();
    assert_eq!(progress.status, GoalStatus::OnTrack);
}

#[test]
fn percentages_are_rounded_down() {
    assert_eq!(percentage(11, 15), 73);
    assert_eq!(percentage(2, 3), 66);
    assert_eq!(percentage(-1, 3), -34);
    assert_eq!(percentage(30, 15), 200);
}

#[test]
fn flags_say_what_may_still_change_the_figure() {
    let running = judged(&goal(5), 1, "2026-03-02T06:05:00Z")
        .progress()
        .0
        .advisory;
    assert!(running.period_in_progress && !running.scrape_stale && running.has_advisory());
    assert_eq!(running.hours_until_period_end, Some(Hours(1619)));
    assert_eq!(running.hours_since_period_end, None);
    assert_eq!(running.freshness.unwrap().age, Hours(60));
    let ended = judged(&goal(5), 1, "2026-03-10T23:59:00Z")
        .progress()
        .0
        .advisory;
    assert!(ended.period_recently_ended && !ended.period_in_progress);
    assert_eq!(ended.hours_since_period_end, Some(Hours(479)));
    assert_eq!(ended.freshness.unwrap().state, FreshnessState::Overdue);
    assert_eq!(ended.messages.len(), 2);
    let mut old = judged(&goal(5), 1, "2026-03-11T00:00:00Z");
    old.last_stats_at = Some(at("2026-03-10T20:00:00Z"));
    let settled = old.progress().0.advisory;
    assert!(!settled.has_advisory() && settled.messages.is_empty());
    old.last_stats_at = None;
    let unread = old.progress().0.advisory;
    assert!(unread.scrape_stale && unread.freshness.is_none());
}

#[test]
fn readings_are_stale_after_one_and_a_half_times_and_overdue_after_three_times() {
    let state = |now| {
        let advisory = judged(&goal(5), 1, now).progress().0.advisory;
        advisory.freshness.unwrap().state
    };
    assert_eq!(state("2026-03-02T18:00:00Z"), FreshnessState::Fresh);
    assert_eq!(state("2026-03-02T18:00:00.000001Z"), FreshnessState::Stale);
    assert_eq!(state("2026-03-03T12:00:00Z"), FreshnessState::Stale);
    assert_eq!(
        state("2026-03-03T12:00:00.000001Z"),
        FreshnessState::Overdue
    );
}

#[test]
fn a_goal_that_has_not_begun_is_on_track_with_nothing() {
    let mut goal = goal(5);
    goal.start_date = Some(day("2026-03-20"));
    for now in ["2026-03-05T12:00:00Z", "2026-03-10T12:00:00Z"] {
        let (progress, until) = judged(&goal, 3, now).progress();
        assert_eq!((progress.actual, progress.percentage), (0, 0));
        assert_eq!(progress.status, GoalStatus::OnTrack);
        assert!(progress.advisory.not_yet_started);
        assert!(until.unwrap() > at(now));
    }
}

#[test]
fn a_period_before_the_goal_begins_is_never_missed() {
    let mut goal = goal(5);
    let status = |goal: &Goal, now| judged(goal, 0, now).progress().0.status;
    // The week ends on 2026-03-08. Whether the first day has come by now or not:
    for now in [
        "2026-03-05T12:00:00Z",
        "2026-03-09T12:00:00Z",
        "2026-05-01T00:00:00Z",
    ] {
        goal.start_date = Some(day("2026-03-09"));
        let (progress, _) = judged(&goal, 0, now).progress();
        assert_eq!((progress.actual, progress.status), (0, GoalStatus::OnTrack));
        assert!(progress.advisory.not_yet_started, "{now}");
        goal.start_date = Some(day("2026-03-08"));
        let expected = if now < "2026-03-06" {
            GoalStatus::OnTrack
        } else {
            GoalStatus::Missed
        };
        assert_eq!(status(&goal, now), expected, "{now}");
    }
}

proptest! {
    /// Whatever is shown stays as it is until the instant that is named, and no longer.
    #[test]
    fn progress_changes_at_the_named_instant(
        minutes in -3_000_i64..30_000,
        seconds in 0_i64..60,
        actual in -5_i64..40,
        target in 1_u64..30,
        read in prop::option::of(0_i64..400),
        starts in prop::option::of(0_u64..25),
    ) {
        let mut goal = goal(target);
        goal.start_date = starts.map(|days| day("2026-02-25") + chrono::Days::new(days));
        let now = at("2026-03-02T00:00:00Z").plus(TimeDelta::seconds(60 * minutes + seconds));
        let mut judged = judged(&goal, actual, "2026-03-02T00:00:00Z");
        judged.now = now;
        judged.last_stats_at = read.map(|hours| now.minus(TimeDelta::minutes(7 * hours)));
        let (progress, until) = judged.progress();
        let Some(until) = until else {
            judged.now = now.plus(TimeDelta::days(4_000));
            let later = judged.progress().0;
            prop_assert_eq!(later.status, progress.status);
            return Ok(());
        };
        prop_assert!(until > now);
        let micro = TimeDelta::microseconds(1);
        judged.now = until.minus(micro);
        prop_assert_eq!(&judged.progress().0, &progress);
        judged.now = until;
        prop_assert_ne!(&judged.progress().0, &progress);
    }
}
