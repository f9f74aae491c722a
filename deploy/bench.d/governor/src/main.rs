//! Asks governor's limiter along traces, in virtual time; one JSON object in, one out (deploy/README.md). It knows no other
//! process, so each replica has a limiter of its own.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::stdin;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::FakeRelativeClock;
use governor::{Quota, RateLimiter};
use serde::{Deserialize, Serialize};

const WINDOW: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Question {
    limit: NonZeroU32,
    replicas: Vec<usize>,
    /// When requests are sent, in windows from the beginning.
    traces: BTreeMap<String, Vec<f64>>,
}

#[derive(Serialize)]
struct Printed {
    version: &'static str,
    contestants: Vec<Contestant>,
}

#[derive(Serialize)]
struct Contestant {
    name: &'static str,
    replicas: usize,
    time: &'static str,
    /// Sent, answered, admitted.
    answers: BTreeMap<String, Vec<(f64, f64, bool)>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let question: Question = serde_json::from_reader(stdin())?;
    let contestants = question.replicas.iter().map(|replicas| Contestant {
        name: "governor",
        replicas: *replicas,
        time: "virtual",
        answers: question
            .traces
            .iter()
            .map(|(name, at)| (name.clone(), follow(at, question.limit, *replicas)))
            .collect(),
    });
    let printed = Printed {
        version: "0.10.4",
        contestants: contestants.collect(),
    };
    println!("{}", serde_json::to_string(&printed)?);
    Ok(())
}

/// A burst of the whole limit, and the limit in each window beside it: what its documentation shows for so many a minute.
fn follow(at: &[f64], limit: NonZeroU32, replicas: usize) -> Vec<(f64, f64, bool)> {
    let clock = FakeRelativeClock::default();
    let quota = || Quota::per_minute(limit).allow_burst(limit);
    let limiters: Vec<_> = (0..replicas)
        .map(|_| RateLimiter::direct_with_clock(quota(), clock.clone()))
        .collect();
    let mut now = Duration::ZERO;
    let ask = |(number, at): (usize, &f64)| {
        let due = WINDOW.mul_f64(*at);
        clock.advance(due.saturating_sub(now));
        now = due.max(now);
        (*at, *at, limiters[number % replicas].check().is_ok())
    };
    at.iter().enumerate().map(ask).collect()
}
