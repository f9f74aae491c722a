use chrono::TimeDelta;

use super::harness::{Given, key, key_created, new_key, project, scopes, user};
use crate::event::{
    Event, KeyCreated, KeyRevoked, KeyRotated, LimitChanged, OrgSuspended, RevocationReason,
};
use crate::org::{Caller, Command, KeyPatch, KeyStatus, NewKey, Outcome, Rejection, Rotation};
use crate::plan::{LimitKey, Plan};
use crate::scope::{Scope, Scopes};
use crate::text::{Metadata, ProjectName};

fn admin_key() -> Given {
    Given::org(Plan::Starter)
        .and_key(1, Scopes::ORG_ADMIN)
        .by(Caller::Key(key(1)))
}

fn add_project() -> Command {
    Command::AddProject {
        project_id: project(9),
        name: ProjectName::parse("Autumn").unwrap(),
        readme: None,
        metadata: Metadata::empty(),
    }
}

#[test]
fn a_key_is_made_with_what_its_maker_holds_and_inherits_the_owner() {
    let owned = KeyCreated {
        owner_id: Some(user(7)),
        ..key_created(1, Scopes::ORG_ADMIN)
    };
    let mut given = Given::org(Plan::Starter).and(owned).by(Caller::Key(key(1)));
    let events = given.then(&Command::CreateKey(new_key(2)));
    let [Event::KeyCreated(created)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(created.owner_id, Some(user(7)));
    assert_eq!(created.rate_limit_per_minute, 60);
    assert_eq!(created.hash, Some(new_key(2).hash));
}

#[test]
fn nobody_grants_what_they_lack() {
    let given = Given::org(Plan::Starter)
        .and_key(1, scopes(&[Scope::Keys, Scope::Read]))
        .by(Caller::Key(key(1)));
    let refused = given.refused(&Command::CreateKey(new_key(2)));
    let granted = scopes(&[Scope::Keys, Scope::Read]);
    assert_eq!(
        refused,
        Rejection::InsufficientScope {
            required: Scope::Write,
            granted
        }
    );
    let admin = NewKey {
        scopes: scopes(&[Scope::Admin]),
        ..new_key(3)
    };
    let refused = admin_key().refused(&Command::CreateKey(admin));
    assert!(matches!(
        refused,
        Rejection::InsufficientScope {
            required: Scope::Admin,
            ..
        }
    ));
}

#[test]
fn the_number_of_live_keys_is_limited_and_ended_ones_do_not_count() {
    let mut given = Given::org(Plan::Free);
    given.then(&Command::CreateKey(new_key(1)));
    given.then(&Command::CreateKey(new_key(2)));
    let limit = Rejection::LimitReached {
        limit_key: LimitKey::MaxApiKeysPerOrg,
        current: 2,
        max: 2,
    };
    assert_eq!(given.refused(&Command::CreateKey(new_key(3))), limit);
    given.then(&Command::RevokeKey { key_id: key(1) });
    given.then(&Command::CreateKey(new_key(3)));
}

#[test]
fn an_expired_or_revoked_key_decides_nothing() {
    let expiring = NewKey {
        expires_at: Some(super::harness::now().plus(TimeDelta::hours(1))),
        ..new_key(2)
    };
    let mut given = Given::org(Plan::Starter);
    given.then(&Command::CreateKey(expiring));
    let mut given = given.by(Caller::Key(key(2)));
    given.then(&add_project());
    let given = given.later(TimeDelta::hours(1));
    assert_eq!(
        given.state.keys[&key(2)].status(given.at),
        KeyStatus::Expired
    );
    assert_eq!(given.refused(&add_project()), Rejection::CallerInvalid);

    let mut given = admin_key();
    given.then(&Command::RevokeKey { key_id: key(1) });
    assert_eq!(
        given.refused(&Command::CreateKey(new_key(2))),
        Rejection::CallerInvalid
    );
}

#[test]
fn a_suspended_org_decides_nothing_but_by_the_operator() {
    let given = admin_key().and(OrgSuspended { reason: None });
    assert_eq!(
        given.refused(&Command::CreateKey(new_key(2))),
        Rejection::OrgSuspended
    );
    assert!(
        given
            .by(Caller::Operator)
            .decide(&Command::Reinstate)
            .is_ok()
    );
}

#[test]
fn a_key_may_always_end_itself_and_only_with_scope_another() {
    let mut given = Given::org(Plan::Starter)
        .and_key(1, Scopes::DEFAULT)
        .and_key(2, Scopes::DEFAULT)
        .by(Caller::Key(key(1)));
    let refused = given.refused(&Command::RevokeKey { key_id: key(2) });
    assert!(matches!(
        refused,
        Rejection::InsufficientScope {
            required: Scope::Keys,
            ..
        }
    ));
    let events = given.then(&Command::RevokeKey { key_id: key(1) });
    let expected = KeyRevoked {
        key_id: key(1),
        reason: RevocationReason::SelfRevoked,
    };
    assert_eq!(events, vec![expected.into()]);
}

#[test]
fn revoking_again_is_no_event_and_an_unknown_key_is_not_found() {
    let mut given = Given::org(Plan::Starter).and_key(1, Scopes::DEFAULT);
    given.then(&Command::RevokeKey { key_id: key(1) });
    let again = given
        .decide(&Command::RevokeKey { key_id: key(1) })
        .unwrap();
    assert_eq!((again.events.len(), again.outcome), (0, Outcome::Unchanged));
    assert_eq!(
        given.refused(&Command::RevokeKey { key_id: key(5) }),
        Rejection::NotFound
    );
}

#[test]
fn bad_terms_of_a_key_are_refused_by_field() {
    let now = super::harness::now();
    let net = |text: &str| text.parse().unwrap();
    let cases: [(&str, NewKey); 5] = [
        (
            "scopes",
            NewKey {
                scopes: Scopes::NONE,
                ..new_key(2)
            },
        ),
        (
            "expires_at",
            NewKey {
                expires_at: Some(now.plus(TimeDelta::seconds(59))),
                ..new_key(2)
            },
        ),
        (
            "expires_at",
            NewKey {
                expires_at: Some(now.plus(TimeDelta::days(4_000))),
                ..new_key(2)
            },
        ),
        (
            "ip_allowlist",
            NewKey {
                ip_allowlist: Some(vec![net("10.0.0.1/8")]),
                ..new_key(2)
            },
        ),
        (
            "ip_allowlist",
            NewKey {
                ip_allowlist: Some(vec![]),
                ..new_key(2)
            },
        ),
    ];
    for (expected, new) in cases {
        let refused = admin_key().refused(&Command::CreateKey(new));
        assert!(matches!(refused, Rejection::Invalid { field, .. } if field == expected));
    }
    let fast = NewKey {
        rate_limit_per_minute: Some(61),
        ..new_key(2)
    };
    let limit_key = LimitKey::MaxRequestsPerMinutePerKey;
    let refused = admin_key().refused(&Command::CreateKey(fast));
    assert_eq!(
        refused,
        Rejection::LimitReached {
            limit_key,
            current: 61,
            max: 60
        }
    );
}

#[test]
fn an_org_whose_keys_may_ask_nothing_makes_none() {
    let limit_key = LimitKey::MaxRequestsPerMinutePerKey;
    let mut given = admin_key();
    for (max, rate) in [(0, None), (40, Some(40)), (1_000, Some(60))] {
        given = given.and(LimitChanged {
            limit_key,
            value: Some(max),
        });
        let decided = given.decide(&Command::CreateKey(new_key(2)));
        let made = decided.as_ref().ok().and_then(|decision| {
            let created = decision.events.first();
            created.and_then(|event| match event {
                Event::KeyCreated(created) => Some(created.rate_limit_per_minute),
                _ => None,
            })
        });
        assert_eq!(made, rate);
        if rate.is_none() {
            let refusal = Rejection::LimitReached {
                limit_key,
                current: 1,
                max,
            };
            assert_eq!(decided.unwrap_err(), refusal);
        }
    }
}

#[test]
fn a_change_says_whether_it_narrows() {
    let net = |text: &str| text.parse().unwrap();
    let cases: [(KeyPatch, bool); 6] = [
        (
            KeyPatch {
                scopes: Some(scopes(&[Scope::Read])),
                ..KeyPatch::default()
            },
            true,
        ),
        (
            KeyPatch {
                scopes: Some(Scopes::DEFAULT.with(Scope::Keys)),
                ..KeyPatch::default()
            },
            false,
        ),
        (
            KeyPatch {
                ip_allowlist: Some(Some(vec![net("10.0.0.0/8")])),
                ..KeyPatch::default()
            },
            true,
        ),
        (
            KeyPatch {
                strict: Some(true),
                ..KeyPatch::default()
            },
            true,
        ),
        (
            KeyPatch {
                rate_limit_per_minute: Some(10),
                ..KeyPatch::default()
            },
            true,
        ),
        (
            KeyPatch {
                name: Some(crate::text::Name::parse("New").unwrap()),
                ..KeyPatch::default()
            },
            false,
        ),
    ];
    for (patch, narrows) in cases {
        let mut given = Given::org(Plan::Starter)
            .and_key(1, Scopes::ORG_ADMIN)
            .and_key(2, Scopes::DEFAULT)
            .by(Caller::Key(key(1)));
        let events = given.then(&Command::ChangeKey {
            key_id: key(2),
            patch,
        });
        let [Event::KeyChanged(changed)] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!(changed.narrowed, narrows);
        assert_eq!(given.state.keys[&key(2)].narrowed.is_some(), narrows);
    }
}

fn rotation(overlap_seconds: i64) -> Rotation {
    Rotation {
        new_key_id: key(3),
        prefix: "tga_00000000…0000".to_owned(),
        hash: new_key(3).hash,
        overlap_seconds,
        name: None,
        expires_at: None,
    }
}

#[test]
fn a_rotated_key_lives_as_long_as_the_old_one_within_the_bounds() {
    let years = |years: i64| TimeDelta::days(365 * years);
    let cases = [
        // Made to end after, moved after three years to end after, inherited.
        (TimeDelta::days(1), None, TimeDelta::days(1)),
        (TimeDelta::seconds(59), None, TimeDelta::seconds(60)),
        (years(5), Some(years(6)), years(9)),
        (years(5), Some(years(8)), TimeDelta::days(3_653)),
    ];
    for (span, moved, inherited) in cases {
        let made = KeyCreated {
            expires_at: Some(super::harness::now().plus(span)),
            ..key_created(2, Scopes::DEFAULT)
        };
        let mut given = admin_key().and(made);
        if let Some(span) = moved {
            given = given.later(years(3));
            let patch = KeyPatch {
                expires_at: Some(Some(given.at.plus(span))),
                ..KeyPatch::default()
            };
            given.then(&Command::ChangeKey {
                key_id: key(2),
                patch,
            });
        }
        given.then(&Command::RotateKey {
            key_id: key(2),
            rotation: rotation(0),
        });
        let expected = Some(given.at.plus(inherited));
        assert_eq!(given.state.keys[&key(3)].expires_at, expected);
    }
}

#[test]
fn rotation_overlaps_or_ends_the_old_key_at_once() {
    let mut given = admin_key();
    let command = Command::RotateKey {
        key_id: key(1),
        rotation: rotation(3_600),
    };
    let events = given.then(&command);
    let ends_at = given.at.plus(TimeDelta::hours(1));
    let rotated = KeyRotated {
        key_id: key(1),
        new_key_id: key(3),
        ends_at,
    };
    assert_eq!(events[1], rotated.into());
    assert_eq!(
        given.state.keys[&key(1)].status(given.at),
        KeyStatus::Rotating
    );
    assert_eq!(given.state.keys[&key(3)].scopes, Scopes::ORG_ADMIN);
    assert_eq!(given.refused(&command), Rejection::KeyNotActive);
    let given = given.later(TimeDelta::hours(1));
    assert_eq!(
        given.state.keys[&key(1)].status(given.at),
        KeyStatus::Expired
    );

    let mut given = admin_key();
    let events = given.then(&Command::RotateKey {
        key_id: key(1),
        rotation: rotation(0),
    });
    assert!(matches!(events.last(), Some(Event::KeyRevoked(_))));
    assert_eq!(
        given.state.keys[&key(1)].status(given.at),
        KeyStatus::Revoked
    );
}
