//! Retrying as data: how long to wait and how often to try.

use std::future::Future;
use std::time::Duration;

use crate::clock::Clock;
use crate::entropy::Entropy;

/// How to wait between tries: exponentially longer, up to a ceiling, with jitter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// The wait after the first failure.
    pub first: Duration,
    /// What each wait is multiplied by to give the next; at least 1.
    pub factor: f64,
    /// The longest wait, before jitter.
    pub ceiling: Duration,
    /// The share by which a wait varies up and down, 0 to 1.
    pub jitter: f64,
    /// The most tries in all, the first included; none means without end.
    pub attempts: Option<u32>,
}

impl Policy {
    /// Doubles from `first` to `ceiling`, varies by a fifth, and never gives up.
    pub const fn exponential(first: Duration, ceiling: Duration) -> Self {
        Self {
            first,
            factor: 2.0,
            ceiling,
            jitter: 0.2,
            attempts: None,
        }
    }

    /// The same, but gives up after `attempts` tries in all.
    #[must_use]
    pub const fn up_to(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// The waits between the tries, one for each try after the first.
    pub fn waits<'a>(&self, entropy: &'a Entropy) -> impl Iterator<Item = Duration> + use<'a> {
        let policy = *self;
        let count = policy.attempts.map_or(usize::MAX, |attempts| {
            usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX)
        });
        std::iter::successors(Some(policy.first.min(policy.ceiling)), move |wait| {
            let longest = policy.ceiling.as_secs_f64();
            let next = (wait.as_secs_f64() * policy.factor.max(1.0)).min(longest);
            Some(Duration::from_secs_f64(next))
        })
        .take(count)
        .map(move |wait| entropy.jitter(wait, policy.jitter))
    }

    /// Calls `operation` until it succeeds, fails in a way that `retryable` rejects, or the tries
    /// are used up.
    ///
    /// # Errors
    /// The last error of `operation`.
    pub async fn run<T, E, F, Operation>(
        &self,
        clock: &Clock,
        entropy: &Entropy,
        retryable: impl Fn(&E) -> bool,
        mut operation: Operation,
    ) -> Result<T, E>
    where
        Operation: FnMut() -> F,
        F: Future<Output = Result<T, E>>,
    {
        let mut waits = self.waits(entropy);
        loop {
            let error = match operation().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if !retryable(&error) {
                return Err(error);
            }
            match waits.next() {
                Some(wait) => clock.sleep(wait).await,
                None => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::Policy;
    use crate::clock::Clock;
    use crate::entropy::Entropy;

    const MS: Duration = Duration::from_millis(1);

    fn steady(attempts: u32) -> Policy {
        Policy {
            jitter: 0.0,
            ..Policy::exponential(MS, 5 * MS).up_to(attempts)
        }
    }

    #[test]
    fn waits_double_up_to_the_ceiling_and_then_end() {
        let entropy = Entropy::seeded(0);
        let waits: Vec<_> = steady(6).waits(&entropy).collect();
        assert_eq!(waits, [MS, 2 * MS, 4 * MS, 5 * MS, 5 * MS]);
        assert_eq!(steady(1).waits(&entropy).count(), 0);
        assert_eq!(steady(0).waits(&entropy).count(), 0);
    }

    #[test]
    fn without_a_number_of_attempts_the_waits_do_not_end() {
        let policy = Policy::exponential(MS, 5 * MS);
        assert!(policy.waits(&Entropy::seeded(0)).nth(10_000).is_some());
    }

    #[tokio::test]
    async fn it_tries_until_the_operation_succeeds() {
        let tries = Cell::new(0);
        let answer = steady(5)
            .run(
                &Clock::system(),
                &Entropy::seeded(0),
                |_: &&str| true,
                async || {
                    tries.set(tries.get() + 1);
                    if tries.get() == 3 {
                        Ok(tries.get())
                    } else {
                        Err("not yet")
                    }
                },
            )
            .await;
        assert_eq!(answer, Ok(3));
    }

    #[tokio::test]
    async fn it_gives_up_after_the_last_attempt_or_at_once() {
        for (retryable, expected) in [(true, 3), (false, 1)] {
            let tries = Cell::new(0);
            let answer = steady(3)
                .run(
                    &Clock::system(),
                    &Entropy::seeded(0),
                    |_: &&str| retryable,
                    async || {
                        tries.set(tries.get() + 1);
                        Err::<(), _>("never")
                    },
                )
                .await;
            assert_eq!((answer, tries.get()), (Err("never"), expected));
        }
    }
}
