//! Whether events are a sound stretch of a log: what can be told from them alone, one after the other.

use std::collections::HashMap;

use domain::event::{ChainHash, EventType, Stream};
use domain::ids::{GlobalPosition, OrgId, StreamVersion};
use domain::merkle::{CompactRange, NodeHash};
use domain::time::Timestamp;
use thiserror::Error;

use crate::stored::StoredEvent;

/// What stands before a stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The tree over everything before; its size is the last position.
    pub tree: CompactRange,
    /// The newest event before that changes who may call, or 0.
    pub auth: GlobalPosition,
    /// When the last event before was recorded.
    pub recorded_at: Timestamp,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Flaw {
    /// There is no such event where it is due.
    #[error("is missing")]
    Missing,
    /// There is no readable event.
    #[error("cannot be read")]
    Unreadable,
    /// The event is readable, but not written as this log writes it.
    #[error("is not in its canonical form")]
    Form,
    /// The content and the hash disagree.
    #[error("does not agree with its hash")]
    Hash,
    /// It does not follow the one before it in its stream.
    #[error("does not follow the event before it in its stream")]
    Stream,
    /// It is older than the one before it.
    #[error("was recorded before the event before it")]
    Time,
    /// It does not name the one before it that changes who may call.
    #[error("does not name the event before it that changes who may call")]
    Auth,
    /// Nothing may stand there.
    #[error("stands behind the last")]
    Extra,
    /// The bytes of the frame that begins with it are not those of the manifest.
    #[error("begins a frame whose bytes are not those of the manifest")]
    Frame,
    /// The stretch does not go on from what stands before it.
    #[error("begins a stretch that does not go on from what stands before it")]
    Start,
    /// The tree does not come to what the manifest says.
    #[error("is the last, and the tree up to it is not the one of the manifest")]
    Tree,
}

/// The first bad position, and what is wrong there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the event at position {position} {flaw}")]
pub struct BadEvent {
    /// Where.
    pub position: GlobalPosition,
    /// What.
    pub flaw: Flaw,
}

/// The newest event of a stream.
#[derive(Debug, Clone, Copy)]
struct End {
    version: StreamVersion,
    hash: ChainHash,
    position: GlobalPosition,
}

/// Checks events one after the other. Of a stream that it has not met it takes the first event as
/// given, unless it began with the log itself.
#[derive(Debug)]
pub struct Checker {
    last: GlobalPosition,
    begins_log: bool,
    tree: CompactRange,
    auth: GlobalPosition,
    recorded_at: Timestamp,
    ends: HashMap<(OrgId, Stream), End>,
}

impl Start {
    /// Before the first event.
    pub fn of_log() -> Self {
        Self {
            tree: CompactRange::default(),
            auth: GlobalPosition::ZERO,
            recorded_at: Timestamp::from_datetime(chrono::DateTime::UNIX_EPOCH),
        }
    }
}

impl Checker {
    /// To check what follows.
    pub fn new(start: Start) -> Self {
        Self {
            last: GlobalPosition::new(start.tree.size()),
            begins_log: start.tree.size() == 0,
            tree: start.tree,
            auth: start.auth,
            recorded_at: start.recorded_at,
            ends: HashMap::new(),
        }
    }

    /// The last position that was checked.
    pub const fn last(&self) -> GlobalPosition {
        self.last
    }

    /// What the next stretch begins with.
    pub fn end(&self) -> Start {
        Start {
            tree: self.tree.clone(),
            auth: self.auth,
            recorded_at: self.recorded_at,
        }
    }

    /// Where the newest event of each stream stands that was met, and its hash.
    pub fn newest_of_streams(&self) -> impl Iterator<Item = (GlobalPosition, ChainHash)> + '_ {
        self.ends.values().map(|end| (end.position, end.hash))
    }

    /// Checks the next event.
    ///
    /// # Errors
    /// The first thing that is wrong; then the checker is of no use any more.
    pub fn check(&mut self, event: &StoredEvent) -> Result<(), BadEvent> {
        let due = self.last.next();
        if event.position != due {
            let flaw = Flaw::Missing;
            return Err(BadEvent {
                position: due,
                flaw,
            });
        }
        if let Some(flaw) = self.flaw(event) {
            return Err(BadEvent {
                position: due,
                flaw,
            });
        }
        self.last = due;
        self.recorded_at = event.recorded_at;
        if event.is_auth() {
            self.auth = due;
        }
        self.tree.push(NodeHash::of_leaf(&event.hash));
        let end = End {
            version: event.version,
            hash: event.hash,
            position: due,
        };
        self.ends.insert((event.org_id, event.stream), end);
        Ok(())
    }

    fn flaw(&self, event: &StoredEvent) -> Option<Flaw> {
        if event.computed_hash() != event.hash {
            return Some(Flaw::Hash);
        }
        let follows = match self.ends.get(&(event.org_id, event.stream)) {
            Some(end) => event.version == end.version.next() && event.prev_hash == end.hash,
            None if self.begins_log || event.version.get() == 1 => {
                event.version.get() == 1 && event.prev_hash == ChainHash::ZERO
            }
            None => true,
        };
        if !follows {
            return Some(Flaw::Stream);
        }
        if event.recorded_at < self.recorded_at {
            return Some(Flaw::Time);
        }
        let is_auth = event.event_type().map(EventType::is_auth);
        let names_former = event.auth_prev.is_none_or(|former| former == self.auth);
        if is_auth.is_some_and(|is_auth| is_auth != event.is_auth()) || !names_former {
            return Some(Flaw::Auth);
        }
        None
    }
}
