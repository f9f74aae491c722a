//! What `projections status` prints.

use std::time::Duration;

use comfy_table::Table;
use domain::ids::GlobalPosition;
use indicatif::{HumanBytes, HumanDuration};
use read_model::{BuildStatus, ProjectionVersion};

use crate::terminal::say;

/// Prints builds, as they were and as they are so much later.
pub fn builds(
    before: &[BuildStatus],
    now: &[BuildStatus],
    between: Duration,
    head: GlobalPosition,
) {
    let mut table = Table::new();
    table.set_header([
        "build", "state", "position", "head", "behind", "events/s", "left", "size", "begun",
    ]);
    for status in now {
        let former = before.iter().find(|former| former.build == status.build);
        let behind = head.get().saturating_sub(status.position.get());
        let rate = former.map_or(0.0, |former| rate(former, status, between));
        table.add_row([
            status.build.to_string(),
            state(status).to_owned(),
            status.position.to_string(),
            head.to_string(),
            behind.to_string(),
            format!("{rate:.0}"),
            left(behind, rate),
            HumanBytes(status.bytes).to_string(),
            status.started_at.to_string(),
        ]);
    }
    say(table);
}

fn state(status: &BuildStatus) -> &'static str {
    let is_current = status.build.version() >= ProjectionVersion::CURRENT;
    match (status.serves, status.caught_up_at, status.is_projected) {
        (true, Some(_), true) if is_current => "answers",
        (true, Some(_), false) if is_current => "answers; no projector runs",
        (true, Some(_), true) => "answers to former services",
        (true, Some(_), false) => "outlived",
        (_, None, true) => "being built",
        (_, None, false) => "unfinished",
        (false, Some(_), true) => "beside, being brought up",
        (false, Some(_), false) => "beside",
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(before: &BuildStatus, now: &BuildStatus, between: Duration) -> f64 {
    let applied = now.position.get().saturating_sub(before.position.get());
    applied as f64 / between.as_secs_f64().max(0.001)
}

#[expect(clippy::cast_precision_loss, reason = "a time for people")]
fn left(behind: u64, rate: f64) -> String {
    if behind == 0 {
        return "-".to_owned();
    }
    match Duration::try_from_secs_f64(behind as f64 / rate) {
        Ok(left) => HumanDuration(left).to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn the_time_left_is_what_is_behind_by_the_rate() {
        assert_eq!(left(0, 0.0), "-");
        assert_eq!(left(1_000, 0.0), "unknown");
        assert_eq!(left(1_000, 100.0), "10 seconds");
    }
}
