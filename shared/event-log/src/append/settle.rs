//! Settling a batch in memory: each append on its own gets its place or its refusal, so a loser
//! takes no position and never fails its neighbours. Pure: the facts come in.

use std::collections::HashMap;
use std::sync::Arc;

use domain::event::{ChainHash, Reading, Stream};
use domain::ids::{GlobalPosition, OrgId, StreamVersion};
use domain::time::Timestamp;

use super::prepare::{Prepared, PreparedEvent};
use super::tail::{End, Tail};
use super::{AppendError, Appended, IdempotencyRecord, StoredAnswer};
use crate::inline::Change;
use crate::readings::{Former, ReadingKey, ReadingRow};
use crate::stored::StoredEvent;

/// Answers that are remembered, by org and key.
pub type Answers = HashMap<(OrgId, String), StoredAnswer>;

/// What becomes of each append, and what is to be written.
#[derive(Debug, Default)]
pub struct Settlement {
    /// One for each append, in order.
    pub verdicts: Vec<Verdict>,
    /// In order of position, without gaps.
    pub events: Vec<StoredEvent>,
    /// One for each event: what is neither hashed nor sent.
    pub metadata: Vec<Option<Arc<str>>>,
    /// Changes to rows of `gate.*`, in order.
    pub changes: Vec<PlacedChange>,
    /// Readings, each with its event; no two with the same key.
    pub readings: Vec<PlacedReading>,
    /// Answers to remember.
    pub answers: Vec<(OrgId, StoredAnswer)>,
}

#[derive(Debug)]
pub enum Verdict {
    Appended(Appended),
    Refused(AppendError),
    /// Something earlier in this batch decides about it: it belongs into the next.
    Later,
}

#[derive(Debug, Clone)]
pub struct PlacedChange {
    pub org_id: OrgId,
    pub position: GlobalPosition,
    pub change: Arc<Change>,
}

#[derive(Debug, Clone)]
pub struct PlacedReading {
    pub org_id: OrgId,
    pub position: GlobalPosition,
    pub reading: ReadingRow,
    pub former: Former,
}

/// Settles appends on the tail, which moves along, and on the answers that exist for their keys.
pub fn settle<'a>(
    tail: &mut Tail,
    mut taken: Answers,
    appends: impl IntoIterator<Item = &'a Prepared>,
    now: Timestamp,
) -> Settlement {
    let now = now.max(tail.head.recorded_at);
    let mut settlement = Settlement::default();
    for append in appends {
        let verdict = match admit(tail, &taken, append, now) {
            Ok(()) => Verdict::Appended(settlement.place(tail, &mut taken, append, now)),
            Err(refusal) => refusal,
        };
        settlement.verdicts.push(verdict);
    }
    settlement.finish();
    settlement
}

fn admit(tail: &Tail, taken: &Answers, append: &Prepared, now: Timestamp) -> Result<(), Verdict> {
    // First: who may not act any more learns nothing of earlier answers either.
    if let Some(guard) = append.guard {
        let Some(caller) = tail.caller(guard.id()) else {
            return Err(Verdict::Later);
        };
        if !caller.is_some_and(|caller| caller.may_act(guard, append.org_id, now)) {
            return Err(Verdict::Refused(AppendError::CallerDenied));
        }
    }
    if let Some(record) = &append.idempotency
        && let Some(answer) = taken.get(&(record.org_id, record.key.clone()))
    {
        let refusal = AppendError::IdempotencyTaken(Box::new(answer.clone()));
        return Err(Verdict::Refused(refusal));
    }
    let actual = tail.end((append.org_id, Stream::Decisions)).version;
    match append.expected {
        Some(expected) if expected != actual => {
            Err(Verdict::Refused(AppendError::Conflict { actual }))
        }
        _ => Ok(()),
    }
}

impl Settlement {
    /// Whether there is anything to write.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.answers.is_empty()
    }

    fn place(
        &mut self,
        tail: &mut Tail,
        taken: &mut Answers,
        append: &Prepared,
        now: Timestamp,
    ) -> Appended {
        let first = tail.head.position.next();
        let hashes = append
            .events
            .iter()
            .map(|event| self.place_event(tail, append, event, now))
            .collect();
        let last = tail.head.position;
        if let Some(record) = &append.idempotency {
            let answer = StoredAnswer {
                record: IdempotencyRecord::clone(record),
                first,
                last,
                recorded_at: now,
            };
            taken.insert((record.org_id, record.key.clone()), answer.clone());
            self.answers.push((record.org_id, answer));
        }
        Appended {
            first,
            last,
            version: decisions_version(tail, append),
            recorded_at: now,
            epoch: tail.head.epoch,
            hashes,
        }
    }

    fn place_event(
        &mut self,
        tail: &mut Tail,
        append: &Prepared,
        event: &PreparedEvent,
        now: Timestamp,
    ) -> ChainHash {
        let stream = (append.org_id, event.stream());
        let end = tail.end(stream);
        let position = tail.head.position.next();
        let is_auth = event.event_type.is_auth();
        let mut stored = StoredEvent {
            position,
            event_id: event.event_id,
            org_id: append.org_id,
            stream: stream.1,
            version: end.version.next(),
            type_name: event.event_type.name().into(),
            schema_version: event.event_type.schema_version(),
            subject: event.subject.clone(),
            actor: append.actor,
            correlation_id: append.correlation_id.clone(),
            recorded_at: now,
            auth_prev: is_auth.then_some(tail.head.auth_position),
            prev_hash: end.hash,
            hash: ChainHash::ZERO,
            data: event.data.clone(),
        };
        stored.hash = stored.computed_hash();
        let end = End {
            version: stored.version,
            hash: stored.hash,
        };
        tail.learn_stream(stream, end);
        tail.head.position = position;
        tail.head.recorded_at = now;
        if is_auth {
            tail.head.auth_position = position;
            // Guarded appends of the org that follow in this batch must see what this changes.
            tail.forget_callers_of(append.org_id);
        }
        if let Some(change) = &event.change {
            self.changes.push(PlacedChange {
                org_id: append.org_id,
                position,
                change: Arc::clone(change),
            });
        }
        self.readings
            .extend(event.readings.iter().map(|&reading| PlacedReading {
                org_id: append.org_id,
                position,
                reading,
                former: Former::default(),
            }));
        self.metadata.push(event.metadata.clone());
        self.events.push(stored);
        end.hash
    }

    /// Leaves one row a key: of two equal readings the last received.
    fn finish(&mut self) {
        // The sort is stable, so after reversing the last received comes first among equals.
        self.readings.reverse();
        self.readings.sort_by_key(PlacedReading::key);
        self.readings.dedup_by(|earlier, last| {
            let is_corrected = earlier.key() == last.key();
            if is_corrected {
                last.supersede(earlier);
            }
            is_corrected
        });
    }
}

impl PlacedReading {
    fn key(&self) -> (OrgId, ReadingKey) {
        (self.org_id, self.reading.key)
    }

    /// Takes the place of an earlier one, but for lasting fields that only that one carries.
    fn supersede(&mut self, earlier: &Self) {
        let lasting = Reading::lasting(self.reading.key.kind);
        let left = lasting & earlier.reading.carries & !self.reading.carries;
        self.former.note(left, earlier.position);
    }
}

fn decisions_version(tail: &Tail, append: &Prepared) -> Option<StreamVersion> {
    let stream = (append.org_id, Stream::Decisions);
    append
        .streams()
        .any(|named| named == stream)
        .then(|| tail.end(stream).version)
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
