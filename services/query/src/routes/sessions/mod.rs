//! Sessions (v1-contract.md 8.4).

pub mod list;
pub mod own;

use std::collections::HashMap;

use api::error::ApiError;
use api::v1::{Session, SessionContext};
use domain::ids::SessionId;
use domain::time::Timestamp;
use gate::{SessionPlace, Used};
use read_model::Session as Found;
use uuid::Uuid;

use crate::app::Snapshot;
use crate::routes::FIGURES_LATE;

/// What sessions are shown with, beside what was decided on them.
struct Shown {
    current: SessionId,
    used: HashMap<Uuid, Used>,
    places: HashMap<SessionId, SessionPlace>,
}

impl Snapshot<'_> {
    /// Looks up what these sessions are shown with, which stands on the primary.
    async fn sessions_shown(
        &self,
        current: SessionId,
        sessions: &[Found],
    ) -> Result<Shown, ApiError> {
        let unavailable = |error| self.app.unavailable().because(error);
        let (primary, org) = (&self.app.primary, self.call.org());
        let ids: Vec<SessionId> = sessions.iter().map(|found| found.id).collect();
        let credentials: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let used = gate::used(primary, org, &credentials, self.now.datetime()).await;
        let places = gate::session_places(primary, org, &ids).await;
        Ok(Shown {
            current,
            used: used.map_err(unavailable)?,
            places: places.map_err(unavailable)?,
        })
    }

    /// When an answer with these sessions can next differ by time alone, or its figures are too old.
    fn sessions_last(&self, sessions: &[Found]) -> Timestamp {
        let ends = sessions.iter().map(|found| found.session.expires_at);
        ends.fold(self.now.plus(FIGURES_LATE), Ord::min)
    }
}

impl Shown {
    fn wire(&self, found: &Found, org_id: domain::ids::OrgId) -> Session {
        let place = self.places.get(&found.id);
        let used = self.used.get(&found.id.as_uuid());
        let context = SessionContext {
            org_id,
            role: found.role,
            last_used_at: used.and_then(|used| used.last_used_at),
            ip: place.map(|place| place.ip.clone()),
            user_agent: place.and_then(|place| place.user_agent.clone()),
            current: found.id == self.current,
        };
        Session::new(found.id, &found.session, context)
    }
}
