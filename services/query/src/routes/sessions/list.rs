//! `GET /sessions`.

use api::error::{ApiError, Caller};
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::input::text::Text;
use api::openapi::Page;
use api::v1::Session;
use axum::extract::State;
use axum::response::Response;
use domain::ids::{SessionId, UserId};
use domain::scope::Scope;
use utoipa::IntoParams;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::page::PageDoc;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListSessions {
    /// Of this person; of the calling one unless given. Another's only who administers the org may
    /// list.
    #[param(value_type = Option<uuid::Uuid>)]
    user_id: Option<UserId>,
    #[param(ignore)]
    page: PageParams,
}

impl FromQuery for ListSessions {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let user_id = params.optional("user_id", Text::from_str);
        let page = params.page();
        Ok(Self {
            user_id: user_id?,
            page: page?,
        })
    }
}

/// Lists live sessions of a person in the caller's org, newest first.
#[utoipa::path(
    get,
    path = "/sessions",
    operation_id = "list_sessions",
    params(ListSessions, PageDoc),
    responses((status = 200, description = "A page of sessions", body = Page<Session>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ListSessions>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let (current, caller) = call.session()?;
    let person = query.value.user_id.unwrap_or(caller);
    if person != caller && !call.principal().scopes().contains(Scope::Keys) {
        return Err(ApiError::forbidden(Caller::OrgAdmin));
    }
    let page = app.page(call.list(&query.filters), &query.value.page)?;
    let question = Sessions {
        current,
        person,
        filters: query.filters,
        page,
    };
    app.answer(&call, &asked, question).await
}

struct Sessions {
    current: SessionId,
    person: UserId,
    filters: String,
    page: read_model::Page,
}

impl Question for Sessions {
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let now = snapshot.now;
        let listed = snapshot.reader.sessions(self.person, now, self.page).await;
        let listed = listed.map_err(|error| snapshot.read_error(error))?;
        let shown = snapshot.sessions_shown(self.current, &listed.items).await?;
        let rendered = snapshot.app.listed(
            snapshot.call.list(&self.filters),
            &listed,
            |found| shown.wire(found, snapshot.call.org()),
            |meta| meta.valid_until(Some(snapshot.sessions_last(&listed.items))),
        )?;
        Ok(Answer::lasting(rendered))
    }
}
