//! The objects of answers about people: what was decided, with what the log must not hold.

use api::v1;
use domain::ids::{InvitationId, SessionId, UserId};
use domain::org::KeyStatus;
use runtime::telemetry::chain;

use super::carry::Done;
use super::show::found;
use crate::app::CommandError;
use crate::people::{PeopleError, Place};

impl Done {
    /// A member, to who administers the org.
    pub(super) async fn member(&self, id: UserId) -> Result<v1::Member, CommandError> {
        let now = self.app.commander().now();
        let (member, active_keys) = {
            let state = self.executed.state().await;
            let owned = state.keys.values().filter(|key| key.owner_id == Some(id));
            let is_live = |status| matches!(status, KeyStatus::Active | KeyStatus::Rotating);
            let live = owned.filter(|key| is_live(key.status(now))).count();
            (found(state.members.get(&id))?.clone(), live as u64)
        };
        let people = self.app.people();
        let person = or_nothing(people.person(id).await);
        let (name, email) = person.map(|it| (it.name, it.email)).unzip();
        let context = v1::MemberContext {
            name,
            email,
            last_seen_at: or_nothing(people.last_seen(self.org, id).await),
            active_keys,
        };
        Ok(v1::Member::new(id, &member, context))
    }

    /// An invitation, also one that was just closed.
    pub(super) async fn invitation(
        &self,
        id: InvitationId,
    ) -> Result<v1::Invitation, CommandError> {
        let invitation = {
            let state = self.executed.state().await;
            *found(state.invitations.get(&id))?
        };
        let email = or_nothing(self.app.people().invited(self.org, id).await);
        let now = self.app.commander().now();
        Ok(v1::Invitation::new(id, &invitation, email, now))
    }

    /// A session that was just opened from there, or earlier by the same request.
    pub(super) async fn session(
        &self,
        id: SessionId,
        place: &Place,
    ) -> Result<v1::Session, CommandError> {
        let (ip, user_agent) = if self.is_replay {
            let place = or_nothing(self.app.people().place_of(self.org, id).await);
            place.map_or((None, None), |it| (Some(it.ip), it.user_agent))
        } else {
            let ip = place.ip.to_canonical().to_string();
            (Some(ip), place.user_agent.clone())
        };
        let state = self.executed.state().await;
        let session = found(state.sessions.get(&id))?;
        let role = found(state.members.get(&session.user_id))?.role;
        let context = v1::SessionContext {
            org_id: self.org,
            role,
            last_used_at: None,
            ip,
            user_agent,
            current: false,
        };
        Ok(v1::Session::new(id, session, context))
    }
}

/// The command is carried out: an answer without a name is worth more than none.
fn or_nothing<T>(asked: Result<Option<T>, PeopleError>) -> Option<T> {
    asked.unwrap_or_else(|error| {
        tracing::warn!(error = %chain(&error), "what is kept of a person could not be read");
        None
    })
}
