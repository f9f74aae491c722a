//! `proofs`: how fast the tree over the log takes in what was appended, and how long its proofs take
//! over HTTP while the log grows.

use domain::ids::{OrgId, TreeSize};
use domain::signed::{LogName, NoteSigner, SEED_BYTES};
use event_log::{Signer, SignerConfig};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use serde_json::json;
use zeroize::Zeroizing;

use super::aim::{Aim, Report, rounded};
use super::error::BenchError;
use super::folder::Database;
use super::load::{self, Connection};
use super::open_log::OpenLog;
use super::stats::{Histogram, Repeats, exponent, float, per_second};
use super::trail::Trail;
use super::zipf::Random;
use super::{Options, Setting, conditions};

const AIMS: &[Aim] = &[
    Aim::at_most(INCLUSION, "ms", 10.0),
    Aim::at_most(CONSISTENCY, "ms", 10.0),
    Aim::at_most(GROWTH, "exponent", 0.1),
    Aim::at_least(TAKEN, "events/s", 100_000.0),
];
const INCLUSION: &str = "proof that an event is in the largest log, p99";
const CONSISTENCY: &str = "proof that the largest log has only grown, p99";
const GROWTH: &str = "growth of a proof's p50 with the log";
const TAKEN: &str = "events taken into the tree of the largest log";

const PAYLOAD_BYTES: usize = 200;
/// Appended to a log that was signed, before it is signed again: what a second brings to a busy one.
const MORE: u64 = 10_000;

/// Logs of so many events, and how many proofs of each kind are asked for.
struct Effort {
    sizes: Vec<u64>,
    proofs: usize,
}

/// Of one log.
struct Measured {
    events: u64,
    /// Events a second, while all of it is signed for the first time.
    taken: f64,
    /// Milliseconds until a head is signed after [`MORE`] events.
    signed_again: Repeats,
    answers: [Histogram; KINDS.len()],
}

/// What a proof is asked for by.
struct Kind {
    name: &'static str,
    path: fn(u64, &mut Random) -> String,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "inclusion_in_the_newest_head",
        path: |events, random| format!("position={}", any(events, random)),
    },
    Kind {
        name: "inclusion_in_any_head",
        path: |events, random| {
            let position = any(events, random);
            let size = position - 1 + any(events + 1 - position, random);
            format!("position={position}&tree_size={size}")
        },
    },
    Kind {
        name: "consistency_with_the_newest_head",
        path: |events, random| format!("from_size={}&to_size={events}", any(events, random)),
    },
];

impl Effort {
    fn of(options: &Options) -> Self {
        if options.quick {
            return Self {
                sizes: vec![2_000, 20_000],
                proofs: 20,
            };
        }
        let mut sizes = vec![10_000, 100_000, 1_000_000];
        sizes.extend(options.large.then_some(10_000_000));
        Self {
            sizes,
            proofs: 2_000,
        }
    }
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let mut report = Report::new("proofs", AIMS);
    let effort = Effort::of(options);
    let Setting {
        folder,
        clock,
        entropy,
    } = setting;
    let mut database = Database::start(folder, clock, entropy).await?;
    let settings = conditions::postgres_settings(&mut database.connect().await?).await?;
    report.condition("postgres", settings);
    report.condition("payload_bytes", PAYLOAD_BYTES);
    report.condition("proofs_of_each_kind", effort.proofs);
    report.condition("connections", 1);
    let mut found = Vec::new();
    for events in effort.sizes {
        options.say(&format!("proofs: a log of {events} events"));
        let url = database.ours().await?;
        let trail = Trail::make(url.clone(), events, PAYLOAD_BYTES, setting).await?;
        database.checkpoint().await?;
        found.push(Measured::of(&trail, effort.proofs, setting).await?);
        trail.service.stop().await?;
        database.drop(&url).await?;
    }
    judge(&found, &mut report);
    if !options.large {
        report.not_done("a log of ten million events (--large or TGA_BENCH_LARGE)");
    }
    report.not_done("the client shares the cores with the service and with Postgres");
    database.shut_down().await?;
    Ok(report)
}

impl Measured {
    async fn of(trail: &Trail, proofs: usize, setting: &Setting) -> Result<Self, BenchError> {
        let Setting { clock, entropy, .. } = setting;
        let open_log = OpenLog::open(&trail.url, clock, entropy).await?;
        let signer = Signer::new(open_log.log.clone(), None, config(entropy));
        let seconds = sign(&signer, trail.events, clock).await?;
        let mut measured = Self {
            events: trail.events,
            taken: per_second(trail.events, seconds),
            signed_again: Repeats::default(),
            answers: Default::default(),
        };
        let mut random = Random::new(entropy.u64());
        for (kind, answers) in KINDS.iter().zip(&mut measured.answers) {
            *answers = kind.ask(trail, proofs, &mut random, clock).await?;
        }
        for round in 1..=3 {
            let (org, events) = (OrgId::from_uuid(trail.org.id), MORE);
            open_log
                .fill_org(org, events, PAYLOAD_BYTES, &mut random)
                .await?;
            let seconds = sign(&signer, trail.events + round * MORE, clock).await?;
            measured.signed_again.push(seconds * 1e3);
        }
        open_log.close().await;
        Ok(measured)
    }
}

impl Kind {
    /// The times of proofs at random, on one connection, one after the other.
    async fn ask(
        &self,
        trail: &Trail,
        proofs: usize,
        random: &mut Random,
        clock: &Clock,
    ) -> Result<Histogram, BenchError> {
        let address = trail.service.ready.address()?;
        let mut connection = Connection::open(address).await?;
        let mut answers = Histogram::default();
        for _ in 0..proofs {
            let query = (self.path)(trail.events, random);
            let path = format!("/api/v1/audit/proof?{query}");
            let begun = clock.monotonic();
            let request = load::get(address, &path, &trail.key);
            let status = connection.exchange(&request).await?;
            answers.record(clock.monotonic().as_nanos() - begun.as_nanos());
            if status != 200 {
                let answer = connection.last_answer(status);
                let text = format!("the proof by {query} was answered {answer}");
                return Err(BenchError::Wrong(text));
            }
        }
        Ok(answers)
    }
}

fn config(entropy: &Entropy) -> SignerConfig {
    let seed: Zeroizing<[u8; SEED_BYTES]> = entropy.bytes().into();
    SignerConfig::new(NoteSigner::new(LogName::default(), &seed))
}

/// Signs a log, which must have so many events; how many seconds it took.
async fn sign(signer: &Signer, events: u64, clock: &Clock) -> Result<f64, BenchError> {
    let begun = clock.monotonic();
    let size = signer.sign_once().await;
    let size = size.map_err(|error| BenchError::Wrong(error.to_string()))?;
    if size != TreeSize::new(events) {
        return Err(BenchError::Wrong(format!("{size} of {events} were signed")));
    }
    Ok(clock.monotonic().saturating_since(begun).as_secs_f64())
}

/// One of the numbers from 1 to `most`.
fn any(most: u64, random: &mut Random) -> u64 {
    1 + random.u64() % most
}

fn judge(found: &[Measured], report: &mut Report) {
    for measured in found {
        let mut figures = json!({
            "taken_per_second": rounded(measured.taken),
            "signed_again_ms": measured.signed_again.to_json(),
        });
        for (kind, answers) in KINDS.iter().zip(&measured.answers) {
            figures[kind.name] = answers.to_json();
        }
        report.result(&format!("{}_events", measured.events), figures);
    }
    let (Some(first), Some(last)) = (found.first(), found.last()) else {
        return;
    };
    let [newest, any, consistency] = &last.answers;
    report.reached(INCLUSION, newest.millis(0.99).max(any.millis(0.99)));
    report.reached(CONSISTENCY, consistency.millis(0.99));
    report.reached(TAKEN, last.taken);
    let growth = float(last.events) / float(first.events);
    let pairs = first.answers.iter().zip(&last.answers);
    let exponents =
        pairs.map(|(first, last)| exponent(last.millis(0.5) / first.millis(0.5), growth));
    report.reached(GROWTH, exponents.fold(f64::NAN, f64::max));
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_asked_for_is_in_the_log() {
        let mut random = Random::new(7);
        let number = |text: &str, name: &str| -> u64 {
            let (_, rest) = text.split_once(name).unwrap();
            rest.split('&').next().unwrap().parse().unwrap()
        };
        for events in [1, 2, 3, 1_000] {
            for _ in 0..200 {
                let [newest, any, consistency] = KINDS.map(|kind| (kind.path)(events, &mut random));
                assert!((1..=events).contains(&number(&newest, "position=")));
                let position = number(&any, "position=");
                assert!((position..=events).contains(&number(&any, "tree_size=")));
                let from = number(&consistency, "from_size=");
                assert!((1..=number(&consistency, "to_size=")).contains(&from));
            }
        }
    }
}
