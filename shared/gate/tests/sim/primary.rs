//! Postgres as the protocol uses it: one lock on the log's head, commits in the order of positions,
//! snapshots that see a prefix.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::credential::{CredentialHash, CredentialKind};
use domain::ids::{GlobalPosition, IncarnationId, LogEpoch, OrgId, UserId};
use domain::scope::{Scope, Scopes};
use gate::core::auth::{AuthEvent, Change, Subject};
use gate::core::barrier::LeaseRow;
use gate::core::entry::{CredentialRow, OrgRow, Status};
use gate::core::lookup::Verified;
use gate::core::registry::OrgTerms;
use gate::core::silence::Silent;
use gate::core::stamp::Mark;
use uuid::Uuid;

/// What may happen to who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    Revoke {
        key: usize,
    },
    Narrow {
        key: usize,
    },
    Suspend {
        org: usize,
    },
    Reinstate {
        org: usize,
    },
    Ban {
        org: usize,
        user: usize,
    },
    Make {
        key: usize,
    },
    /// Something that somebody does with a key; the number tells it from others.
    Act {
        by: usize,
        number: u64,
    },
}

/// One event of the log.
#[derive(Debug, Clone, Copy)]
pub struct Logged {
    pub event: AuthEvent,
    pub denies: bool,
    pub what: Edit,
}

#[derive(Debug, Clone)]
pub struct KeyRow {
    pub hash: CredentialHash,
    pub row: CredentialRow,
    pub org: usize,
}

/// The database.
#[derive(Debug, Clone)]
pub struct Primary {
    pub epoch: LogEpoch,
    pub log: Vec<Logged>,
    pub keys: BTreeMap<usize, KeyRow>,
    pub orgs: Vec<(OrgId, OrgRow)>,
    pub leases: BTreeMap<IncarnationId, LeaseRow>,
    pub settled: GlobalPosition,
    pub longest_term: Duration,
}

pub fn org_id(org: usize) -> OrgId {
    OrgId::from_uuid(Uuid::from_u128(0x1000 + org as u128))
}

pub fn user_id(user: usize) -> UserId {
    UserId::from_uuid(Uuid::from_u128(0x2000 + user as u128))
}

pub fn key_id(key: usize) -> Uuid {
    Uuid::from_u128(0x3000 + key as u128)
}

pub fn hash(key: usize) -> CredentialHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(key as u64 + 1).to_be_bytes());
    bytes[16..24].copy_from_slice(&(key as u64).wrapping_mul(0x9e37_79b9).to_le_bytes());
    CredentialHash::from_bytes(bytes)
}

impl Primary {
    pub fn new(orgs: usize, longest_term: Duration) -> Self {
        let terms = OrgTerms {
            per_day: None,
            per_minute: 60_000,
        };
        let row = OrgRow {
            terms,
            suspended: false,
            denied_at: GlobalPosition::ZERO,
        };
        Self {
            epoch: LogEpoch::from_uuid(Uuid::from_u128(1)),
            log: Vec::new(),
            keys: BTreeMap::new(),
            orgs: (0..orgs).map(|org| (org_id(org), row)).collect(),
            leases: BTreeMap::new(),
            settled: GlobalPosition::ZERO,
            longest_term,
        }
    }

    /// The newest auth event. Positions have gaps where other events stand.
    pub fn head(&self) -> GlobalPosition {
        self.log
            .last()
            .map_or(GlobalPosition::ZERO, |last| last.event.position)
    }

    /// Commits an event; `skipped` others came before it.
    pub fn commit(&mut self, what: Edit, skipped: u64, owner: Option<usize>) -> Logged {
        let previous = self.head();
        let position = previous.plus(1 + skipped);
        let (change, denies) = self.write(what, position, owner);
        let event = AuthEvent {
            position,
            previous,
            change,
        };
        let logged = Logged {
            event,
            denies,
            what,
        };
        self.log.push(logged);
        logged
    }

    fn write(
        &mut self,
        what: Edit,
        position: GlobalPosition,
        owner: Option<usize>,
    ) -> (Change, bool) {
        match what {
            Edit::Make { key } => {
                let org = key % self.orgs.len();
                let row = CredentialRow {
                    id: key_id(key),
                    org: org_id(org),
                    kind: CredentialKind::ApiKey,
                    status: Status::Active,
                    scopes: Scopes::DEFAULT,
                    strict: false,
                    owner: owner.map(user_id),
                    owner_banned: false,
                    rate: 60_000,
                    addresses: None,
                    ends_at: None,
                    denied_at: GlobalPosition::ZERO,
                };
                let hash = hash(key);
                self.keys.insert(key, KeyRow { hash, row, org });
                (Change::Nothing, false)
            }
            Edit::Revoke { key } => {
                let row = self.row(key);
                row.status = Status::Ended;
                row.denied_at = position;
                (marks(Subject::Credential(key_id(key)), Mark::Ended), true)
            }
            Edit::Narrow { key } => {
                let row = self.row(key);
                row.scopes = Scopes::NONE.with(Scope::Read);
                row.denied_at = position;
                (marks(Subject::Credential(key_id(key)), Mark::Changed), true)
            }
            Edit::Ban { org, user } => {
                for key in self.keys.values_mut() {
                    if key.org == org && key.row.owner == Some(user_id(user)) {
                        key.row.owner_banned = true;
                        key.row.denied_at = position;
                    }
                }
                let subject = Subject::Owner(org_id(org), user_id(user));
                (marks(subject, Mark::Changed), true)
            }
            Edit::Suspend { org } => {
                let row = &mut self.orgs[org].1;
                row.suspended = true;
                row.denied_at = position;
                (marks(Subject::Org(org_id(org)), Mark::Ended), true)
            }
            Edit::Act { .. } => (Change::Nothing, false),
            Edit::Reinstate { org } => {
                self.orgs[org].1.suspended = false;
                (marks(Subject::Org(org_id(org)), Mark::Changed), false)
            }
        }
    }

    fn row(&mut self, key: usize) -> &mut CredentialRow {
        &mut self.keys.get_mut(&key).expect("a key that exists").row
    }

    /// Whether something may be done with a key.
    pub fn lets_act(&self, key: usize) -> bool {
        self.keys.get(&key).is_some_and(|key| {
            let row = &key.row;
            let suspended = self.orgs[key.org].1.suspended;
            let ended = row.status == Status::Ended || row.owner_banned || suspended;
            !ended && row.scopes.contains(Scope::Write)
        })
    }

    /// S7: what stands above the event that took its caller's right away.
    pub fn acts_too_late(&self) -> Vec<String> {
        let mut over = BTreeSet::new();
        let mut wrong = Vec::new();
        for logged in &self.log {
            match logged.what {
                Edit::Revoke { key } | Edit::Narrow { key } | Edit::Ban { user: key, .. } => {
                    over.insert(key);
                }
                Edit::Act { by, .. } if over.contains(&by) => {
                    let position = logged.event.position;
                    wrong.push(format!(
                        "S7: key {by} did {position} after it had lost the right"
                    ));
                }
                _ => {}
            }
        }
        wrong
    }

    /// VERIFY: one statement.
    pub fn verify(&self, key: usize) -> Verified {
        let rows = self
            .keys
            .get(&key)
            .map(|key| (key.row.clone(), self.orgs[key.org].1));
        Verified {
            rows,
            auth_position: self.head(),
            epoch: self.epoch,
            settled: self.settled,
        }
    }

    pub fn register(&mut self, row: LeaseRow) -> bool {
        let allowed = row.term <= self.longest_term;
        if allowed {
            self.leases.insert(row.incarnation, row);
        }
        allowed
    }

    /// None: the row is gone.
    pub fn renew(&mut self, incarnation: IncarnationId, applied: GlobalPosition) -> Option<()> {
        let row = self.leases.get_mut(&incarnation)?;
        row.renew_seq += 1;
        row.applied = applied;
        Some(())
    }

    pub fn collect(&mut self, silent: &Silent) -> bool {
        let is_same = self
            .leases
            .get(&silent.incarnation)
            .is_some_and(|row| row.renew_seq == silent.renew_seq);
        if is_same {
            self.leases.remove(&silent.incarnation);
        }
        is_same
    }

    pub fn events_after(&self, position: GlobalPosition) -> Vec<AuthEvent> {
        let after = self
            .log
            .iter()
            .filter(|logged| logged.event.position > position);
        after.map(|logged| logged.event).collect()
    }

    pub fn denials_after(&self, position: GlobalPosition) -> Vec<GlobalPosition> {
        let after = self
            .log
            .iter()
            .filter(|logged| logged.event.position > position);
        after
            .filter(|logged| logged.denies)
            .map(|logged| logged.event.position)
            .collect()
    }

    /// Back to what it was after so many events, as another log.
    pub fn restore(&mut self, kept: &Self, epoch: LogEpoch) {
        let leases = std::mem::take(&mut self.leases);
        *self = kept.clone();
        // Rows of leases are restored too; whoever holds one finds another epoch.
        self.leases.extend(leases);
        self.epoch = epoch;
    }
}

const fn marks(subject: Subject, mark: Mark) -> Change {
    Change::Marks(subject, mark)
}
