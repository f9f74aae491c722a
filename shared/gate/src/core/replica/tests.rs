#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use runtime::clock::{Boottime, MonotonicRaw};
use uuid::Uuid;

use super::*;
use crate::core::decision::{Facts, Verdict, decide};
use crate::core::lease::LeaseCell;
use crate::core::stamp::{Mark, Stamp, TombCell};

const TERM: Duration = Duration::from_secs(2);

fn position(number: u64) -> GlobalPosition {
    GlobalPosition::new(number)
}

fn epoch(number: u128) -> LogEpoch {
    LogEpoch::from_uuid(Uuid::from_u128(number))
}

fn incarnation(number: u128) -> IncarnationId {
    IncarnationId::from_uuid(Uuid::from_u128(number))
}

fn at(seconds: u64) -> FencePoint {
    let nanos = seconds * 1_000_000_000;
    FencePoint {
        boot: Boottime::from_nanos(nanos),
        raw: MonotonicRaw::from_nanos(nanos),
    }
}

fn key(number: u128) -> Subject {
    Subject::Credential(Uuid::from_u128(number))
}

fn event(at: u64, previous: u64) -> AuthEvent {
    AuthEvent {
        position: position(at),
        previous: position(previous),
        change: Change::Marks(key(1), Mark::Ended),
    }
}

fn head(at: u64) -> Head {
    Head {
        auth_position: position(at),
        epoch: epoch(1),
    }
}

/// Loaded at position 10 and registered.
fn running() -> Replica {
    let mut replica = Replica::new(TERM);
    assert!(replica.must_load());
    replica.load(epoch(1), position(10)).unwrap();
    assert!(replica.must_register());
    assert!(replica.registered(incarnation(1), replica.generation()));
    replica
}

#[test]
fn nothing_is_renewed_before_there_is_a_row() {
    let mut replica = Replica::new(TERM);
    assert_eq!(replica.renew(at(1)), None);
    replica.load(epoch(1), position(10)).unwrap();
    assert_eq!(replica.renew(at(1)), None);
    assert!(replica.registered(incarnation(1), replica.generation()));
    assert_eq!(replica.renew(at(1)).unwrap().applied, position(10));
}

#[test]
fn a_renewal_counts_from_before_it_was_sent() {
    let mut replica = running();
    let renewal = replica.renew(at(100)).unwrap();
    assert_eq!(
        replica.renewed(&renewal, Some(head(10))),
        Renewed::Extend(Deadlines::after(at(100), TERM))
    );
}

#[test]
fn a_renewal_waits_for_what_the_head_names() {
    let mut replica = running();
    let renewal = replica.renew(at(100)).unwrap();
    assert_eq!(
        replica.renewed(&renewal, Some(head(14))),
        Renewed::CatchUp(position(14))
    );
    assert!(matches!(
        replica.apply(&event(12, 10)),
        Applied::Yes { extend: None, .. }
    ));
    let Applied::Yes { tomb, extend } = replica.apply(&event(14, 12)) else {
        panic!("the next event")
    };
    assert_eq!(extend, Some(Deadlines::after(at(100), TERM)));
    let stamp = replica.generation().at(position(14));
    assert_eq!(tomb, Some((key(1), Tomb::new(stamp, Mark::Ended))));
    // Once only.
    assert!(matches!(
        replica.apply(&event(15, 14)),
        Applied::Yes { extend: None, .. }
    ));
}

/// A log that is a little ahead at every renewal must not take the lease from who keeps up with it.
#[test]
fn a_later_renewal_does_not_put_off_what_an_earlier_one_waits_for() {
    let mut replica = running();
    let first = replica.renew(at(100)).unwrap();
    replica.renewed(&first, Some(head(12)));
    let second = replica.renew(at(101)).unwrap();
    replica.renewed(&second, Some(head(14)));
    let Applied::Yes { extend, .. } = replica.apply(&event(12, 10)) else {
        panic!("the next event")
    };
    assert_eq!(extend, Some(Deadlines::after(at(100), TERM)));
}

#[test]
fn what_was_applied_while_the_renewal_was_under_way_counts() {
    let mut replica = running();
    let renewal = replica.renew(at(100)).unwrap();
    replica.apply(&event(12, 10));
    replica.apply(&event(13, 12));
    assert!(matches!(
        replica.renewed(&renewal, Some(head(12))),
        Renewed::Extend(_)
    ));
}

#[test]
fn duplicates_gaps_and_forks_are_told_apart() {
    let mut replica = running();
    assert_eq!(replica.apply(&event(10, 9)), Applied::Duplicate);
    assert_eq!(replica.apply(&event(13, 12)), Applied::Gap);
    assert_eq!(replica.applied(), position(10));
    assert_eq!(replica.apply(&event(12, 9)), Applied::Reload);
    assert!(replica.must_load());
    assert_eq!(replica.renew(at(1)), None);
    assert_eq!(replica.apply(&event(11, 10)), Applied::Duplicate);
}

#[test]
fn a_head_that_went_back_or_another_epoch_drops_everything() {
    for answer in [
        head(9),
        Head {
            auth_position: position(50),
            epoch: epoch(2),
        },
    ] {
        let mut replica = running();
        let renewal = replica.renew(at(1)).unwrap();
        assert_eq!(replica.renewed(&renewal, Some(answer)), Renewed::Reload);
        assert!(replica.must_load());
        let before = replica.generation();
        assert!(replica.load(epoch(2), position(3)).unwrap() > before);
        assert!(replica.must_register());
    }
}

#[test]
fn a_collected_row_means_a_new_incarnation() {
    let mut replica = running();
    let renewal = replica.renew(at(1)).unwrap();
    assert_eq!(replica.renewed(&renewal, None), Renewed::Register);
    assert!(replica.must_register());
    assert!(replica.registered(incarnation(2), replica.generation()));
    assert_eq!(replica.renewed(&renewal, Some(head(10))), Renewed::Ignore);
}

/// While its statement was under way, the replica gave up, or began anew.
#[test]
fn a_registration_that_was_overtaken_stands_for_nothing() {
    let mut replica = Replica::new(TERM);
    let generation = replica.load(epoch(1), position(10)).unwrap();
    let unknown = AuthEvent {
        change: Change::Unknown,
        ..event(12, 10)
    };
    assert_eq!(replica.apply(&unknown), Applied::GiveUp);
    assert!(!replica.registered(incarnation(1), generation));
    assert_eq!(replica.incarnation(), None);

    replica.load(epoch(2), position(3)).unwrap();
    assert!(!replica.registered(incarnation(1), generation));
    assert!(replica.must_register());
    assert!(replica.registered(incarnation(2), replica.generation()));
    assert!(!replica.registered(incarnation(3), replica.generation()));
}

#[test]
fn an_unknown_event_ends_the_lease_for_good_and_is_not_skipped() {
    let mut replica = running();
    let unknown = AuthEvent {
        change: Change::Unknown,
        ..event(12, 10)
    };
    assert_eq!(replica.apply(&unknown), Applied::GiveUp);
    assert_eq!(replica.applied(), position(10));
    assert_eq!(replica.renew(at(1)), None);
    assert!(!replica.must_load() && !replica.must_register());
    assert_eq!(replica.apply(&event(12, 10)), Applied::Duplicate);
}

/// One key of a log in which some events change it, as a replica sees it through faults.
#[derive(Debug, Clone)]
enum Step {
    /// The primary takes another event: about our key or another, ending it or not.
    Append { ours: bool, ends: bool },
    /// An event of the log arrives, any and any number of times.
    Deliver { which: usize },
    /// All that is missing is read from the log.
    CatchUp,
    /// A renewal is sent.
    Send,
    /// The primary answers it with its head of this moment.
    Answer,
    /// The answer arrives.
    Receive,
    /// A request verifies our key and offers what it read.
    Verify,
    /// An offer is inserted.
    Insert { oldest: bool },
    /// Our key is looked up.
    Look,
    /// Time passes.
    Wait { seconds: u64 },
    /// The replica drops everything.
    Reload,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (any::<bool>(), any::<bool>()).prop_map(|(ours, ends)| Step::Append { ours, ends }),
        4 => (0..8_usize).prop_map(|which| Step::Deliver { which }),
        1 => Just(Step::CatchUp),
        2 => Just(Step::Send),
        2 => Just(Step::Answer),
        2 => Just(Step::Receive),
        2 => Just(Step::Verify),
        2 => any::<bool>().prop_map(|oldest| Step::Insert { oldest }),
        4 => Just(Step::Look),
        1 => (0..2_u64).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Reload),
    ];
    prop::collection::vec(step, 1..120)
}

/// The world of one run.
struct World {
    log: Vec<AuthEvent>,
    /// When each event was committed.
    committed: Vec<u64>,
    replica: Replica,
    lease: LeaseCell,
    tomb: TombCell,
    entry: Option<Stamp>,
    offers: Vec<Stamp>,
    renewal: Option<(Renewal, Option<Head>)>,
    now: u64,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            log: Vec::new(),
            committed: Vec::new(),
            replica: Replica::new(TERM),
            lease: LeaseCell::default(),
            tomb: TombCell::new(Tomb::NONE),
            entry: None,
            offers: Vec::new(),
            renewal: None,
            now: 1,
        };
        world.load();
        world
    }

    fn end(&self) -> GlobalPosition {
        position(self.log.len() as u64)
    }

    /// Whether a snapshot at this position shows our key as it always was.
    fn unchanged(&self, from: GlobalPosition, to: GlobalPosition) -> bool {
        self.log
            .iter()
            .filter(|event| event.position > from && event.position <= to)
            .all(|event| event.change == Change::Nothing)
    }

    fn load(&mut self) {
        self.lease.fence();
        let end = self.end();
        let generation = self.replica.load(epoch(1), end).unwrap();
        self.lease.begin(generation);
        self.entry = Some(generation.at(end));
        let generation = self.replica.generation();
        let of_now = incarnation(u128::from(self.now));
        assert!(self.replica.registered(of_now, generation));
    }

    fn deliver(&mut self, index: usize) {
        let event = self.log[index];
        let before = self.replica.applied();
        match self.replica.apply(&event) {
            Applied::Yes { tomb, extend } => {
                assert_eq!(event.previous, before, "no hole");
                assert_eq!(self.replica.applied(), event.position);
                if let Some((_, tomb)) = tomb {
                    self.tomb.raise(tomb);
                }
                if let Some(deadlines) = extend {
                    self.lease.extend(deadlines);
                }
            }
            Applied::Duplicate => assert!(event.position <= before),
            Applied::Gap => assert!(event.previous > before),
            Applied::Reload | Applied::GiveUp => panic!("one log, one build"),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Append { ours, ends } => {
                let at = self.end().next();
                let mark = if ends { Mark::Ended } else { Mark::Changed };
                self.log.push(AuthEvent {
                    position: at,
                    previous: self.end(),
                    change: if ours {
                        Change::Marks(key(1), mark)
                    } else {
                        Change::Nothing
                    },
                });
                self.committed.push(self.now);
            }
            Step::Deliver { which } => {
                if let Some(last) = self.log.len().checked_sub(1) {
                    self.deliver(last.saturating_sub(which));
                }
            }
            Step::CatchUp => (0..self.log.len()).for_each(|index| self.deliver(index)),
            Step::Send => {
                self.renewal = self
                    .replica
                    .renew(at(self.now))
                    .map(|renewal| (renewal, None));
            }
            Step::Answer => {
                let head = head(self.end().get());
                if let Some((_, answer)) = &mut self.renewal {
                    *answer = Some(head);
                }
            }
            Step::Receive => self.receive(),
            Step::Verify => self.offers.push(self.replica.generation().at(self.end())),
            Step::Insert { oldest } => self.insert(oldest),
            Step::Look => self.look(),
            Step::Wait { seconds } => self.now += seconds,
            Step::Reload => {
                self.replica.forget();
                self.load();
            }
        }
    }

    fn receive(&mut self) {
        let Some((renewal, Some(head))) = self.renewal.take() else {
            return;
        };
        match self.replica.renewed(&renewal, Some(head)) {
            Renewed::Extend(deadlines) => {
                assert!(self.replica.applied() >= head.auth_position);
                self.lease.extend(deadlines);
            }
            Renewed::CatchUp(to) => assert!(self.replica.applied() < to),
            Renewed::Ignore => {}
            Renewed::Register | Renewed::Reload => panic!("one log, one row"),
        }
    }

    /// As the apply task inserts: unless a tombstone is above it. Or not even that: every read
    /// checks again, so it must not matter.
    fn insert(&mut self, oldest: bool) {
        let offer = if oldest {
            self.offers.first()
        } else {
            self.offers.last()
        };
        self.entry = offer.copied().or(self.entry);
    }

    fn look(&self) {
        let Some(stamp) = self.entry else { return };
        let facts = Facts {
            stamp,
            strict: false,
            credential: self.tomb.load(),
            owner: Tomb::NONE,
            org: Tomb::NONE,
        };
        let lease = self.lease.deadlines();
        let verdict = decide(&facts, self.lease.floor(), lease, at(self.now));
        let applied = self.replica.applied();
        if verdict == Verdict::Accept {
            // No applied change is ever overlooked …
            assert!(
                self.unchanged(stamp.position(), applied),
                "a stale entry was used"
            );
            // … and a change that is not applied is younger than the lease term.
            let overlooked = self.log.iter().zip(&self.committed).filter(|(event, _)| {
                event.position > stamp.position() && event.change != Change::Nothing
            });
            for (event, committed) in overlooked {
                assert!(
                    self.now < committed + TERM.as_secs(),
                    "{event:?} at {committed}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_stale_entry_is_never_used_and_nothing_applied_has_a_hole(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
    }
}
