use chrono::TimeDelta;
use ipnet::IpNet;
use proptest::prelude::*;

use super::harness::{Given, key, key_created, now, scopes, user};
use super::properties::command;
use crate::event::{
    Event, KeyChanged, KeyCreated, KeyRevoked, KeyRotated, LimitChanged, MemberBanned,
    MemberRemoved, MemberRoleChanged, OrgSuspended, PlanChanged, RevocationReason, Role,
};
use crate::org::{Again, Command, KeyPatch, KeyStatus, NotAgain, OrgState, Rejection, deny_again};
use crate::plan::{LimitKey, Plan};
use crate::scope::{Scope, Scopes};
use crate::time::Timestamp;

fn ranges(list: &[&str]) -> Vec<IpNet> {
    list.iter().map(|range| range.parse().unwrap()).collect()
}

fn minutes(minutes: i64) -> Timestamp {
    now().plus(TimeDelta::minutes(minutes))
}

/// A change of key 1 that narrows it.
fn changed() -> KeyChanged {
    KeyChanged {
        narrowed: true,
        ..KeyChanged::nothing(key(1))
    }
}

fn revoked(n: u8) -> KeyRevoked {
    KeyRevoked {
        key_id: key(n),
        reason: RevocationReason::Requested,
    }
}

/// On starter, with a key that has everything, and with two admins and a member.
fn restored() -> Given {
    Given::org(Plan::Starter)
        .and_key(1, Scopes::ORG_ADMIN)
        .and_member(1, Role::Admin)
        .and_member(2, Role::Admin)
        .and_member(3, Role::Member)
}

fn again(given: &Given, lost: &Event) -> Result<Again, NotAgain> {
    deny_again(&given.state, lost, given.at)
}

/// Decides what takes it away again, until nothing is left to be taken.
fn deny(given: &mut Given, lost: impl Into<Event>) -> Vec<Event> {
    let lost = lost.into();
    let Again::Decide(command) = again(given, &lost).unwrap() else {
        panic!("{lost:?} is to be decided")
    };
    let events = given.then(&command);
    let left = again(given, &lost).unwrap();
    assert!(!matches!(left, Again::Decide(_)), "{left:?}");
    events
}

fn holds(given: &Given, lost: impl Into<Event>) -> bool {
    matches!(again(given, &lost.into()), Ok(Again::Holds))
}

fn is_nothing(given: &Given, lost: impl Into<Event>) -> bool {
    matches!(again(given, &lost.into()), Ok(Again::Nothing))
}

#[test]
fn what_ended_or_shut_out_does_so_again() {
    let mut given = restored();
    assert_eq!(deny(&mut given, revoked(1)), [revoked(1).into()]);
    let banned = MemberBanned {
        user_id: user(9),
        reason: Some("left in anger".to_owned()),
    };
    assert_eq!(deny(&mut given, banned.clone()), [banned.into()]);
    let suspended = OrgSuspended { reason: None };
    assert_eq!(deny(&mut given, suspended.clone()), [suspended.into()]);
    let removed = MemberRemoved { user_id: user(3) };
    assert_eq!(deny(&mut given, removed.clone()), [removed.into()]);
    let demoted = MemberRoleChanged {
        user_id: user(1),
        role: Role::Member,
        previous: Role::Admin,
    };
    assert_eq!(deny(&mut given, demoted.clone()), [demoted.into()]);
}

#[test]
fn a_removed_members_keys_stay_until_their_own_events_come() {
    let owned = KeyCreated {
        owner_id: Some(user(3)),
        ..key_created(4, Scopes::DEFAULT)
    };
    let mut given = restored().and(owned);
    deny(&mut given, MemberRemoved { user_id: user(3) });
    let left = given.state.keys.get(&key(4)).unwrap();
    assert_eq!(left.owner_id, None);
    assert_eq!(left.status(now()), KeyStatus::Active);
    deny(&mut given, revoked(4));
}

#[test]
fn a_key_is_narrowed_by_what_it_lost_and_gains_nothing() {
    let mut given = restored();
    let lost = KeyChanged {
        scopes: Some(scopes(&[Scope::Read, Scope::Admin])),
        expires_at: Some(Some(minutes(90))),
        ip_allowlist: Some(Some(ranges(&["192.0.2.0/24"]))),
        rate_limit_per_minute: Some(20),
        strict: Some(true),
        ..changed()
    };
    deny(&mut given, lost.clone());
    let key = given.state.keys.get(&key(1)).unwrap().clone();
    assert_eq!(key.scopes, scopes(&[Scope::Read]), "it never had admin");
    assert_eq!(key.expires_at, Some(minutes(90)));
    assert_eq!(key.ip_allowlist, Some(ranges(&["192.0.2.0/24"])));
    assert_eq!((key.rate_limit_per_minute, key.strict), (20, true));
    let wider = KeyChanged {
        scopes: Some(Scopes::ORG_ADMIN),
        expires_at: Some(None),
        ip_allowlist: Some(None),
        rate_limit_per_minute: Some(60),
        strict: Some(false),
        ..changed()
    };
    assert!(holds(&given, wider));
    assert!(holds(&given, lost));
}

#[test]
fn of_two_allow_lists_what_both_allow_is_left() {
    let own = ranges(&["192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32"]);
    let listed = KeyCreated {
        ip_allowlist: Some(own),
        ..key_created(4, Scopes::DEFAULT)
    };
    let mut given = Given::org(Plan::Starter).and(listed);
    let only = |list: &[&str]| KeyChanged {
        key_id: key(4),
        ip_allowlist: Some(Some(ranges(list))),
        ..changed()
    };
    let lost = only(&["192.0.2.128/25", "198.51.100.0/24", "203.0.113.0/24"]);
    deny(&mut given, lost);
    let left = &given.state.keys.get(&key(4)).unwrap().ip_allowlist;
    let expected = ranges(&["192.0.2.128/25", "198.51.100.7/32"]);
    assert_eq!(left.as_deref(), Some(&expected[..]));
    let elsewhere = again(&given, &only(&["203.0.113.0/24"]).into());
    assert_eq!(elsewhere.unwrap_err(), NotAgain::NoAddresses(key(4)));
}

#[test]
fn an_end_that_is_over_or_near_is_a_revocation() {
    let rotated = |ends_at| KeyRotated {
        key_id: key(1),
        new_key_id: key(8),
        ends_at,
    };
    let expiring = |ends_at| KeyChanged {
        expires_at: Some(Some(ends_at)),
        ..changed()
    };
    for ends_at in [minutes(-5), now(), now().plus(TimeDelta::seconds(59))] {
        let expected = [Event::from(revoked(1))];
        assert_eq!(deny(&mut restored(), rotated(ends_at)), expected);
        assert_eq!(deny(&mut restored(), expiring(ends_at)), expected);
    }
    let mut given = restored();
    deny(&mut given, rotated(minutes(60)));
    let ends_at = |given: &Given| given.state.keys.get(&key(1)).unwrap().ends_at();
    assert_eq!(ends_at(&given), Some(minutes(60)));
    assert!(holds(&given, expiring(minutes(61))));
    deny(&mut given, expiring(minutes(30)));
    assert_eq!(ends_at(&given), Some(minutes(30)));
    let expired = given.later(TimeDelta::minutes(31));
    assert!(holds(&expired, expiring(minutes(20))));
    assert!(holds(&expired, rotated(minutes(20))));
}

#[test]
fn plans_and_limits_are_lowered_and_never_raised() {
    let plan = |plan| PlanChanged {
        plan,
        previous: Plan::Starter,
    };
    let limit = |value| LimitChanged {
        limit_key: LimitKey::MaxApiRequestsPerDay,
        value,
    };
    let mut given = restored();
    assert!(holds(&given, plan(Plan::Ultra)));
    assert!(holds(&given, limit(Some(1_001))));
    deny(&mut given, limit(Some(10)));
    assert!(holds(&given, limit(None)), "the plan's is higher");
    deny(&mut given, plan(Plan::Free));
    assert!(holds(&given, plan(Plan::Starter)));
    let mut raised = restored().and(limit(Some(5_000)));
    deny(&mut raised, limit(None));
    let limits = raised.state.limits();
    assert_eq!(limits.max(LimitKey::MaxApiRequestsPerDay), Some(1_000));
}

#[test]
fn what_was_made_after_what_was_restored_needs_no_denial() {
    let given = restored();
    assert!(is_nothing(&given, revoked(7)));
    assert!(is_nothing(&given, MemberRemoved { user_id: user(7) }));
    let demoted = MemberRoleChanged {
        user_id: user(7),
        role: Role::Member,
        previous: Role::Admin,
    };
    assert!(is_nothing(&given, demoted));
    let no_org = OrgState::default();
    let suspended = OrgSuspended { reason: None };
    let nothing = deny_again(&no_org, &suspended.into(), now());
    assert!(matches!(nothing, Ok(Again::Nothing)));
}

#[test]
fn what_would_leave_nothing_is_left_to_people() {
    let writes = key_created(4, scopes(&[Scope::Write]));
    let given = restored().and(writes);
    let lost = KeyChanged {
        key_id: key(4),
        scopes: Some(scopes(&[Scope::Read])),
        ..changed()
    };
    assert_eq!(
        again(&given, &lost.into()).unwrap_err(),
        NotAgain::NoScopes(key(4))
    );
    // The heir joined after what was restored.
    let given = Given::org(Plan::Starter).and_member(1, Role::Admin);
    let removed = MemberRemoved { user_id: user(1) };
    let removed = Event::from(removed);
    let Ok(Again::Decide(command)) = again(&given, &removed) else {
        panic!("it is to be decided")
    };
    assert_eq!(given.refused(&command), Rejection::LastAdmin);
    // Nobody can join while services are closed, but whoever is shut out has no access either.
    let shut_out = MemberBanned {
        user_id: user(1),
        reason: None,
    };
    let given = given.and(shut_out);
    assert!(matches!(again(&given, &removed), Ok(Again::Holds)));
}

fn is_dead(state: &OrgState, n: u8) -> bool {
    let key = state.keys.get(&key(n));
    key.is_some_and(|key| key.revoked.is_some())
}

proptest! {
    /// A log is restored to somewhere in the middle of its history, and its denials are replayed.
    #[test]
    fn nothing_that_was_taken_away_is_back_and_nothing_is_given(
        history in prop::collection::vec(command(), 1..60), cut in 0..60_usize,
    ) {
        let mut given = restored();
        let mut kept = given.reloaded();
        let mut lost = Vec::new();
        for (n, command) in history.iter().enumerate() {
            let Ok(decision) = given.when(command) else { continue };
            if n < cut {
                kept = given.reloaded();
            } else {
                lost.extend(decision.events.into_iter().filter(Event::denies));
            }
        }
        let before = kept.reloaded().state;
        for _ in 0..2 {
            for event in &lost {
                if let Ok(Again::Decide(command)) = again(&kept, event) {
                    let _ = kept.when(&command);
                }
            }
        }
        let (whole, after) = (&given.state, &kept.state);
        for (id, old) in &before.keys {
            let new = &after.keys[id];
            prop_assert!(new.scopes.first_missing_in(old.scopes).is_none());
            prop_assert!(new.rate_limit_per_minute <= old.rate_limit_per_minute);
            prop_assert!(new.strict || !old.strict);
            prop_assert!(new.revoked.is_some() || whole.keys[id].revoked.is_none());
        }
        prop_assert!(after.limits().plan <= before.limits().plan);
        for person in &whole.banned_users {
            prop_assert!(after.banned_users.contains(person));
        }
        let suspended = |state: &OrgState| state.profile.as_ref().is_some_and(|org| org.suspended);
        prop_assert!(suspended(after) || !suspended(whole));
        prop_assert!((1..20).all(|n| is_dead(after, n) || !is_dead(whole, n) || !before.keys.contains_key(&key(n))));
        for event in &lost {
            if let Ok(Again::Decide(command)) = again(&kept, event) {
                prop_assert!(kept.decide(&command).is_err(), "{event:?} was left undone");
            }
        }
    }
}

#[test]
fn a_patch_names_only_what_is_narrowed() {
    let lost = KeyChanged {
        rate_limit_per_minute: Some(5),
        scopes: Some(Scopes::ORG_ADMIN),
        ..changed()
    };
    let Ok(Again::Decide(Command::ChangeKey { patch, .. })) = again(&restored(), &lost.into())
    else {
        panic!("it is to be decided")
    };
    let KeyPatch {
        scopes,
        rate_limit_per_minute,
        ..
    } = patch;
    assert_eq!((scopes, rate_limit_per_minute), (None, Some(5)));
}
