//! The parts of an answer that goes on are made by a task of its own, each when the connection asks for
//! it and not before. So nothing that was made waits to be sent, and whoever takes nothing is looked at
//! all the same, and let go.

use std::time::Duration;

use domain::limits::UNTAKEN_SECONDS;
use runtime::clock::{Clock, Monotonic};
use tokio::sync::mpsc;

use crate::guard::{Guard, Over};
use crate::pace::Pace;

/// How long a part may not be asked for: then the connection's buffers have been full that long.
const TAKEN_WITHIN: Duration = Duration::from_secs(UNTAKEN_SECONDS);

/// The end that makes parts.
#[derive(Debug)]
pub struct Giver<T> {
    clock: Clock,
    asks: mpsc::Receiver<()>,
    parts: mpsc::Sender<T>,
    /// Since when it is waited for whoever takes.
    since: Monotonic,
    pace: Option<Pace>,
}

/// The end that the connection has.
#[derive(Debug)]
pub struct Taker<T> {
    asks: mpsc::Sender<()>,
    parts: mpsc::Receiver<T>,
}

/// Why nothing more is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unasked {
    /// The caller may not have it any more.
    Over(Over),
    /// Nobody took anything for too long.
    Untaken,
    /// What there is is taken too slowly.
    Slow,
}

/// Both ends of an answer.
pub fn hand_over<T>(clock: Clock) -> (Giver<T>, Taker<T>) {
    let (ask, asks) = mpsc::channel(1);
    let (give, parts) = mpsc::channel(1);
    let since = clock.monotonic();
    let giver = Giver {
        clock,
        asks,
        parts: give,
        since,
        pace: None,
    };
    (giver, Taker { asks: ask, parts })
}

impl<T> Taker<T> {
    /// The next part, which is made now; none once nothing more is made. The last word may come without
    /// being asked for.
    pub async fn next(&mut self) -> Option<T> {
        // One that is full or closed was asked, or asks for nothing.
        let _ = self.asks.try_send(());
        self.parts.recv().await
    }
}

impl<T: 'static> Giver<T> {
    /// One that is to be taken at some pace.
    pub fn paced(mut self) -> Self {
        self.pace = Some(Pace::default());
        self
    }

    /// Waits until a part is asked for, and looks after the caller meanwhile.
    ///
    /// # Errors
    /// [`Unasked`]; only the last word may be given then.
    pub async fn asked(&mut self, guard: &mut Guard) -> Result<(), Unasked> {
        loop {
            tokio::select! {
                biased;
                asked = self.taken() => return asked,
                () = guard.stirred() => guard.admit().await.map_err(Unasked::Over)?,
            }
        }
    }

    /// Gives the part that was asked for, or the last word.
    pub fn give(&mut self, part: T) {
        self.since = self.clock.monotonic();
        // There is room, since the one before was taken; or nobody is there.
        let _ = self.parts.try_send(part);
    }

    /// The same of a part of so many bytes.
    pub fn give_bytes(&mut self, part: T, bytes: usize) {
        if let Some(pace) = &mut self.pace {
            pace.gave(bytes);
        }
        self.give(part);
    }

    /// Ends once nobody is there to take anything.
    pub fn gone(&self) -> impl Future<Output = ()> + use<T> {
        let parts = self.parts.clone();
        async move { parts.closed().await }
    }

    async fn taken(&mut self) -> Result<(), Unasked> {
        let patience = self.pace.as_ref().map_or(Duration::MAX, Pace::patience);
        let (left, why) = if patience < TAKEN_WITHIN {
            (patience, Unasked::Slow)
        } else {
            (TAKEN_WITHIN, Unasked::Untaken)
        };
        if left.is_zero() {
            return Err(why);
        }
        tokio::select! {
            biased;
            Some(()) = self.asks.recv() => {}
            () = self.clock.sleep_until(self.since + left) => return Err(why),
        }
        if let Some(pace) = &mut self.pace {
            pace.waited(self.clock.monotonic().saturating_since(self.since));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use futures_util::FutureExt;
    use runtime::clock::ManualClock;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_part_is_made_when_it_is_asked_for_and_not_before() {
        let (clock, _hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let (mut giver, mut taker) = hand_over(clock);
        for part in 0..3 {
            assert_eq!(giver.taken().now_or_never(), None);
            let mut next = Box::pin(taker.next());
            assert_eq!(next.as_mut().now_or_never(), None);
            giver.taken().await.unwrap();
            assert_eq!(giver.taken().now_or_never(), None);
            giver.give(part);
            assert_eq!(next.await, Some(part));
        }
        // The last word comes without being asked for, and then nothing.
        giver.give(9);
        drop(giver);
        assert_eq!(taker.next().await, Some(9));
        assert_eq!(taker.next().await, None);
    }

    #[tokio::test]
    async fn who_takes_nothing_for_a_minute_is_let_go() {
        let (clock, hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let (mut giver, mut taker) = hand_over(clock);
        for _ in 0..3 {
            hand.advance(TAKEN_WITHIN.saturating_sub(SECOND));
            assert_eq!(giver.taken().now_or_never(), None);
            let mut next = Box::pin(taker.next());
            assert_eq!(next.as_mut().now_or_never(), None);
            giver.taken().await.unwrap();
            // What takes long to be made is nobody's fault.
            hand.advance(2 * TAKEN_WITHIN);
            giver.give(());
            assert_eq!(next.await, Some(()));
        }
        hand.advance(TAKEN_WITHIN);
        assert_eq!(giver.taken().await, Err(Unasked::Untaken));
    }

    /// Takes a part of so many bytes after so long; says whether it was still given.
    async fn took(
        giver: &mut Giver<()>,
        taker: &mut Taker<()>,
        hand: &ManualClock,
        (after, bytes): (Duration, usize),
    ) -> Result<(), Unasked> {
        assert_eq!(giver.taken().now_or_never(), None);
        hand.advance(after);
        if let Some(ended) = giver.taken().now_or_never() {
            return ended;
        }
        let mut next = Box::pin(taker.next());
        assert_eq!(next.as_mut().now_or_never(), None);
        giver.taken().await?;
        // What takes long to be made is nobody's fault.
        hand.advance(2 * TAKEN_WITHIN);
        giver.give_bytes((), bytes);
        assert_eq!(next.await, Some(()));
        Ok(())
    }

    #[tokio::test]
    async fn who_takes_a_little_each_time_is_let_go() {
        let (clock, hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let trickle = (SECOND * 59, 128 * 1024);
        let (giver, mut taker) = hand_over(clock.clone());
        let mut giver = giver.paced();
        let mut parts = 0;
        let ended = loop {
            match took(&mut giver, &mut taker, &hand, trickle).await {
                Ok(()) => parts += 1,
                Err(ended) => break ended,
            }
        };
        // In the sixth wait five minutes are over.
        assert_eq!((ended, parts), (Unasked::Slow, 5));
        // A stream has no pace: it is bounded by how far its reader is behind.
        let (mut giver, mut taker) = hand_over(clock);
        for _ in 0..20 {
            took(&mut giver, &mut taker, &hand, trickle).await.unwrap();
        }
    }

    #[tokio::test]
    async fn who_is_gone_is_noticed() {
        let (clock, _hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let (giver, taker) = hand_over::<()>(clock);
        let mut gone = Box::pin(giver.gone());
        assert_eq!(gone.as_mut().now_or_never(), None);
        drop(taker);
        gone.await;
    }
}
