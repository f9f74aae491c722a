//! As fast as it happened, or so many times as fast.

use std::str::FromStr;
use std::time::Duration;

use domain::time::Timestamp;
use event_log::StoredEvent;
use runtime::clock::{Clock, Monotonic};

/// The fastest that still is a pace.
const FASTEST: f64 = 1e9;

/// How many times as fast as it happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed(f64);

/// The text is no factor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a factor above 0 such as 1x, 60 or 0.5")]
pub struct InvalidSpeed;

/// Holds events back until their time has come; the first one's has.
pub struct Pace {
    speed: Speed,
    clock: Clock,
    /// When the first event was recorded, and when it was told.
    began: Option<(Timestamp, Monotonic)>,
}

impl FromStr for Speed {
    type Err = InvalidSpeed;

    fn from_str(text: &str) -> Result<Self, InvalidSpeed> {
        let number = text.strip_suffix('x').unwrap_or(text);
        let factor: f64 = number.parse().map_err(|_| InvalidSpeed)?;
        let is_pace = factor.is_finite() && factor > 0.0 && factor <= FASTEST;
        is_pace.then_some(Self(factor)).ok_or(InvalidSpeed)
    }
}

impl Pace {
    pub fn new(speed: Speed, clock: Clock) -> Self {
        Self {
            speed,
            clock,
            began: None,
        }
    }

    /// Waits until the first of these events is due; how many are, at least one.
    pub async fn wait_for_some(&mut self, events: &[StoredEvent]) -> usize {
        let Some(first) = events.first() else {
            return 0;
        };
        let due = self.due(first.recorded_at);
        self.clock.sleep_until(due).await;
        let now = self.clock.monotonic();
        let are_due = events
            .iter()
            .take_while(|event| self.due(event.recorded_at) <= now);
        are_due.count().max(1)
    }

    fn due(&mut self, recorded_at: Timestamp) -> Monotonic {
        let now = &self.clock;
        let (first, began) = *self
            .began
            .get_or_insert_with(|| (recorded_at, now.monotonic()));
        let micros = recorded_at.micros().saturating_sub(first.micros());
        let since = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        let shortened = Duration::try_from_secs_f64(since.as_secs_f64() / self.speed.0);
        began + shortened.unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use domain::time::Timestamp;
    use runtime::clock::Clock;

    use super::{InvalidSpeed, Pace, Speed};

    #[test]
    fn a_speed_is_a_factor_above_nothing() {
        for (text, factor) in [("1x", 1.0), ("60", 60.0), ("0.5x", 0.5)] {
            assert_eq!(text.parse(), Ok(Speed(factor)), "{text}");
        }
        for text in ["", "x", "0", "-1", "nan", "inf", "1xx", "1e10"] {
            assert_eq!(text.parse::<Speed>(), Err(InvalidSpeed), "{text}");
        }
    }

    #[test]
    fn what_came_a_minute_later_is_due_a_minute_later_by_the_factor() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let (clock, _) = Clock::manual(at("2026-06-01T00:00:00Z").datetime());
        let mut pace = Pace::new(Speed(30.0), clock.clone());
        let began = clock.monotonic();
        assert_eq!(pace.due(at("2026-01-01T00:00:00Z")), began);
        let two_seconds = began + Duration::from_secs(2);
        assert_eq!(pace.due(at("2026-01-01T00:01:00Z")), two_seconds);
        let mut snail = Pace::new(Speed(1e-300), clock);
        snail.due(at("2026-01-01T00:00:00Z"));
        assert!(snail.due(at("2026-01-01T00:00:01Z")) > two_seconds);
    }
}
