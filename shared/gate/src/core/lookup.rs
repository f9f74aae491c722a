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
            // nobody's is refused, for as long as the clock does.
            (Refused::Ended, _) => kept(&EntryRef::new(Entry::new(row, &org, basis, registry))),
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
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::super::samples::{
        PEER, entry, epoch, fence, first_generation, hash, org, position, rests_on, row, stamp,
        user, wall,
    };
    use super::super::stamp::{Mark, Tomb};
    use super::*;

    /// What a request reads, and in which order it did.
    struct Fixed {
        found: Option<Found>,
        lease: Deadlines,
        floor: Stamp,
        order: Vec<&'static str>,
    }

    impl Reads for Fixed {
        fn deadlines(&mut self) -> Deadlines {
            self.order.push("deadlines");
            self.lease
        }

        fn find(&mut self) -> Found {
            self.order.push("find");
            self.found.take().expect("asked once")
        }

        fn floor(&mut self) -> Stamp {
            self.order.push("floor");
            self.floor
        }

        fn now(&mut self) -> FencePoint {
            self.order.push("now");
            fence(101)
        }

        fn rests_on(&mut self, tomb: Stamp) -> RestsOn {
            rests_on(tomb.position().get())
        }
    }

    /// Reads of an entry with these tombstones, while a lease holds.
    fn fixed(row: CredentialRow, credential: Tomb, org: Tomb) -> Fixed {
        let registry = Registry::default();
        let entry = entry(row, stamp(10), &registry);
        let facts = Facts {
            credential,
            org,
            ..entry.facts(&registry)
        };
        reads(Found::Entry(entry, facts))
    }

    fn reads(found: Found) -> Fixed {
        Fixed {
            found: Some(found),
            lease: Deadlines::after(fence(100), Duration::from_secs(2)),
            floor: first_generation().floor(),
            order: Vec::new(),
        }
    }

    fn known(reads: &mut Fixed) -> Known {
        look_up(reads, &hash(1), PEER, wall())
    }

    fn denied(reads: &mut Fixed) -> Denied {
        match known(reads) {
            Known::Denied(denied) => denied,
            Known::Allowed(_) => panic!("it was allowed"),
            Known::Ended(..) => panic!("it was ended"),
            Known::Ask => panic!("the primary is to be asked"),
        }
    }

    fn denial(why: Refused, rests_on: Option<RestsOn>) -> Denied {
        Denied { why, rests_on }
    }

    /// Not from where everybody calls; taken away at position 7, which was not settled.
    fn elsewhere() -> CredentialRow {
        CredentialRow {
            addresses: Some(["10.0.0.0/8".parse().unwrap()].into()),
            denied_at: position(7),
            ..row(1)
        }
    }

    #[test]
    fn deadlines_are_read_before_the_cache_and_clocks_after_it() {
        let mut reads = fixed(row(1), Tomb::NONE, Tomb::NONE);
        assert!(matches!(known(&mut reads), Known::Allowed(_)));
        assert_eq!(reads.order, ["deadlines", "find", "floor", "now"]);
    }

    #[test]
    fn without_a_lease_or_an_entry_of_its_generation_the_primary_is_asked() {
        let mut fenced = fixed(row(1), Tomb::NONE, Tomb::NONE);
        fenced.lease = Deadlines::default();
        assert!(matches!(known(&mut fenced), Known::Ask));
        let mut over = fixed(row(1), Tomb::NONE, Tomb::NONE);
        over.lease = Deadlines::after(fence(99), Duration::from_secs(2));
        assert!(matches!(known(&mut over), Known::Ask));
        let mut forgotten = fixed(row(1), Tomb::NONE, Tomb::NONE);
        forgotten.floor = first_generation().next().unwrap().floor();
        assert!(matches!(known(&mut forgotten), Known::Ask));
        assert!(matches!(known(&mut reads(Found::Nothing)), Known::Ask));
    }

    #[test]
    fn what_changed_is_asked_for_and_what_ended_rests_on_its_end() {
        let changed = Tomb::new(stamp(12), Mark::Changed);
        let mut reads = fixed(row(1), changed, Tomb::NONE);
        assert!(matches!(known(&mut reads), Known::Ask));
        let ended = Tomb::new(stamp(12), Mark::Ended);
        let mut reads = fixed(row(1), ended, Tomb::NONE);
        // Even without a lease.
        reads.lease = Deadlines::default();
        let Known::Ended(denied, offer) = known(&mut reads) else {
            panic!("it was ended")
        };
        assert_eq!(denied, denial(Refused::Ended, Some(rests_on(12))));
        let Offer::Ended {
            hash: of,
            stamp: read_at,
            rests_on: end,
        } = offer
        else {
            panic!("the cache may learn of it")
        };
        assert_eq!(of.as_bytes(), hash(1).as_bytes());
        assert_eq!((read_at, end), (stamp(10), rests_on(12)));
    }

    #[test]
    fn a_hash_that_was_refused_rests_on_what_the_primary_said() {
        let refused = denied(&mut reads(Found::Refused(rests_on(7))));
        assert_eq!(refused, denial(Refused::Ended, Some(rests_on(7))));
    }

    #[test]
    fn a_suspension_is_told_after_the_address_and_rests_on_itself() {
        let suspended = Tomb::new(stamp(12), Mark::Ended);
        let told = denied(&mut fixed(row(1), Tomb::NONE, suspended));
        assert_eq!(told, denial(Refused::OrgSuspended, Some(rests_on(12))));
        let told = denied(&mut fixed(elsewhere(), Tomb::NONE, suspended));
        assert_eq!(told, denial(Refused::Address, Some(rests_on(7))));
    }

    #[test]
    fn an_entry_that_refuses_rests_on_what_was_taken_away_last() {
        let over = CredentialRow {
            addresses: None,
            ends_at: Some(wall()),
            ..elsewhere()
        };
        for (row, why) in [(elsewhere(), Refused::Address), (over, Refused::Ended)] {
            let told = denied(&mut fixed(row.clone(), Tomb::NONE, Tomb::NONE));
            assert_eq!(told, denial(why, Some(rests_on(7))));
            let settled = CredentialRow {
                denied_at: position(5),
                ..row
            };
            let told = denied(&mut fixed(settled, Tomb::NONE, Tomb::NONE));
            assert_eq!(told, denial(why, None), "it held when it was read");
        }
    }

    /// The primary at position 12 of the first log, where everything up to 5 is settled.
    fn verified(rows: Option<(CredentialRow, OrgRow)>) -> Verified {
        Verified {
            rows,
            auth_position: position(12),
            epoch: epoch(1),
            settled: position(5),
        }
    }

    /// Judged by a replica of the first generation, which follows the log `of`.
    fn judged(verified: Verified, of: Option<u128>) -> Judged {
        let known = of.map(|of| (first_generation(), Some(epoch(of))));
        judge(
            verified,
            known,
            &hash(1),
            PEER,
            wall(),
            &Registry::default(),
        )
    }

    fn refusals() -> [(CredentialRow, OrgRow, Denied); 3] {
        let suspended = OrgRow {
            suspended: true,
            denied_at: position(8),
            ..org()
        };
        let banned = CredentialRow {
            owner: Some(user(3)),
            owner_banned: true,
            denied_at: position(9),
            ..row(1)
        };
        let told = |why, at| denial(why, Some(rests_on(at)));
        [
            (elsewhere(), org(), told(Refused::Address, 7)),
            (row(1), suspended, told(Refused::OrgSuspended, 8)),
            (banned, org(), told(Refused::OwnerBanned, 9)),
        ]
    }

    #[test]
    fn a_refusal_of_the_primary_rests_on_the_row_that_refuses() {
        for (row, org, told) in refusals() {
            let judged = judged(verified(Some((row, org))), Some(1));
            assert_eq!(judged.decision.unwrap_err(), told);
            assert!(judged.offer.is_none(), "it may be lifted: {told:?}");
        }
    }

    #[test]
    fn only_what_is_for_good_is_remembered_as_refused() {
        let ended = CredentialRow {
            status: Status::Ended,
            denied_at: position(9),
            ..row(1)
        };
        let ended = verified(Some((ended, org())));
        let unknown = verified(None);
        for (verified, told, end) in [(ended, Some(9), 9), (unknown, None, 0)] {
            let judged_here = judged(verified.clone(), Some(1));
            let told = denial(Refused::Ended, told.map(rests_on));
            assert_eq!(judged_here.decision.unwrap_err(), told);
            let Some(Offer::Ended {
                stamp: read_at,
                rests_on: remembered,
                ..
            }) = judged_here.offer
            else {
                panic!("the cache may learn of it")
            };
            assert_eq!((read_at, remembered), (stamp(12), rests_on(end)));
            let judged_without = judged(verified, None);
            assert_eq!(judged_without.decision.unwrap_err(), told);
            assert!(judged_without.offer.is_none(), "there is no cache");
        }
    }

    #[test]
    fn what_is_over_by_the_clock_is_kept_as_an_entry_that_says_so() {
        let over = CredentialRow {
            ends_at: Some(wall()),
            ..row(1)
        };
        let judged = judged(verified(Some((over, org()))), Some(1));
        let told = denial(Refused::Ended, Some(rests_on(0)));
        assert_eq!(judged.decision.unwrap_err(), told);
        let Some(Offer::Allowed { entry, .. }) = judged.offer else {
            panic!("the cache may learn of it")
        };
        assert_eq!(entry.judge(PEER, wall()), Err(Refused::Ended));
    }

    #[test]
    fn who_is_allowed_is_known_as_of_the_statement() {
        let allowed = verified(Some((row(1), org())));
        let here = judged(allowed.clone(), Some(1));
        assert_eq!(here.decision.unwrap().stamp(), stamp(12));
        let Some(Offer::Allowed { entry, .. }) = here.offer else {
            panic!("the cache may learn of it")
        };
        assert_eq!(entry.stamp(), stamp(12));
        let without = judged(allowed, None);
        let known_at = without.decision.unwrap().stamp().position();
        assert_eq!(known_at, position(12));
        assert!(without.offer.is_none());
        let narrowed = CredentialRow {
            denied_at: position(7),
            ..row(1)
        };
        let narrowed = judged(verified(Some((narrowed, org()))), Some(1));
        let rests = narrowed.decision.unwrap().narrowed_at();
        assert_eq!(rests, Some(rests_on(7)));
    }

    #[test]
    fn of_another_log_only_that_it_is_another_reaches_the_cache() {
        let ended = CredentialRow {
            status: Status::Ended,
            ..row(1)
        };
        for rows in [None, Some((row(1), org())), Some((ended, org()))] {
            let judged = judged(verified(rows), Some(2));
            let Some(Offer::OtherEpoch { than }) = judged.offer else {
                panic!("everything is to be dropped")
            };
            assert_eq!(than, first_generation());
            if let Ok(entry) = judged.decision {
                assert_eq!(entry.stamp(), Generation::NONE.at(position(12)));
            }
        }
    }

    #[test]
    fn before_the_load_nothing_is_cached_and_nothing_dropped() {
        let allowed = verified(Some((row(1), org())));
        let known = Some((Generation::NONE, None));
        let registry = Registry::default();
        let judged = judge(allowed, known, &hash(1), PEER, wall(), &registry);
        assert!(judged.decision.is_ok());
        assert!(judged.offer.is_none());
    }
}
