//! Another password, which ends what was opened with the former one.

use domain::event::SessionEndReason;
use domain::ids::{OrgId, SessionId, UserId};
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
    /// It could not be found out; nothing was changed.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// The password is changed, or may be, but not all that was opened with the former one is known to
    /// have ended.
    #[error("whether the password was changed and all sessions ended is not known")]
    Unfinished(#[source] PeopleError),
}

/// How often all sessions of a person are ended while those that were not ended yet open others.
const PASSES: usize = 8;

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
        let unfinished = PasswordChangeError::Unfinished;
        let changed = rows::change_password(self.pool(), person, &hash, &new).await;
        if !changed.map_err(unfinished)? {
            return Err(invalid());
        }
        let ended = self.end_sessions(person, Some(kept), request_id).await;
        ended.map_err(unfinished)
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

    /// Ends sessions everywhere and returns the newest of these ends, all of which are in force. As
    /// long as one lives it may open others in orgs where all have ended, so first all are ended, and
    /// only then is that waited for.
    async fn end_sessions(
        &self,
        person: UserId,
        except: Option<SessionId>,
        request_id: &str,
    ) -> Result<Option<Denial>, PeopleError> {
        let mut denials = Vec::new();
        let all = self.end_until_none(person, except, request_id, &mut denials);
        let all = all.await;
        let settled = self.settle_all(denials, all.is_ok()).await;
        all.and(settled)
    }

    /// Adds the ends to `denials`, also before an error.
    async fn end_until_none(
        &self,
        person: UserId,
        except: Option<SessionId>,
        request_id: &str,
        denials: &mut Vec<Denial>,
    ) -> Result<(), PeopleError> {
        let orgs = self.orgs_of(person).await?;
        let mut orgs: Vec<OrgId> = orgs.into_iter().map(|org| org.id).collect();
        for _ in 0..PASSES {
            for org in orgs {
                denials.extend(self.end_all(org, person, except, request_id).await?);
            }
            let now = self.commander().now();
            orgs = rows::orgs_with_sessions(self.pool(), person, except, now).await?;
            if orgs.is_empty() {
                return Ok(());
            }
        }
        Err(PeopleError::SessionsRemain)
    }

    /// Ends all sessions of an org's member but one, and does not wait until that is in force.
    async fn end_all(
        &self,
        org: OrgId,
        person: UserId,
        except: Option<SessionId>,
        request_id: &str,
    ) -> Result<Option<Denial>, PeopleError> {
        let command = Command::Session(SessionCommand::EndAll {
            user_id: person,
            except,
            reason: SessionEndReason::PasswordChanged,
        });
        let context = CommandContext::operator(request_id);
        let recorded = self.commander().record(org, &command, &context, None);
        Ok(recorded.await?.denial)
    }

    /// Sees to all of them, whatever becomes of some; the first error is told.
    async fn settle_all(
        &self,
        mut denials: Vec<Denial>,
        wait: bool,
    ) -> Result<Option<Denial>, PeopleError> {
        let mut settled = Ok(());
        for denial in &mut denials {
            settled = settled.and(self.commander().settle(denial, wait).await);
        }
        settled?;
        Ok(denials.into_iter().max_by_key(|denial| denial.position))
    }
}
