//! R4 (revocation.md 5.1): what a request may do, without the primary and with it.

use std::net::IpAddr;

use domain::credential::CredentialHash;
use domain::ids::{GlobalPosition, LogEpoch};
use domain::time::Timestamp;

use super::clocks::{Deadlines, FencePoint};
use super::decision::{Facts, Verdict, decide};
use super::entry::{Basis, CredentialRow, Entry, EntryRef, OrgRow, Refusal, Refused, Status};
use super::hold::RestsOn;
use super::mutant::Mutant;
use super::registry::Registry;
use super::stamp::{Generation, Stamp};

/// What a request reads, each anew for every request (pitfall 5).
pub trait Reads {
    /// The lease.
    fn deadlines(&mut self) -> Deadlines;
    /// The cache and the tombstones.
    fn find(&mut self) -> Found;
    /// The oldest stamp that counts.
    fn floor(&mut self) -> Stamp;
    /// The fence clocks.
    fn now(&mut self) -> FencePoint;
    /// The event that a tombstone is of.
    fn rests_on(&mut self, tomb: Stamp) -> RestsOn;
}

/// What stands in the cache of a hash.
pub enum Found {
    /// An entry, and what was read of it and its tombstones.
    Entry(EntryRef, Facts),
    /// That the primary refused it for good.
    Refused(RestsOn),
    /// Nothing.
    Nothing,
}

/// A refusal, and the event that it rests on, if it rests on one: it may be told once that holds
/// everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// Why.
    pub why: Refused,
    /// What must hold first.
    pub rests_on: Option<RestsOn>,
}

/// A request's decision so far.
pub enum Known {
    /// The entry holds.
    Allowed(EntryRef),
    /// It does not, for good or for now.
    Denied(Denied),
    /// The credential was ended, which the cache does not know yet.
    Ended(Denied, Offer),
    /// Only the primary can tell.
    Ask,
}

/// What a request found and hands to the apply task.
pub enum Offer {
    /// The credential may call.
    Allowed {
        /// Its hash.
        hash: CredentialHash,
        /// What was read of it.
        entry: EntryRef,
    },
    /// Nobody has the credential, or it was ended for good.
    Ended {
        /// Its hash.
        hash: CredentialHash,
        /// When that was read.
        stamp: Stamp,
        /// The event that ended it; of an unknown hash none.
        rests_on: RestsOn,
    },
    /// The log is another one than that of this generation.
    OtherEpoch {
        /// The generation that was current.
        than: Generation,
    },
}

/// Decides as far as it goes without the primary. The order of the reads is the protocol: first the
/// deadlines, then cache and tombstones, last the clocks (pitfall 6).
pub fn look_up(
    reads: &mut impl Reads,
    hash: &CredentialHash,
    peer: IpAddr,
    now: Timestamp,
) -> Known {
    let lease = reads.deadlines();
    let (entry, facts) = match reads.find() {
        Found::Entry(entry, facts) => (entry, facts),
        Found::Refused(rests_on) => {
            return Known::Denied(Denied {
                why: Refused::Ended,
                rests_on: Some(rests_on),
            });
        }
        Found::Nothing => return Known::Ask,
    };
    let lease = if Mutant::LookupThenDeadline.is_active() {
        reads.deadlines()
    } else {
        lease
    };
    let floor = reads.floor();
    let by_entry = |why| {
        Known::Denied(Denied {
            why,
            rests_on: entry.narrowed_at(),
        })
    };
    match decide(&facts, floor, lease, reads.now()) {
        Verdict::Accept => match entry.judge(peer, now) {
            Ok(()) => Known::Allowed(entry),
            Err(why) => by_entry(why),
        },
        Verdict::DenyCredential => {
            let rests_on = reads.rests_on(facts.credential.stamp());
            let denied = Denied {
                why: Refused::Ended,
                rests_on: Some(rests_on),
            };
            let offer = Offer::Ended {
                hash: *hash,
                stamp: facts.stamp,
                rests_on,
            };
            Known::Ended(denied, offer)
        }
        // The address is judged before the org.
        Verdict::DenyOrg => match entry.judge(peer, now) {
            Err(why) => by_entry(why),
            Ok(()) => Known::Denied(Denied {
                why: Refused::OrgSuspended,
                rests_on: Some(reads.rests_on(facts.org.stamp())),
            }),
        },
        Verdict::Verify => Known::Ask,
    }
}

/// What one statement on the primary showed (revocation.md 5.2).
#[derive(Debug, Clone)]
pub struct Verified {
    /// The credential and its org; none if the hash is unknown.
    pub rows: Option<(CredentialRow, OrgRow)>,
    /// Every auth event up to here is in the rows.
    pub auth_position: GlobalPosition,
    /// The life of the log.
    pub epoch: LogEpoch,
    /// Every denial up to here holds everywhere.
    pub settled: GlobalPosition,
}

/// What the statement decides about the request that asked.
pub struct Judged {
    /// The decision.
    pub decision: Result<EntryRef, Denied>,
    /// What of it the apply task may keep.
    pub offer: Option<Offer>,
}

/// Judges what the primary showed. `known` was read before the statement began: what it showed may
/// be cached only if nothing was dropped in between; none where there is no cache.
pub fn judge(
    verified: Verified,
    known: Option<(Generation, Option<LogEpoch>)>,
    hash: &CredentialHash,
    peer: IpAddr,
    now: Timestamp,
    registry: &Registry,
) -> Judged {
    let epoch = verified.epoch;
    let same_log = |(generation, known): (Generation, Option<LogEpoch>)| {
        (known == Some(epoch)).then(|| generation.at(verified.auth_position))
    };
    let stamp = known.and_then(same_log);
    let other_log = known
        .filter(|(_, known)| known.is_some_and(|known| known != epoch))
        .map(|(than, _)| Offer::OtherEpoch { than });
    let ended = |position| {
        let rests_on = RestsOn { epoch, position };
        let hash = *hash;
        stamp.map(|stamp| Offer::Ended {
            hash,
            stamp,
            rests_on,
        })
    };
    registry.read_from(epoch);
    let Some((row, org)) = verified.rows else {
        return Judged {
            decision: Err(Denied {
                why: Refused::Ended,
                rests_on: None,
            }),
            offer: other_log.or_else(|| ended(GlobalPosition::ZERO)),
        };
    };
    let basis = Basis {
        stamp: stamp.unwrap_or_else(|| Generation::NONE.at(verified.auth_position)),
        settled: verified.settled,
        epoch,
    };
    let kept = |entry: &EntryRef| {
        stamp.map(|_| Offer::Allowed {
            hash: *hash,
            entry: EntryRef::clone(entry),
        })
    };
    if let Err(Refusal { why, rests_on }) = row.judge(&org, peer, now) {
        let offer = match (why, row.status) {
            (Refused::Ended, Status::Ended) => ended(rests_on),
            // It is over by this host's clock: the entry says so again, as quickly as a hash that is
            // nobody's is refused, for as long as the clock does. An entry allows what the clock
            // does not forbid, so nothing else may forbid it.
            (Refused::Ended, _) if !org.suspended && !row.owner_banned => {
                kept(&EntryRef::new(Entry::new(row, &org, basis, registry)))
            }
            _ => None,
        };
        return Judged {
            decision: Err(Denied {
                why,
                rests_on: Some(RestsOn {
                    epoch,
                    position: rests_on,
                }),
            }),
            offer: other_log.or(offer),
        };
    }
    let entry = EntryRef::new(Entry::new(row, &org, basis, registry));
    let kept = kept(&entry);
    Judged {
        decision: Ok(entry),
        offer: other_log.or(kept),
    }
}

#[cfg(test)]
mod tests;
