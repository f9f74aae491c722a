//! `GET /api-keys`.

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::input::text::Text;
use api::openapi::Page;
use api::v1::{ApiKey, KeyStatusName};
use axum::extract::State;
use axum::response::Response;
use domain::ids::UserId;
use domain::org::KeyStatus;
use domain::time::Timestamp;
use read_model::KeyFilter;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::page::PageDoc;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListKeys {
    /// Of these statuses; all but revoked ones unless given.
    #[param(value_type = Option<Vec<KeyStatusName>>, style = Form, explode = false,
        example = json!(["active", "rotating"]))]
    status: Option<Vec<KeyStatus>>,
    /// Made by this person or key.
    created_by: Option<Uuid>,
    /// Owned by this person.
    #[param(value_type = Option<Uuid>)]
    owner_id: Option<UserId>,
    /// Whose name or prefix contains this, case aside.
    #[param(min_length = 1, max_length = 100, example = "report")]
    search: Option<String>,
    /// That end before this instant.
    #[param(value_type = Option<chrono::DateTime<chrono::Utc>>)]
    expires_before: Option<Timestamp>,
    #[param(ignore)]
    page: PageParams,
}

impl FromQuery for ListKeys {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let status = params.optional("status", |it| {
            it.list(1..=KeyStatus::ALL.len(), |one| {
                one.one_of(&KeyStatus::ALL, KeyStatus::name)
            })
        });
        let created_by = params.optional("created_by", Text::from_str::<UserId>);
        let owner_id = params.optional("owner_id", Text::from_str);
        let search = params.optional("search", Text::search);
        let expires_before = params.optional("expires_before", Text::instant);
        let page = params.page();
        Ok(Self {
            status: status?,
            created_by: created_by?.map(UserId::as_uuid),
            owner_id: owner_id?,
            search: search?,
            expires_before: expires_before?,
            page: page?,
        })
    }
}

/// Lists API keys, newest first; never a secret.
#[utoipa::path(
    get,
    path = "/api-keys",
    operation_id = "list_api_keys",
    params(ListKeys, PageDoc),
    responses((status = 200, description = "A page of keys", body = Page<ApiKey>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ListKeys>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let page = app.page(call.list(&query.filters), &query.value.page)?;
    let default = KeyFilter::default();
    let filter = KeyFilter {
        statuses: query.value.status.unwrap_or(default.statuses),
        created_by: query.value.created_by,
        owner_id: query.value.owner_id.map(UserId::as_uuid),
        search: query.value.search,
        expires_before: query.value.expires_before,
    };
    let question = Keys {
        filter,
        filters: query.filters,
        page,
    };
    app.answer(&call, &asked, question).await
}

struct Keys {
    filter: KeyFilter,
    filters: String,
    page: read_model::Page,
}

impl Question for Keys {
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let now = snapshot.now;
        let listed = snapshot.reader.api_keys(&self.filter, now, self.page).await;
        let listed = listed.map_err(|error| snapshot.read_error(error))?;
        let shown = snapshot.shown(&listed.items).await?;
        let rendered = snapshot.app.listed(
            snapshot.call.list(&self.filters),
            &listed,
            |found| shown.wire(found),
            |meta| shown.meta(&listed.items, meta),
        )?;
        Ok(Answer::lasting(rendered))
    }
}
