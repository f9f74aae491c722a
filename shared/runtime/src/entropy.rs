//! The one door to chance: random bytes, ids and jitter.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::TryRng;
use rand::rngs::SysRng;
use uuid::{Builder, Uuid};

/// A source of random bytes; cheap to clone.
#[derive(Clone)]
pub struct Entropy(Source);

#[derive(Clone)]
enum Source {
    Os,
    Seeded(Arc<SplitMix64>),
}

/// SplitMix64 (Steele, Lea, Flood 2014), written out: a recorded seed must mean the same bytes for
/// ever, which no generator of a library promises.
struct SplitMix64(AtomicU64);

/// Bytes that are read ahead.
const AHEAD: usize = 1_024;

/// Bytes read ahead, of one thread.
struct Pool {
    bytes: [u8; AHEAD],
    used: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const {
        RefCell::new(Pool { bytes: [0; AHEAD], used: AHEAD })
    };
}

impl Entropy {
    /// The operating system's source, read on every call.
    pub const fn os() -> Self {
        Self(Source::Os)
    }

    /// The same bytes for the same seed and the same order of calls. For tests and simulations
    /// only: nothing about it is secret.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(SplitMix64(AtomicU64::new(seed)))))
    }

    /// Fills `bytes` with random bytes.
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            Source::Os => SysRng
                .try_fill_bytes(bytes)
                .expect("Linux's random source cannot fail after boot"),
            Source::Seeded(generator) => {
                for chunk in bytes.chunks_mut(8) {
                    chunk.copy_from_slice(&generator.next().to_le_bytes()[..chunk.len()]);
                }
            }
        }
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// `N` random bytes that will be public, and are never a secret: those of the operating system
    /// are read ahead, since asking for a few costs more than what most requests need else.
    pub fn public_bytes<const N: usize>(&self) -> [u8; N] {
        const { assert!(N <= AHEAD, "more than is read ahead") };
        match &self.0 {
            Source::Os => POOL.with_borrow_mut(Pool::take),
            Source::Seeded(_) => self.bytes(),
        }
    }

    /// A random number, all 64 bits of it.
    pub fn u64(&self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// A UUIDv7 dated `now`, to the millisecond.
    pub fn uuid_v7(&self, now: DateTime<Utc>) -> Uuid {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &self.public_bytes()).into_uuid()
    }

    /// A UUIDv4, for names that must tell nothing, such as incarnations.
    pub fn uuid_v4(&self) -> Uuid {
        Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// `duration` times a factor between `1 - fraction` and `1 + fraction`, evenly distributed.
    /// `fraction` is held between 0 and 1.
    pub fn jitter(&self, duration: Duration, fraction: f64) -> Duration {
        let fraction = fraction.clamp(0.0, 1.0);
        let factor = 1.0 + fraction * (2.0 * self.unit() - 1.0);
        duration.mul_f64(factor)
    }

    /// An evenly distributed number, 0 included and 1 not.
    fn unit(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in an f64")]
        let numerator = (self.u64() >> 11) as f64;
        numerator / 9_007_199_254_740_992.0
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            Source::Os => "Entropy::os",
            Source::Seeded(_) => "Entropy::seeded",
        })
    }
}

impl Pool {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        if AHEAD - self.used < N {
            Entropy::os().fill(&mut self.bytes);
            self.used = 0;
        }
        let mut taken = [0; N];
        taken.copy_from_slice(&self.bytes[self.used..self.used + N]);
        self.used += N;
        taken
    }
}

impl SplitMix64 {
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;

    use super::Entropy;

    #[test]
    fn a_seed_means_the_same_bytes_for_ever() {
        // The published test vector of SplitMix64.
        let entropy = Entropy::seeded(1_234_567);
        assert_eq!(entropy.u64(), 6_457_827_717_110_365_317);
        assert_eq!(entropy.u64(), 3_203_168_211_198_807_973);
        assert_eq!(entropy.u64(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn bytes_read_ahead_are_given_once() {
        let entropy = Entropy::os();
        let taken: std::collections::HashSet<[u8; 10]> =
            (0..10_000).map(|_| entropy.public_bytes()).collect();
        assert_eq!(taken.len(), 10_000);
        let seeded = Entropy::seeded(1);
        assert_eq!(seeded.public_bytes::<8>(), Entropy::seeded(1).bytes());
    }

    #[test]
    fn clones_share_one_sequence() {
        let one = Entropy::seeded(1);
        let two = one.clone();
        assert_ne!(one.bytes::<16>(), two.bytes::<16>());
    }

    #[test]
    fn the_operating_system_does_not_repeat_itself() {
        let entropy = Entropy::os();
        assert_ne!(entropy.bytes::<32>(), entropy.bytes::<32>());
    }

    #[test]
    fn every_byte_of_an_odd_length_is_filled() {
        let entropy = Entropy::seeded(7);
        let mut seen = [0_u8; 13];
        for _ in 0..64 {
            for (all, byte) in seen.iter_mut().zip(entropy.bytes::<13>()) {
                *all |= byte;
            }
        }
        assert!(seen.iter().all(|byte| *byte != 0));
    }

    #[test]
    fn uuids_carry_their_version_and_their_time() {
        let entropy = Entropy::seeded(2);
        let at = DateTime::from_timestamp_millis(1_767_591_472_685).expect("in range");
        let id = entropy.uuid_v7(at);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.as_u128() >> 80, 1_767_591_472_685);
        assert_eq!(entropy.uuid_v4().get_version_num(), 4);
        assert_ne!(entropy.uuid_v7(at), entropy.uuid_v7(at));
    }

    #[test]
    fn jitter_stays_in_its_bounds_and_moves() {
        let entropy = Entropy::seeded(3);
        let base = Duration::from_millis(400);
        let all: Vec<_> = (0..1_000).map(|_| entropy.jitter(base, 0.2)).collect();
        let (low, high) = (Duration::from_millis(320), Duration::from_millis(480));
        assert!(all.iter().all(|one| (low..=high).contains(one)));
        assert!(all.iter().any(|one| *one < Duration::from_millis(340)));
        assert!(all.iter().any(|one| *one > Duration::from_millis(460)));
        assert_eq!(entropy.jitter(base, 0.0), base);
    }
}
