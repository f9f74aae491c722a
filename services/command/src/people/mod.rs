//! People: who they are, how they sign in, and to whom invitations go. All of it is what the log must
//! not hold; it is written before the append that names it, so nothing names what is not there.
//!
//! Beside event-log, this is where the command service's SQL is.

mod accept;
mod erase;
mod invite;
mod password;
mod password_change;
mod rows;
mod setup;
mod sign_in;
mod token;

use std::sync::Arc;

use domain::email::Email;
use domain::ids::{OrgId, SessionId, UserId};
use domain::text::Name;
use domain::time::Timestamp;
use gate::{Person, SessionPlace, StoreError};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use sqlx::PgPool;

pub use self::accept::AcceptError;
pub use self::erase::Belongings;
pub use self::invite::{InviteError, Invited};
use self::password::{Hasher, PasswordHash};
pub use self::password::{Password, PasswordError};
pub use self::password_change::PasswordChangeError;
pub use self::rows::OrgOfPerson;
pub use self::setup::{FirstOrg, SetupError};
pub(crate) use self::sign_in::Minted;
use self::sign_in::quietly;
pub use self::sign_in::{Opened, Place, SignInError, SignedIn};
pub use self::token::OneTimeToken;
use crate::app::{CommandError, Commander};

/// Signs people in and lets them join; cheap to clone.
#[derive(Clone)]
pub struct People(Arc<Inner>);

struct Inner {
    pool: PgPool,
    commander: Commander,
    hasher: Hasher,
    entropy: Entropy,
}

/// Why nothing is known of people now.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The primary failed.
    #[error("what is kept of people could not be read or written")]
    Database(#[from] sqlx::Error),
    /// What the gate keeps of them could not be read.
    #[error(transparent)]
    Gate(#[from] StoreError),
    /// A row is not what it must be.
    #[error("column {column} of {table} of {key} cannot be read")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row.
        key: uuid::Uuid,
    },
    /// Too many passwords are being hashed.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// A password could not be hashed.
    #[error("a password could not be hashed")]
    Hash,
    /// Sessions of a person were opened as fast as they were ended.
    #[error("sessions of the person were opened as fast as they were ended")]
    SessionsRemain,
    /// A command came to nothing.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl PeopleError {
    /// Whether the same may go well a moment later: somebody was busy, or another command came first.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Database(_) | Self::Gate(_) | Self::Busy | Self::SessionsRemain => true,
            Self::Corrupt { .. } | Self::Hash => false,
            Self::Command(error) => error.is_passing(),
        }
    }

    /// Whether it is certain that nothing came into the log. Rows of people are written before that.
    pub const fn is_certain(&self) -> bool {
        match self {
            Self::Database(_) | Self::Gate(_) | Self::Corrupt { .. } | Self::Busy | Self::Hash => {
                true
            }
            Self::SessionsRemain => false,
            Self::Command(error) => error.is_certain(),
        }
    }
}

impl People {
    /// On the primary, as a member of `tga_command`.
    pub fn new(pool: PgPool, commander: Commander, clock: Clock, entropy: Entropy) -> Self {
        Self(Arc::new(Inner {
            pool,
            commander,
            hasher: Hasher::new(clock),
            entropy,
        }))
    }

    /// A person, as long as they were not erased.
    pub async fn person(&self, id: UserId) -> Result<Option<Person>, PeopleError> {
        rows::person(self.pool(), id).await
    }

    /// The person of an address.
    pub async fn find(&self, email: &Email) -> Result<Option<UserId>, PeopleError> {
        let found = rows::by_email(self.pool(), email).await?;
        Ok(found.map(|person| person.id))
    }

    /// Makes a person; none if the address has one already.
    pub async fn add(
        &self,
        email: &Email,
        name: &Name,
        password: Password,
    ) -> Result<Option<UserId>, PeopleError> {
        let added = self.add_known(email, name, password).await?;
        Ok(added.map(|(id, _)| id))
    }

    /// The same; with the hash that is kept.
    async fn add_known(
        &self,
        email: &Email,
        name: &Name,
        password: Password,
    ) -> Result<Option<(UserId, PasswordHash)>, PeopleError> {
        let hash = self.hasher().hash(password, &self.0.entropy).await?;
        let id = self.new_user_id();
        let now = self.commander().now();
        let is_new = rows::add(self.pool(), id, email, name, &hash, now).await?;
        Ok(is_new.then_some((id, hash)))
    }

    /// The orgs that a person belongs to, by name.
    pub async fn orgs_of(&self, person: UserId) -> Result<Vec<OrgOfPerson>, PeopleError> {
        rows::orgs_of(self.pool(), person).await
    }

    /// Whether a person belongs to an org. To be asked before an org is loaded that may be none.
    pub async fn belongs(&self, person: UserId, org: OrgId) -> Result<bool, PeopleError> {
        let orgs = self.orgs_of(person).await?;
        Ok(orgs.iter().any(|of| of.id == org))
    }

    /// From where a session was opened, as long as that is kept.
    pub async fn place_of(
        &self,
        org: OrgId,
        id: SessionId,
    ) -> Result<Option<SessionPlace>, PeopleError> {
        let mut places = gate::session_places(self.pool(), org, &[id]).await?;
        Ok(places.remove(&id))
    }

    /// Forgets from where a session is that was not opened.
    pub async fn forget_session(&self, id: SessionId) {
        quietly(rows::remove_session(self.pool(), id).await);
    }

    /// When a member last used a session of the org.
    pub async fn last_seen(
        &self,
        org: OrgId,
        person: UserId,
    ) -> Result<Option<Timestamp>, PeopleError> {
        let seen = gate::last_seen(self.pool(), org, &[person]).await?;
        Ok(seen.get(&person).copied())
    }

    fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    fn commander(&self) -> &Commander {
        &self.0.commander
    }

    fn hasher(&self) -> &Hasher {
        &self.0.hasher
    }

    fn new_user_id(&self) -> UserId {
        UserId::generate(self.commander().now(), self.0.entropy.bytes())
    }

    fn new_token(&self) -> OneTimeToken {
        OneTimeToken::new(&self.0.entropy)
    }
}

#[cfg(test)]
mod tests {
    use domain::org::Rejection;

    use super::*;

    /// What may have founded an org must not give its setup token back.
    #[test]
    fn only_what_is_known_to_be_in_no_log_is_certain() {
        for (error, is_certain) in [
            (PeopleError::Busy, true),
            (PeopleError::Database(sqlx::Error::PoolTimedOut), true),
            (CommandError::from(Rejection::OrgExists).into(), true),
            (CommandError::OutcomeUnknown.into(), false),
            (CommandError::Died("an append").into(), false),
            (PeopleError::SessionsRemain, false),
        ] {
            assert_eq!(error.is_certain(), is_certain, "{error}");
        }
    }
}
