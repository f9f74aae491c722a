//! The server around the database: it stalls, restarts, loses answers, and commits one after another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};
use gate::core::auth::AuthEvent;
use gate::core::barrier::LeaseRow;
use gate::core::entry::OrgRow;
use gate::core::lookup::Verified;
use gate::core::mutant::Mutant;
use gate::core::replica::{Head, Renewal};
use gate::core::silence::Silent;

use crate::command::CommandMessage;
use crate::plan::MILLI;
use crate::primary::{Edit, KeyRow, Logged, Primary};
use crate::replica::ReplicaMessage;
use crate::world::{Event, Link, Process, World};

/// A statement on its way.
#[derive(Debug, Clone)]
pub struct Asked {
    pub from: Process,
    /// Comes back with the answer.
    pub id: u64,
    pub what: Ask,
}

#[derive(Debug, Clone)]
pub enum Ask {
    Load,
    Register(LeaseRow),
    /// Only with a fault: the row, and the head that its transaction read.
    FinishRegister(LeaseRow, Head),
    Renew(Renewal),
    Leave(IncarnationId),
    ReadAuth(GlobalPosition),
    Verify(usize),
    Append(Edit),
    /// Whether it was committed; if not, it never will be.
    Find(Edit),
    Rows,
    Settle(LogEpoch, GlobalPosition),
    Collect(Silent),
    Denials(GlobalPosition),
}

#[derive(Debug, Clone)]
pub enum Answer {
    Loaded {
        primary: Box<Snapshot>,
    },
    Registered {
        allowed: bool,
        head: Option<Head>,
    },
    /// None: the row is gone.
    Renewed(Option<(Head, GlobalPosition)>),
    Left,
    Auth(Vec<AuthEvent>),
    Verified(Box<Verified>),
    Appended {
        logged: Logged,
        already: bool,
    },
    NotCommitted,
    Rows(Box<Rows>),
    Settled,
    Collected(bool),
    Denials(Vec<GlobalPosition>, GlobalPosition),
    Failed,
}

/// R0.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub head: Head,
    pub settled: GlobalPosition,
    pub rows: Vec<(KeyRow, OrgRow)>,
}

/// B4.
#[derive(Debug, Clone)]
pub struct Rows {
    pub head: Head,
    pub settled: GlobalPosition,
    pub leases: Vec<LeaseRow>,
}

pub struct Server {
    pub primary: Primary,
    /// Denials that the ledgers hold.
    pub ledger: BTreeSet<GlobalPosition>,
    up: bool,
    stalled_until: u64,
    /// Appends that wait for the head's lock.
    waiting: VecDeque<(Asked, Edit)>,
    /// The one that is being committed.
    committing: Option<Committing>,
    /// When the events were written, before their commits: the time that stands in them.
    pub written: BTreeMap<GlobalPosition, u64>,
    /// Only with a fault: what a crash leaves of the rows of leases, and since when.
    flushed: (BTreeMap<IncarnationId, LeaseRow>, u64),
    next: u64,
    done: BTreeMap<String, Logged>,
    void: BTreeSet<String>,
}

struct Committing {
    id: u64,
    asked: Asked,
    edit: Edit,
    since: u64,
}

/// In health every replica has applied an event after so long.
const HEARD_WITHIN: u64 = 100 * MILLI;
/// What is committed without waiting for the disk is there after so long: three rounds of
/// Postgres's WAL writer.
const UNFLUSHED: u64 = 600 * MILLI;

impl Server {
    pub fn new(primary: Primary) -> Self {
        Self {
            primary,
            ledger: BTreeSet::new(),
            up: true,
            stalled_until: 0,
            waiting: VecDeque::new(),
            committing: None,
            written: BTreeMap::new(),
            flushed: (BTreeMap::new(), 0),
            next: 0,
            done: BTreeMap::new(),
            void: BTreeSet::new(),
        }
    }

    pub fn stall(&mut self, until: u64) {
        self.stalled_until = self.stalled_until.max(until);
    }

    pub fn go_down(&mut self) {
        self.up = false;
        self.waiting.clear();
        // What was being committed is lost: its commit was not durable.
        self.committing = None;
        if Mutant::AsyncLease.is_active() {
            self.primary.leases.clone_from(&self.flushed.0);
        }
    }

    /// A commit that waits for the disk takes along what did not.
    fn flush(&mut self, now: u64) {
        if Mutant::AsyncLease.is_active() {
            self.flushed = (self.primary.leases.clone(), now);
        }
    }

    pub fn forget_operations(&mut self) {
        self.done.clear();
    }

    /// Whether a change still means something.
    pub fn applies(&self, what: Edit) -> bool {
        match what {
            Edit::Revoke { key } | Edit::Narrow { key } => self.primary.keys.contains_key(&key),
            Edit::Ban { .. } | Edit::Suspend { .. } => true,
            Edit::Reinstate { .. } | Edit::Make { .. } | Edit::Act { .. } => false,
        }
    }

    fn head(&self) -> Head {
        Head {
            auth_position: self.primary.head(),
            epoch: self.primary.epoch,
        }
    }
}

fn name(edit: Edit) -> String {
    format!("{edit:?}")
}

impl World {
    pub fn serve(&mut self, asked: Asked) {
        if !self.server.up {
            return self.answer(&asked, Answer::Failed);
        }
        if self.server.stalled_until > self.now {
            let at = self.server.stalled_until;
            return self.at(at, Event::Server(asked));
        }
        if self.now >= self.server.flushed.1 + UNFLUSHED {
            self.server.flush(self.now);
        }
        let answer = match &asked.what {
            Ask::Append(edit) => return self.append(asked.clone(), *edit),
            Ask::Register(row) => {
                if Mutant::JoinOneSnapshot.is_active() {
                    let (row, head) = (*row, self.server.head());
                    let delay = self.rng.between(MILLI / 2, 40 * MILLI);
                    let what = Ask::FinishRegister(row, head);
                    return self.after(delay, Event::Server(Asked { what, ..asked }));
                }
                let allowed = self.server.primary.register(*row);
                Answer::Registered {
                    allowed,
                    head: None,
                }
            }
            Ask::FinishRegister(row, head) => Answer::Registered {
                allowed: self.server.primary.register(*row),
                head: Some(*head),
            },
            Ask::Verify(key) => {
                let primary = self.standby().unwrap_or(&self.server.primary);
                Answer::Verified(Box::new(primary.verify(*key)))
            }
            _ => self.read(&asked.what),
        };
        self.answer(&asked, answer);
    }

    fn read(&mut self, what: &Ask) -> Answer {
        let head = self.server.head();
        let primary = &mut self.server.primary;
        match what {
            Ask::Load => {
                let keys = primary.keys.values();
                let live = keys.filter(|key| {
                    let suspended = primary.orgs[key.org].1.suspended;
                    let ended = key.row.status == gate::core::entry::Status::Ended;
                    !ended && !key.row.owner_banned && !suspended
                });
                let rows = live
                    .map(|key| (key.clone(), primary.orgs[key.org].1))
                    .collect();
                Answer::Loaded {
                    primary: Box::new(Snapshot {
                        head,
                        settled: primary.settled,
                        rows,
                    }),
                }
            }
            Ask::Renew(renewal) => {
                let stands = primary.renew(renewal.incarnation, renewal.applied);
                Answer::Renewed(stands.map(|()| (head, primary.settled)))
            }
            Ask::Leave(incarnation) => {
                primary.leases.remove(incarnation);
                Answer::Left
            }
            Ask::ReadAuth(after) => Answer::Auth(primary.events_after(*after)),
            Ask::Rows => Answer::Rows(Box::new(Rows {
                head,
                settled: primary.settled,
                leases: primary.leases.values().copied().collect(),
            })),
            Ask::Settle(epoch, position) => {
                // Positions of another log say nothing.
                if *epoch == primary.epoch {
                    primary.settled = primary.settled.max(*position);
                }
                Answer::Settled
            }
            Ask::Collect(silent) => Answer::Collected(primary.collect(silent)),
            Ask::Denials(after) => Answer::Denials(primary.denials_after(*after), primary.head()),
            Ask::Find(edit) => {
                if let Some(logged) = self.server.done.get(&name(*edit)) {
                    return Answer::Appended {
                        logged: *logged,
                        already: true,
                    };
                }
                self.server.void.insert(name(*edit));
                self.server.waiting.retain(|(_, other)| other != edit);
                Answer::NotCommitted
            }
            Ask::Append(_) | Ask::Register(_) | Ask::FinishRegister(..) | Ask::Verify(_) => {
                Answer::Failed
            }
        }
    }

    fn append(&mut self, asked: Asked, edit: Edit) {
        if let Some(logged) = self.server.done.get(&name(edit)).copied() {
            let already = true;
            return self.answer(&asked, Answer::Appended { logged, already });
        }
        if self.server.void.remove(&name(edit)) {
            return self.answer(&asked, Answer::NotCommitted);
        }
        self.server.waiting.push_back((asked, edit));
        self.commit_next();
    }

    fn commit_next(&mut self) {
        if self.server.committing.is_some() {
            return;
        }
        let Some((asked, edit)) = self.server.waiting.pop_front() else {
            return;
        };
        self.server.next += 1;
        let id = self.server.next;
        let is_slow = self.plan.slow_commit > 0 && self.rng.permille(self.plan.slow);
        let took = if is_slow {
            self.rng.below(self.plan.slow_commit)
        } else {
            self.plan.commit
        };
        self.server.committing = Some(Committing {
            id,
            asked,
            edit,
            since: self.now,
        });
        self.after(took, Event::Committed(id));
    }

    /// From here on every snapshot sees it.
    pub fn committed(&mut self, id: u64) {
        if self.server.stalled_until > self.now {
            let at = self.server.stalled_until;
            return self.at(at, Event::Committed(id));
        }
        let committing = self.server.committing.take_if(|own| own.id == id);
        let Some(Committing {
            asked, edit, since, ..
        }) = committing
        else {
            return;
        };
        let (logged, already) = if let Some(logged) = self.server.done.get(&name(edit)) {
            (*logged, true)
        } else if self.applies_now(edit) {
            let owner = match edit {
                Edit::Make { key } => Some(key),
                _ => None,
            };
            let skipped = self.rng.below(4);
            self.back_up();
            let logged = self.server.primary.commit(edit, skipped, owner);
            self.server.done.insert(name(edit), logged);
            self.server.written.insert(logged.event.position, since);
            self.server.flush(self.now);
            let epoch = self.server.primary.epoch;
            self.publish(logged, epoch);
            if self.plan.is_healthy {
                let heard = Event::Heard(logged.event.position);
                self.after(HEARD_WITHIN, heard);
            }
            (logged, false)
        } else {
            self.answer(&asked, Answer::NotCommitted);
            return self.commit_next();
        };
        self.note(500 + logged.event.position.get());
        self.answer(&asked, Answer::Appended { logged, already });
        self.commit_next();
    }

    fn applies_now(&self, edit: Edit) -> bool {
        match edit {
            Edit::Make { .. } | Edit::Reinstate { .. } => true,
            Edit::Act { by, .. } => {
                self.server.primary.lets_act(by) || Mutant::CommandCache.is_active()
            }
            _ => self.server.applies(edit),
        }
    }

    pub fn server_back(&mut self) {
        self.server.up = true;
    }

    /// Back to whoever asked, unless the connection is cut by now.
    fn answer(&mut self, asked: &Asked, answer: Answer) {
        if self.is_cut(asked.from, Link::Primary) {
            return;
        }
        let Some(delay) = self.line_delay(asked.from) else {
            return;
        };
        let id = asked.id;
        let event = match asked.from {
            Process::Replica(index) => Event::Replica(index, ReplicaMessage::Answer(id, answer)),
            Process::Command(index) => Event::Command(index, CommandMessage::Answer(id, answer)),
        };
        self.after(delay, event);
    }
}
