//! One revocation, watched at every replica from before the call until after its return. All times
//! are of this process's one clock, so what began after what needs no judgement.

use std::net::SocketAddr;
use std::time::Duration;

use api::v1::Barrier;
use runtime::clock::{Clock, Monotonic};
use serde_json::Value;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::faults::Fault;
use super::fleet::Fleet;
use super::victims::Victim;
use crate::bench::Setting;
use crate::bench::error::BenchError;
use crate::bench::load::{self, Connection};

/// Connections that probe each replica, and the pause between two probes of one: together about
/// two probes in a millisecond.
const PROBERS: usize = 3;
const PAUSE: Duration = Duration::from_millis(1);
/// How long is probed before the call and after it.
const LEAD: Duration = Duration::from_millis(30);
const TAIL: Duration = Duration::from_millis(30);
/// How long a probe may take: a stopped replica answers late.
const PROBED_WITHIN: Duration = Duration::from_secs(6);
/// How long a revocation may take with all its repetitions, and the pause between those.
const REVOKED_WITHIN: Duration = Duration::from_secs(20);
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// What counts as a probe right after the return.
const SOON: Duration = Duration::from_millis(5);

/// One request with the key.
pub struct Probe {
    replica: usize,
    /// Before its first byte was sent.
    begun: Monotonic,
    /// None: no answer.
    status: Option<u16>,
}

/// A revocation, and what was seen of the key.
pub struct Seen {
    /// Before the first byte of the first try was sent.
    begun: Monotonic,
    /// After the answer of success was read.
    returned: Monotonic,
    pub tries: u32,
    pub barrier: Barrier,
    pub probes: Vec<Probe>,
}

impl Seen {
    /// From the call to its return.
    pub fn call(&self) -> Duration {
        self.returned.saturating_since(self.begun)
    }

    /// From the call to the beginning of the last request that any replica accepted; zero if none
    /// was accepted that began after the call.
    pub fn last_accepted(&self) -> Duration {
        let accepted = self.accepted().map(|probe| probe.begun).max();
        accepted.map_or(Duration::ZERO, |at| at.saturating_since(self.begun))
    }

    /// Requests that began after the return and were accepted: there must be none.
    pub fn accepted_after_return(&self) -> usize {
        let late = |probe: &&Probe| probe.begun > self.returned;
        self.accepted().filter(late).count()
    }

    /// Whether a request with the key was sent to that replica right after the return.
    pub fn is_probed_soon(&self, replica: usize) -> bool {
        self.probes.iter().any(|probe| {
            let after = probe.begun.saturating_since(self.returned);
            probe.replica == replica && probe.begun > self.returned && after <= SOON
        })
    }

    /// Whether every replica accepted the key before the call: else there was nothing to revoke.
    pub fn was_in_use(&self, replicas: usize) -> bool {
        (0..replicas).all(|replica| {
            let mut accepted = self.accepted();
            accepted.any(|probe| probe.replica == replica && probe.begun < self.begun)
        })
    }

    fn accepted(&self) -> impl Iterator<Item = &Probe> {
        let probes = self.probes.iter();
        probes.filter(|probe| probe.status == Some(200))
    }
}

/// Revokes a key amid a fault, which is over in the end.
pub async fn revoke(
    fleet: &mut Fleet,
    victim: &Victim,
    fault: Fault,
    setting: &Setting,
) -> Result<Seen, BenchError> {
    let clock = &setting.clock;
    let (places, command) = (fleet.places(), fleet.command()?);
    let request = |address| load::get(address, "/api/v1/projects", &victim.key);
    let (done, mut probing) = (CancellationToken::new(), JoinSet::new());
    let mut lines = Vec::new();
    for (replica, place) in places.iter().enumerate() {
        let address = *place.borrow();
        for _ in 0..PROBERS {
            let (request, place) = (request(address), place.clone());
            probing.spawn(probe(replica, place, request, done.clone(), clock.clone()));
        }
        lines.push(Connection::open(address).await?);
    }
    let mut line = Some(Connection::open(command).await?);
    clock.sleep(LEAD).await;

    fault.strike(fleet).await?;
    let begun = clock.monotonic();
    let call = async {
        let (barrier, tries, returned) = call(&mut line, command, victim, clock).await?;
        // At once, on connections that are open: whoever was stopped finds it when it goes on.
        let probes = lines.into_iter().zip(&places).enumerate();
        for (replica, (line, place)) in probes {
            let request = request(*place.borrow());
            probing.spawn(once(replica, line, request, clock.clone()));
        }
        Ok::<_, BenchError>((barrier, tries, returned))
    };
    let (called, weathered) = tokio::join!(call, fault.last(fleet, clock));
    weathered?;
    let (barrier, tries, returned) = called?;
    fault.heal(fleet, setting).await?;
    for (replica, place) in places.iter().enumerate() {
        let address = *place.borrow();
        let line = Connection::open(address).await?;
        probing.spawn(once(replica, line, request(address), clock.clone()));
    }
    clock.sleep(TAIL).await;
    done.cancel();
    let probes = probing.join_all().await.into_iter().flatten().collect();
    Ok(Seen {
        begun,
        returned,
        tries,
        barrier,
        probes,
    })
}

/// Calls until it succeeds; when that was.
async fn call(
    line: &mut Option<Connection>,
    command: SocketAddr,
    victim: &Victim,
    clock: &Clock,
) -> Result<(Barrier, u32, Monotonic), BenchError> {
    let calls = async {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut open = match line.take() {
                Some(open) => open,
                None => Connection::open(command).await?,
            };
            if let Ok(status) = open.exchange(&victim.revocation).await {
                let returned = clock.monotonic();
                let answer = open.last_answer(status);
                match status {
                    200 => return Ok((barrier_of(&answer.body)?, tries, returned)),
                    503 => *line = Some(open),
                    _ => return Err(BenchError::Wrong(format!("a revocation: {answer}"))),
                }
            }
            clock.sleep(AGAIN_AFTER).await;
        }
    };
    let called = clock.timeout(REVOKED_WITHIN, calls).await;
    called.map_err(|source| BenchError::Late {
        what: "the success of a revocation",
        source,
    })?
}

fn barrier_of(body: &[u8]) -> Result<Barrier, BenchError> {
    let mut answer: Value = serde_json::from_slice(body).map_err(BenchError::json)?;
    let barrier = answer["data"]["barrier"].take();
    serde_json::from_value(barrier).map_err(BenchError::json)
}

/// Asks one replica with the key, over and over.
async fn probe(
    replica: usize,
    place: Receiver<SocketAddr>,
    request: Vec<u8>,
    done: CancellationToken,
    clock: Clock,
) -> Vec<Probe> {
    let mut probes = Vec::new();
    let mut open = None;
    while !done.is_cancelled() {
        let address = *place.borrow();
        let line = match open.take() {
            Some(line) => Some(line),
            None => Connection::open(address).await.ok(),
        };
        if let Some(mut line) = line {
            let (seen, is_usable) = exchange(replica, &mut line, &request, &clock).await;
            probes.push(seen);
            open = is_usable.then_some(line);
        }
        clock.sleep(PAUSE).await;
    }
    probes
}

/// Asks one replica once.
async fn once(replica: usize, mut line: Connection, request: Vec<u8>, clock: Clock) -> Vec<Probe> {
    let (seen, _) = exchange(replica, &mut line, &request, &clock).await;
    vec![seen]
}

/// One request, and whether the connection is of further use.
async fn exchange(
    replica: usize,
    line: &mut Connection,
    request: &[u8],
    clock: &Clock,
) -> (Probe, bool) {
    let begun = clock.monotonic();
    let answered = clock.timeout(PROBED_WITHIN, line.exchange(request)).await;
    let status = answered.ok().and_then(Result::ok);
    let probe = Probe {
        replica,
        begun,
        status,
    };
    (probe, status.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_nanos(millis * 1_000_000)
    }

    fn seen(probes: &[(usize, u64, u16)]) -> Seen {
        let probe = |(replica, begun, status): &(usize, u64, u16)| Probe {
            replica: *replica,
            begun: at(*begun),
            status: (*status != 0).then_some(*status),
        };
        Seen {
            begun: at(100),
            returned: at(110),
            tries: 1,
            barrier: Barrier {
                acked: 1,
                lease_expired: 0,
                left: 0,
                waited_ms: 1,
                bound_ms: 2_475,
                replicas: Vec::new(),
            },
            probes: probes.iter().map(probe).collect(),
        }
    }

    #[test]
    fn what_began_after_the_return_and_was_accepted_is_counted() {
        let fine = seen(&[(0, 90, 200), (1, 104, 200), (0, 105, 401), (1, 111, 0)]);
        assert_eq!(fine.accepted_after_return(), 0);
        assert_eq!(fine.last_accepted(), Duration::from_millis(4));
        assert_eq!(fine.call(), Duration::from_millis(10));
        let wrong = seen(&[(0, 90, 200), (1, 111, 200), (0, 140, 200)]);
        assert_eq!(wrong.accepted_after_return(), 2);
        assert_eq!(wrong.last_accepted(), Duration::from_millis(40));
    }

    #[test]
    fn each_replica_is_to_be_asked_before_and_right_after() {
        let probes = [(0, 90, 200), (1, 99, 401), (0, 111, 401), (1, 116, 0)];
        let half = seen(&probes);
        assert_eq!([0, 1].map(|n| half.is_probed_soon(n)), [true, false]);
        assert!(half.was_in_use(1) && !half.was_in_use(2));
        assert_eq!(seen(&[(0, 90, 401)]).last_accepted(), Duration::ZERO);
    }
}
