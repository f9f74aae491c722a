//! What services count of themselves, added up over all their lives: a row whose fault moves
//! nothing has tested nothing.

use std::collections::BTreeMap;

use testkit::eventually;

use crate::client::client;
use crate::limits::SOON;
use crate::process::Service;
use crate::rig::Rig;

/// The newest value of each series of each process.
#[derive(Debug, Default)]
pub struct Counters {
    series: BTreeMap<(u32, String), f64>,
    /// What the rig itself counts.
    own: BTreeMap<&'static str, u64>,
}

/// A counter that must have moved: what it stands for, and the series that count it, from their
/// beginning.
const MUST_MOVE: [(&str, &str); 13] = [
    (
        "barrier ended by acknowledgement",
        "tga_gate_barrier_replicas_total{state=\"acked\"",
    ),
    (
        "barrier ended by expiry",
        "tga_gate_barrier_replicas_total{state=\"expired\"",
    ),
    (
        "barrier ended by a row that is gone",
        "tga_gate_barrier_replicas_total{state=\"left\"",
    ),
    ("renewal lost", "tga_gate_renewals_total{outcome=\"failed\""),
    (
        "stale load discarded",
        "tga_gate_discarded_total{reason=\"stale\"",
    ),
    (
        "gap found by prev_auth_position",
        "tga_gate_catch_ups_total{reason=\"gap\"",
    ),
    (
        "accepted by VERIFY while fenced",
        "tga_gate_decisions_total{outcome=\"admitted_without_lease\"",
    ),
    (
        "503 while fenced",
        "tga_gate_decisions_total{outcome=\"unavailable_without_lease\"",
    ),
    ("hold ended in 401", "tga_gate_holds_total{outcome=\"told\""),
    (
        "hold ended in 503",
        "tga_gate_holds_total{outcome=\"kept_back\"",
    ),
    ("settled by SWEEP", "tga_gate_swept_total"),
    ("row collected", "tga_gate_leases_collected_total"),
    (
        "second copy written",
        "tga_gate_ledger_total{outcome=\"written\"",
    ),
];

/// The same, of a deep run alone.
const MUST_MOVE_DEEP: [(&str, &str); 1] = [(
    "everything dropped for another epoch",
    "tga_gate_loads_total{reason=\"other_log\"",
)];

/// What the service of that name says that it counts, which it must.
pub async fn metrics(rig: &mut Rig, name: &str) -> String {
    let client = client(rig.net.hub());
    let service = rig.service(name);
    let what = format!("{name} says what it counts");
    eventually(SOON, &what, async || service.metrics(&client).await).await
}

/// The sum of all series of one process that begin so.
pub fn value(text: &str, beginning: &str) -> u64 {
    let lines = text.lines().filter(|line| line.starts_with(beginning));
    lines
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum()
}

impl Counters {
    /// Takes what a process says of itself now.
    pub fn take(&mut self, service: &Service, text: &str) {
        for line in text.lines().filter(|line| line.starts_with("tga_")) {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            if let Ok(value) = value.parse() {
                self.series
                    .insert((service.pid(), series.to_owned()), value);
            }
        }
    }

    /// Adds what another rig's services counted.
    pub fn add(&mut self, other: Self) {
        self.series.extend(other.series);
        for (what, count) in other.own {
            *self.own.entry(what).or_default() += count;
        }
    }

    /// Counts what only the rig sees.
    pub fn count(&mut self, what: &'static str) {
        *self.own.entry(what).or_default() += 1;
    }

    /// The sum of all series that begin so.
    pub fn sum(&self, beginning: &str) -> f64 {
        let found = self
            .series
            .iter()
            .filter(|((_, series), _)| series.starts_with(beginning));
        found.map(|(_, value)| value).sum()
    }

    /// Everything that must have happened, and how often it did.
    pub fn all(&self, own: &[&'static str], deep: bool) -> Vec<(&'static str, u64)> {
        let deep = if deep { &MUST_MOVE_DEEP[..] } else { &[] };
        let theirs = MUST_MOVE.iter().chain(deep).map(|(what, beginning)| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "counters are whole and grow"
            )]
            let count = self.sum(beginning) as u64;
            (*what, count)
        });
        let ours = own
            .iter()
            .map(|what| (*what, self.own.get(what).copied().unwrap_or(0)));
        theirs.chain(ours).collect()
    }
}
