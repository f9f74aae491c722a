//! What must hold, of what clients saw and of the log.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use api::v1::Receipt;
use domain::event::{Actor, ChainHash};
use domain::ids::{GlobalPosition, OrgId};
use event_log::{EventLog, ReadError, StoredEvent};
use testkit::history::{Outcome, Violation};
use uuid::Uuid;

use crate::limits::{
    ANSWERED_SHARE, BOUND_GRACE, CALL_BESIDES, FRESH_FLOOR, FRESH_SHARE, FRESH_WITHIN, LATE,
    LOG_PAGE,
};
use crate::seen::{Revoked, Seen};

/// What `affected` names where Postgres, or a command service's way to it, has a fault.
pub const POSTGRES: &str = "pg";

/// Through so many threads and processes a revocation goes, each of which may wake as late as the
/// latest sleeper.
const HANDS: u32 = 4;

/// What became of a row, or of the whole run.
#[derive(Debug, Default)]
pub struct Findings {
    pub problems: Vec<String>,
    pub notes: Vec<String>,
    pub revokes: u64,
    /// Revocations that needed more than one try.
    pub retried: u64,
    pub probes: u64,
    /// Replicas that should be asked anew right after a revocation, and those that were.
    pub fresh: (u64, u64),
    /// Requests with the key that nobody revokes, to replicas without a fault: asked, answered.
    pub control: (u64, u64),
    /// Rounds in which the checker refused the same history with one answer changed.
    pub tampered: u64,
    /// How barriers ended, for how many replicas: acknowledged, lease run out, left.
    pub ends: [u64; 3],
    pub longest: Duration,
    pub late: Duration,
    /// How often a sleeper woke, and how often soon enough to ask a replica in time.
    pub wakes: (u64, u64),
    pub answers: BTreeMap<String, u64>,
}

/// What L1 is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lateness {
    /// The client's clock, from before the call, so from before the commit: no longer than its
    /// barrier waited, and what a call takes on this machine besides.
    OfTheCall { besides: Duration },
    /// The coordinator's, from the commit on: Postgres was late to commit.
    OfTheBarrier,
    /// None: a barrier could not even learn from Postgres whom to wait for, or its process stood still.
    Any,
}

impl Lateness {
    fn of(seen: &Seen, queries: &[String], affected: &[&str]) -> Self {
        let is_affected = |name: &str| affected.contains(&name);
        if affected.iter().any(|name| is_command(name)) {
            Self::Any
        } else if !is_affected(POSTGRES) {
            Self::OfTheCall {
                besides: (slowest_command(seen) + HANDS * seen.late).max(CALL_BESIDES),
            }
        } else if queries.iter().all(|query| is_affected(query)) {
            Self::Any
        } else {
            Self::OfTheBarrier
        }
    }
}

/// What was acknowledged in the whole run.
#[derive(Debug, Default)]
pub struct Acknowledged {
    pub writes: Vec<(u64, Uuid)>,
    pub receipts: Vec<Receipt>,
}

impl Findings {
    pub fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(otherwise());
        }
    }

    /// Non-vacuity of S1: replicas are asked while a violation could still be seen. A machine that
    /// does not wake a sleeper in time cannot ask in time either.
    pub fn expect_fresh(&mut self) {
        let (fresh, woken) = (share(self.fresh), share(self.wakes));
        let text = format!(
            "{:.1} % of replicas were asked within {} ms of a revocation's return; {:.1} % of sleepers woke so soon",
            fresh * 100.0,
            FRESH_WITHIN.as_millis(),
            woken * 100.0,
        );
        let wanted = (FRESH_SHARE * woken).max(FRESH_FLOOR);
        self.expect(fresh >= wanted, || text.clone());
        self.note(text);
    }

    /// Non-vacuity of the checker: where replicas were asked after a revocation, one answer at least
    /// was tampered with.
    pub fn expect_tampering(&mut self) {
        let is_shown = self.tampered > 0 || self.fresh.1 == 0;
        self.expect(is_shown, || {
            "the checker was never seen to refuse a history".to_owned()
        });
        let tampered = self.tampered;
        self.note(format!("{tampered} histories were tampered with"));
    }

    /// What holds only where the machine has time: it is not judged where it had none.
    pub fn expect_speed(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if self.late > LATE && !holds {
            let late = self.late.as_millis();
            let text = otherwise();
            self.notes
                .push(format!("not judged, sleepers woke {late} ms late: {text}"));
        } else {
            self.expect(holds, otherwise);
        }
    }

    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Adds what a row came to, without its problems, which are its own.
    pub fn add(&mut self, row: Self) {
        self.revokes += row.revokes;
        self.retried += row.retried;
        self.probes += row.probes;
        self.fresh.0 += row.fresh.0;
        self.fresh.1 += row.fresh.1;
        self.control.0 += row.control.0;
        self.control.1 += row.control.1;
        self.tampered += row.tampered;
        for (sum, ends) in self.ends.iter_mut().zip(row.ends) {
            *sum += ends;
        }
        self.longest = self.longest.max(row.longest);
        self.late = self.late.max(row.late);
        self.wakes.0 += row.wakes.0;
        self.wakes.1 += row.wakes.1;
        for (answer, count) in row.answers {
            *self.answers.entry(answer).or_default() += count;
        }
    }

    /// S1, S2, S5, L1 and L3 of one round. `affected` are services from which nothing is asked
    /// beyond safety; with [`POSTGRES`] or a command service among them a revocation may come late.
    pub fn judge(&mut self, seen: &Seen, queries: &[String], affected: &[&str]) {
        for (key, violation) in seen.histories.violations() {
            self.problems.push(format!("key {key}: {violation}"));
        }
        let is_seen = sees_tampering(seen);
        self.tampered += u64::from(is_seen == Some(true));
        self.expect(is_seen != Some(false), || {
            "the checker is blind to an answer that was tampered with".to_owned()
        });
        let refused_by = queries
            .iter()
            .find(|query| !affected.contains(&query.as_str()) && refused_late(seen, query));
        self.expect(is_seen.is_some() || refused_by.is_none(), || {
            format!("the checker was not told of a refusal by {refused_by:?}")
        });
        let canaries = seen.canaries;
        self.expect(canaries == 0, || {
            format!("S5: {canaries} answers show another org")
        });
        self.late = self.late.max(seen.late);
        self.wakes.0 += seen.wakes.0;
        self.wakes.1 += seen.wakes.1;
        self.probes += seen.requests.len() as u64;
        for (answer, count) in &seen.answers {
            *self.answers.entry(answer.clone()).or_default() += count;
        }
        let lateness = Lateness::of(seen, queries, affected);
        for revoked in &seen.revoked {
            self.one(revoked, lateness);
            for query in queries {
                self.fresh.0 += 1;
                self.fresh.1 += u64::from(is_fresh(seen, revoked, query));
            }
        }
        let mut control = (0, 0);
        for (name, (asked, answered)) in &seen.control {
            if !affected.contains(&name.as_str()) {
                control.0 += asked;
                control.1 += answered;
            }
        }
        self.control.0 += control.0;
        self.control.1 += control.1;
        let lost = control.0 - control.1;
        // One in a thousand, and of fewer than a thousand one.
        self.expect_speed(share(control) >= ANSWERED_SHARE || lost <= 1, || {
            format!(
                "L3: {lost} of {} requests to unaffected replicas failed",
                control.0
            )
        });
    }

    fn one(&mut self, revoked: &Revoked, lateness: Lateness) {
        self.revokes += 1;
        self.retried += u64::from(revoked.failed > 0);
        self.longest = self.longest.max(revoked.took());
        let Some(barrier) = &revoked.receipt.barrier else {
            return self
                .problems
                .push("a receipt without its barrier".to_owned());
        };
        let ends = [barrier.acked, barrier.lease_expired, barrier.left];
        for (sum, ends) in self.ends.iter_mut().zip(ends) {
            *sum += u64::from(ends);
        }
        let bound = revoked.bound() + BOUND_GRACE;
        let (took, waited) = (revoked.took(), revoked.waited());
        let is_in_time = match lateness {
            Lateness::OfTheCall { besides } => {
                took <= waited + BOUND_GRACE + besides && waited <= bound
            }
            Lateness::OfTheBarrier => waited <= bound,
            Lateness::Any => true,
        };
        self.expect_speed(is_in_time, || {
            format!(
                "L1: {} was revoked {} ms after the call, its barrier waited {} ms: {lateness:?}",
                revoked.key,
                took.as_millis(),
                waited.as_millis()
            )
        });
    }

    /// What all of the log must be: S3 and S7.
    pub async fn judge_log(
        &mut self,
        log: &EventLog,
        acknowledged: &Acknowledged,
    ) -> Vec<StoredEvent> {
        let events = whole(log).await.expect("the log can be read");
        self.chains(&events);
        self.acknowledged(&events, acknowledged);
        self.causes(&events);
        self.note(format!("{} events, all chains whole", events.len()));
        events
    }

    /// S3: gapless, in order, every hash that of its content and of the one before.
    fn chains(&mut self, events: &[StoredEvent]) {
        let mut auth = GlobalPosition::ZERO;
        let mut ends: HashMap<(OrgId, i16), ChainHash> = HashMap::new();
        for (index, event) in events.iter().enumerate() {
            let position = event.position.get();
            self.expect(position == index as u64 + 1, || {
                format!("S3: a gap before {position}")
            });
            if let Some(previous) = event.auth_prev {
                self.expect(previous == auth, || {
                    format!("S3: {position} names {previous}, not {auth}")
                });
                auth = event.position;
            }
            let end = ends.insert((event.org_id, event.stream as i16), event.hash);
            let is_next = end.is_none_or(|end| end == event.prev_hash);
            let is_whole = event.computed_hash() == event.hash || event.event_type().is_none();
            self.expect(is_next && is_whole, || {
                format!("S3: the chain breaks at {position}")
            });
        }
    }

    /// S3: what was acknowledged is there.
    fn acknowledged(&mut self, events: &[StoredEvent], acknowledged: &Acknowledged) {
        let at = |position: u64| {
            usize::try_from(position)
                .ok()
                .and_then(|at| events.get(at - 1))
        };
        for (position, key) in &acknowledged.writes {
            let is_there = at(*position).is_some_and(|event| causer(event) == Some(*key));
            self.expect(is_there, || {
                format!("S3: what {key} wrote at {position} is lost")
            });
        }
        for receipt in &acknowledged.receipts {
            let event = at(receipt.position.get());
            let is_there = event.is_some_and(|event| event.hash.to_string() == receipt.event_hash);
            self.expect(is_there, || {
                format!("S3: the revocation of {} is lost", receipt.id)
            });
        }
    }

    /// S7: no event stands above the revocation of the key that caused it; and no key is revoked
    /// twice.
    fn causes(&mut self, events: &[StoredEvent]) {
        let mut revoked: HashMap<String, u64> = HashMap::new();
        for event in events {
            let position = event.position.get();
            if let Some(end) = causer(event).and_then(|key| revoked.get(&format!("keys/{key}"))) {
                self.problems.push(format!(
                    "S7: {position} was caused by a key revoked at {end}"
                ));
            }
            if event.type_name == "key.revoked" {
                let earlier = revoked.insert(event.subject.to_string(), position);
                self.expect(earlier.is_none(), || {
                    format!("{} is revoked twice", event.subject)
                });
            }
        }
    }
}

/// Whether the checker sees it when one refusal of these histories is turned into an acceptance;
/// none if there is no refusal that began after a revocation had returned.
fn sees_tampering(seen: &Seen) -> Option<bool> {
    let tampered = seen.histories.iter().find_map(|(_, history)| {
        let success = history
            .revocations
            .iter()
            .filter_map(|one| one.succeeded)
            .min()?;
        let mut history = history.clone();
        let late = history
            .requests
            .iter_mut()
            .find(|request| request.outcome == Outcome::Refused && request.begun > success);
        late?.outcome = Outcome::Accepted;
        Some(history)
    });
    let is_seen =
        |violation: &Violation| matches!(violation, Violation::AcceptedAfterSuccess { .. });
    tampered.map(|history| history.violations().iter().any(is_seen))
}

/// Whether the replica refused a key, asked after its revocation had returned.
fn refused_late(seen: &Seen, query: &str) -> bool {
    seen.revoked.iter().any(|revoked| {
        seen.requests.iter().any(|(name, key, request)| {
            name == query
                && *key == revoked.key
                && request.outcome == Outcome::Refused
                && request.begun > revoked.returned
        })
    })
}

/// The longest that a call to a command service took which no barrier had to end.
fn slowest_command(seen: &Seen) -> Duration {
    let answered = seen
        .requests
        .iter()
        .filter(|(name, _, request)| request.outcome != Outcome::Unknown && is_command(name));
    let took = answered.map(|(_, _, request)| request.ended - request.begun);
    Duration::from_nanos(took.max().unwrap_or_default())
}

fn is_command(name: &str) -> bool {
    name.starts_with('c')
}

/// Whether the replica was asked with the key right after the revocation had returned.
fn is_fresh(seen: &Seen, revoked: &Revoked, query: &str) -> bool {
    let until = revoked.returned + u64::try_from(FRESH_WITHIN.as_nanos()).unwrap_or(u64::MAX);
    seen.requests.iter().any(|(name, key, request)| {
        name == query && *key == revoked.key && (revoked.returned..=until).contains(&request.begun)
    })
}

fn causer(event: &StoredEvent) -> Option<Uuid> {
    match event.actor {
        Actor::Key(key) => Some(key.as_uuid()),
        _ => None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than 53 bits"
)]
pub fn share((all, some): (u64, u64)) -> f64 {
    if all == 0 {
        1.0
    } else {
        some as f64 / all as f64
    }
}

/// All of the log.
///
/// # Errors
/// Postgres did not answer, or has something else than events.
pub async fn whole(log: &EventLog) -> Result<Vec<StoredEvent>, ReadError> {
    let mut events: Vec<StoredEvent> = Vec::new();
    loop {
        let after = events
            .last()
            .map_or(GlobalPosition::ZERO, |last| last.position);
        let page = log.read(after, LOG_PAGE).await?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}
