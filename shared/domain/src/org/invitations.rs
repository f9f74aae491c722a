//! Invitations: a place is kept for whom is asked, until they answer or a week is over.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::account::warn_if_near;
use super::{
    Authority, Context, Decision, Existing, InvitationCommand, NewInvitation, NewSession, OrgState,
    Outcome, Recorded, Rejection, check_limit, members, sessions,
};
use crate::event::{
    Actor, Event, InvitationAccepted, InvitationCreated, InvitationDeclined, InvitationRevoked,
    MemberJoined, Role,
};
use crate::ids::{InvitationId, InviteeId, UserId};
use crate::limits::INVITATION_DAYS;
use crate::named::named;
use crate::plan::LimitKey;
use crate::time::Timestamp;

/// An invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 8.3")]
pub struct Invitation {
    pub invitee_id: InviteeId,
    pub role: Role,
    pub created_at: Timestamp,
    pub invited_by: Actor,
    pub expires_at: Timestamp,
    /// What somebody made of it.
    pub closed: Option<Closed>,
}

named! {
    /// What became of an invitation.
    Closed {
        /// The person joined.
        Accepted = "accepted",
        /// The person does not want to.
        Declined = "declined",
        /// The org took it back.
        Revoked = "revoked",
    }
}

named! {
    /// How far an invitation has come.
    InvitationStatus {
        /// It may be accepted.
        Pending = "pending",
        /// The person joined.
        Accepted = "accepted",
        /// The person does not want to.
        Declined = "declined",
        /// The org took it back.
        Revoked = "revoked",
        /// Its time is over.
        Expired = "expired",
    }
}

impl Invitation {
    /// Its status at an instant.
    pub fn status(&self, now: Timestamp) -> InvitationStatus {
        match self.closed {
            Some(Closed::Accepted) => InvitationStatus::Accepted,
            Some(Closed::Declined) => InvitationStatus::Declined,
            Some(Closed::Revoked) => InvitationStatus::Revoked,
            None if self.expires_at <= now => InvitationStatus::Expired,
            None => InvitationStatus::Pending,
        }
    }

    fn is_open(&self, now: Timestamp) -> bool {
        self.status(now) == InvitationStatus::Pending
    }
}

impl OrgState {
    /// Invitations that may be accepted.
    pub fn open_invitations(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (InvitationId, &Invitation)> {
        let open = self
            .invitations
            .iter()
            .filter(move |(_, it)| it.is_open(now));
        open.map(|(id, invitation)| (*id, invitation))
    }
}

pub(super) fn decide(
    state: &OrgState,
    command: &InvitationCommand,
    authority: &Authority,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    match *command {
        InvitationCommand::Create(new) => create(state, new, authority, context),
        InvitationCommand::Revoke { invitation_id } => revoke(state, invitation_id, context),
        InvitationCommand::Accept {
            invitation_id,
            user_id,
            session,
        } => accept(state, invitation_id, user_id, session, context),
        InvitationCommand::Decline { invitation_id, .. } => decline(state, invitation_id, context),
    }
}

fn create(
    state: &OrgState,
    new: NewInvitation,
    authority: &Authority,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    members::grants(new.role, authority)?;
    let is_member = |user_id| state.members.contains_key(&user_id);
    if new.user_id.is_some_and(is_member) {
        return Err(Rejection::AlreadyMember);
    }
    let mut open = state.open_invitations(context.now);
    let same = open.find(|(_, other)| other.invitee_id == new.invitee_id);
    let same = same.map(|(id, _)| id);
    let taken = Some(new.invitation_id).filter(|id| state.invitations.contains_key(id));
    if let Some(id) = same.or(taken) {
        return Err(Rejection::Duplicate {
            what: Existing::Invitation,
            id: id.as_uuid(),
        });
    }
    let current = members::places(state, context);
    check_limit(state, LimitKey::MaxMembersPerOrg, current, 1)?;
    let created = InvitationCreated {
        invitation_id: new.invitation_id,
        invitee_id: new.invitee_id,
        role: new.role,
        expires_at: context.now.plus(TimeDelta::days(INVITATION_DAYS)),
    };
    let mut events = vec![created.into()];
    let limit_key = LimitKey::MaxMembersPerOrg;
    warn_if_near(state, &mut events, limit_key, current + 1, context);
    Ok(Decision {
        events,
        outcome: Outcome::Created(new.invitation_id.as_uuid()),
    })
}

fn revoke(
    state: &OrgState,
    invitation_id: InvitationId,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    open(state, invitation_id, context)?;
    let revoked = InvitationRevoked { invitation_id };
    Ok(Decision::done(vec![revoked.into()]))
}

/// The place was kept, so nothing is counted: a limit that was lowered since removes nobody.
fn accept(
    state: &OrgState,
    invitation_id: InvitationId,
    user_id: UserId,
    session: Option<NewSession>,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    let role = open(state, invitation_id, context)?.role;
    if state.members.contains_key(&user_id) {
        return Err(Rejection::AlreadyMember);
    }
    let accepted = InvitationAccepted {
        invitation_id,
        user_id,
    };
    let mut events = vec![accepted.into(), MemberJoined { user_id, role }.into()];
    events.extend(session.map(|session| sessions::opened(user_id, role, session, context)));
    Ok(Decision::done(events))
}

fn decline(
    state: &OrgState,
    invitation_id: InvitationId,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    open(state, invitation_id, context)?;
    let declined = InvitationDeclined { invitation_id };
    Ok(Decision::done(vec![declined.into()]))
}

fn open<'a>(
    state: &'a OrgState,
    invitation_id: InvitationId,
    context: &Context<'_>,
) -> Result<&'a Invitation, Rejection> {
    let invitation = state.invitations.get(&invitation_id);
    let invitation = invitation.ok_or(Rejection::NotFound)?;
    if invitation.is_open(context.now) {
        Ok(invitation)
    } else {
        Err(Rejection::InvitationClosed)
    }
}

pub(super) fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    let (id, closed) = match recorded.event {
        Event::InvitationCreated(created) => {
            let invitation = Invitation {
                invitee_id: created.invitee_id,
                role: created.role,
                created_at: recorded.at,
                invited_by: recorded.actor,
                expires_at: created.expires_at,
                closed: None,
            };
            state.invitations.insert(created.invitation_id, invitation);
            return;
        }
        Event::InvitationAccepted(accepted) => (accepted.invitation_id, Closed::Accepted),
        Event::InvitationDeclined(declined) => (declined.invitation_id, Closed::Declined),
        Event::InvitationRevoked(revoked) => (revoked.invitation_id, Closed::Revoked),
        _ => return,
    };
    if let Some(invitation) = state.invitations.get_mut(&id) {
        invitation.closed = Some(closed);
    }
}
