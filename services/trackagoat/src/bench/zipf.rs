//! Zipf's distribution: a few streams are written to much, most of them little.

use super::stats::float;

/// Draws from `0..n` with a probability in proportion to `1 / (rank + 1)`.
pub struct Zipf {
    /// Sums of the probabilities up to each rank; the last is 1.
    cumulative: Vec<f64>,
}

/// SplitMix64: one multiplication, so that drawing costs nothing beside an append.
pub struct Random(u64);

impl Zipf {
    /// `n` must not be zero.
    pub fn new(n: u32) -> Self {
        let mut sum = 0.0;
        let mut cumulative: Vec<f64> = (1..=n)
            .map(|rank| {
                sum += 1.0 / f64::from(rank);
                sum
            })
            .collect();
        for value in &mut cumulative {
            *value /= sum;
        }
        Self { cumulative }
    }

    pub fn draw(&self, random: &mut Random) -> usize {
        let at = random.unit();
        let rank = self.cumulative.partition_point(|sum| *sum <= at);
        rank.min(self.cumulative.len() - 1)
    }
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        float(self.u64() >> 11) / 9_007_199_254_740_992.0
    }

    /// From 0 to below `n`, which must not be zero.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.u64() % n as u64).unwrap_or_default()
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// For an id, which needs no more than to be unlike the others.
    pub fn bytes(&mut self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.u64().to_le_bytes());
        bytes[8..].copy_from_slice(&self.u64().to_le_bytes()[..2]);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_drawn_in_proportion() {
        let (zipf, mut random) = (Zipf::new(10_000), Random::new(1));
        let mut counts = vec![0_u32; 10_000];
        for _ in 0..200_000 {
            counts[zipf.draw(&mut random)] += 1;
        }
        // 1 / H(10,000) = 0.1022 of the draws go to the first.
        assert!((19_000..22_000).contains(&counts[0]), "{}", counts[0]);
        let ratio = f64::from(counts[0]) / f64::from(counts[9]);
        assert!((8.0..12.0).contains(&ratio), "{ratio}");
        assert!(counts[5_000..].iter().any(|count| *count > 0));
    }

    #[test]
    fn one_rank_is_always_the_first() {
        assert_eq!(Zipf::new(1).draw(&mut Random::new(7)), 0);
    }

    #[test]
    fn chances_are_kept() {
        let mut random = Random::new(3);
        let hits = (0..100_000).filter(|_| random.chance(0.05)).count();
        assert!((4_700..5_300).contains(&hits), "{hits}");
    }
}
