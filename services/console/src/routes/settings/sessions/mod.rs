//! Where people are signed in.

mod device;
mod end;
mod end_all;
mod list;

use api::v1::Session;
use axum::Router;
use axum::routing::get;
use serde::Deserialize;

use crate::app::Shared;
use crate::client::Path;
use crate::form::Fields;
use crate::page::Problem;
use crate::routes::people::People;
use crate::visit::{Visit, Who};

/// Pages of a member's live sessions that are read; there are fewer sessions than a page holds.
const PAGES: u16 = 1;

/// Their pages.
pub fn pages() -> Router<Shared> {
    Router::new()
        .route("/settings/sessions", get(list::show))
        .route(
            "/settings/sessions/end-all",
            get(end_all::show).post(end_all::end_all),
        )
        .route("/settings/sessions/{id}/end", get(end::show).post(end::end))
}

/// Whose sessions are meant.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    /// A member; the person themselves unless given.
    user_id: String,
}

impl Asked {
    /// As it was filled in.
    fn of(fields: &Fields) -> Self {
        Self {
            user_id: fields.text("user_id").to_owned(),
        }
    }

    /// Where those sessions are listed.
    fn place(&self) -> String {
        if self.user_id.is_empty() {
            return "/settings/sessions".to_owned();
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("user_id", &self.user_id);
        format!("/settings/sessions?{}", query.finish())
    }

    /// The live ones.
    async fn sessions(&self, visit: &Visit) -> Result<Vec<Session>, Problem> {
        let user = Some(&self.user_id).filter(|user| !user.is_empty());
        let path = Path::v1(&["sessions"]).with_some("user_id", user);
        Ok(visit.get_pages(&path, PAGES).await?.0)
    }

    /// The other member whose they are; none if they are the person's own.
    async fn other(&self, visit: &Visit, who: &Who) -> Result<Option<String>, Problem> {
        if self.user_id.is_empty() || self.user_id == who.session.user.id.to_string() {
            return Ok(None);
        }
        Ok(Some(People::of(visit).await?.name(&self.user_id)))
    }
}
