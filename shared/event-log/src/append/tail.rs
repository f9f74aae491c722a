//! What the appender knows of the end of the log. Under the head's lock it is exact: either nobody
//! else has appended since, or what they may have changed is forgotten and read again.

use std::collections::HashMap;

use domain::event::{ChainHash, Stream};
use domain::ids::{LogEpoch, OrgId, StreamVersion};
use domain::time::Timestamp;
use uuid::Uuid;

use super::Guard;
use super::session::Tid;
use crate::log::Head;

/// Streams kept in memory; beyond, all are forgotten, which costs one read each.
const STREAMS_KEPT: usize = 200_000;
/// Callers kept in memory, likewise.
const CALLERS_KEPT: usize = 50_000;

/// The end of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub version: StreamVersion,
    pub hash: ChainHash,
}

impl End {
    pub const EMPTY: Self = Self {
        version: StreamVersion::ZERO,
        hash: ChainHash::ZERO,
    };
}

/// Whether a credential may act, as its rows have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub org_id: OrgId,
    /// Ended, its owner banned, or its org suspended.
    pub denied: bool,
    /// When it ends by itself.
    pub ends_at: Option<Timestamp>,
}

impl Caller {
    pub fn may_act(&self, guard: Guard, org: OrgId, now: Timestamp) -> bool {
        let reaches = match guard {
            Guard::Key(_) => self.org_id == org,
            Guard::Session(_) => true,
        };
        reaches && !self.denied && self.ends_at.is_none_or(|end| now < end)
    }
}

/// The end of the log and of its streams.
#[derive(Debug)]
pub struct Tail {
    pub head: Head,
    /// Where the head's row stands; none: nothing is known.
    tid: Option<Tid>,
    ends: HashMap<(OrgId, Stream), End>,
    /// None: there is no such credential.
    callers: HashMap<Uuid, Option<Caller>>,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            head: Head::before(LogEpoch::from_uuid(Uuid::nil())),
            tid: None,
            ends: HashMap::new(),
            callers: HashMap::new(),
        }
    }
}

impl Tail {
    /// Takes the head that was read under its lock, and forgets what others may have changed.
    pub fn meet(&mut self, head: Head, tid: Tid) {
        let same_log = self.head.epoch == head.epoch;
        let alone = same_log && self.head.position == head.position;
        if !alone {
            self.ends.clear();
        }
        let same_auth = same_log && self.head.auth_position == head.auth_position;
        if !same_auth {
            self.callers.clear();
        }
        self.head = head;
        self.tid = Some(tid);
    }

    /// Forgets what is too much to keep. Between two batches: what one was read for must stay.
    pub fn bound(&mut self) {
        if self.ends.len() > STREAMS_KEPT {
            self.ends = HashMap::new();
        }
        if self.callers.len() > CALLERS_KEPT {
            self.callers = HashMap::new();
        }
    }

    /// Whether it holds anything to settle on.
    pub const fn is_known(&self) -> bool {
        self.tid.is_some()
    }

    /// Where the head's row stands.
    pub const fn tid(&self) -> Option<&Tid> {
        self.tid.as_ref()
    }

    /// The head's row was written anew. What was forgotten meanwhile stays so.
    pub fn move_to(&mut self, tid: Tid) {
        if self.tid.is_some() {
            self.tid = Some(tid);
        }
    }

    /// Forgets everything: what was settled on it was not committed.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    pub fn knows_stream(&self, stream: &(OrgId, Stream)) -> bool {
        self.ends.contains_key(stream)
    }

    pub fn knows_caller(&self, id: Uuid) -> bool {
        self.callers.contains_key(&id)
    }

    pub fn learn_stream(&mut self, stream: (OrgId, Stream), end: End) {
        self.ends.insert(stream, end);
    }

    pub fn learn_caller(&mut self, id: Uuid, caller: Option<Caller>) {
        self.callers.insert(id, caller);
    }

    /// The end of a stream; empty if nothing was read of it, as of one that does not exist.
    pub fn end(&self, stream: (OrgId, Stream)) -> End {
        self.ends.get(&stream).copied().unwrap_or(End::EMPTY)
    }

    /// What is known of a credential: nothing, that it does not exist, or whether it may act.
    pub fn caller(&self, id: Uuid) -> Option<Option<Caller>> {
        self.callers.get(&id).copied()
    }

    /// Something changed who may call for this org.
    pub fn forget_callers_of(&mut self, org: OrgId) {
        self.callers
            .retain(|_, caller| caller.is_some_and(|caller| caller.org_id != org));
    }
}
