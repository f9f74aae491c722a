//! The first org and its admin.

use domain::email::Email;
use domain::ids::OrgId;
use domain::org::{Command, Founding};
use domain::plan::Plan;
use domain::text::Name;

use super::password::Password;
use super::rows::{self, Claim};
use super::sign_in::quietly;
use super::{OneTimeToken, Opened, People, PeopleError, Place};
use crate::app::CommandContext;

/// Why nothing is set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Somebody belongs to an org: there is nothing to set up.
    #[error("the service is set up")]
    Over,
    /// The token was never given out, was used, or its hour is over.
    #[error("the token is worth nothing")]
    Worthless,
    /// Another request has the token.
    #[error("another request uses the token")]
    InUse,
    /// It could not be found out, or the org could not be made.
    #[error(transparent)]
    People(#[from] PeopleError),
}

/// What the first admin chooses.
pub struct FirstOrg {
    /// The admin's address.
    pub email: Email,
    /// Their name.
    pub name: Name,
    /// Their password.
    pub password: Password,
    /// The org's name.
    pub org_name: Name,
    /// IANA name of the zone in which its days begin.
    pub timezone: String,
}

impl People {
    /// Whether somebody has set the service up.
    ///
    /// # Errors
    /// If the primary does not answer.
    pub async fn is_set_up(&self) -> Result<bool, PeopleError> {
        rows::anybody_belongs(self.pool()).await
    }

    /// A token in place of the former, unless a request has that for itself.
    ///
    /// # Errors
    /// [`SetupError::Over`], [`SetupError::InUse`], [`SetupError::People`]
    pub async fn new_setup_token(&self) -> Result<OneTimeToken, SetupError> {
        if rows::anybody_belongs(self.pool()).await? {
            return Err(SetupError::Over);
        }
        let (token, now) = (self.new_token(), self.commander().now());
        if rows::add_setup_token(self.pool(), &token.hash(), now).await? {
            Ok(token)
        } else {
            Err(SetupError::InUse)
        }
    }

    /// Makes the first org with its admin and signs them in, once.
    ///
    /// # Errors
    /// [`SetupError`]
    pub async fn set_up(
        &self,
        token: &OneTimeToken,
        first: FirstOrg,
        place: Place,
        request_id: &str,
    ) -> Result<Opened, SetupError> {
        let hash = token.hash();
        match rows::claim_setup(self.pool(), &hash, self.commander().now()).await? {
            Claim::Taken => {}
            Claim::InUse => return Err(SetupError::InUse),
            Claim::Over => return Err(SetupError::Over),
            Claim::Worthless => return Err(SetupError::Worthless),
        }
        match self.found(first, place, request_id).await {
            Ok(opened) => {
                quietly(rows::end_setup(self.pool()).await);
                Ok(opened)
            }
            Err(error) => {
                // What may have founded an org keeps the token until that shows in the log.
                if error.is_certain() {
                    quietly(rows::release_setup(self.pool(), &hash).await);
                }
                Err(error.into())
            }
        }
    }

    async fn found(
        &self,
        first: FirstOrg,
        place: Place,
        request_id: &str,
    ) -> Result<Opened, PeopleError> {
        let commander = self.commander();
        let hash = self.hasher().hash(first.password, &self.0.entropy).await?;
        let (id, now) = (self.new_user_id(), commander.now());
        // Nobody belongs to anything, so whoever has this address is of an earlier attempt.
        let admin = rows::put(self.pool(), id, &first.email, &first.name, &hash, now).await?;
        let org = OrgId::generate(now, self.0.entropy.bytes());
        let minted = self.mint_session(org, admin, &place).await?;
        let command = Command::FoundOrg(Founding {
            name: first.org_name,
            plan: Plan::Free,
            timezone: first.timezone,
            admin,
            session: Some(minted.new_session()),
        });
        let context = CommandContext::operator(request_id);
        let executed = match commander.execute(org, &command, &context, None).await {
            Ok(executed) => executed,
            Err(error) => return Err(self.take_person_back(error, admin, minted.id).await),
        };
        self.note_org(admin, org).await;
        Ok(Opened {
            session_id: minted.id,
            user_id: admin,
            org,
            place,
            secret: minted.secret,
            executed,
        })
    }
}
