use chrono::TimeDelta;

use super::harness::{Given, invitation, invite, key, new_session, now, person, signed_in, user};
use crate::event::{
    Event, InvitationAccepted, InvitationCreated, InvitationDeclined, InvitationRevoked,
    LimitWarned, MemberJoined, Role, SessionOpened,
};
use crate::org::{
    Caller, Command, Existing, InvitationCommand, InvitationStatus, NewInvitation, Outcome,
    Rejection,
};
use crate::plan::{LimitKey, Plan};
use crate::scope::{Scope, Scopes};

fn accept(n: u8, by: u8) -> Command {
    Command::Invitation(InvitationCommand::Accept {
        invitation_id: invitation(n),
        user_id: user(by),
        session: None,
    })
}

fn decline(n: u8, by: u8) -> Command {
    Command::Invitation(InvitationCommand::Decline {
        invitation_id: invitation(n),
        user_id: user(by),
    })
}

fn revoke(n: u8) -> Command {
    Command::Invitation(InvitationCommand::Revoke {
        invitation_id: invitation(n),
    })
}

/// On ultra, with admin 1.
fn agency() -> Given {
    Given::org(Plan::Ultra).and_member(1, Role::Admin)
}

fn status(given: &Given, n: u8) -> InvitationStatus {
    given.state.invitations[&invitation(n)].status(given.at)
}

#[test]
fn who_is_invited_joins_with_the_role_they_were_promised() {
    let mut given = agency();
    let decision = given.when(&invite(2, 20, Role::Admin)).unwrap();
    let created = InvitationCreated {
        invitation_id: invitation(2),
        invitee_id: given.state.invitations[&invitation(2)].invitee_id,
        role: Role::Admin,
        expires_at: now().plus(TimeDelta::days(7)),
    };
    assert_eq!(decision.events, [created.into()]);
    assert_eq!(decision.outcome, Outcome::Created(invitation(2).as_uuid()));
    given = given.by(person(7));
    let accept = Command::Invitation(InvitationCommand::Accept {
        invitation_id: invitation(2),
        user_id: user(7),
        session: Some(new_session(7)),
    });
    let events = given.then(&accept);
    let accepted = InvitationAccepted {
        invitation_id: invitation(2),
        user_id: user(7),
    };
    let joined = MemberJoined {
        user_id: user(7),
        role: Role::Admin,
    };
    assert_eq!(events[..2], [accepted.into(), joined.into()]);
    assert!(matches!(
        &events[2],
        Event::SessionOpened(SessionOpened {
            role: Role::Admin,
            hash: Some(_),
            ..
        })
    ));
    assert_eq!(status(&given, 2), InvitationStatus::Accepted);
    assert_eq!(given.refused(&accept), Rejection::InvitationClosed);
}

#[test]
fn an_invitation_keeps_a_place_and_gives_it_back() {
    // Two places on free, one of them the admin's.
    let mut given = Given::org(Plan::Free).and_member(1, Role::Admin);
    let events = given.then(&invite(2, 20, Role::Member));
    let warned = LimitWarned {
        limit_key: LimitKey::MaxMembersPerOrg,
        current: 2,
        max: 2,
    };
    assert_eq!(events[1], warned.into());
    let reached = Rejection::LimitReached {
        limit_key: LimitKey::MaxMembersPerOrg,
        current: 2,
        max: 2,
    };
    assert_eq!(given.refused(&invite(3, 30, Role::Member)), reached);
    let join = Command::JoinMember {
        user_id: user(9),
        role: Role::Member,
    };
    assert_eq!(given.refused(&join), reached);
    let revoked = InvitationRevoked {
        invitation_id: invitation(2),
    };
    assert_eq!(given.then(&revoke(2)), [revoked.into()]);
    assert!(given.decide(&invite(3, 30, Role::Member)).is_ok());
    given.then(&invite(4, 40, Role::Member));
    let expired = given.later(TimeDelta::days(7));
    assert!(expired.decide(&invite(5, 50, Role::Member)).is_ok());
}

/// The place was kept for them, so that nobody is invited in vain.
#[test]
fn a_limit_that_was_lowered_since_does_not_keep_the_invited_out() {
    let mut given = Given::org(Plan::Starter).and_member(1, Role::Admin);
    given.then(&invite(2, 20, Role::Member));
    given.then(&Command::SetLimit {
        limit_key: LimitKey::MaxMembersPerOrg,
        value: Some(1),
    });
    let mut given = given.by(person(7));
    assert_eq!(given.then(&accept(2, 7)).len(), 2);
}

#[test]
fn nobody_is_invited_twice_or_as_a_member() {
    let mut given = agency();
    given.then(&invite(2, 20, Role::Member));
    let duplicate = Rejection::Duplicate {
        what: Existing::Invitation,
        id: invitation(2).as_uuid(),
    };
    assert_eq!(given.refused(&invite(3, 20, Role::Admin)), duplicate);
    let Command::Invitation(InvitationCommand::Create(new)) = invite(4, 40, Role::Member) else {
        panic!("it is no invitation")
    };
    let member = Command::Invitation(InvitationCommand::Create(NewInvitation {
        user_id: Some(user(1)),
        ..new
    }));
    assert_eq!(given.refused(&member), Rejection::AlreadyMember);
    given.then(&revoke(2));
    assert_eq!(
        given.refused(&invite(2, 20, Role::Member)),
        duplicate,
        "the id is taken"
    );
    assert!(given.decide(&invite(5, 20, Role::Member)).is_ok());
    let expired = given.later(TimeDelta::days(8));
    assert!(expired.decide(&invite(6, 40, Role::Member)).is_ok());
}

#[test]
fn a_role_is_offered_only_by_who_holds_its_scopes() {
    let mut given = agency()
        .and_key(3, Scopes::DEFAULT.with(Scope::Keys))
        .and_member(4, Role::Member)
        .and_session(4);
    given.caller = Caller::Key(key(3));
    let refused = given.refused(&invite(5, 50, Role::Admin));
    let required = Scope::Ingest;
    assert!(
        matches!(refused, Rejection::InsufficientScope { required: lacking, .. } if lacking == required)
    );
    assert!(given.decide(&invite(5, 50, Role::Member)).is_ok());
    given.caller = signed_in(4);
    let refused = given.refused(&invite(5, 50, Role::Member));
    let required = Scope::Keys;
    assert!(
        matches!(refused, Rejection::InsufficientScope { required: lacking, .. } if lacking == required)
    );
}

#[test]
fn an_invitation_is_answered_once_by_a_person_for_themselves() {
    let mut given = agency();
    given.then(&invite(2, 20, Role::Member));
    given.then(&invite(3, 30, Role::Member));
    given.caller = person(7);
    assert_eq!(given.refused(&accept(2, 8)), Rejection::CallerInvalid);
    assert_eq!(given.refused(&accept(9, 7)), Rejection::NotFound);
    let declined = InvitationDeclined {
        invitation_id: invitation(2),
    };
    assert_eq!(given.then(&decline(2, 7)), [declined.into()]);
    assert_eq!(status(&given, 2), InvitationStatus::Declined);
    for closed in [accept(2, 7), decline(2, 7)] {
        assert_eq!(given.refused(&closed), Rejection::InvitationClosed);
    }
    let mut late = given.reloaded().later(TimeDelta::days(7));
    assert_eq!(status(&late, 3), InvitationStatus::Expired);
    assert_eq!(late.refused(&accept(3, 7)), Rejection::InvitationClosed);
    late.caller = Caller::Operator;
    assert_eq!(late.refused(&revoke(3)), Rejection::InvitationClosed);
}

#[test]
fn who_is_shut_out_or_a_member_already_does_not_join() {
    let mut given = agency();
    given.then(&invite(2, 20, Role::Member));
    given.then(&Command::BanMember {
        user_id: user(7),
        reason: None,
    });
    given.caller = person(7);
    assert_eq!(given.refused(&accept(2, 7)), Rejection::UserSuspended);
    given.caller = person(1);
    assert_eq!(given.refused(&accept(2, 1)), Rejection::AlreadyMember);
    given.caller = Caller::Operator;
    given.then(&Command::Suspend { reason: None });
    given.caller = person(8);
    assert_eq!(given.refused(&accept(2, 8)), Rejection::OrgSuspended);
}
