//! Erasing a person: what is known of them beside the ids that events name.

use domain::email::Email;
use domain::ids::{InvitationId, InviteeId, KeyId, OrgId, UserId};
use domain::org::{InvitationStatus, KeyStatus};
use domain::text::Name;

use super::rows;
use super::{People, PeopleError};
use crate::app::CommandError;

/// What must be seen to before a person can be erased.
#[derive(Debug, Default)]
pub struct Belongings {
    /// The orgs they belong to.
    pub orgs: Vec<OrgId>,
    /// Those of these orgs in which they are the only admin.
    pub only_admin_of: Vec<OrgId>,
    /// Keys that they own and that work.
    pub keys: Vec<(OrgId, KeyId, Name)>,
    /// Invitations to their address that are open, of whatever org.
    pub invitations: Vec<(OrgId, InvitationId)>,
    /// What orgs know their address by.
    pub invitees: Vec<InviteeId>,
}

impl People {
    /// What a person has.
    ///
    /// # Errors
    /// [`PeopleError`]
    pub async fn belongings(&self, person: UserId) -> Result<Belongings, PeopleError> {
        let mut belongings = Belongings {
            invitees: rows::invitees_of(self.pool(), person).await?,
            ..Belongings::default()
        };
        for of in self.orgs_of(person).await? {
            belongings.orgs.push(of.id);
            let (is_only_admin, keys) = self.held_in(of.id, person).await?;
            if is_only_admin {
                belongings.only_admin_of.push(of.id);
            }
            let keys = keys.into_iter();
            belongings
                .keys
                .extend(keys.map(|(id, name)| (of.id, id, name)));
        }
        for (org, invitation) in rows::invitations_to(self.pool(), person).await? {
            let now = self.commander().now();
            let is_open = self.commander().inspect(org, |state| {
                let invitation = state.invitations.get(&invitation);
                invitation.is_some_and(|it| it.status(now) == InvitationStatus::Pending)
            });
            if is_open.await? {
                belongings.invitations.push((org, invitation));
            }
        }
        Ok(belongings)
    }

    async fn held_in(
        &self,
        org: OrgId,
        person: UserId,
    ) -> Result<(bool, Vec<(KeyId, Name)>), CommandError> {
        let now = self.commander().now();
        self.commander()
            .inspect(org, |state| {
                let is_live = |status| matches!(status, KeyStatus::Active | KeyStatus::Rotating);
                let owned = state
                    .keys
                    .iter()
                    .filter(|(_, key)| key.owner_id == Some(person) && is_live(key.status(now)));
                let owned = owned.map(|(id, key)| (*id, key.name.clone()));
                (state.is_only_admin(person), owned.collect())
            })
            .await
    }

    /// Deletes what is known of a person: name, address, password, from where they signed in, and
    /// invitations to their address, of whatever org and whatever became of them. False if they
    /// belong to an org meanwhile: then nothing is deleted, unless `even_members` says that they were
    /// shut out where they could not leave.
    ///
    /// # Errors
    /// [`PeopleError`]
    pub async fn erase(&self, person: UserId, even_members: bool) -> Result<bool, PeopleError> {
        let Some(known) = self.person(person).await? else {
            return Ok(true);
        };
        // Before, for whoever is killed in between: nobody knows the address afterwards.
        self.forget_answers(person, &known.email).await?;
        if !rows::erase(self.pool(), person, even_members).await? {
            return Ok(false);
        }
        self.forget_answers(person, &known.email).await?;
        Ok(true)
    }

    /// Deletes these invited addresses of an erased person, with all invitations to them.
    ///
    /// # Errors
    /// [`PeopleError`]
    pub async fn erase_invitees(&self, invitees: &[InviteeId]) -> Result<(), PeopleError> {
        rows::erase_invitees(self.pool(), invitees).await
    }

    /// Answers that are kept for who asks again may name them.
    async fn forget_answers(&self, person: UserId, email: &str) -> Result<(), PeopleError> {
        let log = self.commander().log();
        for text in [&*person.to_string(), email] {
            let forgotten = log.forget_answers(None, text).await;
            forgotten.map_err(CommandError::Unread)?;
        }
        Ok(())
    }

    /// Frees what deleted rows and destroyed keys took, where this login may.
    pub async fn vacuum(&self) {
        rows::vacuum(self.pool()).await;
    }

    /// The person of this id or address.
    ///
    /// # Errors
    /// [`PeopleError`]
    pub async fn find_either(&self, text: &str) -> Result<Option<UserId>, PeopleError> {
        if let Ok(id) = text.parse::<UserId>() {
            return Ok(self.person(id).await?.map(|_| id));
        }
        match Email::parse(text) {
            Ok(email) => self.find(&email).await,
            Err(_) => Ok(None),
        }
    }
}
