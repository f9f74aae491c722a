//! Signed heads, from wherever they are kept, in the order of their sizes.

use std::collections::VecDeque;
use std::fmt;

use domain::ids::{GlobalPosition, LogEpoch, TreeSize};
use domain::merkle::NodeHash;
use domain::signed::VerifierKey;
use event_log::{CheckpointCopy, EventLog, ReadError, SignedCheckpoint};

use super::report::Fault;

/// Heads of one read.
const PAGE: u16 = 2_000;

/// Where a signed head is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Database,
    Folder,
    Stream,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database => "the database",
            Self::Folder => "the folder of checkpoints",
            Self::Stream => "the stream of checkpoints",
        })
    }
}

/// A signed head, or that it is no such.
#[derive(Debug, Clone)]
pub struct Signed {
    pub size: TreeSize,
    pub source: Source,
    /// The root under a good signature.
    pub root: Result<NodeHash, String>,
}

/// Copies from outside the database; of this life of the log, since others may have had other events.
#[derive(Debug, Default)]
pub struct Copies {
    heads: Vec<Signed>,
    /// Those of other lives.
    pub others: u64,
}

impl Copies {
    /// Adds the newest of the database, which has a place of its own.
    pub fn add_newest(&mut self, newest: Option<&SignedCheckpoint>, keys: &[VerifierKey]) {
        self.heads.extend(newest.map(|newest| of_row(newest, keys)));
    }

    /// Adds one.
    pub fn add(
        &mut self,
        copy: &CheckpointCopy,
        source: Source,
        epoch: LogEpoch,
        keys: &[VerifierKey],
    ) {
        let opened = copy.open(keys);
        // What stands beside the note says where it belongs only if there is no note.
        let of = opened.as_ref().map_or(copy.epoch, |head| head.epoch);
        if of != epoch {
            self.others += 1;
            return;
        }
        self.heads.push(match opened {
            Ok(head) => Signed {
                size: head.size,
                source,
                root: Ok(head.root),
            },
            Err(error) => Signed {
                size: TreeSize::new(copy.tree_size),
                source,
                root: Err(error.to_string()),
            },
        });
    }
}

/// All of them, and how many agreed with the log.
pub struct Expected {
    log: EventLog,
    keys: Vec<VerifierKey>,
    outside: VecDeque<Signed>,
    /// Those of the database that were read, and where to go on.
    inside: VecDeque<Signed>,
    after: Option<(TreeSize, LogEpoch)>,
    is_read: bool,
    agreed: [u64; 3],
    /// The largest size that agreed.
    last_agreed: TreeSize,
}

impl Expected {
    pub fn new(log: EventLog, keys: Vec<VerifierKey>, copies: Copies) -> Self {
        let mut outside = copies.heads;
        outside.sort_by_key(|head| (head.size, head.source));
        Self {
            log,
            keys,
            outside: outside.into(),
            inside: VecDeque::new(),
            after: None,
            is_read: false,
            agreed: [0; 3],
            last_agreed: TreeSize::ZERO,
        }
    }

    /// Passes over heads that end before the log that is looked at begins.
    pub async fn skip_below(&mut self, size: TreeSize) -> Result<(), ReadError> {
        let Some(below) = size.get().checked_sub(1).map(TreeSize::new) else {
            return Ok(());
        };
        self.fill(below).await?;
        while self.next_up_to(below).is_some() {}
        Ok(())
    }

    /// Reads all of the database up to a size.
    pub async fn fill(&mut self, until: TreeSize) -> Result<(), ReadError> {
        while !self.is_read && self.inside.back().is_none_or(|last| last.size <= until) {
            let page = self.log.all_checkpoints(self.after, PAGE).await?;
            self.is_read = page.len() < usize::from(PAGE);
            self.after = page
                .last()
                .map(|last| (last.size, last.epoch))
                .or(self.after);
            let heads = page.iter().map(|row| of_row(row, &self.keys));
            self.inside.extend(heads);
        }
        Ok(())
    }

    /// Holds every head of a size to the root of the tree of that size.
    pub fn compare(&mut self, size: TreeSize, root: impl Fn() -> NodeHash) -> Result<(), Fault> {
        while let Some(head) = self.next_up_to(size) {
            self.agrees(&head, size, &root)?;
        }
        Ok(())
    }

    fn agrees(
        &mut self,
        head: &Signed,
        size: TreeSize,
        root: &impl Fn() -> NodeHash,
    ) -> Result<(), Fault> {
        let (source, last) = (head.source, GlobalPosition::new(head.size.get()));
        match &head.root {
            Err(why) => Err(Fault::beside(format!(
                "the head over {last} events in {source}: {why}"
            ))),
            Ok(signed) if head.size == size && *signed == root() => {
                self.agreed[source as usize] += 1;
                self.last_agreed = size;
                Ok(())
            }
            Ok(_) => Err(Fault::between(
                GlobalPosition::new(self.last_agreed.get()).next(),
                last,
                format!(
                    "not the events over which the head in {source} was signed: one was changed, \
                     with its hashes"
                ),
            )),
        }
    }

    /// What was signed beyond the end of the log.
    pub async fn beyond(&mut self, end: TreeSize) -> Result<Option<Fault>, ReadError> {
        self.fill(TreeSize::new(u64::MAX)).await?;
        let largest = self.inside.back().into_iter().chain(self.outside.back());
        let largest = largest.max_by_key(|head| head.size);
        let cut = largest.filter(|head| head.size > end);
        Ok(cut.map(|head| {
            let (first, last) = (end.get() + 1, head.size.get());
            Fault::between(
                GlobalPosition::new(first),
                GlobalPosition::new(last),
                format!(
                    "missing: a head over {last} events was signed, it is in {}",
                    head.source
                ),
            )
        }))
    }

    /// How many heads of a source agreed.
    pub const fn agreed(&self, source: Source) -> u64 {
        self.agreed[source as usize]
    }

    /// How many events are under a signed head that agrees.
    pub const fn last_agreed(&self) -> TreeSize {
        self.last_agreed
    }

    /// The size of the next head.
    pub fn next_size(&self) -> Option<TreeSize> {
        let next = self.inside.front().into_iter().chain(self.outside.front());
        next.map(|head| head.size).min()
    }

    fn next_up_to(&mut self, size: TreeSize) -> Option<Signed> {
        for queue in [&mut self.inside, &mut self.outside] {
            if queue.front().is_some_and(|head| head.size <= size) {
                return queue.pop_front();
            }
        }
        None
    }
}

fn of_row(row: &SignedCheckpoint, keys: &[VerifierKey]) -> Signed {
    let root = match row.open(keys) {
        Ok(head) if (head.size, head.root, head.epoch) == (row.size, row.root, row.epoch) => {
            Ok(head.root)
        }
        Ok(_) => Err("its note says something else than its row".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    Signed {
        size: row.size,
        source: Source::Database,
        root,
    }
}
