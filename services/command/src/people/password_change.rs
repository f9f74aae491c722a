//! Another password, which ends what was opened with the former one.

use domain::event::SessionEndReason;
use domain::ids::{SessionId, UserId};
use domain::org::{Command, SessionCommand};

use super::password::Password;
use super::rows;
use super::{People, PeopleError};
use crate::app::{CommandContext, Denial};

/// Why a password stays.
#[derive(Debug, thiserror::Error)]
pub enum PasswordChangeError {
    /// The current password is another one.
    #[error("the current password is another one")]
    InvalidCredentials,
    /// It could not be found out, or sessions could not be ended.
    #[error(transparent)]
    People(#[from] PeopleError),
}

impl People {
    /// Changes the password of a person and ends all their sessions but one, in all orgs. May be sent
    /// again with the new password as the current one, to end what is left.
    ///
    /// # Errors
    /// [`PasswordChangeError`]
    pub async fn change_password(
        &self,
        person: UserId,
        kept: SessionId,
        current: Password,
        new: Password,
        request_id: &str,
    ) -> Result<Option<Denial>, PasswordChangeError> {
        let invalid = || PasswordChangeError::InvalidCredentials;
        let hash = rows::hash_of(self.pool(), person).await?;
        let hash = hash.ok_or_else(invalid)?;
        if !self.hasher().verify(current, hash.clone()).await? {
            return Err(invalid());
        }
        let new = self.hasher().hash(new, &self.0.entropy).await?;
        // First the password, then the sessions: whoever signs in with the former one in between
        // notices that it has changed, and ends what they opened.
        if !rows::change_password(self.pool(), person, &hash, &new).await? {
            return Err(invalid());
        }
        Ok(self.end_sessions(person, Some(kept), request_id).await?)
    }

    /// Gives a person another password and ends all their sessions: what the operator does.
    ///
    /// # Errors
    /// [`PeopleError`]
    pub async fn reset_password(
        &self,
        person: UserId,
        new: Password,
        request_id: &str,
    ) -> Result<(), PeopleError> {
        let new = self.hasher().hash(new, &self.0.entropy).await?;
        rows::set_password(self.pool(), person, &new).await?;
        self.end_sessions(person, None, request_id).await.map(drop)
    }

    async fn end_sessions(
        &self,
        person: UserId,
        except: Option<SessionId>,
        request_id: &str,
    ) -> Result<Option<Denial>, PeopleError> {
        let mut newest: Option<Denial> = None;
        let context = CommandContext::operator(request_id);
        for org in self.orgs_of(person).await? {
            let command = Command::Session(SessionCommand::EndAll {
                user_id: person,
                except,
                reason: SessionEndReason::PasswordChanged,
            });
            let executed = self.commander().execute(org.id, &command, &context, None);
            let denial = executed.await?.denial;
            let is_newer = |new: &Denial| {
                newest
                    .as_ref()
                    .is_none_or(|old| old.position < new.position)
            };
            if let Some(denial) = denial.filter(is_newer) {
                newest = Some(denial);
            }
        }
        Ok(newest)
    }
}
