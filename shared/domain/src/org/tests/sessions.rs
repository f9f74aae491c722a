use chrono::TimeDelta;

use super::harness::{
    Given, key_created, new_key, new_session, now, person, session, signed_in, user,
};
use crate::event::{
    Event, KeyCreated, MemberJoined, MemberRemoved, MemberRoleChanged, OrgCreated, Role,
    SessionEndReason, SessionEnded, SessionOpened,
};
use crate::limits::SESSIONS_PER_MEMBER;
use crate::org::{
    Caller, Command, Existing, Founding, KeyDisposition, OrgState, Outcome, Rejection,
    SessionCommand, SubjectKeys, decide,
};
use crate::plan::Plan;
use crate::scope::{Scope, Scopes};
use crate::text::Name;

fn open(n: u8, by: u8) -> Command {
    Command::Session(SessionCommand::Open {
        user_id: user(by),
        session: new_session(n),
    })
}

fn end(n: u8) -> Command {
    Command::Session(SessionCommand::End {
        session_id: session(n),
    })
}

fn ended(n: u8, by: u8, reason: SessionEndReason) -> Event {
    SessionEnded {
        session_id: session(n),
        user_id: user(by),
        reason,
    }
    .into()
}

/// Admins 1 and 2 and member 3, each with a session.
fn signed() -> Given {
    Given::org(Plan::Ultra)
        .and_member(1, Role::Admin)
        .and_member(2, Role::Admin)
        .and_member(3, Role::Member)
        .and_session(1)
        .and_session(2)
        .and_session(3)
}

#[test]
fn a_member_is_signed_in_for_a_week_with_their_role() {
    let mut given = signed().by(person(3));
    let opened = SessionOpened {
        session_id: session(9),
        user_id: user(3),
        role: Role::Member,
        expires_at: now().plus(TimeDelta::days(7)),
        hash: Some(new_session(9).hash),
    };
    let decision = given.when(&open(9, 3)).unwrap();
    assert_eq!(decision.events, [opened.into()]);
    assert_eq!(decision.outcome, Outcome::Created(session(9).as_uuid()));
    let again = Rejection::Duplicate {
        what: Existing::Session,
        id: session(9).as_uuid(),
    };
    assert_eq!(given.refused(&open(9, 3)), again);
    assert_eq!(given.refused(&open(8, 1)), Rejection::CallerInvalid);
    let stranger = given.by(person(8));
    assert_eq!(stranger.refused(&open(8, 8)), Rejection::NotFound);
}

#[test]
fn a_session_decides_while_it_lives_and_by_the_role_of_the_moment() {
    let rename = Command::ChangeOrg {
        name: Some(Name::parse("Kids").unwrap()),
        timezone: None,
    };
    let mut given = signed().by(signed_in(3));
    let lacking = given.refused(&rename);
    assert!(matches!(
        lacking,
        Rejection::InsufficientScope {
            required: Scope::Keys,
            ..
        }
    ));
    given.caller = Caller::Operator;
    given.then(&Command::ChangeRole {
        user_id: user(3),
        role: Role::Admin,
    });
    given.caller = signed_in(3);
    assert_eq!(given.then(&rename).len(), 1);
    for impostor in [
        Caller::Session {
            id: session(3),
            user: user(1),
        },
        Caller::Session {
            id: session(7),
            user: user(3),
        },
        person(1),
    ] {
        given.caller = impostor;
        assert!(given.decide(&rename).is_err(), "{impostor:?}");
    }
    given.caller = signed_in(3);
    given = given.later(TimeDelta::days(7));
    assert_eq!(given.refused(&rename), Rejection::CallerInvalid);
}

#[test]
fn a_key_is_no_person_even_to_its_owner() {
    let owned = KeyCreated {
        owner_id: Some(user(1)),
        ..key_created(5, Scopes::ORG_ADMIN)
    };
    let given = signed().and(owned).by(Caller::Key(super::harness::key(5)));
    assert_eq!(given.refused(&open(9, 1)), Rejection::CallerInvalid);
}

#[test]
fn the_twenty_first_session_ends_the_oldest() {
    let mut given = Given::org(Plan::Ultra)
        .and_member(1, Role::Admin)
        .by(person(1));
    let most = u8::try_from(SESSIONS_PER_MEMBER).unwrap();
    for n in 0..most {
        // Their ids say nothing of their age.
        assert_eq!(given.then(&open(200 - n, 1)).len(), 1);
        given = given.later(TimeDelta::seconds(1));
    }
    let events = given.then(&open(201, 1));
    assert_eq!(events[0], ended(200, 1, SessionEndReason::Replaced));
    assert!(matches!(events[1], Event::SessionOpened(_)));
    given.then(&end(199));
    assert_eq!(given.then(&open(202, 1)).len(), 1, "there is room");
    // Those of a week ago end by themselves.
    let mut given = given.later(TimeDelta::days(7));
    assert_eq!(given.then(&open(203, 1)).len(), 1);
}

#[test]
fn a_session_is_ended_by_its_person_or_an_admin_as_often_as_they_like() {
    let mut given = signed().by(signed_in(3));
    assert_eq!(given.refused(&end(1)), Rejection::NotOrgAdmin);
    assert_eq!(given.refused(&end(9)), Rejection::NotFound);
    given.caller = signed_in(1);
    let expected = ended(3, 3, SessionEndReason::Requested);
    assert_eq!(given.then(&end(3)), [expected]);
    assert!(given.then(&end(3)).is_empty());
    given.caller = signed_in(3);
    assert_eq!(given.refused(&end(3)), Rejection::CallerInvalid);
    given.caller = signed_in(1);
    assert_eq!(given.then(&end(1)).len(), 1);
    assert_eq!(given.refused(&end(2)), Rejection::CallerInvalid);
}

#[test]
fn who_is_demoted_or_removed_is_signed_out() {
    let mut given = signed();
    let demote = Command::ChangeRole {
        user_id: user(2),
        role: Role::Member,
    };
    let changed = MemberRoleChanged {
        user_id: user(2),
        role: Role::Member,
        previous: Role::Admin,
    };
    let expected = [changed.into(), ended(2, 2, SessionEndReason::Demoted)];
    assert_eq!(given.then(&demote), expected);
    let remove = Command::RemoveMember {
        user_id: user(3),
        keys: None,
    };
    let removed = MemberRemoved { user_id: user(3) };
    let expected = [removed.into(), ended(3, 3, SessionEndReason::MemberRemoved)];
    assert_eq!(given.then(&remove), expected);
    assert!(given.then(&remove).is_empty());
    given.caller = signed_in(2);
    assert_eq!(given.refused(&demote), Rejection::CallerInvalid);
}

/// A replica whose clock is behind may still accept what is over by the date.
#[test]
fn sessions_that_are_over_by_the_date_are_ended_too() {
    let mut given = signed().later(TimeDelta::days(7));
    let demote = Command::ChangeRole {
        user_id: user(2),
        role: Role::Member,
    };
    assert_eq!(given.then(&demote).len(), 2);
}

#[test]
fn a_person_may_always_leave_but_the_last_admin() {
    let mut given = signed().by(signed_in(3));
    let leave = |n| Command::RemoveMember {
        user_id: user(n),
        keys: Some(KeyDisposition::Keep),
    };
    assert!(matches!(
        given.refused(&leave(2)),
        Rejection::InsufficientScope {
            required: Scope::Keys,
            ..
        }
    ));
    assert_eq!(given.then(&leave(3)).len(), 2);
    given.caller = signed_in(2);
    assert_eq!(given.then(&leave(2)).len(), 2);
    given.caller = signed_in(1);
    assert_eq!(given.refused(&leave(1)), Rejection::LastAdmin);
}

#[test]
fn another_password_ends_all_sessions_but_one() {
    let mut given = signed().by(person(1));
    given.then(&open(9, 1));
    let others = Command::Session(SessionCommand::EndAll {
        user_id: user(1),
        except: Some(session(9)),
        reason: SessionEndReason::PasswordChanged,
    });
    assert!(
        given.decide(&others).is_err(),
        "the service alone asks for it"
    );
    given.caller = Caller::Operator;
    let expected = ended(1, 1, SessionEndReason::PasswordChanged);
    assert_eq!(given.then(&others), [expected]);
    assert!(given.then(&others).is_empty());
}

#[test]
fn a_session_is_forgotten_a_day_after_its_end() {
    let mut given = signed();
    given.then(&end(1));
    let mut given = given.later(TimeDelta::days(8)).by(person(1));
    given.then(&open(9, 1));
    let left: Vec<_> = given.state.sessions.keys().copied().collect();
    assert_eq!(left, [session(9)]);
}

/// Signing in and out again and again leaves nothing behind for longer than that.
#[test]
fn an_ended_session_does_not_stay_until_it_would_have_ended_by_itself() {
    let mut given = signed();
    given.then(&end(1));
    let mut given = given.later(TimeDelta::hours(23)).by(person(1));
    given.then(&open(8, 1));
    assert!(given.state.sessions.contains_key(&session(1)));
    let mut given = given.later(TimeDelta::hours(1));
    given.then(&open(9, 1));
    let is_known = |n| given.state.sessions.contains_key(&session(n));
    assert!(!is_known(1) && is_known(2) && is_known(8));
}

#[test]
fn the_first_admin_comes_with_the_org() {
    let found = Command::FoundOrg(Founding {
        name: Name::parse("Goats").unwrap(),
        plan: Plan::Free,
        timezone: "UTC".to_owned(),
        admin: user(1),
        session: Some(new_session(1)),
    });
    let context = |caller| crate::org::Context {
        now: now(),
        caller,
        subject_keys: Box::leak(Box::new(SubjectKeys::default())),
    };
    let state = OrgState::default();
    let decision = decide(&state, &found, &context(Caller::Operator)).unwrap();
    let [created, joined, opened] = &decision.events[..] else {
        panic!("{decision:?}")
    };
    assert!(matches!(created, Event::OrgCreated(OrgCreated { .. })));
    let admin = MemberJoined {
        user_id: user(1),
        role: Role::Admin,
    };
    assert_eq!(*joined, admin.into());
    assert!(matches!(opened, Event::SessionOpened(it) if it.role == Role::Admin));
    let by_another = decide(&state, &found, &context(person(1)));
    assert_eq!(by_another.unwrap_err(), Rejection::CallerInvalid);
    assert_eq!(signed().refused(&found), Rejection::OrgExists);
}

#[test]
fn a_session_makes_what_a_person_owns() {
    let mut given = signed().by(signed_in(2));
    let events = given.then(&Command::CreateKey(new_key(9)));
    assert!(matches!(&events[0], Event::KeyCreated(created) if created.owner_id == Some(user(2))));
}
