//! Work that is due at times fixed beforehand, whatever became of what came before: latency is
//! counted from when it was due, so a stall is felt by all that it delayed, as users would.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use runtime::clock::{Clock, Monotonic};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::stats::float;

/// The timers of tokio tick once a millisecond, which is longer than what is measured.
const TICK: Duration = Duration::from_micros(200);

/// When each piece of one worker's work is due.
pub enum Schedule {
    /// As soon as the one before it is done, until then.
    Until(Monotonic),
    /// As a pacer says.
    Due(UnboundedReceiver<Monotonic>),
}

impl Schedule {
    /// When the next one is due; none at the end.
    pub async fn next(&mut self, clock: &Clock) -> Option<Monotonic> {
        match self {
            Self::Until(end) => Some(clock.monotonic()).filter(|now| now < end),
            Self::Due(due) => due.recv().await,
        }
    }
}

/// When the `n`th of `rate` a second is due.
pub fn due(start: Monotonic, rate: f64, n: u64) -> Monotonic {
    start + Duration::from_secs_f64(float(n) / rate)
}

/// Hands out due times at `rate` a second for `length`, to each of `sinks` in turn, as long as one
/// of them listens.
pub fn start(
    clock: &Clock,
    rate: f64,
    length: Duration,
    sinks: Vec<UnboundedSender<Monotonic>>,
) -> JoinHandle<()> {
    let clock = clock.clone();
    thread::spawn(move || {
        let begin = clock.monotonic();
        let end = begin + length;
        let mut pending = (0_u64..)
            .map(|n| due(begin, rate, n))
            .take_while(|at| *at < end);
        let mut turn = sinks.iter().cycle();
        let mut next = pending.next();
        while let Some(at) = next {
            let now = clock.monotonic();
            if at > now {
                if sinks.iter().all(UnboundedSender::is_closed) {
                    break;
                }
                pause(at.saturating_since(now).min(TICK));
                continue;
            }
            // Who no longer listens has failed, and says so itself.
            let _ = turn.next().map(|sink| sink.send(at));
            next = pending.next();
        }
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own, which serves nobody"
)]
fn pause(length: Duration) {
    thread::sleep(length);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[test]
    fn everything_due_is_handed_out_in_turn_and_never_early() {
        let clock = Clock::system();
        let (one, mut first) = unbounded_channel();
        let (two, mut second) = unbounded_channel();
        start(&clock, 1_000.0, Duration::from_millis(40), vec![one, two])
            .join()
            .unwrap();
        let now = clock.monotonic();
        let (mut times, mut others) = (Vec::new(), 0);
        while let Some(at) = first.blocking_recv() {
            times.push(at);
        }
        while second.blocking_recv().is_some() {
            others += 1;
        }
        assert_eq!((times.len(), others), (20, 20));
        assert!(
            times
                .windows(2)
                .all(|pair| { pair[1].saturating_since(pair[0]) == Duration::from_millis(2) })
        );
        assert!(times.iter().all(|at| *at <= now));
    }

    #[test]
    fn it_ends_when_nobody_listens() {
        let (sink, due) = unbounded_channel();
        let pacer = start(&Clock::system(), 1.0, Duration::from_hours(1), vec![sink]);
        drop(due);
        pacer.join().unwrap();
    }
}
