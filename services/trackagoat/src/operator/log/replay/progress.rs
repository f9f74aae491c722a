//! How far a replay is, on a terminal.

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use domain::ids::GlobalPosition;
use indicatif::{ProgressBar, ProgressStyle};

use super::range::Range;

/// How often what it shows is brought up to date while nothing moves.
const TICK: Duration = Duration::from_millis(500);

/// A bar on the terminal's stderr; nothing elsewhere, and nothing among what is printed there.
pub struct Progress {
    bar: ProgressBar,
    before_first: GlobalPosition,
}

impl Progress {
    pub fn new(range: Range, is_printed: bool) -> Self {
        let before_first = range.before_first();
        let length = range.last.get() - before_first.get();
        let bar = if is_printed && stdout().is_terminal() {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(length)
        };
        bar.set_style(style());
        bar.enable_steady_tick(TICK);
        Self { bar, before_first }
    }

    /// Everything up to here is done with, and so many events were sent.
    pub fn reached(&self, position: GlobalPosition, told: u64) {
        self.bar
            .set_position(position.get().saturating_sub(self.before_first.get()));
        self.bar.set_message(format!("{told} sent"));
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{elapsed_precise} [{bar:40}] {human_pos}/{human_len} positions {per_sec}, {eta} left, {msg}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar())
}
