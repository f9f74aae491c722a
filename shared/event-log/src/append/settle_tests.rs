#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use domain::event::{Actor, Event, MemberRemoved, ObservationRecorded, ProjectRemoved, Stream};
use domain::ids::{GlobalPosition, KeyId, LogEpoch, OrgId, ProjectId, StreamVersion, UserId};
use domain::time::Timestamp;
use proptest::prelude::*;
use runtime::entropy::Entropy;
use uuid::Uuid;

use super::{Answers, Settlement, Verdict, settle};
use crate::append::prepare::Prepared;
use crate::append::session::Tid;
use crate::append::tail::{Caller, End, Tail};
use crate::append::{AppendError, AppendRequest, Guard, IdempotencyRecord};
use crate::log::Head;

/// One append, small enough that many collide.
#[derive(Debug, Clone)]
struct Wish {
    org: u8,
    expected: Option<u64>,
    events: Vec<u8>,
    key: Option<u8>,
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let wish = (
        0..3_u8,
        proptest::option::of(0..6_u64),
        proptest::collection::vec(0..4_u8, 0..4),
        proptest::option::weighted(0.3, 0..3_u8),
    )
        .prop_map(|(org, expected, events, key)| Wish {
            org,
            expected,
            events,
            key,
        });
    proptest::collection::vec(wish, 0..24)
}

fn org(number: u8) -> OrgId {
    OrgId::from_uuid(Uuid::from_u128(u128::from(number) + 1))
}

fn now() -> Timestamp {
    Timestamp::parse("2026-01-05T05:37:52.685771Z").unwrap()
}

fn event(kind: u8) -> Event {
    let id = Uuid::from_u128(u128::from(kind));
    match kind {
        0 => Event::ObservationRecorded(ObservationRecorded { readings: vec![] }),
        // Changes who may call.
        1 => Event::MemberRemoved(MemberRemoved {
            user_id: UserId::from_uuid(id),
        }),
        _ => Event::ProjectRemoved(ProjectRemoved {
            project_id: ProjectId::from_uuid(id),
        }),
    }
}

fn prepared(wishes: &[Wish]) -> Vec<Prepared> {
    let entropy = Entropy::seeded(7);
    let prepare = |wish: &Wish| {
        let request = AppendRequest {
            org_id: org(wish.org),
            expected: wish.expected.map(StreamVersion::new),
            events: wish.events.iter().copied().map(event).collect(),
            actor: Actor::System,
            correlation_id: "c".to_owned(),
            idempotency: wish.key.map(|key| IdempotencyRecord {
                org_id: org(wish.org),
                key: key.to_string(),
                route: "r".to_owned(),
                fingerprint: [key; 32],
                status: 200,
                answer: vec![],
            }),
            guard: None,
        };
        Prepared::try_new(request, now(), &entropy).unwrap()
    };
    wishes.iter().map(prepare).collect()
}

fn empty_log() -> Tail {
    let mut tail = Tail::default();
    let epoch = LogEpoch::from_uuid(Uuid::nil());
    let tid = Tid {
        ctid: "(0,1)".to_owned(),
        fence: 0,
    };
    tail.meet(Head::before(epoch), tid);
    tail
}

fn summary(settlement: &Settlement) -> Vec<String> {
    settlement
        .verdicts
        .iter()
        .map(|verdict| format!("{verdict:?}"))
        .collect()
}

proptest! {
    /// Positions, versions and chains have no gap; who is refused takes none.
    #[test]
    fn whatever_is_wished_the_log_stays_sound(wishes in wishes()) {
        let appends = prepared(&wishes);
        let mut tail = empty_log();
        let settled = settle(&mut tail, Answers::new(), &appends, now());
        let mut ends: HashMap<(OrgId, Stream), End> = HashMap::new();
        let mut auth = 0;
        for (index, stored) in settled.events.iter().enumerate() {
            prop_assert_eq!(stored.position.get(), index as u64 + 1);
            let end = ends.entry((stored.org_id, stored.stream)).or_insert(End::EMPTY);
            prop_assert_eq!(stored.version, end.version.next());
            prop_assert_eq!(stored.prev_hash, end.hash);
            prop_assert_eq!(stored.computed_hash(), stored.hash);
            *end = End { version: stored.version, hash: stored.hash };
            let is_auth = stored.event_type().unwrap().is_auth();
            prop_assert_eq!(stored.auth_prev.map(GlobalPosition::get), is_auth.then_some(auth));
            if is_auth {
                auth = stored.position.get();
            }
        }
        prop_assert_eq!(tail.head.position.get(), settled.events.len() as u64);
        prop_assert_eq!(tail.head.auth_position.get(), auth);
        let told: usize = settled.verdicts.iter().map(|verdict| match verdict {
            Verdict::Appended(appended) => appended.hashes.len(),
            _ => 0,
        }).sum();
        prop_assert_eq!(told, settled.events.len());
    }

    /// How appends are cut into batches changes nothing.
    #[test]
    fn a_batch_is_worth_its_pieces(wishes in wishes(), cut in 0..24_usize) {
        let appends = prepared(&wishes);
        let whole = settle(&mut empty_log(), Answers::new(), &appends, now());
        let (first, second) = appends.split_at(cut.min(appends.len()));
        let mut tail = empty_log();
        let before = settle(&mut tail, Answers::new(), first, now());
        let taken = before.answers.iter().map(|(org, answer)| {
            ((*org, answer.record.key.clone()), answer.clone())
        });
        let after = settle(&mut tail, taken.collect(), second, now());
        let pieces: Vec<_> = [summary(&before), summary(&after)].concat();
        prop_assert_eq!(pieces, summary(&whole));
        let events: Vec<_> = before.events.into_iter().chain(after.events).collect();
        prop_assert_eq!(events, whole.events);
    }

    /// An append on the right version is never refused, one on a wrong version always.
    #[test]
    fn the_expected_version_decides(wishes in wishes()) {
        let wishes: Vec<_> = wishes.into_iter().map(|wish| Wish { key: None, ..wish }).collect();
        let appends = prepared(&wishes);
        let mut versions = [0_u64; 3];
        let settled = settle(&mut empty_log(), Answers::new(), &appends, now());
        for (wish, verdict) in wishes.iter().zip(settled.verdicts) {
            let actual = &mut versions[usize::from(wish.org)];
            match verdict {
                Verdict::Appended(_) => {
                    prop_assert!(wish.expected.is_none_or(|expected| expected == *actual));
                    *actual += wish.events.iter().filter(|kind| **kind != 0).count() as u64;
                }
                Verdict::Refused(AppendError::Conflict { actual: told }) => {
                    prop_assert_eq!(told.get(), *actual);
                    prop_assert_ne!(wish.expected, Some(*actual));
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}

/// What a batch says about who may call is seen by what stands behind it in the same batch.
#[test]
fn a_guard_behind_a_change_of_its_org_waits_for_the_next_batch() {
    let key = Uuid::from_u128(9);
    let mut tail = empty_log();
    let caller = Caller {
        org_id: org(0),
        denied: false,
        ends_at: None,
    };
    tail.learn_caller(key, Some(caller));
    let wish = |org, event| Wish {
        org,
        expected: None,
        events: vec![event],
        key: None,
    };
    let mut appends = prepared(&[wish(0, 0), wish(1, 1), wish(0, 0), wish(0, 1), wish(0, 0)]);
    for index in [0, 2, 4] {
        appends[index].guard = Some(Guard::Key(KeyId::from_uuid(key)));
    }
    let settled = settle(&mut tail, Answers::new(), &appends, now());
    let later: Vec<_> = settled
        .verdicts
        .iter()
        .map(|verdict| matches!(verdict, Verdict::Later))
        .collect();
    assert_eq!(later, [false, false, false, false, true]);
}

/// Who was revoked gets 401 and not the earlier answer (v1-contract.md 1.4).
#[test]
fn who_may_not_act_gets_no_earlier_answer() {
    let key = Uuid::from_u128(9);
    let wish = Wish {
        org: 0,
        expected: None,
        events: vec![0],
        key: Some(1),
    };
    let mut appends = prepared(&[wish.clone(), wish]);
    appends[1].guard = Some(Guard::Key(KeyId::from_uuid(key)));
    for (caller, is_denied) in [
        (None, true),
        (
            Some(Caller {
                org_id: org(0),
                denied: true,
                ends_at: None,
            }),
            true,
        ),
        (
            Some(Caller {
                org_id: org(0),
                denied: false,
                ends_at: None,
            }),
            false,
        ),
    ] {
        let mut tail = empty_log();
        tail.learn_caller(key, caller);
        let settled = settle(&mut tail, Answers::new(), &appends, now());
        let Verdict::Refused(refusal) = &settled.verdicts[1] else {
            panic!("{:?}", settled.verdicts[1]);
        };
        assert_eq!(matches!(refusal, AppendError::CallerDenied), is_denied);
        let replays = matches!(refusal, AppendError::IdempotencyTaken(_));
        assert_eq!(replays, !is_denied);
    }
}

#[test]
fn the_tail_does_not_grow_without_bound() {
    let mut tail = empty_log();
    for number in 0..=200_000 {
        let id = Uuid::from_u128(number);
        tail.learn_stream((OrgId::from_uuid(id), Stream::Decisions), End::EMPTY);
        tail.learn_caller(id, None);
    }
    tail.bound();
    let one = Uuid::from_u128(1);
    assert!(!tail.knows_stream(&(OrgId::from_uuid(one), Stream::Decisions)));
    assert!(!tail.knows_caller(one));
    assert!(tail.is_known());
}
