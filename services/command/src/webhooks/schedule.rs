//! When a delivery that failed is tried again.

use std::time::Duration;

use chrono::TimeDelta;
use domain::limits::DELIVERY_ATTEMPTS;
use runtime::entropy::Entropy;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// How long after each failed attempt the next one follows, at most.
pub const WAITS: [Duration; DELIVERY_ATTEMPTS - 1] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * MINUTE),
    Duration::from_secs(30 * MINUTE),
    Duration::from_secs(2 * HOUR),
    Duration::from_secs(5 * HOUR),
    Duration::from_secs(10 * HOUR),
    Duration::from_secs(14 * HOUR),
    Duration::from_secs(20 * HOUR),
    Duration::from_secs(20 * HOUR),
];

/// After how long of failed attempts alone a webhook is switched off, whatever is left to try: as
/// long as all waits of one delivery take at most.
pub const GIVEN_UP_AFTER: TimeDelta = TimeDelta::days(3);

/// How much earlier than at most an attempt may come, so that those who failed together do not come
/// back together: a tenth.
const SPREAD: f64 = 0.1;

/// How long after so many failed attempts the next one follows; none after the last.
pub fn wait_after(attempts: u32, entropy: &Entropy) -> Option<Duration> {
    let index = usize::try_from(attempts).ok()?.checked_sub(1)?;
    let most = WAITS.get(index)?;
    // Between 0.9 and 1 of it.
    let middle = most.mul_f64(1.0 - SPREAD / 2.0);
    Some(entropy.jitter(middle, SPREAD / 2.0).min(*most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_take_three_days_and_no_more() {
        let all: Duration = WAITS.iter().sum();
        assert!(all <= Duration::from_hours(72), "{all:?}");
        assert!(all.mul_f64(1.0 - SPREAD) >= Duration::from_hours(60));
    }

    #[test]
    fn each_wait_is_spread_below_its_most_and_the_last_attempt_has_none() {
        let entropy = Entropy::seeded(7);
        for (attempts, most) in (1..).zip(WAITS) {
            for _ in 0..100 {
                let wait = wait_after(attempts, &entropy);
                let least = most.mul_f64(0.89);
                assert!(wait.is_some_and(|it| it >= least && it <= most), "{wait:?}");
            }
        }
        let last = u32::try_from(DELIVERY_ATTEMPTS).unwrap_or(0);
        assert_eq!(wait_after(last, &entropy), None);
        assert_eq!(wait_after(0, &entropy), None);
    }
}
