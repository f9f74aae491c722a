//! Whether the time of a refusal says why: requests with expired, revoked and unknown keys in turn
//! on one connection, all of them refused before. A malformed one is asked beside them.

use std::time::Duration;

use serde_json::{Value, json};

use super::people;
use crate::bench::aim::rounded;
use crate::bench::error::BenchError;
use crate::bench::load::{self, Connection};
use crate::bench::product::Service;
use crate::bench::stats::{Repeats, float};
use crate::bench::zipf::Random;
use crate::bench::{Options, Setting};

/// Keys of each kind: all unknown ones together are fewer than one source may fail at once.
const EACH: usize = 10;
const KINDS: [&str; 4] = ["expired", "revoked", "unknown", "malformed"];
/// Those that must not be told apart; the last one needs no look-up.
const ALIKE: [(usize, usize); 3] = [(0, 1), (0, 2), (1, 2)];
const BESIDE: [(usize, usize); 3] = [(0, 3), (1, 3), (2, 3)];
/// How long until all of them may be told that they are refused.
const TOLD_WITHIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
/// Of a normal distribution, 95 in a hundred lie within so many standard deviations.
const WITHIN_95: f64 = 1.96;
const SEED: u64 = 9;

/// How much of everything.
struct Effort {
    blocks: usize,
    /// Requests of each kind in a block.
    of_each: usize,
}

/// Medians of each kind in each block, in microseconds.
pub struct Alike {
    medians: [Repeats; KINDS.len()],
    blocks: Vec<[f64; KINDS.len()]>,
    requests: usize,
}

/// How much longer one takes than the other, in hundredths, and how sure that is.
#[derive(Clone, Copy, Debug)]
struct Difference {
    percent: f64,
    /// Half of the interval in which it lies 95 times in a hundred.
    give_or_take: f64,
}

impl Difference {
    /// Of as many pairs as there are blocks: what drifts meanwhile is in both of a pair.
    fn of(pairs: impl ExactSizeIterator<Item = (f64, f64)> + Clone) -> Self {
        let count = float(pairs.len() as u64);
        let percents = pairs.map(|(one, other)| (one - other) / f64::midpoint(one, other) * 100.0);
        let mean = percents.clone().sum::<f64>() / count;
        let squares = percents
            .map(|percent| (percent - mean).powi(2))
            .sum::<f64>();
        let deviation = (squares / (count - 1.0)).sqrt();
        Self {
            percent: mean,
            give_or_take: WITHIN_95 * deviation / count.sqrt(),
        }
    }

    /// Nothing if it may as well be none.
    fn beyond_noise(self) -> f64 {
        let size = self.percent.abs();
        if size <= self.give_or_take { 0.0 } else { size }
    }

    fn to_json(self) -> Value {
        json!({
            "percent": rounded(self.percent),
            "give_or_take_at_95_percent": rounded(self.give_or_take),
        })
    }
}

impl Alike {
    pub async fn measure(
        url: &str,
        options: &Options,
        setting: &Setting,
    ) -> Result<Self, BenchError> {
        let effort = if options.quick {
            Effort {
                blocks: 10,
                of_each: 20,
            }
        } else {
            Effort {
                blocks: 200,
                of_each: 250,
            }
        };
        options.say("gate: refusals");
        let fates = people::fates(url, EACH, setting).await?;
        let service = Service::query(setting.folder.path(), url, &setting.clock).await?;
        let address = service.ready.address()?;
        let malformed = vec!["tga_x".to_owned()];
        let kinds = [fates.expired, fates.revoked, fates.unknown, malformed];
        let kinds = kinds.map(|keys| {
            let request = |key: &String| load::get(address, "/api/v1/projects", key);
            keys.iter().map(request).collect::<Vec<_>>()
        });
        let mut line = Connection::open(address).await?;
        let told = until_told(&mut line, &kinds, setting);
        let told = setting.clock.timeout(TOLD_WITHIN, told).await;
        told.map_err(|source| BenchError::Late {
            what: "the refusal of every key",
            source,
        })??;
        let mut found = Self {
            medians: Default::default(),
            blocks: Vec::new(),
            requests: effort.blocks * effort.of_each,
        };
        let mut random = Random::new(SEED);
        for _ in 0..effort.blocks {
            let medians = block(&mut line, &kinds, &effort, &mut random, setting).await?;
            for (all, median) in found.medians.iter_mut().zip(medians) {
                all.push(median);
            }
            found.blocks.push(medians);
        }
        service.stop().await?;
        Ok(found)
    }

    /// The largest difference among those that must not be told apart, in hundredths; what may as
    /// well be none counts as none.
    pub fn told_apart_percent(&self) -> f64 {
        let differences = ALIKE.map(|pair| self.difference(pair).beyond_noise());
        differences.into_iter().fold(0.0, f64::max)
    }

    pub fn to_json(&self) -> Value {
        let medians: Vec<_> = KINDS
            .iter()
            .zip(&self.medians)
            .map(|(kind, medians)| json!({ "key": kind, "median_micros": rounded(medians.median()) }))
            .collect();
        let differences = ALIKE.into_iter().chain(BESIDE).map(|pair| {
            let (one, other) = pair;
            let mut difference = self.difference(pair).to_json();
            difference["keys"] = format!("{} - {}", KINDS[one], KINDS[other]).into();
            difference
        });
        json!({
            "requests_of_each": self.requests,
            "medians": medians,
            "differences": differences.collect::<Vec<_>>(),
        })
    }

    fn difference(&self, (one, other): (usize, usize)) -> Difference {
        Difference::of(self.blocks.iter().map(|block| (block[one], block[other])))
    }
}

/// Asks with every key until each is refused for good.
async fn until_told(
    line: &mut Connection,
    kinds: &[Vec<Vec<u8>>],
    setting: &Setting,
) -> Result<(), BenchError> {
    for request in kinds.iter().flatten() {
        while line.exchange(request).await? != 401 {
            setting.clock.sleep(LOOK).await;
        }
    }
    Ok(())
}

/// Requests of every kind, whichever comes first; the median of each, in microseconds.
async fn block(
    line: &mut Connection,
    kinds: &[Vec<Vec<u8>>; KINDS.len()],
    effort: &Effort,
    random: &mut Random,
    setting: &Setting,
) -> Result<[f64; KINDS.len()], BenchError> {
    let mut micros: [Repeats; KINDS.len()] = Default::default();
    for number in 0..effort.of_each {
        for kind in shuffled(random) {
            let request = &kinds[kind][number % kinds[kind].len()];
            let began = setting.clock.monotonic();
            let status = line.exchange(request).await?;
            let took = setting.clock.monotonic().saturating_since(began);
            if status != 401 {
                return Err(BenchError::Wrong(format!(
                    "a request with an {} key was answered {status}",
                    KINDS[kind]
                )));
            }
            micros[kind].push(took.as_secs_f64() * 1e6);
        }
    }
    Ok(micros.map(|all| all.median()))
}

fn shuffled(random: &mut Random) -> [usize; KINDS.len()] {
    let mut order = [0, 1, 2, 3];
    for last in (1..order.len()).rev() {
        let other = random.u64() % (last as u64 + 1);
        order.swap(last, usize::try_from(other).unwrap_or(0));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(longer: f64) -> Difference {
        let mut random = Random::new(1);
        let pairs: Vec<_> = (0..200)
            .map(|_| {
                let drift = 50.0 + 20.0 * random.unit();
                (drift * longer + random.unit(), drift + random.unit())
            })
            .collect();
        Difference::of(pairs.into_iter())
    }

    #[test]
    fn a_difference_is_found_under_more_drift_and_none_is_made_up() {
        let found = difference(1.1);
        assert!((found.percent - 9.5).abs() < 0.5, "{found:?}");
        assert!((9.0..10.0).contains(&found.beyond_noise()));
        assert!(difference(1.0).beyond_noise() < 0.3);
    }

    #[test]
    fn every_order_comes_up() {
        let mut random = Random::new(2);
        let mut firsts = [0; KINDS.len()];
        for _ in 0..4_000 {
            let order = shuffled(&mut random);
            assert_eq!(order.iter().sum::<usize>(), 6);
            firsts[order[0]] += 1;
        }
        assert!(
            firsts.iter().all(|count| (800..1_200).contains(count)),
            "{firsts:?}"
        );
    }
}
