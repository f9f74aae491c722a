use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::HttpLimits;
use crate::clock::{Clock, Monotonic};

/// Stands for "not going on" where a time is kept as a number.
const NONE: u64 = 0;

/// What a connection is doing and since when; written along the way, read by its watch.
#[derive(Debug)]
pub(super) struct Pulse {
    clock: Clock,
    /// Whether bytes between two requests begin the next one's head. In HTTP/2 they need not.
    heads_follow: bool,
    requests: AtomicU32,
    /// When the connection last became idle.
    idle_since: AtomicU64,
    /// When the first byte of a head came whose request has not begun.
    head_since: AtomicU64,
    /// Since when the client has taken nothing.
    stalled_since: AtomicU64,
}

/// A request being answered, until its body is sent or dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Pulse>);

/// A connection has waited for its client too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    Idle,
    Head,
    Write,
}

impl Pulse {
    pub fn new(clock: Clock, heads_follow: bool) -> Self {
        let now = clock.monotonic().as_nanos();
        Self {
            clock,
            heads_follow,
            requests: AtomicU32::new(0),
            idle_since: AtomicU64::new(now),
            // Whoever begins a connection has sent its first byte.
            head_since: AtomicU64::new(if heads_follow { now } else { NONE }),
            stalled_since: AtomicU64::new(NONE),
        }
    }

    /// Bytes have come.
    pub fn received(&self) {
        if self.heads_follow
            && self.requests.load(Ordering::Relaxed) == 0
            && self.head_since.load(Ordering::Relaxed) == NONE
        {
            self.head_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The client takes nothing.
    pub fn stalled(&self) {
        if self.stalled_since.load(Ordering::Relaxed) == NONE {
            self.stalled_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The client takes something.
    pub fn sent(&self) {
        if self.stalled_since.load(Ordering::Relaxed) != NONE {
            self.stalled_since.store(NONE, Ordering::Relaxed);
        }
    }

    /// A request's head is complete.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(NONE, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// What is overdue, or when to look again.
    pub fn check(&self, limits: &HttpLimits) -> Result<Monotonic, Overdue> {
        let now = self.clock.monotonic();
        let began = |time: &AtomicU64| match time.load(Ordering::Relaxed) {
            NONE => None,
            nanos => Some(Monotonic::from_nanos(nanos)),
        };
        // Something may begin right after this look; it is then seen by the next.
        let mut next = now + limits.head.min(limits.write_stall);
        let mut due = |deadline: Monotonic, overdue| {
            next = next.min(deadline);
            if now >= deadline {
                Err(overdue)
            } else {
                Ok(())
            }
        };
        if let Some(since) = began(&self.stalled_since) {
            due(since + limits.write_stall, Overdue::Write)?;
        }
        if self.requests.load(Ordering::Relaxed) == 0 {
            match (began(&self.head_since), began(&self.idle_since)) {
                (Some(since), _) => due(since + limits.head, Overdue::Head)?,
                (None, Some(since)) => due(since + limits.idle, Overdue::Idle)?,
                (None, None) => {}
            }
        }
        Ok(next)
    }

    fn now(&self) -> u64 {
        self.clock.monotonic().as_nanos()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Overdue {
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Head => "head",
            Self::Write => "write",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Overdue, Pulse};
    use crate::clock::{Clock, ManualClock};
    use crate::http::HttpLimits;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> HttpLimits {
        HttpLimits {
            head: SECOND * 2,
            idle: SECOND * 10,
            write_stall: SECOND * 5,
            ..HttpLimits::default()
        }
    }

    fn pulse(heads_follow: bool) -> (Arc<Pulse>, ManualClock) {
        let (clock, hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        (Arc::new(Pulse::new(clock, heads_follow)), hand)
    }

    #[test]
    fn a_head_has_its_time_from_its_first_byte() {
        let (pulse, hand) = pulse(true);
        hand.advance(SECOND * 2);
        assert_eq!(pulse.check(&limits()), Err(Overdue::Head));

        drop(pulse.begin());
        hand.advance(SECOND * 5);
        pulse.received();
        hand.advance(SECOND);
        pulse.received();
        assert!(pulse.check(&limits()).is_ok());
        hand.advance(SECOND);
        assert_eq!(pulse.check(&limits()), Err(Overdue::Head));
    }

    #[test]
    fn a_connection_may_idle_for_longer_and_a_request_takes_its_time() {
        let (pulse, hand) = pulse(true);
        let request = pulse.begin();
        hand.advance(SECOND * 100);
        pulse.received();
        assert!(pulse.check(&limits()).is_ok());
        drop(request);
        hand.advance(SECOND * 9);
        assert!(pulse.check(&limits()).is_ok());
        hand.advance(SECOND);
        assert_eq!(pulse.check(&limits()), Err(Overdue::Idle));
    }

    #[test]
    fn http2_frames_between_requests_begin_no_head() {
        let (pulse, hand) = pulse(false);
        pulse.received();
        hand.advance(SECOND * 9);
        assert!(pulse.check(&limits()).is_ok());
        hand.advance(SECOND);
        assert_eq!(pulse.check(&limits()), Err(Overdue::Idle));
    }

    #[test]
    fn whoever_takes_nothing_is_overdue_and_whoever_takes_a_little_is_not() {
        let (pulse, hand) = pulse(true);
        let _request = pulse.begin();
        pulse.stalled();
        hand.advance(SECOND * 4);
        pulse.sent();
        pulse.stalled();
        hand.advance(SECOND * 4);
        assert!(pulse.check(&limits()).is_ok());
        hand.advance(SECOND);
        assert_eq!(pulse.check(&limits()), Err(Overdue::Write));
    }

    #[test]
    fn the_next_look_is_never_too_late_for_what_may_begin_now() {
        let (pulse, hand) = pulse(true);
        drop(pulse.begin());
        let now = pulse.clock.monotonic();
        assert_eq!(pulse.check(&limits()), Ok(now + SECOND * 2));
        hand.advance(SECOND * 9);
        assert_eq!(pulse.check(&limits()), Ok(now + SECOND * 10));
    }
}
