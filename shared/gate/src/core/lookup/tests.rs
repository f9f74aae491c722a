#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use super::super::samples::{
    PEER, entry, epoch, fence, first_generation, hash, org, position, rests_on, row, stamp, user,
    wall,
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

/// Once the clock is set back, an entry would let them in.
#[test]
fn what_is_over_by_the_clock_and_forbidden_besides_is_not_kept() {
    let over = CredentialRow {
        ends_at: Some(wall()),
        ..row(1)
    };
    let suspended = OrgRow {
        suspended: true,
        ..org()
    };
    let banned = CredentialRow {
        owner_banned: true,
        ..over.clone()
    };
    for rows in [(over, suspended), (banned, org())] {
        let judged = judged(verified(Some(rows)), Some(1));
        assert_eq!(judged.decision.unwrap_err().why, Refused::Ended);
        assert!(judged.offer.is_none());
    }
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
