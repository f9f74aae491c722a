//! The parts of an answer that goes on are made by a task of its own, each when the connection asks for
//! it and not before. So nothing that was made waits to be sent, and whoever takes nothing is looked at
//! all the same, and let go.

use std::time::Duration;

use runtime::clock::{Clock, Monotonic};
use tokio::sync::mpsc;

use crate::guard::{Guard, Over};

/// How long a part may not be asked for: then the connection's buffers have been full that long.
const TAKEN_WITHIN: Duration = Duration::from_mins(1);

/// The end that makes parts.
#[derive(Debug)]
pub struct Giver<T> {
    clock: Clock,
    asks: mpsc::Receiver<()>,
    parts: mpsc::Sender<T>,
    until: Monotonic,
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
}

/// Both ends of an answer.
pub fn hand_over<T>(clock: Clock) -> (Giver<T>, Taker<T>) {
    let (ask, asks) = mpsc::channel(1);
    let (give, parts) = mpsc::channel(1);
    let until = clock.monotonic() + TAKEN_WITHIN;
    let giver = Giver {
        clock,
        asks,
        parts: give,
        until,
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
        // There is room, since the one before was taken; or nobody is there.
        let _ = self.parts.try_send(part);
        self.until = self.clock.monotonic() + TAKEN_WITHIN;
    }

    /// Ends once nobody is there to take anything.
    pub fn gone(&self) -> impl Future<Output = ()> + use<T> {
        let parts = self.parts.clone();
        async move { parts.closed().await }
    }

    async fn taken(&mut self) -> Result<(), Unasked> {
        tokio::select! {
            biased;
            Some(()) = self.asks.recv() => Ok(()),
            () = self.clock.sleep_until(self.until) => Err(Unasked::Untaken),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use futures_util::FutureExt;

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
