//! Through the log, event by event: chains, order, and the tree over all of it.

use domain::event::EventType;
use domain::ids::{GlobalPosition, TreeSize};
use domain::merkle::{Frontier, Grown, NodeHash, leaf_index};
use event_log::{StoredEvent, WrongSubtree};

use super::access::Access;
use super::chain::{Beginning, Chains, Link};
use super::expected::Expected;
use super::report::Fault;

/// How far it is.
pub struct Walk {
    pub chains: Chains,
    pub expected: Expected,
    pub access: Access,
    /// The tree so far, and where it goes on: behind what is archived, if that is not looked at.
    tree: Frontier,
    /// The last event that changes who may call.
    auth: GlobalPosition,
    pub unknown_types: u64,
}

/// One page of the way.
pub struct Step {
    pub walk: Walk,
    /// What must be kept of the tree.
    pub grown: Vec<Grown>,
    pub fault: Option<Fault>,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every event, from the first on.
    Whole,
    /// Up to a position decisions, and what else is there; every event behind it.
    Decisions(GlobalPosition),
}

impl Walk {
    /// From the first event on, with the tree over what is not looked at.
    pub fn new(expected: Expected, tree: Frontier, scope: Scope) -> Self {
        let chains = match scope {
            Scope::Whole => Chains::new(Beginning::First),
            Scope::Decisions(upto) => Chains::with_archived(upto),
        };
        Self {
            chains,
            expected,
            access: Access::default(),
            tree,
            auth: GlobalPosition::ZERO,
            unknown_types: 0,
        }
    }

    /// Through events that follow each other without gaps. What was signed up to the last of them must
    /// have been read.
    pub fn through(mut self, events: &[StoredEvent]) -> Step {
        let mut grown = Vec::new();
        let mut fault = None;
        for event in events {
            if let Err(found) = self.past(event, &mut grown) {
                fault = Some(found);
                break;
            }
        }
        Step {
            walk: self,
            grown,
            fault,
        }
    }

    fn past(&mut self, event: &StoredEvent, grown: &mut Vec<Grown>) -> Result<(), Fault> {
        self.chains.follow(&Link::from(event))?;
        self.changes_access(event)?;
        self.access.past(event);
        if leaf_index(event.position) == self.tree.size() {
            let leaf = NodeHash::of_leaf(&event.hash);
            self.tree.push(leaf, |subtree| grown.push(subtree));
            self.agrees()?;
        }
        Ok(())
    }

    /// Whether what was signed over as many events as were met is the tree over them.
    pub fn agrees(&mut self) -> Result<(), Fault> {
        let size = TreeSize::new(self.tree.size());
        if self.expected.next_size().is_none_or(|next| next > size) {
            return Ok(());
        }
        let tree = &self.tree;
        self.expected.compare(size, || tree.root())
    }

    /// Every event that changes who may call names the one before it.
    fn changes_access(&mut self, event: &StoredEvent) -> Result<(), Fault> {
        let known = event.event_type();
        if known.is_none() {
            self.unknown_types += 1;
        }
        let fault = |what: String| Err(Fault::at(event.position, what));
        match (event.auth_prev, known.map(EventType::is_auth)) {
            (None, Some(true)) => {
                return fault("it changes who may call, and is not marked as such".to_owned());
            }
            (Some(_), Some(false)) => {
                return fault("it is marked to change who may call, and does not".to_owned());
            }
            (Some(named), _) => {
                let due = self.auth;
                if due != named {
                    return fault(format!(
                        "it names {named} as the event before it that changes who may call; that is {due}"
                    ));
                }
                self.auth = event.position;
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// How many events the tree is over, and its root.
    pub fn tree(&self) -> (u64, NodeHash) {
        (self.tree.size(), self.tree.root())
    }

    /// The last event that changes who may call, or 0.
    pub const fn auth(&self) -> GlobalPosition {
        self.auth
    }
}

/// What a kept subtree that is wrong says of events.
pub fn of_subtree(wrong: &WrongSubtree, signed: TreeSize) -> Option<Fault> {
    let Grown { level, index, .. } = wrong.due;
    let (first, end) = ((index << level) + 1, (index + 1) << level);
    let (first, last) = (GlobalPosition::new(first), GlobalPosition::new(end));
    if !wrong.is_missing {
        let what = format!("not the events of which the tree keeps a hash at level {level}");
        return Some(Fault::between(first, last, what));
    }
    // The signer has not come so far, or it was taken away.
    (end <= signed.get()).then(|| {
        Fault::between(
            first,
            last,
            format!("the tree keeps no hash of them at level {level}"),
        )
    })
}
