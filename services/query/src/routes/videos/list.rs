//! `GET /videos`.

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::input::text::Text;
use api::openapi::Page;
use api::v1::{PlatformName, Video};
use axum::extract::State;
use axum::response::Response;
use domain::event::TrackingStatus;
use domain::ids::{CreatorId, ProjectId};
use domain::platform::Platform;
use read_model::VideoFilter;
use utoipa::{IntoParams, ToSchema};

use super::{RESTS_ON, wire};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::page::PageDoc;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListVideos {
    /// Of this project.
    #[param(value_type = Option<uuid::Uuid>)]
    project_id: Option<ProjectId>,
    /// Of this creator.
    #[param(value_type = Option<uuid::Uuid>)]
    creator_id: Option<CreatorId>,
    /// On this platform.
    #[param(value_type = Option<PlatformName>)]
    platform: Option<Platform>,
    /// Of this status; excluded videos are never listed.
    #[param(value_type = Option<ListedStatus>, inline)]
    tracking_status: Option<TrackingStatus>,
    /// Whose title contains this, case aside.
    #[param(min_length = 1, max_length = 100, example = "dance")]
    search: Option<String>,
    #[param(ignore)]
    page: PageParams,
}

/// Statuses that are listed, for the document.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only described here")]
enum ListedStatus {
    AutoTracked,
    PendingReview,
    Included,
    DirectAdd,
}

const LISTED: [TrackingStatus; 4] = [
    TrackingStatus::AutoTracked,
    TrackingStatus::PendingReview,
    TrackingStatus::Included,
    TrackingStatus::DirectAdd,
];

impl FromQuery for ListVideos {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let project_id = params.optional("project_id", Text::from_str);
        let creator_id = params.optional("creator_id", Text::from_str);
        let platform = params.optional("platform", Text::from_str);
        let tracking_status = params.optional("tracking_status", |it| {
            it.one_of(&LISTED, TrackingStatus::name)
        });
        let search = params.optional("search", Text::search);
        let page = params.page();
        Ok(Self {
            project_id: project_id?,
            creator_id: creator_id?,
            platform: platform?,
            tracking_status: tracking_status?,
            search: search?,
            page: page?,
        })
    }
}

/// Lists videos, newest first; excluded ones never.
#[utoipa::path(
    get,
    path = "/videos",
    operation_id = "list_videos",
    params(ListVideos, PageDoc),
    responses((status = 200, description = "A page of videos", body = Page<Video>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ListVideos>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let page = app.page(call.list(&query.filters), &query.value.page)?;
    let filter = VideoFilter {
        project_id: query.value.project_id,
        creator_id: query.value.creator_id,
        platform: query.value.platform,
        tracking_status: query.value.tracking_status,
        search: query.value.search,
    };
    let question = Videos {
        filter,
        filters: query.filters,
        page,
    };
    app.answer(&call, &asked, question).await
}

struct Videos {
    filter: VideoFilter,
    filters: String,
    page: read_model::Page,
}

impl Question for Videos {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        snapshot.require_project(self.filter.project_id).await?;
        snapshot.require_creator(self.filter.creator_id).await?;
        let listed = snapshot.reader.videos(&self.filter, self.page).await;
        let listed = listed.map_err(|error| snapshot.read_error(error))?;
        let list = snapshot.call.list(&self.filters);
        let rendered = snapshot.app.listed(list, &listed, wire, |meta| meta)?;
        Ok(Answer::lasting(rendered))
    }
}
