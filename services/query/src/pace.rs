//! How slowly an export may be taken. What counts is the time that was waited for its reader, not the
//! time that it took to read the log.

use std::time::Duration;

use domain::limits::{EXPORT_PACE_BYTES, EXPORT_PACE_SECONDS, EXPORT_WAITED_SECONDS};

const PACE: Duration = Duration::from_secs(EXPORT_PACE_SECONDS);
const IN_ALL: Duration = Duration::from_secs(EXPORT_WAITED_SECONDS);

/// How long it was waited for a reader.
#[derive(Debug, Default)]
pub struct Pace {
    /// Since the last [`EXPORT_PACE_BYTES`] were full.
    lately: Duration,
    /// Bytes since then.
    bytes: usize,
    in_all: Duration,
}

impl Pace {
    /// For how long the reader may be waited for now; zero if it was too slow already.
    pub fn patience(&self) -> Duration {
        let lately = PACE.saturating_sub(self.lately);
        lately.min(IN_ALL.saturating_sub(self.in_all))
    }

    /// The reader was waited for.
    pub fn waited(&mut self, time: Duration) {
        self.lately += time;
        self.in_all += time;
    }

    /// The reader was given so many bytes.
    pub fn gave(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= EXPORT_PACE_BYTES {
            self.bytes = 0;
            self.lately = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: usize = 128 * 1024;
    const PARTS: u32 = 8;

    /// How many parts come if each is waited for so long.
    fn parts(wait: Duration) -> Option<u32> {
        let mut pace = Pace::default();
        (0..100_000).find(|_| {
            let is_slow = pace.patience() < wait;
            pace.waited(wait);
            pace.gave(PART);
            is_slow
        })
    }

    #[test]
    fn who_is_just_fast_enough_is_waited_for_an_hour_in_all() {
        let just = PACE / PARTS;
        assert_eq!(parts(just + Duration::from_millis(1)), Some(PARTS - 1));
        assert_eq!(parts(just), Some(PARTS * 12));
        // On a line of 1 Mbit/s so much is waited for that 450 MiB come.
        assert_eq!(parts(Duration::from_secs(1)), Some(3_600));
        assert_eq!(parts(Duration::ZERO), None);
    }
}
