use super::harness::{Given, add_creator, key, key_created, user};
use crate::event::{
    Event, KeyChanged, KeyCreated, KeyRevoked, LimitWarned, MemberBanned, MemberRoleChanged, Role,
};
use crate::org::{Caller, Command, KeyDisposition, Rejection};
use crate::plan::{LimitKey, Plan};
use crate::scope::{Scope, Scopes};

#[test]
fn the_last_admin_stays() {
    let given = Given::org(Plan::Starter)
        .and_member(1, Role::Admin)
        .and_member(2, Role::Member);
    let demote = Command::ChangeRole {
        user_id: user(1),
        role: Role::Member,
    };
    assert_eq!(given.refused(&demote), Rejection::LastAdmin);
    let leave = Command::RemoveMember {
        user_id: user(1),
        keys: None,
    };
    assert_eq!(given.refused(&leave), Rejection::LastAdmin);
    let mut given = given.and_member(3, Role::Admin);
    let changed = MemberRoleChanged {
        user_id: user(1),
        role: Role::Member,
        previous: Role::Admin,
    };
    assert_eq!(given.then(&demote), vec![changed.into()]);
}

#[test]
fn a_role_is_granted_only_by_who_holds_its_scopes() {
    let given = Given::org(Plan::Starter)
        .and_key(1, Scopes::DEFAULT.with(Scope::Keys))
        .by(Caller::Key(key(1)));
    let join = |role| Command::JoinMember {
        user_id: user(4),
        role,
    };
    let refused = given.refused(&join(Role::Admin));
    assert!(matches!(
        refused,
        Rejection::InsufficientScope {
            required: Scope::Ingest,
            ..
        }
    ));
    assert!(given.decide(&join(Role::Member)).is_ok());
}

#[test]
fn what_becomes_of_a_leaving_members_keys_must_be_said() {
    let owned = || KeyCreated {
        owner_id: Some(user(2)),
        ..key_created(5, Scopes::DEFAULT)
    };
    let given = || {
        Given::org(Plan::Starter)
            .and_member(1, Role::Admin)
            .and_member(2, Role::Member)
            .and(owned())
    };
    let remove = |keys| Command::RemoveMember {
        user_id: user(2),
        keys,
    };
    assert_eq!(
        given().refused(&remove(None)),
        Rejection::MemberHasKeys { active_keys: 1 }
    );
    let events = given().then(&remove(Some(KeyDisposition::Revoke)));
    assert!(matches!(events[1], Event::KeyRevoked(KeyRevoked { key_id, .. }) if key_id == key(5)));
    let heir = Some(KeyDisposition::Transfer(user(1)));
    let events = given().then(&remove(heir));
    let Event::KeyChanged(KeyChanged { owner_id, .. }) = &events[1] else {
        panic!("{events:?}")
    };
    assert_eq!(*owner_id, Some(Some(user(1))));
    let stranger = Some(KeyDisposition::Transfer(user(9)));
    assert_eq!(given().refused(&remove(stranger)), Rejection::NotFound);
    let banned = Command::BanMember {
        user_id: user(1),
        reason: None,
    };
    let mut given = given();
    given.then(&banned);
    assert_eq!(given.refused(&remove(heir)), Rejection::NotFound);
}

/// Whoever did not hear the answer asks again, and is told the same.
#[test]
fn a_removal_may_be_repeated_and_who_was_never_a_member_is_not_found() {
    let mut given = Given::org(Plan::Starter)
        .and_member(1, Role::Admin)
        .and_member(2, Role::Member);
    let remove = |n| Command::RemoveMember {
        user_id: user(n),
        keys: None,
    };
    assert_eq!(given.then(&remove(2)).len(), 1);
    assert!(given.then(&remove(2)).is_empty());
    assert_eq!(given.refused(&remove(3)), Rejection::NotFound);
}

#[test]
fn a_banned_owner_takes_the_keys_along_until_the_ban_is_over() {
    let owned = KeyCreated {
        owner_id: Some(user(2)),
        ..key_created(5, Scopes::ORG_ADMIN)
    };
    let mut given = Given::org(Plan::Starter)
        .and_member(2, Role::Admin)
        .and(owned)
        .and(MemberBanned {
            user_id: user(2),
            reason: None,
        })
        .by(Caller::Key(key(5)));
    let rename = Command::ChangeOrg {
        name: None,
        timezone: Some("Asia/Kathmandu".to_owned()),
    };
    assert_eq!(given.refused(&rename), Rejection::UserSuspended);
    given.caller = Caller::Operator;
    given.then(&Command::UnbanMember { user_id: user(2) });
    given.caller = Caller::Key(key(5));
    assert_eq!(given.then(&rename).len(), 1);
    assert!(
        given.then(&rename).is_empty(),
        "the same again changes nothing"
    );
}

#[test]
fn only_the_operator_changes_plans_and_limits() {
    let given = Given::org(Plan::Free)
        .and_key(1, Scopes::ORG_ADMIN)
        .by(Caller::Key(key(1)));
    let set = Command::SetPlan { plan: Plan::Ultra };
    assert!(matches!(
        given.refused(&set),
        Rejection::InsufficientScope {
            required: Scope::Admin,
            ..
        }
    ));
}

#[test]
fn a_limit_holds_warns_at_80_percent_once_a_day_and_can_be_raised() {
    let mut given = Given::with_project(Plan::Free);
    for n in 1..=3 {
        assert_eq!(given.then(&add_creator(n, &format!("goat{n}"))).len(), 1);
    }
    let events = given.then(&add_creator(4, "goat4"));
    let warned = LimitWarned {
        limit_key: LimitKey::MaxCreatorsPerOrg,
        current: 4,
        max: 5,
    };
    assert_eq!(events[1], warned.into());
    assert_eq!(
        given.then(&add_creator(5, "goat5")).len(),
        1,
        "warned once a day"
    );
    let reached = Rejection::LimitReached {
        limit_key: LimitKey::MaxCreatorsPerOrg,
        current: 5,
        max: 5,
    };
    assert_eq!(given.refused(&add_creator(6, "goat6")), reached);
    let raise = |value| Command::SetLimit {
        limit_key: LimitKey::MaxCreatorsPerOrg,
        value,
    };
    given.then(&raise(Some(100)));
    given.then(&add_creator(6, "goat6"));
    given.then(&raise(None));
    let reached = Rejection::LimitReached {
        limit_key: LimitKey::MaxCreatorsPerOrg,
        current: 6,
        max: 5,
    };
    assert_eq!(given.refused(&add_creator(7, "goat7")), reached);
}
