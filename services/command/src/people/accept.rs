//! Accepting an invitation by its link: that makes the person.

use domain::email::Email;
use domain::ids::{SessionId, UserId};
use domain::org::{Caller, Command, InvitationCommand, InvitationStatus, Rejection};
use domain::text::Name;

use super::password::Password;
use super::password::PasswordHash;
use super::rows;
use super::sign_in::quietly;
use super::{OneTimeToken, Opened, People, PeopleError, Place};
use crate::app::{CommandContext, CommandError};

/// Why nobody joins.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Nobody was given this token.
    #[error("there is no such invitation")]
    Unknown,
    /// The address has a person: they sign in, and accept it there.
    #[error("the invited person has an account")]
    HasAccount,
    /// The address has a person who is let into no org, with another password; or the password was
    /// changed meanwhile: then the person has joined, and signs in with the new one.
    #[error("the invited person has another password")]
    InvalidCredentials,
    /// It could not be found out, or the org refuses it.
    #[error(transparent)]
    People(#[from] PeopleError),
}

impl People {
    /// Makes the person whom an invitation is to, lets them join and signs them in. Who is let into no
    /// org can sign in nowhere to accept it; they join with the password that they have.
    ///
    /// # Errors
    /// [`AcceptError`]
    pub async fn accept_by_link(
        &self,
        token: &OneTimeToken,
        name: &Name,
        password: Password,
        place: Place,
        request_id: &str,
    ) -> Result<Opened, AcceptError> {
        let invitation = rows::invitation_of(self.pool(), None, Some(&token.hash())).await?;
        let invitation = invitation.ok_or(AcceptError::Unknown)?;
        let (org, now) = (invitation.org, self.commander().now());
        let status = self.commander().inspect(org, |state| {
            let found = state.invitations.get(&invitation.id);
            found.map(|found| found.status(now))
        });
        match status.await.map_err(PeopleError::from)? {
            // Its event is not in the log, so nobody should have the token.
            None => return Err(AcceptError::Unknown),
            Some(InvitationStatus::Pending) => {}
            Some(_) => return Err(rejected(Rejection::InvitationClosed)),
        }
        let email = Email::parse(&invitation.email).map_err(|_| PeopleError::Corrupt {
            table: "auth.invitees",
            column: "email",
            key: invitation.id.as_uuid(),
        })?;
        let guest = self.guest(&email, name, password).await?;
        let user_id = guest.id;
        let minted = match self.mint_session(org, user_id, &place).await {
            Ok(minted) => minted,
            Err(error) => {
                if guest.is_new {
                    quietly(rows::remove(self.pool(), guest.id, None).await);
                }
                return Err(error.into());
            }
        };
        let command = Command::Invitation(InvitationCommand::Accept {
            invitation_id: invitation.id,
            user_id,
            session: Some(minted.new_session()),
        });
        let context = CommandContext {
            caller: Caller::Person {
                id: user_id,
                session: None,
            },
            correlation_id: request_id.to_owned(),
            wait: true,
        };
        let executed = self.commander().execute(org, &command, &context, None);
        let executed = match executed.await {
            Ok(executed) => executed,
            Err(error) => {
                let error = if guest.is_new {
                    self.take_person_back(error, user_id, minted.id).await
                } else {
                    self.take_back(error, minted.id).await
                };
                return Err(error.into());
            }
        };
        self.note_org(user_id, org).await;
        let opened = Opened {
            session_id: minted.id,
            user_id,
            org,
            place,
            secret: minted.secret,
            executed,
        };
        if self.end_if_changed(&guest.hash, &opened).await? {
            return Err(AcceptError::InvalidCredentials);
        }
        Ok(opened)
    }

    async fn guest(
        &self,
        email: &Email,
        name: &Name,
        password: Password,
    ) -> Result<Guest, AcceptError> {
        let Some(known) = rows::by_email(self.pool(), email).await? else {
            let added = self.add_known(email, name, password).await?;
            // Another request was quicker; sent again, this one finds whom that made.
            let (id, hash) = added.ok_or(PeopleError::from(CommandError::Conflict))?;
            let is_new = true;
            return Ok(Guest { id, hash, is_new });
        };
        let orgs = self.orgs_of(known.id).await?;
        if orgs.iter().any(|org| org.is_open) {
            return Err(AcceptError::HasAccount);
        }
        let is_right = self.hasher().verify(password, known.hash.clone());
        if is_right.await? {
            Ok(Guest {
                id: known.id,
                hash: known.hash,
                is_new: false,
            })
        } else {
            Err(AcceptError::InvalidCredentials)
        }
    }

    /// The person goes again if it is certain that no event names them, and their session with them.
    pub(super) async fn take_person_back(
        &self,
        error: CommandError,
        id: UserId,
        session: SessionId,
    ) -> PeopleError {
        if error.is_certain() {
            quietly(rows::remove(self.pool(), id, Some(session)).await);
        }
        error.into()
    }
}

/// Who joins by a link, and what their password is kept as.
struct Guest {
    id: UserId,
    hash: PasswordHash,
    /// Whether this request made them; else their password was presented.
    is_new: bool,
}

fn rejected(rejection: Rejection) -> AcceptError {
    PeopleError::from(CommandError::Rejected(rejection)).into()
}
