//! Signing in, and sessions in other orgs.

use std::error::Error;
use std::net::IpAddr;

use domain::credential::CredentialSecret;
use domain::email::Email;
use domain::ids::{OrgId, SessionId, UserId};
use domain::org::{Caller, Command, NewSession, Rejection, SessionCommand};

use super::password::{Password, PasswordHash};
use super::rows::{self, Known, NewRow};
use super::{OrgOfPerson, People, PeopleError};
use crate::app::{CommandContext, CommandError, Executed};

/// From where a session is opened.
#[derive(Debug, Clone)]
pub struct Place {
    /// The caller's address.
    pub ip: IpAddr,
    /// What the client says it is.
    pub user_agent: Option<String>,
}

/// A session that is open.
pub struct Opened {
    /// Its id.
    pub session_id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The org it is for.
    pub org: OrgId,
    /// From where it was opened.
    pub place: Place,
    /// The credential, to be told once.
    pub secret: CredentialSecret,
    /// The command that opened it.
    pub executed: Executed,
}

/// A session that somebody got by showing who they are.
pub struct SignedIn {
    /// The session.
    pub opened: Opened,
    /// All orgs of the person.
    pub orgs: Vec<OrgOfPerson>,
}

/// Why somebody is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Nobody has this address, or another password, which of both is not told; or what was verified
    /// was used already.
    #[error("what was shown does not belong to anybody, or was used already")]
    InvalidCredentials,
    /// The person does not belong to the org, or to any.
    #[error("the person belongs to no such org")]
    NoMembership,
    /// It could not be found out.
    #[error(transparent)]
    People(#[from] PeopleError),
}

/// A session that is about to be opened.
pub(crate) struct Minted {
    pub id: SessionId,
    pub secret: CredentialSecret,
}

impl From<(SessionId, CredentialSecret)> for Minted {
    fn from((id, secret): (SessionId, CredentialSecret)) -> Self {
        Self { id, secret }
    }
}

impl Minted {
    pub fn new_session(&self) -> NewSession {
        NewSession {
            session_id: self.id,
            hash: self.secret.hash(),
        }
    }
}

impl People {
    /// Opens a session for whoever has the password, in the org that they wish or used last. Nobody
    /// can tell an unknown address from a wrong password, by the answer or by its time.
    ///
    /// # Errors
    /// [`SignInError`]
    pub async fn sign_in(
        &self,
        email: &Email,
        password: Password,
        wished: Option<OrgId>,
        place: Place,
        request_id: &str,
    ) -> Result<SignedIn, SignInError> {
        let known = rows::by_email(self.pool(), email).await?;
        let of_nobody = PasswordHash::of_nobody;
        let hash = known.as_ref().map_or_else(of_nobody, |it| it.hash.clone());
        let is_right = self.hasher().verify(password, hash).await?;
        let Some(person) = known.filter(|_| is_right) else {
            return Err(SignInError::InvalidCredentials);
        };
        let minted = self.commander().mint_session().into();
        let signed = self.enter(&person, wished, minted, place, request_id);
        let signed = signed.await?;
        if self.end_if_changed(&person.hash, &signed.opened).await? {
            return Err(SignInError::InvalidCredentials);
        }
        Ok(signed)
    }

    /// Opens the session of this id, and no second one, for whoever has the address, in the org that
    /// they used last.
    ///
    /// # Errors
    /// [`SignInError`]
    pub async fn sign_in_verified(
        &self,
        email: &Email,
        session: SessionId,
        place: Place,
        request_id: &str,
    ) -> Result<SignedIn, SignInError> {
        let known = rows::by_email(self.pool(), email).await?;
        let person = known.ok_or(SignInError::NoMembership)?;
        let minted = Minted {
            id: session,
            ..self.commander().mint_session().into()
        };
        let signed = self.enter(&person, None, minted, place, request_id);
        signed.await.map_err(|error| match error {
            SignInError::People(PeopleError::Database(error)) if is_taken(&error) => {
                SignInError::InvalidCredentials
            }
            error => error,
        })
    }

    /// Opens a session of somebody who showed who they are.
    async fn enter(
        &self,
        person: &Known,
        wished: Option<OrgId>,
        minted: Minted,
        place: Place,
        request_id: &str,
    ) -> Result<SignedIn, SignInError> {
        let orgs = self.orgs_of(person.id).await?;
        let belongs = |org: &OrgId| orgs.iter().any(|of| of.id == *org);
        let org = match wished {
            Some(wished) => Some(wished).filter(belongs),
            None => default_org(&orgs, person.last_org),
        };
        let org = org.ok_or(SignInError::NoMembership)?;
        let caller = Caller::Person {
            id: person.id,
            session: None,
        };
        let opened = self.open(minted, org, person.id, caller, place, request_id);
        let opened = opened.await.map_err(|error| match error {
            // They left since.
            PeopleError::Command(CommandError::Rejected(Rejection::NotFound)) => {
                SignInError::NoMembership
            }
            error => error.into(),
        })?;
        Ok(SignedIn { opened, orgs })
    }

    /// Opens a session of a member. Nobody is told of it before its event is in the log.
    ///
    /// # Errors
    /// [`PeopleError`]
    pub async fn open_session(
        &self,
        org: OrgId,
        user_id: UserId,
        caller: Caller,
        place: Place,
        request_id: &str,
    ) -> Result<Opened, PeopleError> {
        let minted = self.commander().mint_session().into();
        let opened = self.open(minted, org, user_id, caller, place, request_id);
        opened.await
    }

    async fn open(
        &self,
        minted: Minted,
        org: OrgId,
        user_id: UserId,
        caller: Caller,
        place: Place,
        request_id: &str,
    ) -> Result<Opened, PeopleError> {
        self.note_place(minted.id, org, user_id, &place).await?;
        let command = Command::Session(SessionCommand::Open {
            user_id,
            session: minted.new_session(),
        });
        let context = CommandContext {
            caller,
            correlation_id: request_id.to_owned(),
            wait: true,
        };
        let executed = self.commander().execute(org, &command, &context, None);
        let executed = match executed.await {
            Ok(executed) => executed,
            Err(error) => return Err(self.take_back(error, minted.id).await),
        };
        self.note_org(user_id, org).await;
        Ok(Opened {
            session_id: minted.id,
            user_id,
            org,
            place,
            secret: minted.secret,
            executed,
        })
    }

    /// A session's id and secret, and the row that says from where it is.
    pub(crate) async fn mint_session(
        &self,
        org: OrgId,
        user: UserId,
        place: &Place,
    ) -> Result<Minted, PeopleError> {
        let minted: Minted = self.commander().mint_session().into();
        self.note_place(minted.id, org, user, place).await?;
        Ok(minted)
    }

    async fn note_place(
        &self,
        id: SessionId,
        org: OrgId,
        user: UserId,
        place: &Place,
    ) -> Result<(), PeopleError> {
        let row = NewRow {
            id,
            org,
            user,
            ip: place.ip.to_canonical().to_string(),
            user_agent: place.user_agent.as_deref(),
            at: self.commander().now(),
        };
        rows::add_session(self.pool(), &row).await
    }

    /// The row of a session goes again if it is certain that no event names it.
    pub(super) async fn take_back(&self, error: CommandError, id: SessionId) -> PeopleError {
        if error.is_certain() {
            quietly(rows::remove_session(self.pool(), id).await);
        }
        error.into()
    }

    /// Where the next sign-in goes. That it is forgotten costs nothing.
    pub(crate) async fn note_org(&self, person: UserId, org: OrgId) {
        quietly(rows::note_org(self.pool(), person, org).await);
    }

    /// Whoever changed the password ended the sessions that there were; one that was opened with the
    /// former password since ends here. True if it did.
    pub(super) async fn end_if_changed(
        &self,
        hash: &PasswordHash,
        opened: &Opened,
    ) -> Result<bool, PeopleError> {
        let now = rows::hash_of(self.pool(), opened.user_id).await;
        let now = now.map_err(unfinished)?;
        if now.as_ref() == Some(hash) {
            return Ok(false);
        }
        let session_id = opened.session_id;
        let end = Command::Session(SessionCommand::End { session_id });
        let context = CommandContext::operator("password changed");
        let ended = self.commander().execute(opened.org, &end, &context, None);
        ended.await.map_err(unfinished)?;
        Ok(true)
    }
}

/// Whether there is a row of this id already.
fn is_taken(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// The session is opened, whatever could not be done after that.
fn unfinished(error: impl Error + Send + Sync + 'static) -> PeopleError {
    CommandError::Unanswered(Box::new(error)).into()
}

/// Where somebody is signed in who wishes nothing: where they were last, else by name; where they are
/// not let in only if that is everywhere, so that they are told why.
fn default_org(orgs: &[OrgOfPerson], last: Option<OrgId>) -> Option<OrgId> {
    let rank = |org: &&OrgOfPerson| (!org.is_open, Some(org.id) != last);
    orgs.iter().min_by_key(rank).map(|org| org.id)
}

/// What is not done is only told to the operator.
pub(super) fn quietly(done: Result<(), PeopleError>) {
    if let Err(error) = done {
        let error = runtime::telemetry::chain(&error);
        tracing::warn!(%error, "a row about a person was not tidied up");
    }
}
