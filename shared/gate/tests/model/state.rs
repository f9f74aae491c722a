//! What one state of the model holds: the core's own values wherever it has one.

use std::sync::Arc;

use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};
use gate::core::barrier::{Ack, Barrier, LeaseRow};
use gate::core::clocks::WaitPoint;
use gate::core::decision::Facts;
use gate::core::follower::Registration;
use gate::core::hold::{RestsOn, Settlements};
use gate::core::replica::Renewal;
use gate::core::silence::{Silence, Silent};
use uuid::Uuid;

use crate::live::{self, Core};
use crate::protocol::Protocol;

/// The one life of the log.
pub const EPOCH: LogEpoch = live::epoch();
/// An auth event that everybody applied long ago.
pub const BEFORE: GlobalPosition = GlobalPosition::new(1);
/// The next one, about another key.
pub const OTHER: GlobalPosition = GlobalPosition::new(2);
/// The one after that, which revokes the key.
pub const REVOKE: GlobalPosition = GlobalPosition::new(3);

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four things that happened or did not, each for itself"
)]
pub struct World {
    /// Ticks that passed.
    pub now: u8,
    /// The newest auth event, as a statement on the primary shows it. Of settlements it shows
    /// nothing: replicas hear of them no later than it could.
    pub head: GlobalPosition,
    /// gate.leases, in the order of incarnations.
    pub rows: Vec<LeaseRow>,
    pub coordinator: Coordinator,
    pub crashed_once: bool,
    /// The newest acknowledgement of each row that a command service heard.
    pub heard: Vec<(IncarnationId, Ack)>,
    pub keeper: Keeper,
    pub replicas: Vec<Arc<Replica>>,
    /// Some request was told that the key is not valid.
    pub told: bool,
    /// What S1 forbids was seen.
    pub late_accept: bool,
    /// What S2 forbids was seen.
    pub inverted_accept: bool,
}

/// Who revokes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Coordinator {
    Idle,
    Committed { since: WaitPoint },
    Waiting(Barrier),
    Crashed,
    Returned,
}

/// Who collects rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Keeper {
    pub silence: Silence,
    /// Rows to be deleted, one statement each.
    pub due: Vec<Silent>,
}

/// A query service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replica {
    /// By how many ticks its clocks are behind.
    pub lag: u8,
    /// Rows it has made.
    pub lives: u8,
    /// Renewals it has sent; stays 0 unless they are bounded.
    pub renewals: u8,
    pub stage: Stage,
    pub core: Core,
    pub line: Line,
    /// Events are on their way here: the other one, the revocation.
    pub messages: [bool; 2],
    /// The log is to be read; stays false where it may be read at any time.
    pub behind: bool,
    /// The newest acknowledgement to be published.
    pub said: Option<(IncarnationId, Ack)>,
    /// What is known of settlements; stays as it was unless denials are told.
    pub hold: Settlements,
    /// Another request's question to the primary, by the head of the log that answers it.
    pub load: Option<GlobalPosition>,
    pub handler: Handler,
}

/// How far a replica has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// It has not begun.
    Out,
    /// It has loaded and follows the log, without a row.
    Loaded,
    /// Only under join-one-snapshot: its head is read, its row is not visible yet.
    Uncommitted {
        made: Registration,
        renewal: Renewal,
        head: GlobalPosition,
    },
    /// Its row stands.
    In,
    /// It refuses; its row may still stand.
    Leaving(IncarnationId),
    Gone,
}

/// The connection of the lease, with one statement at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    Idle,
    Sent(Renewal),
    /// `None`: the row was gone.
    Answered(Renewal, Option<GlobalPosition>),
}

/// `late`: the request began after the revocation returned. `inverted`: it began after a 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Began {
    pub late: bool,
    pub inverted: bool,
}

/// The one request at a time that a replica handles, one step for each thing it reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Handler {
    Idle,
    /// It has read so much so far.
    Looking(Began, Vec<Read>),
    /// Only under joined-load: it waits for another request's answer.
    Joined(Began),
    Asking(Began),
}

/// Something that a request has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Read {
    Deadlines(gate::core::clocks::Deadlines),
    Entry(Facts),
    Refused(RestsOn),
    Nothing,
}

impl World {
    /// Whether the revocation is in the log.
    pub fn is_committed(&self) -> bool {
        self.head >= REVOKE
    }

    /// Time passes, and the clocks of `lagging` stand still.
    pub fn tick(&mut self, protocol: &Protocol, lagging: Option<usize>) {
        self.now += 1;
        let now = self.now;
        for index in 0..self.replicas.len() {
            if lagging == Some(index) {
                self.replica(index).lag += 1;
            } else if protocol.tells {
                self.replica(index).age(now);
            }
        }
    }

    /// Changes one replica.
    pub fn replica(&mut self, index: usize) -> &mut Replica {
        Arc::make_mut(&mut self.replicas[index])
    }

    /// Deletes a row, if it is there.
    pub fn delete_row(&mut self, incarnation: IncarnationId) {
        self.rows.retain(|row| row.incarnation != incarnation);
    }
}

/// The row that a replica makes in one of its lives.
pub fn incarnation(replica: usize, life: u8) -> IncarnationId {
    let number = 10 * (replica as u128 + 1) + u128::from(life);
    IncarnationId::from_uuid(Uuid::from_u128(number))
}
