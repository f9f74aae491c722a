//! A replica as it follows the log and renews its lease (revocation.md 5.1, R0 to R3).
//!
//! The state machine of the apply task. It says what to do; the driver does it, in the order in
//! which the fields of an answer stand.

use std::time::Duration;

use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};

use super::auth::{AuthEvent, Change, Subject};
use super::clocks::{Deadlines, FencePoint};
use super::mutant::Mutant;
use super::stamp::{Generation, Tomb};

/// What this replica has applied, and what it was promised.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replica {
    term: Duration,
    generation: Generation,
    follows: Follows,
    epoch: Option<LogEpoch>,
    applied: GlobalPosition,
    incarnation: Option<IncarnationId>,
    /// A renewal that takes effect once everything up to a position is applied (pitfall 3). The first
    /// stays until then: were later ones to take its place, a log that is always ahead would end the
    /// lease of a replica that keeps up with it.
    pending: Option<(GlobalPosition, Deadlines)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Follows {
    /// Everything must be loaded first.
    Nothing,
    /// The log from `applied` on.
    Log,
    /// It met an event of a newer build: no lease any more, every request is verified.
    NoMore,
}

/// A renewal on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Renewal {
    /// Whose.
    pub incarnation: IncarnationId,
    /// What was applied when it was made.
    pub applied: GlobalPosition,
    /// What the fence clocks showed before it was sent.
    pub sent: FencePoint,
}

/// The primary's answer to a renewal whose row was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Head {
    /// The newest auth event.
    pub auth_position: GlobalPosition,
    /// The life of the log.
    pub epoch: LogEpoch,
}

/// What a renewal's answer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Renewed {
    /// Extend the lease.
    Extend(Deadlines),
    /// Apply everything up to this position; the last of it brings the extension.
    CatchUp(GlobalPosition),
    /// The row is gone: fence, register anew.
    Register,
    /// The log is another one: fence, drop everything, load.
    Reload,
    /// It answers something that is no longer asked.
    Ignore,
}

/// What an event asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Applied {
    /// It was applied before.
    Duplicate,
    /// Raise the tombstone, then extend the lease if it says so, then acknowledge.
    Yes {
        /// Whom it is about, and what to remember of it.
        tomb: Option<(Subject, Tomb)>,
        /// The deadlines of the renewal that waited for it.
        extend: Option<Deadlines>,
    },
    /// Events before it are missing: read the log.
    Gap,
    /// The log is another one: fence, drop everything, load.
    Reload,
    /// Fence, delete the row, verify every request from now on.
    GiveUp,
}

impl Replica {
    /// One that must load first. `term` is the lease term D.
    pub const fn new(term: Duration) -> Self {
        Self {
            term,
            generation: Generation::NONE,
            follows: Follows::Nothing,
            epoch: None,
            applied: GlobalPosition::ZERO,
            incarnation: None,
            pending: None,
        }
    }

    /// Drops everything and begins with a snapshot (R0). The new generation counts at once, so the
    /// entries of the snapshot may be inserted after it; none if this process loaded too often.
    pub fn load(&mut self, epoch: LogEpoch, snapshot: GlobalPosition) -> Option<Generation> {
        self.generation = self.generation.next()?;
        self.epoch = Some(epoch);
        self.applied = snapshot;
        self.follows = Follows::Log;
        self.incarnation = None;
        self.pending = None;
        Some(self.generation)
    }

    /// The row that `generation` asked for stands and is committed (R1). False if that was
    /// overtaken: the row stands for nothing, and must be deleted.
    pub fn registered(&mut self, incarnation: IncarnationId, generation: Generation) -> bool {
        if !self.must_register() || generation != self.generation {
            return false;
        }
        self.incarnation = Some(incarnation);
        self.pending = None;
        true
    }

    /// Whether a new row must be made before the next renewal.
    pub fn must_register(&self) -> bool {
        self.follows == Follows::Log && self.incarnation.is_none()
    }

    /// A renewal to send now (R2); none without a row.
    pub fn renew(&self, now: FencePoint) -> Option<Renewal> {
        let incarnation = self.incarnation.filter(|_| self.follows == Follows::Log)?;
        Some(Renewal {
            incarnation,
            applied: self.applied,
            sent: now,
        })
    }

    /// Takes the answer to a renewal; `head` is none if the row was gone.
    pub fn renewed(&mut self, renewal: &Renewal, head: Option<Head>) -> Renewed {
        if self.follows != Follows::Log || self.incarnation != Some(renewal.incarnation) {
            return Renewed::Ignore;
        }
        let Some(head) = head else {
            self.incarnation = None;
            self.pending = None;
            return Renewed::Register;
        };
        // Against what was applied when it was sent: that may have moved on since.
        if Some(head.epoch) != self.epoch || head.auth_position < renewal.applied {
            self.forget();
            return Renewed::Reload;
        }
        let deadlines = Deadlines::after(renewal.sent, self.term);
        if self.applied >= head.auth_position || Mutant::NoCatchUp.is_active() {
            Renewed::Extend(deadlines)
        } else {
            self.pending.get_or_insert((head.auth_position, deadlines));
            Renewed::CatchUp(head.auth_position)
        }
    }

    /// Takes an event (R3).
    pub fn apply(&mut self, event: &AuthEvent) -> Applied {
        if self.follows != Follows::Log || event.position <= self.applied {
            return Applied::Duplicate;
        }
        if event.previous > self.applied && !Mutant::StreamContiguity.is_active() {
            return Applied::Gap;
        }
        if event.previous < self.applied {
            self.forget();
            return Applied::Reload;
        }
        if event.change == Change::Unknown {
            self.follows = Follows::NoMore;
            self.pending = None;
            return Applied::GiveUp;
        }
        let tomb = self.tomb_of(event);
        self.applied = event.position;
        let extend = match self.pending {
            Some((head, deadlines)) if head <= self.applied => {
                self.pending = None;
                Some(deadlines)
            }
            _ => None,
        };
        Applied::Yes { tomb, extend }
    }

    /// Whom an event is about, and what to remember of it.
    pub fn tomb_of(&self, event: &AuthEvent) -> Option<(Subject, Tomb)> {
        match event.change {
            Change::Nothing | Change::Unknown => None,
            Change::Marks(subject, mark) => {
                Some((subject, Tomb::new(self.generation.at(event.position), mark)))
            }
        }
    }

    /// Gives up the row that stands for this process, to be deleted.
    pub fn disown(&mut self) -> Option<IncarnationId> {
        self.pending = None;
        self.incarnation.take()
    }

    /// Drops everything: the log is not the one that was loaded.
    pub fn forget(&mut self) {
        self.follows = Follows::Nothing;
        self.pending = None;
    }

    /// Up to where every auth event is applied, without a hole.
    pub const fn applied(&self) -> GlobalPosition {
        self.applied
    }

    /// The lease term D.
    pub const fn term(&self) -> Duration {
        self.term
    }

    /// Which log that is.
    pub const fn epoch(&self) -> Option<LogEpoch> {
        self.epoch
    }

    /// The row that stands for this process.
    pub const fn incarnation(&self) -> Option<IncarnationId> {
        self.incarnation
    }

    /// The generation whose entries count.
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether a snapshot must be loaded.
    pub fn must_load(&self) -> bool {
        self.follows == Follows::Nothing
    }
}

#[cfg(test)]
mod tests;
