#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::super::auth::{Change, Subject};
use super::super::entry::CredentialRow;
use super::super::samples::{
    Unbounded, entry, epoch, fence, first_generation, hash, incarnation, org_id, position,
    rests_on, row, stamp, user,
};
use super::super::stamp::{Mark, Tomb};
use super::*;

const TERM: Duration = Duration::from_secs(2);

struct World {
    follower: Follower<Unbounded>,
    registry: Arc<Registry>,
    trusted: Arc<Trusted<Unbounded>>,
}

impl World {
    fn new() -> Self {
        let registry = Arc::new(Registry::default());
        let trusted = Arc::new(Trusted::new(Unbounded::default()));
        let replica = Replica::new(TERM);
        Self {
            follower: Follower::new(Arc::clone(&trusted), Arc::clone(&registry), replica),
            registry,
            trusted,
        }
    }

    /// A whole snapshot of a log.
    fn load(&mut self, log: u128, at: u64) {
        self.follower.drop_everything();
        self.follower.begin(epoch(log), position(at)).unwrap();
        self.follower.loaded();
    }

    /// The row that it asks for stands, once those that it left behind are deleted.
    fn register(&mut self, number: u128) {
        let mut asked = self.statement(0, number);
        while matches!(asked, Some(Statement::Leave(_))) {
            asked = self.statement(0, number);
        }
        let Some(Statement::Register(made)) = asked else {
            panic!("a row must be made: {asked:?}")
        };
        assert!(self.follower.registered(&made));
    }

    fn statement(&mut self, seconds: u64, fresh: u128) -> Option<Statement> {
        self.follower.statement(fence(seconds), incarnation(fresh))
    }

    /// Renewed at that second, when the head was there.
    fn renew(&mut self, seconds: u64, head: u64) -> Renewed {
        let Some(Statement::Renew(renewal)) = self.statement(seconds, 99) else {
            panic!("there is a row")
        };
        let head = Some(head_of(1, head));
        self.follower.renewed(&renewal, head, fence(seconds + 1))
    }

    fn tomb(&self, credential: u128) -> Tomb {
        let id = Uuid::from_u128(credential);
        self.registry.credential(id, org_id()).tomb()
    }

    fn offer(&mut self, row: CredentialRow, stamp: Stamp) -> Result<bool, Discarded> {
        let entry = entry(row, stamp, &self.registry);
        let hash = hash(1);
        self.follower.take(Offer::Allowed { hash, entry })
    }

    fn has_entry(&self) -> bool {
        self.trusted.cache().get(&hash(1)).is_some()
    }
}

/// Loaded at position 10 of the first log, with its row and a lease from second 100.
fn leased() -> World {
    let mut world = World::new();
    world.load(1, 10);
    world.register(1);
    let deadlines = Deadlines::after(fence(100), TERM);
    assert_eq!(world.renew(100, 10), Renewed::Extend(deadlines));
    world
}

fn head_of(log: u128, at: u64) -> Head {
    Head {
        auth_position: position(at),
        epoch: epoch(log),
    }
}

fn event(at: u64, previous: u64, change: Change) -> AuthEvent {
    AuthEvent {
        position: position(at),
        previous: position(previous),
        change,
    }
}

/// Ends the credential of that number.
fn ends(credential: u128, at: u64, previous: u64) -> AuthEvent {
    let subject = Subject::Credential(Uuid::from_u128(credential));
    event(at, previous, Change::Marks(subject, Mark::Ended))
}

fn acked(row: u128, log: u128, applied: u64) -> (IncarnationId, Ack) {
    let ack = Ack {
        epoch: epoch(log),
        applied: position(applied),
    };
    (incarnation(row), ack)
}

fn progress(ack: impl Into<Option<(IncarnationId, Ack)>>, next: Next) -> Progress {
    let ack = ack.into();
    Progress { ack, next }
}

#[test]
fn a_row_is_made_before_the_lease_is_renewed() {
    let mut world = World::new();
    assert_eq!(world.statement(1, 1), None, "nothing is loaded");
    world.load(1, 10);
    let made = Registration {
        incarnation: incarnation(2),
        generation: first_generation(),
        epoch: epoch(1),
        applied: position(10),
    };
    assert_eq!(world.statement(2, 2), Some(Statement::Register(made)));
    assert!(world.follower.registered(&made));
    let renewal = Renewal {
        incarnation: incarnation(2),
        applied: position(10),
        sent: fence(3),
    };
    assert_eq!(world.statement(3, 3), Some(Statement::Renew(renewal)));
    assert_eq!(world.trusted.lease().deadlines(), Deadlines::default());
}

#[test]
fn a_tombstone_is_dropped_once_nothing_older_is_or_will_be_used() {
    let mut world = leased();
    world.offer(row(1), stamp(10)).unwrap();
    world.follower.apply(&[ends(1, 12, 10), ends(2, 14, 12)]);
    let settled = position(13);
    assert_eq!(world.follower.begin_collection(settled, 3), None, "few");
    let up_to = world.follower.begin_collection(settled, 2);
    assert_eq!(up_to, Some(stamp(13)));
    world.trusted.forget_overruled(&world.registry);
    assert!(!world.has_entry());
    world.follower.forgotten(stamp(13), fence(200));
    assert!(!world.follower.collect(fence(201)));
    assert_eq!(world.registry.tombs(), 2);
    assert!(world.follower.collect(fence(202)));
    assert_eq!(world.registry.tombs(), 1, "the other is not settled");
    // It was read before, and comes late.
    assert_eq!(world.offer(row(1), stamp(12)), Err(Discarded::Stale));
    assert!(!world.has_entry());
    world.offer(row(1), stamp(13)).unwrap();
    assert!(world.has_entry());
}

#[test]
fn what_no_tombstone_speaks_to_stays_in_the_cache() {
    let mut world = leased();
    world.follower.apply(&[ends(2, 12, 10)]);
    world.offer(row(1), stamp(10)).unwrap();
    world.trusted.forget_overruled(&world.registry);
    assert!(world.has_entry());
    // Nor is a cell made for it, that nobody used.
    assert_eq!(world.registry.credentials().count(), 1);
}

#[test]
fn a_collection_of_what_was_dropped_with_everything_ends_nothing() {
    let mut world = leased();
    world.follower.apply(&[ends(1, 12, 10)]);
    let up_to = world.follower.begin_collection(position(12), 1);
    let up_to = up_to.unwrap();
    world.load(2, 10);
    world.follower.apply(&[ends(1, 12, 10)]);
    world.follower.forgotten(up_to, fence(200));
    assert!(!world.follower.collect(fence(300)));
    assert_eq!(world.registry.tombs(), 1);
    world.follower.drop_everything();
    let nothing = world.follower.begin_collection(position(12), 1);
    assert_eq!(nothing, None, "it must load first");
}

#[test]
fn a_row_that_was_overtaken_or_is_not_known_to_stand_is_deleted_first() {
    let mut world = World::new();
    world.load(1, 10);
    let Some(Statement::Register(overtaken)) = world.statement(1, 1) else {
        panic!("a row must be made")
    };
    world.load(1, 12);
    assert!(!world.follower.registered(&overtaken));
    let leave = |number| Some(Statement::Leave(incarnation(number)));
    assert_eq!(world.statement(2, 2), leave(1));
    let Some(Statement::Register(unknown)) = world.statement(3, 3) else {
        panic!("a row must be made")
    };
    world.follower.unregistered(&unknown);
    assert_eq!(world.statement(4, 4), leave(3));
    world.follower.not_left(incarnation(3));
    assert_eq!(world.statement(5, 5), leave(3), "tried again");
    assert!(matches!(
        world.statement(6, 6),
        Some(Statement::Register(_))
    ));
}

#[test]
fn a_row_that_cannot_be_deleted_keeps_no_other() {
    let mut world = World::new();
    world.load(1, 10);
    for number in [1, 2] {
        world.follower.unregistered(&Registration {
            incarnation: incarnation(number),
            generation: first_generation(),
            epoch: epoch(1),
            applied: position(10),
        });
    }
    let mut tried = Vec::new();
    for second in 1..=2 {
        let Some(Statement::Leave(incarnation)) = world.statement(second, 9) else {
            panic!("rows are left behind")
        };
        tried.push(incarnation);
        world.follower.not_left(incarnation);
    }
    tried.sort();
    assert_eq!(tried, [incarnation(1), incarnation(2)]);
}

#[test]
fn what_is_acknowledged_is_in_force() {
    let mut world = leased();
    let applied = world.follower.apply(&[ends(1, 12, 10), ends(2, 13, 12)]);
    assert_eq!(applied, progress(acked(1, 1, 13), Next::Nothing));
    assert_eq!(world.tomb(1), Tomb::new(stamp(12), Mark::Ended));
    assert_eq!(world.tomb(2), Tomb::new(stamp(13), Mark::Ended));
    assert_eq!(world.trusted.applied(), position(13));
}

#[test]
fn without_a_row_nobody_acknowledges_and_events_apply_all_the_same() {
    let mut world = World::new();
    world.load(1, 10);
    let applied = world.follower.apply(&[ends(1, 12, 10)]);
    assert_eq!(applied, progress(None, Next::Nothing));
    assert_eq!(world.tomb(1), Tomb::new(stamp(12), Mark::Ended));
    assert_eq!(world.trusted.applied(), position(12));
}

#[test]
fn an_acknowledgement_ends_before_a_hole() {
    let mut world = leased();
    let events = [ends(1, 12, 10), ends(3, 14, 13)];
    let applied = world.follower.apply(&events);
    assert_eq!(applied, progress(acked(1, 1, 12), Next::Read));
    assert_eq!(world.tomb(3), Tomb::NONE);
    let missing = [ends(2, 13, 12), ends(3, 14, 13)];
    let applied = world.follower.apply(&missing);
    assert_eq!(applied, progress(acked(1, 1, 14), Next::Nothing));
    let again = world.follower.apply(&missing);
    assert_eq!(again, applied, "repeated");
}

#[test]
fn a_fork_drops_everything_and_acknowledges_nothing() {
    let mut world = leased();
    let forked = world.follower.apply(&[ends(1, 12, 9), ends(2, 13, 12)]);
    assert_eq!(forked, progress(None, Next::Load));
    assert_eq!(world.trusted.lease().deadlines(), Deadlines::default());
    assert_eq!(world.tomb(2), Tomb::NONE);
    let leave = Some(Statement::Leave(incarnation(1)));
    assert_eq!(world.statement(101, 2), leave);
    assert_eq!(world.statement(102, 2), None, "it must load first");
    let late = world.follower.apply(&[ends(1, 14, 10)]);
    assert_eq!(late.ack, None);
}

#[test]
fn an_event_of_a_newer_build_ends_lease_and_row_for_good() {
    let mut world = leased();
    let unknown = event(13, 12, Change::Unknown);
    let gave_up = world.follower.apply(&[ends(1, 12, 10), unknown]);
    assert_eq!(gave_up, progress(None, Next::GaveUp));
    assert_eq!(world.trusted.lease().deadlines(), Deadlines::default());
    assert_eq!(world.tomb(1), Tomb::new(stamp(12), Mark::Ended));
    assert_eq!(world.follower.replica().applied(), position(12));
    let leave = Some(Statement::Leave(incarnation(1)));
    assert_eq!(world.statement(101, 2), leave);
    assert_eq!(world.statement(102, 2), None);
    let after = world.follower.apply(&[ends(2, 14, 13)]);
    assert_eq!(after, progress(None, Next::Nothing));
}

#[test]
fn a_renewal_that_is_behind_counts_with_the_last_event_it_waits_for() {
    let mut world = leased();
    let before = world.follower.deadlines();
    assert_eq!(world.renew(101, 13), Renewed::CatchUp(position(13)));
    let half = world.follower.apply(&[ends(1, 12, 10)]);
    assert_eq!(half.next, Next::Nothing);
    assert_eq!(world.follower.deadlines(), before);
    let whole = world.follower.apply(&[ends(2, 13, 12)]);
    assert_eq!(whole, progress(acked(1, 1, 13), Next::Renew));
    let after = Deadlines::after(fence(101), TERM);
    assert_eq!(world.follower.deadlines(), after);
}

#[test]
fn a_row_that_is_gone_ends_the_lease_and_another_is_made() {
    let mut world = leased();
    let Some(Statement::Renew(renewal)) = world.statement(101, 2) else {
        panic!("there is a row")
    };
    let renewed = world.follower.renewed(&renewal, None, fence(101));
    assert_eq!(renewed, Renewed::Register);
    assert_eq!(world.follower.deadlines(), Deadlines::default());
    let silent = world.follower.apply(&[ends(1, 12, 10)]);
    assert_eq!(silent.ack, None, "nobody waits for the row that is gone");
    world.register(2);
    let heard = world.follower.apply(&[ends(2, 13, 12)]);
    assert_eq!(heard.ack, Some(acked(2, 1, 13)));
}

#[test]
fn another_log_begins_with_nothing_of_the_former() {
    let mut world = leased();
    world.offer(row(1), stamp(10)).unwrap();
    world.follower.apply(&[ends(2, 12, 10)]);
    let Some(Statement::Renew(renewal)) = world.statement(101, 2) else {
        panic!("there is a row")
    };
    let head = Some(head_of(2, 50));
    let renewed = world.follower.renewed(&renewal, head, fence(101));
    assert_eq!(renewed, Renewed::Reload);
    assert_eq!(world.follower.deadlines(), Deadlines::default());
    assert!(world.follower.replica().must_load());

    let begun = world.follower.begin(epoch(2), position(3)).unwrap();
    assert!(begun > first_generation());
    assert_eq!(world.trusted.lease().floor(), begun.floor());
    assert_eq!(world.trusted.current(), (begun, Some(epoch(2))));
    assert!(!world.has_entry());
    assert_eq!(world.registry.tombs(), 0);
    assert_eq!(world.trusted.applied(), position(0), "not all is inserted");
    world.follower.loaded();
    assert_eq!(world.trusted.applied(), position(3));
}

#[test]
fn an_offer_is_taken_unless_something_newer_is_known() {
    let owned = CredentialRow {
        owner: Some(user(7)),
        ..row(1)
    };
    let subjects = [
        Subject::Credential(owned.id),
        Subject::Owner(org_id(), user(7)),
        Subject::Org(org_id()),
    ];
    for subject in subjects {
        for mark in [Mark::Changed, Mark::Ended] {
            let mut world = leased();
            let change = Change::Marks(subject, mark);
            world.follower.apply(&[event(12, 10, change)]);
            let stale = world.offer(owned.clone(), stamp(11));
            assert_eq!(stale, Err(Discarded::Stale), "{subject:?}");
            assert!(!world.has_entry());
            let fresh = world.offer(owned.clone(), stamp(12));
            assert_eq!(fresh, Ok(false), "{subject:?}");
            assert!(world.has_entry());
        }
    }
}

#[test]
fn what_the_primary_ended_leaves_the_cache_and_is_refused_from_then_on() {
    let mut world = leased();
    world.offer(row(1), stamp(10)).unwrap();
    let ended = |stamp, rests_on| Offer::Ended {
        hash: hash(1),
        stamp,
        rests_on,
    };
    let taken = world.follower.take(ended(stamp(12), rests_on(12)));
    assert_eq!(taken, Ok(false));
    assert!(!world.has_entry());
    assert_eq!(world.trusted.refused(&hash(1)), Some(rests_on(12)));
    assert_eq!(world.trusted.refused(&hash(2)), None);
}

#[test]
fn offers_of_an_earlier_generation_are_not_taken() {
    let mut world = leased();
    world.load(1, 20);
    let forgotten = Err(Discarded::Forgotten);
    assert_eq!(world.offer(row(1), stamp(30)), forgotten);
    let ended = Offer::Ended {
        hash: hash(1),
        stamp: stamp(30),
        rests_on: rests_on(30),
    };
    assert_eq!(world.follower.take(ended), forgotten);
    assert!(!world.has_entry());
    assert_eq!(world.trusted.refused(&hash(1)), None);
}

#[test]
fn a_request_that_saw_another_log_drops_everything_once() {
    let mut world = leased();
    let than = world.follower.replica().generation();
    assert_eq!(world.follower.take(Offer::OtherEpoch { than }), Ok(true));
    assert_eq!(world.follower.deadlines(), Deadlines::default());
    assert!(world.follower.replica().must_load());
    world.load(2, 10);
    world.register(2);
    // Begun before the load.
    assert_eq!(world.follower.take(Offer::OtherEpoch { than }), Ok(false));
    assert!(!world.follower.replica().must_load());
}

#[test]
fn whoever_leaves_refuses_before_its_rows_may_go() {
    let mut world = leased();
    assert_eq!(world.follower.leave(), [incarnation(1)]);
    assert_eq!(world.follower.deadlines(), Deadlines::default());
    assert!(world.follower.leave().is_empty(), "each row once");
    assert_eq!(world.follower.apply(&[ends(1, 12, 10)]).ack, None);
    let mut world = leased();
    world.load(1, 10);
    assert_eq!(world.follower.leave(), [incarnation(1)], "left behind");
}

proptest! {
    /// In whatever order, in whatever batches and however often events come: what is
    /// acknowledged is a prefix without a hole, and all of it is in force.
    #[test]
    fn no_order_of_events_makes_it_promise_too_much(
        batches in prop::collection::vec(prop::collection::vec(0..12_u64, 1..5), 1..20),
    ) {
        let mut world = leased();
        let events: Vec<_> = (0..12).map(|n| ends(u128::from(n), 12 + n, position_before(n)))
            .collect();
        let mut heard = [false; 12];
        for batch in batches {
            let chosen: Vec<_> = batch.iter().map(|n| events[index(*n)]).collect();
            for n in batch {
                heard[index(n)] = true;
            }
            let progress = world.follower.apply(&chosen);
            let (_, ack) = progress.ack.expect("it has a row");
            let prefix = heard.iter().take_while(|heard| **heard).count();
            for (n, event) in events.iter().enumerate() {
                if event.position <= ack.applied {
                    prop_assert!(n < prefix, "{n} never came");
                    prop_assert_ne!(world.tomb(n as u128), Tomb::NONE);
                }
            }
            prop_assert_eq!(world.trusted.applied(), ack.applied);
        }
        let all = world.follower.apply(&events);
        prop_assert_eq!(all, progress(acked(1, 1, 23), Next::Nothing));
    }
}

fn position_before(n: u64) -> u64 {
    if n == 0 { 10 } else { 11 + n }
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap()
}
