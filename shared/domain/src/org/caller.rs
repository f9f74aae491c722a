//! Who decides: the caller is judged by the same state that the command is.

use std::collections::HashMap;

use uuid::Uuid;

use super::{KeyStatus, OrgState, Rejection};
use crate::event::Actor;
use crate::ids::{KeyId, SessionId, UserId};
use crate::scope::{Scope, Scopes};
use crate::sealed::{Sealed, SubjectKey};
use crate::time::Timestamp;

/// Who made the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The operator, or the service itself.
    Operator,
    /// A program, through this key of the org.
    Key(KeyId),
    /// A person, through a session in the org.
    Session {
        /// The session.
        id: SessionId,
        /// The person.
        user: UserId,
    },
    /// A person who is known otherwise: by a password, by an invitation, or by a session in another
    /// org. They hold nothing here.
    Person {
        /// The person.
        id: UserId,
        /// The session in another org, if it is that.
        session: Option<SessionId>,
    },
}

impl Caller {
    /// As it stands in events.
    pub const fn actor(self) -> Actor {
        match self {
            Self::Operator => Actor::System,
            Self::Key(id) => Actor::Key(id),
            Self::Session { user, .. } | Self::Person { id: user, .. } => Actor::User(user),
        }
    }
}

/// Everything a decision needs beside state and command.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The present.
    pub now: Timestamp,
    /// Who made the request.
    pub caller: Caller,
    /// The keys of the subjects whose personal data the command carries.
    pub subject_keys: &'a SubjectKeys,
}

/// What the caller holds at this moment.
#[derive(Debug, Clone, Copy)]
pub struct Authority {
    /// Their scopes.
    pub scopes: Scopes,
    /// The person behind them, who will own what keys they make.
    pub owner_id: Option<UserId>,
}

/// Keys of subjects by subject; none for those who were erased.
#[derive(Debug, Default)]
pub struct SubjectKeys(HashMap<Uuid, Option<SubjectKey>>);

impl SubjectKeys {
    /// Adds keys that were loaded.
    pub fn extend(&mut self, keys: impl IntoIterator<Item = (Uuid, SubjectKey)>) {
        let keys = keys.into_iter();
        self.0
            .extend(keys.map(|(subject, key)| (subject, Some(key))));
    }

    /// Adds subjects that were erased: their data is not kept again.
    pub fn add_erased(&mut self, subjects: impl IntoIterator<Item = Uuid>) {
        let subjects = subjects.into_iter();
        self.0.extend(subjects.map(|subject| (subject, None)));
    }

    /// Whether it is known if the subject has a key.
    pub fn knows(&self, subject: Uuid) -> bool {
        self.0.contains_key(&subject)
    }

    /// The subject's key, if it was loaded.
    pub fn get(&self, subject: Uuid) -> Option<&SubjectKey> {
        self.0.get(&subject)?.as_ref()
    }

    /// Seals a text of the subject, or asks for the key. What somebody wants kept of a subject who
    /// was erased is refused.
    pub(crate) fn seal(
        &self,
        subject: Uuid,
        field: &'static str,
        text: &str,
    ) -> Result<Sealed, Rejection> {
        match self.0.get(&subject) {
            Some(Some(key)) => Ok(key.seal(field, text)),
            Some(None) => Err(Rejection::Invalid {
                field,
                message: "who it is of was erased, and nothing of the kind is kept again"
                    .to_owned(),
            }),
            None => Err(Rejection::SubjectKeysNeeded(vec![subject])),
        }
    }
}

/// What a command asks of its caller.
#[derive(Debug, Clone, Copy)]
pub(super) enum Required {
    /// A valid credential.
    Nothing,
    /// A credential with this scope.
    Scope(Scope),
    /// To be this person.
    Person(UserId),
    /// The operator: no key and no session will do.
    Operator,
}

/// Judges the caller by the state.
pub(super) fn authorise(
    state: &OrgState,
    required: Required,
    context: &Context<'_>,
) -> Result<Authority, Rejection> {
    let profile = state.profile.as_ref().ok_or(Rejection::NoSuchOrg)?;
    let authority = match context.caller {
        Caller::Operator => {
            return Ok(Authority {
                scopes: Scopes::ALL,
                owner_id: None,
            });
        }
        Caller::Key(id) => {
            let key = state.keys.get(&id).ok_or(Rejection::CallerInvalid)?;
            match key.status(context.now) {
                KeyStatus::Active | KeyStatus::Rotating => {}
                KeyStatus::Expired | KeyStatus::Revoked => return Err(Rejection::CallerInvalid),
            }
            Authority {
                scopes: key.scopes,
                owner_id: key.owner_id,
            }
        }
        Caller::Session { id, user } => {
            let session = state.sessions.get(&id);
            let is_live = session.is_some_and(|it| it.user_id == user && it.is_live(context.now));
            let member = state.members.get(&user).filter(|_| is_live);
            Authority {
                scopes: member.ok_or(Rejection::CallerInvalid)?.role.scopes(),
                owner_id: Some(user),
            }
        }
        Caller::Person { id, .. } => Authority {
            scopes: Scopes::NONE,
            owner_id: Some(id),
        },
    };
    if profile.suspended {
        return Err(Rejection::OrgSuspended);
    }
    if authority
        .owner_id
        .is_some_and(|owner| state.banned_users.contains(&owner))
    {
        return Err(Rejection::UserSuspended);
    }
    let missing = match required {
        Required::Nothing => None,
        Required::Person(user) if is_person(context.caller, user) => None,
        // Nobody is another person, whatever scopes they hold.
        Required::Person(_) => return Err(Rejection::CallerInvalid),
        Required::Operator => Some(Scope::Admin),
        Required::Scope(scope) => Some(scope).filter(|scope| !authority.scopes.contains(*scope)),
    };
    match missing {
        None => Ok(authority),
        Some(required) => Err(Rejection::InsufficientScope {
            required,
            granted: authority.scopes,
        }),
    }
}

/// A key is no person, whoever owns it.
fn is_person(caller: Caller, person: UserId) -> bool {
    match caller {
        Caller::Session { user, .. } | Caller::Person { id: user, .. } => user == person,
        Caller::Operator | Caller::Key(_) => false,
    }
}
