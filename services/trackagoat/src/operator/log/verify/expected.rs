//! Signed heads, from wherever they are kept, in the order of their sizes.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use domain::ids::{GlobalPosition, LogEpoch, TreeSize};
use domain::merkle::NodeHash;
use domain::signed::{Restoration, VerifierKey};
use event_log::{CheckpointCopy, EventLog, LogRestoration, ReadError, SignedCheckpoint};

use super::report::{Fault, Report};

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

/// Copies from outside the database, also of former lives of the log, and what is said of those.
#[derive(Debug)]
pub struct Copies {
    epoch: LogEpoch,
    keys: Vec<VerifierKey>,
    heads: Vec<Signed>,
    former: Vec<(LogEpoch, Signed)>,
    notes: Vec<Restoration>,
}

impl Copies {
    /// None yet, of a log in this life.
    pub const fn new(epoch: LogEpoch, keys: Vec<VerifierKey>) -> Self {
        Self {
            epoch,
            keys,
            heads: Vec::new(),
            former: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds the newest of the database, which has a place of its own.
    pub fn add_newest(&mut self, newest: Option<&SignedCheckpoint>) {
        let keys = &self.keys;
        self.heads.extend(newest.map(|newest| of_row(newest, keys)));
    }

    /// Adds one.
    pub fn add(&mut self, copy: &CheckpointCopy, source: Source) {
        let size = TreeSize::new(copy.tree_size);
        if copy.is_restoration() {
            match copy.restoration(&self.keys) {
                Ok(note) => self.notes.push(note),
                Err(error) => self.heads.push(Signed {
                    size,
                    source,
                    root: Err(error.to_string()),
                }),
            }
            return;
        }
        let opened = copy.open(&self.keys);
        // What stands beside the note says where it belongs only if there is no note.
        let of = opened.as_ref().map_or(self.epoch, |head| head.epoch);
        let head = Signed {
            size: opened.as_ref().map_or(size, |head| head.size),
            source,
            root: opened
                .map(|head| head.root)
                .map_err(|error| error.to_string()),
        };
        if of == self.epoch {
            self.heads.push(head);
        } else {
            self.former.push((of, head));
        }
    }

    /// Decides which heads of former lives must agree with the log: all up to where a signed note says that it
    /// was restored to. Without a note that is all of them.
    fn settle(&mut self, kept: Vec<LogRestoration>, report: &mut Report) {
        let mut noted = Vec::new();
        for one in kept {
            let note = one.copy.map(|copy| copy.restoration(&self.keys));
            self.notes.extend(note.and_then(Result::ok));
            noted.push(one.said);
        }
        noted.extend(self.notes.iter().cloned());
        let (mut gone, mut unsigned, mut unsaid) = (0_u64, BTreeSet::new(), BTreeSet::new());
        for (life, head) in self.former.drain(..) {
            let signed = Restoration::common(&self.notes, life, self.epoch);
            let common = signed.or_else(|| {
                let common = Restoration::common(&noted, life, self.epoch);
                let lives = if common.is_some() {
                    &mut unsigned
                } else {
                    &mut unsaid
                };
                lives.insert(life);
                common
            });
            if common.is_some_and(|common| head.size > common) {
                gone += 1;
            } else {
                self.heads.push(head);
            }
        }
        if gone > 0 {
            report.tell(format!(
                "{gone} signed heads are of events that are gone since the log was restored"
            ));
        }
        for life in unsigned {
            report.doubt(format!(
                "that the life {life} of the log ended with a restore: what says so is under no signature \
                 (run `log restored` with the log's key)"
            ));
        }
        for life in unsaid {
            report.doubt(format!(
                "that the life {life} of the log ended with a restore: nothing says so, and whoever changes \
                 the log can change its epoch"
            ));
        }
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
    /// `kept` are the restorations that the database tells of.
    pub fn new(
        log: EventLog,
        mut copies: Copies,
        kept: Vec<LogRestoration>,
        report: &mut Report,
    ) -> Self {
        copies.settle(kept, report);
        let mut outside = copies.heads;
        outside.sort_by_key(|head| (head.size, head.source));
        Self {
            log,
            keys: copies.keys,
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
