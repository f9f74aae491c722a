//! `GET /sessions/self`.

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::query::{NoParams, StrictQuery};
use api::openapi;
use api::v1::{SessionSelf, UserRef};
use axum::extract::State;
use axum::response::Response;
use domain::ids::{SessionId, UserId};

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;

/// Gets the calling session and its person.
#[utoipa::path(
    get,
    path = "/sessions/self",
    operation_id = "get_own_session",
    responses((status = 200, description = "The calling session", body = openapi::Answer<SessionSelf>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    _: StrictQuery<NoParams>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let (id, user) = call.session()?;
    app.answer(&call, &asked, OwnSession { id, user }).await
}

struct OwnSession {
    id: SessionId,
    user: UserId,
}

impl Question for OwnSession {
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let found = [snapshot.calling_session(self.id).await?];
        let shown = snapshot.sessions_shown(self.id, &found).await?;
        let people = snapshot.people(&[self.user]).await?;
        let person = people.get(&self.user);
        let own = SessionSelf {
            object: shown.wire(&found[0], snapshot.call.org()),
            user: UserRef {
                id: self.user,
                name: person.map(|person| person.name.clone()),
                email: person.map(|person| person.email.clone()),
            },
            scopes: snapshot.call.principal().scopes(),
        };
        let meta = Meta::none().valid_until(Some(snapshot.sessions_last(&found)));
        Ok(Answer::lasting(Rendered::json(&own, &meta)?))
    }
}
