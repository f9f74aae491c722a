//! Where ingest requests wait for a processor: not for ever, and not with more bytes than there is
//! room for.

use std::sync::Arc;
use std::time::Duration;

use domain::limits::INGEST_BODY_BYTES;
use event_log::NotCommitted;
use runtime::clock::{Clock, Monotonic};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::app::error::CommandError;

/// What a request takes beside its body, in bytes.
const OVERHEAD: usize = 4 * 1024;
/// Bytes of the requests that are under way, for each place: eight of the largest, about 32 MiB.
/// Beyond, 503 at once.
const ROOM_PER_PLACE: usize = 8 * (INGEST_BODY_BYTES + OVERHEAD);
/// How long a request waits for places, all its waits together; beyond, 503.
const PATIENCE: Duration = Duration::from_secs(5);

/// The processors that ingest may use at once, and who waits for them.
pub struct Places {
    free: Semaphore,
    room: Semaphore,
    clock: Clock,
}

/// A request that is under way, to its end.
pub(super) struct Visit<'a> {
    /// After it, a place is taken only if it is free.
    until: Monotonic,
    _room: SemaphorePermit<'a>,
}

/// The right to use a processor; whoever has their org's turn has it without one.
pub(super) type Place<'a> = Option<SemaphorePermit<'a>>;

impl Places {
    pub(in crate::app) fn new(places: usize, clock: Clock) -> Self {
        Self {
            free: Semaphore::new(places),
            room: Semaphore::new(
                places
                    .saturating_mul(ROOM_PER_PLACE)
                    .min(Semaphore::MAX_PERMITS),
            ),
            clock,
        }
    }

    /// Lets a request in, if there is room for its body.
    pub(super) fn enter(&self, body: usize) -> Result<Visit<'_>, CommandError> {
        let bytes = u32::try_from(body + OVERHEAD).unwrap_or(u32::MAX);
        let room = self.room.try_acquire_many(bytes);
        Ok(Visit {
            until: self.clock.monotonic() + PATIENCE,
            _room: room.map_err(|_| overloaded())?,
        })
    }

    /// Waits for a place; not with the org's turn in hand, or everything else that the org decides,
    /// revocations too, would wait for the ingests of others. An org has one turn, so these few may
    /// be too many for a moment.
    pub(super) async fn place(
        &self,
        visit: &Visit<'_>,
        has_turn: bool,
    ) -> Result<Place<'_>, CommandError> {
        if has_turn {
            return Ok(self.free.try_acquire().ok());
        }
        let left = visit.until.saturating_since(self.clock.monotonic());
        let place = self.clock.timeout(left, self.free.acquire()).await;
        let place = place.map_err(|_| overloaded())?;
        Ok(Some(place.expect("nobody closes it")))
    }
}

/// Nothing was changed, and later there may be room.
fn overloaded() -> CommandError {
    CommandError::NotCommitted(Arc::new(NotCommitted::Overloaded))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::pin::pin;

    use futures_util::{FutureExt, poll};
    use runtime::clock::ManualClock;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn places(count: usize) -> (Places, ManualClock) {
        let (clock, hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        (Places::new(count, clock), hand)
    }

    fn is_overloaded<T>(result: Result<T, CommandError>) -> bool {
        match result {
            Err(CommandError::NotCommitted(cause)) => matches!(*cause, NotCommitted::Overloaded),
            _ => false,
        }
    }

    #[tokio::test]
    async fn a_place_that_is_given_back_goes_to_who_waits() {
        let (places, hand) = places(1);
        let visit = places.enter(0).unwrap();
        let taken = places.place(&visit, false).await.unwrap();
        let mut waiting = pin!(places.place(&visit, false));
        assert!(poll!(waiting.as_mut()).is_pending());
        hand.advance(PATIENCE.saturating_sub(SECOND));
        assert!(poll!(waiting.as_mut()).is_pending());
        drop(taken);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn all_waits_of_a_request_together_are_bounded() {
        let (places, hand) = places(1);
        let (visit, other) = (places.enter(0).unwrap(), places.enter(0).unwrap());
        hand.advance(PATIENCE.saturating_sub(SECOND));
        let taken = places.place(&other, false).await.unwrap();
        let mut waiting = pin!(places.place(&visit, false));
        assert!(poll!(waiting.as_mut()).is_pending());
        hand.advance(SECOND);
        assert!(waiting.now_or_never().is_some_and(is_overloaded));
        drop(taken);
        // What is free costs no time.
        assert!(places.place(&visit, false).await.is_ok());
    }

    #[test]
    fn requests_under_way_are_bounded_by_their_bytes() {
        let (places, _) = places(2);
        let visits: Vec<_> = (0..16).map(|_| places.enter(INGEST_BODY_BYTES)).collect();
        assert!(visits.iter().all(Result::is_ok));
        assert!(is_overloaded(places.enter(1)));
        drop(visits);
        assert!(places.enter(1).is_ok());
    }

    #[tokio::test]
    async fn with_a_turn_nobody_waits() {
        let (places, _hand) = places(1);
        let [first, second] = [places.enter(1).unwrap(), places.enter(1).unwrap()];
        let taken = places.place(&first, false).await.unwrap();
        assert!(taken.is_some());
        let waiting = places.place(&second, false).now_or_never();
        assert!(waiting.is_none());
        let hurried = places.place(&second, true).now_or_never();
        assert!(hurried.unwrap().unwrap().is_none());
    }
}
