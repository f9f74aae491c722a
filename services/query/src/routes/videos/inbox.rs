//! `GET /projects/{id}/inbox`.

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::input::text::Text;
use api::openapi::Page;
use api::v1::{CreatorRef, InboxVideo, PlatformName};
use axum::extract::State;
use axum::response::Response;
use domain::event::TrackingStatus;
use domain::ids::{CreatorId, ProjectId};
use domain::platform::Platform;
use read_model::InboxFilter;
use utoipa::IntoParams;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::{Topic, Topics};
use crate::call::Call;
use crate::routes::choices::choices;
use crate::routes::page::PageDoc;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListInbox {
    /// Of this status; `included` and `excluded` only if a person decided it.
    #[param(value_type = Option<Statuses>, inline)]
    status: Option<TrackingStatus>,
    /// Of this creator.
    #[param(value_type = Option<uuid::Uuid>)]
    creator_id: Option<CreatorId>,
    /// On this platform.
    #[param(value_type = Option<PlatformName>)]
    platform: Option<Platform>,
    /// Whose title contains this, case aside.
    #[param(min_length = 1, max_length = 100, example = "dance")]
    search: Option<String>,
    #[param(ignore)]
    page: PageParams,
}

const STATUSES: [TrackingStatus; 3] = [
    TrackingStatus::PendingReview,
    TrackingStatus::Included,
    TrackingStatus::Excluded,
];

choices! {
    Statuses: STATUSES.map(TrackingStatus::name), Some("pending_review");
}

impl FromQuery for ListInbox {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let status = params.optional("status", |it| it.one_of(&STATUSES, TrackingStatus::name));
        let creator_id = params.optional("creator_id", Text::from_str);
        let platform = params.optional("platform", Text::from_str);
        let search = params.optional("search", Text::search);
        let page = params.page();
        Ok(Self {
            status: status?,
            creator_id: creator_id?,
            platform: platform?,
            search: search?,
            page: page?,
        })
    }
}

/// Lists found videos that wait for a person, or were decided by one, newest first.
#[utoipa::path(
    get,
    path = "/projects/{id}/inbox",
    operation_id = "list_inbox",
    params(ListInbox, PageDoc),
    responses((status = 200, description = "A page of videos", body = Page<InboxVideo>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    PathId(project_id): PathId<ProjectId>,
    query: StrictQuery<ListInbox>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let page = app.page(call.list(&query.filters), &query.value.page)?;
    let filter = InboxFilter {
        project_id,
        status: query.value.status.unwrap_or(TrackingStatus::PendingReview),
        creator_id: query.value.creator_id,
        platform: query.value.platform,
        search: query.value.search,
    };
    let question = Inbox {
        filter,
        filters: query.filters,
        page,
    };
    app.answer(&call, &asked, question).await
}

struct Inbox {
    filter: InboxFilter,
    filters: String,
    page: read_model::Page,
}

impl Question for Inbox {
    /// It names creators too.
    const RESTS_ON: Option<Topics> = Some(Topics::of(&[Topic::Videos, Topic::Creators]));

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        snapshot
            .require_project(Some(self.filter.project_id))
            .await?;
        snapshot.require_creator(self.filter.creator_id).await?;
        let listed = snapshot.reader.inbox(&self.filter, self.page).await;
        let listed = listed.map_err(|error| snapshot.read_error(error))?;
        let list = snapshot.call.list(&self.filters);
        let rendered = snapshot.app.listed(list, &listed, wire, |meta| meta)?;
        Ok(Answer::lasting(rendered))
    }
}

fn wire(found: &read_model::InboxVideo) -> InboxVideo {
    InboxVideo {
        object: super::wire(&found.video),
        creator: found.creator.as_ref().map(|creator| CreatorRef {
            id: creator.id,
            platform: creator.platform,
            handle: creator.handle.as_str().to_owned(),
            display_name: creator.display_name.clone(),
        }),
        reviewed_at: found.video.review.map(|review| review.at),
        reviewed_by: found.video.review.map(|review| review.by.into()),
    }
}
