//! One batch on its way into the log.

use runtime::clock::{Clock, Monotonic};

use super::outcome::Evidence;
use super::queue::Queued;
use super::session::{Session, Tid};
use super::settle::{Settlement, Verdict};
use super::{AppendError, NotCommitted};
use crate::error::CorruptRow;
use crate::log::Head;
use crate::metrics as names;
use crate::recent::Recent;

/// A batch that is settled on the state that the one before it leaves behind.
pub struct Flight {
    pub batch: Vec<Queued>,
    pub settlement: Settlement,
    /// The head that it is settled on, and where its row stands.
    pub before: Head,
    pub tid: Option<Tid>,
    /// The head that it makes.
    pub after: Head,
    pub began: Monotonic,
}

/// How a batch is written.
#[derive(Debug, Clone, Copy)]
pub enum Approach {
    /// Everything in one statement, which is its own transaction. For events alone.
    AtOnce,
    /// Everything, in the transaction that holds the head's lock.
    Locked,
}

/// What became of it; what is not committed is still to be decided.
pub enum Landing {
    /// It is committed and everybody is told.
    Committed {
        /// Where the head's row stands now, if it was moved.
        tid: Option<Tid>,
        /// What belongs into a later batch.
        later: Vec<Queued>,
    },
    /// Somebody else has appended since it was settled: nothing was written.
    Stale(Flight),
    /// Nothing was written.
    Failed(Flight, NotCommitted),
    /// The answer to its commit is lost.
    InDoubt(Flight, Evidence, NotCommitted),
}

/// How a flight's statements ended.
enum End {
    Committed(Option<Tid>),
    Stale,
    Failed(NotCommitted),
    Lost(NotCommitted),
}

impl Flight {
    /// Writes what is to be written, commits, and tells everybody.
    pub async fn land(
        self,
        session: &mut Session,
        approach: Approach,
        recent: &Recent,
        clock: &Clock,
    ) -> Landing {
        let end = match approach {
            Approach::AtOnce => self.at_once(session).await,
            Approach::Locked => self.locked(session).await,
        };
        match (end, Evidence::of(&self.settlement)) {
            (End::Committed(tid), _) => {
                let later = self.committed(recent, clock);
                Landing::Committed { tid, later }
            }
            (End::Stale, _) => Landing::Stale(self),
            (End::Lost(cause), Some(evidence)) => Landing::InDoubt(self, evidence, cause),
            (End::Failed(cause) | End::Lost(cause), _) => Landing::Failed(self, cause),
        }
    }

    /// It is in the log: tells every caller, and returns what belongs into a later batch.
    pub fn committed(self, recent: &Recent, clock: &Clock) -> Vec<Queued> {
        let took = clock.monotonic().saturating_since(self.began);
        let Settlement {
            verdicts, events, ..
        } = self.settlement;
        names::record_commit(self.batch.len(), events.len(), took);
        recent.push(events);
        answer(self.batch, verdicts)
    }

    /// Nobody knows whether it is in the log: tells every caller that this concerns.
    pub fn unknown(self) -> Vec<Queued> {
        let verdicts = self.settlement.verdicts.into_iter();
        let verdicts = verdicts.map(|verdict| match verdict {
            Verdict::Appended(_) => Verdict::Refused(AppendError::OutcomeUnknown),
            other => other,
        });
        answer(self.batch, verdicts)
    }

    async fn at_once(&self, session: &mut Session) -> End {
        // A batch of refusals moves the head to where it is: that checks what they rest on.
        let written = session
            .write_events(
                &self.settlement,
                &self.before,
                self.tid.as_ref(),
                &self.after,
            )
            .await;
        match written {
            Ok(Some(tid)) => End::Committed(Some(tid)),
            Ok(None) => End::Stale,
            Err(cause) if cause.is_about_content() => End::Failed(cause),
            Err(cause) => End::Lost(cause),
        }
    }

    async fn locked(&self, session: &mut Session) -> End {
        if self.settlement.is_empty() {
            return match session.rollback().await {
                Ok(()) => End::Committed(None),
                Err(cause) => End::Failed(cause),
            };
        }
        match self.write_locked(session).await {
            Ok(tid) => Self::commit(session, tid).await,
            Err(cause) => End::Failed(cause),
        }
    }

    async fn write_locked(&self, session: &mut Session) -> Result<Option<Tid>, NotCommitted> {
        let mut moved = None;
        if !self.settlement.events.is_empty() {
            moved = session
                .write_events(
                    &self.settlement,
                    &self.before,
                    self.tid.as_ref(),
                    &self.after,
                )
                .await?;
            if moved.is_none() {
                let problem = "moved under its lock";
                return Err(CorruptRow::new("log.head", "position", "the row", problem).into());
            }
        }
        session.write_companions(&self.settlement).await?;
        Ok(moved)
    }

    async fn commit(session: &mut Session, tid: Option<Tid>) -> End {
        match session.commit().await {
            Ok(()) => End::Committed(tid),
            Err(cause) => End::Lost(cause),
        }
    }
}

/// Tells every caller what became of it; returns what belongs into a later batch.
fn answer(batch: Vec<Queued>, verdicts: impl IntoIterator<Item = Verdict>) -> Vec<Queued> {
    let mut later = Vec::new();
    for (queued, verdict) in batch.into_iter().zip(verdicts) {
        match verdict {
            Verdict::Appended(appended) => queued.answer(Ok(appended)),
            Verdict::Refused(error) => {
                names::record_refusal(&error);
                queued.answer(Err(error));
            }
            Verdict::Later => later.push(queued),
        }
    }
    later
}
