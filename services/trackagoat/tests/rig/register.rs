//! A right that is taken away, and perhaps given back: a register for each time (faults.md 4).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runtime::clock::Clock;
use testkit::history::{History, Outcome, Request, Revocation, Violation};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::{Answer, Key, Target};
use crate::judge::Findings;
use crate::limits::UNDER_WAY;

/// A right that was given back is there within so long; nobody waits for it.
pub const LAG: Duration = Duration::from_secs(1);
/// Between two requests to one service.
const PERIOD: Duration = Duration::from_millis(60);

/// What an answer says of the right.
pub type Reading = fn(&Answer) -> Outcome;

/// A call that took the right away or gave it back, from before it began until it had returned.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    pub takes_away: bool,
    pub begun: u64,
    pub returned: u64,
}

/// Clients that use the right all the time.
pub struct Register {
    pub name: &'static str,
    /// Whether a refusal is told once it holds everywhere: then S2 is judged, too.
    is_held: bool,
    clients: Arc<Clients>,
    turns: Vec<Turn>,
}

struct Clients {
    key: Key,
    targets: Vec<Target>,
    reading: Reading,
    seen: Mutex<Vec<(String, Request)>>,
    /// The latest that a sleeper woke.
    late: Mutex<Duration>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Register {
    /// Begins to ask these services.
    pub fn watch(
        name: &'static str,
        is_held: bool,
        key: Key,
        targets: Vec<Target>,
        reading: Reading,
    ) -> Self {
        let clients = Arc::new(Clients {
            key,
            targets,
            reading,
            seen: Mutex::default(),
            late: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        for target in &clients.targets {
            let asking = Arc::clone(&clients).pester(target.clone());
            clients.tasks.spawn(asking);
        }
        Self {
            name,
            is_held,
            clients,
            turns: Vec::new(),
        }
    }

    /// A call has returned: every service is asked at once.
    pub async fn turned(&mut self, turn: Turn) {
        self.turns.push(turn);
        let targets = self.clients.targets.iter();
        let asked = targets.map(|target| self.clients.ask(target));
        futures_util::future::join_all(asked).await;
    }

    /// Ends, and is judged; of `affected` services nothing is asked but safety.
    pub async fn end(self, found: &mut Findings, affected: &[&str]) {
        self.clients.stop.cancel();
        self.clients.tasks.close();
        self.clients.tasks.wait().await;
        let seen = std::mem::take(&mut *self.clients.seen());
        found.probes += seen.len() as u64;
        let late = *self
            .clients
            .late
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        found.late = found.late.max(late);
        for interval in intervals(&self.turns) {
            self.judge(found, &seen, &interval, affected);
        }
    }

    fn judge(
        &self,
        found: &mut Findings,
        seen: &[(String, Request)],
        interval: &Interval,
        affected: &[&str],
    ) {
        let name = self.name;
        let within =
            |request: &Request| request.begun >= interval.from && request.ended <= interval.until;
        let requests = seen.iter().filter(|(_, request)| within(request));
        let mut history = History {
            requests: requests.clone().map(|(_, request)| *request).collect(),
            revocations: interval.taken.iter().copied().collect(),
        };
        for violation in history.violations() {
            match violation {
                Violation::RefusedTooEarly { .. } => {
                    found.expect_speed(false, || format!("{name}: {violation}"));
                }
                Violation::AcceptedAfterRefusal { .. } if !self.is_held => {}
                _ => found.problems.push(format!("{name}: {violation}")),
            }
        }
        let Some(taken) = interval.taken else { return };
        for (service, (accepted, refused)) in counts(requests) {
            let is_affected = affected.contains(&service.as_str());
            found.expect_speed(is_affected || (accepted > 0 && refused > 0), || {
                format!("{name}: {service} accepted {accepted} times, then refused {refused} times")
            });
        }
        // What is judged must be able to fail.
        let late = history.requests.iter_mut().find(|request| {
            request.outcome == Outcome::Refused && Some(request.begun) > taken.succeeded
        });
        let Some(late) = late else {
            return found
                .problems
                .push(format!("{name}: nobody was refused once it was taken away"));
        };
        late.outcome = Outcome::Accepted;
        let is_seen = history.violations().iter().any(is_late);
        found.tampered += u64::from(is_seen);
        found.expect(is_seen, || {
            format!("{name}: the checker is blind to an answer that was tampered with")
        });
    }
}

impl Drop for Register {
    fn drop(&mut self) {
        self.clients.stop.cancel();
    }
}

impl Clients {
    fn seen(&self) -> MutexGuard<'_, Vec<(String, Request)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pester(self: Arc<Self>, target: Target) {
        let clock = Clock::system();
        let room = Arc::new(Semaphore::new(UNDER_WAY));
        loop {
            let due = clock.monotonic() + PERIOD;
            let waited = self.stop.run_until_cancelled(clock.sleep_until(due));
            if waited.await.is_none() {
                return;
            }
            self.note_late(clock.monotonic().saturating_since(due));
            let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
                continue;
            };
            let (clients, target) = (Arc::clone(&self), target.clone());
            self.tasks.spawn(async move {
                clients.ask(&target).await;
                drop(place);
            });
        }
    }

    fn note_late(&self, late: Duration) {
        let mut latest = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = late.max(*latest);
    }

    async fn ask(&self, target: &Target) {
        let answer = self.key.ask(target).await;
        let request = Request {
            outcome: (self.reading)(&answer),
            ..answer.as_request()
        };
        self.seen().push((target.name.clone(), request));
    }
}

/// What is judged by itself: from when the right is certainly there until it may be again.
struct Interval {
    from: u64,
    until: u64,
    taken: Option<Revocation>,
}

fn intervals(turns: &[Turn]) -> Vec<Interval> {
    let lag = u64::try_from(LAG.as_nanos()).unwrap_or(u64::MAX);
    let mut all = Vec::new();
    let mut current = Interval {
        from: 0,
        until: u64::MAX,
        taken: None,
    };
    for turn in turns {
        if turn.takes_away {
            current.taken = Some(Revocation {
                begun: turn.begun,
                succeeded: Some(turn.returned),
            });
        } else {
            current.until = turn.begun;
            all.push(current);
            current = Interval {
                from: turn.returned + lag,
                until: u64::MAX,
                taken: None,
            };
        }
    }
    all.push(current);
    all
}

/// How often each service accepted and refused.
fn counts<'a>(
    requests: impl Iterator<Item = &'a (String, Request)>,
) -> BTreeMap<&'a String, (u32, u32)> {
    let mut counts: BTreeMap<_, (u32, u32)> = BTreeMap::new();
    for (service, request) in requests {
        let (accepted, refused) = counts.entry(service).or_default();
        *accepted += u32::from(request.outcome == Outcome::Accepted);
        *refused += u32::from(request.outcome == Outcome::Refused);
    }
    counts
}

fn is_late(violation: &Violation) -> bool {
    matches!(violation, Violation::AcceptedAfterSuccess { .. })
}
