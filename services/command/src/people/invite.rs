//! To whom an invitation is.

use domain::email::Email;
use domain::event::Role;
use domain::ids::{InvitationId, InviteeId, OrgId, UserId};
use domain::org::NewInvitation;

use super::rows::{self, Invitation};
use super::sign_in::quietly;
use super::{OneTimeToken, People, PeopleError};

/// An invitation that is about to be made, and the token of its link.
pub struct Invited {
    /// For the command.
    pub new: NewInvitation,
    /// To be told once.
    pub token: OneTimeToken,
}

/// Why somebody does not answer an invitation.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// There is none.
    #[error("there is no such invitation")]
    Unknown,
    /// It is to somebody else.
    #[error("the invitation is to another address")]
    NotInvitee,
    /// It could not be found out.
    #[error(transparent)]
    People(#[from] PeopleError),
}

impl People {
    /// Keeps to whom an invitation is that is about to be made.
    ///
    /// # Errors
    /// [`PeopleError`]
    pub async fn invite(
        &self,
        org: OrgId,
        email: &Email,
        role: Role,
    ) -> Result<Invited, PeopleError> {
        let (now, token) = (self.commander().now(), self.new_token());
        let invitation = Invitation {
            id: InvitationId::generate(now, self.0.entropy.bytes()),
            org,
            email: email.as_str().to_owned(),
        };
        let invitee = InviteeId::generate(now, self.0.entropy.bytes());
        let hash = token.hash();
        let user_id = self.find(email).await?;
        let invitee = rows::add_invitation(self.pool(), &invitation, invitee, &hash, now).await?;
        let new = NewInvitation {
            invitation_id: invitation.id,
            invitee_id: invitee,
            user_id,
            role,
        };
        Ok(Invited { new, token })
    }

    /// Forgets an invitation that was not made.
    pub async fn forget_invitation(&self, id: InvitationId) {
        quietly(rows::remove_invitation(self.pool(), id).await);
    }

    /// The address of an invitation of an org, unless it was erased.
    ///
    /// # Errors
    /// [`PeopleError`]
    pub async fn invited(
        &self,
        org: OrgId,
        id: InvitationId,
    ) -> Result<Option<String>, PeopleError> {
        let found = rows::invitation_of(self.pool(), Some(id), None).await?;
        Ok(found.filter(|it| it.org == org).map(|it| it.email))
    }

    /// The org of an invitation that is to this person. Neither the invitation's address nor the
    /// person's ever changes.
    ///
    /// # Errors
    /// [`InviteError`]
    pub async fn org_of_invitation(
        &self,
        id: InvitationId,
        person: UserId,
    ) -> Result<OrgId, InviteError> {
        let invitation = rows::invitation_of(self.pool(), Some(id), None).await?;
        let invitation = invitation.ok_or(InviteError::Unknown)?;
        let person = rows::person(self.pool(), person).await?;
        if person.is_some_and(|person| person.email == invitation.email) {
            Ok(invitation.org)
        } else {
            Err(InviteError::NotInvitee)
        }
    }
}
