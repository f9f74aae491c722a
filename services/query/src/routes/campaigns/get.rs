//! `GET /campaigns/{id}`.

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::path::PathId;
use api::input::query::{NoParams, StrictQuery};
use api::openapi;
use api::v1::CampaignWithFigures;
use axum::extract::State;
use axum::response::Response;
use domain::ids::CampaignId;

use super::wire;
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::{Topic, Topics};
use crate::call::Call;

/// Gets a campaign, with figures of all that is in it at any depth, counted once.
#[utoipa::path(
    get,
    path = "/campaigns/{id}",
    operation_id = "get_campaign",
    responses((status = 200, description = "The campaign", body = openapi::Answer<CampaignWithFigures>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    PathId(id): PathId<CampaignId>,
    _: StrictQuery<NoParams>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, OneCampaign(id)).await
}

struct OneCampaign(CampaignId);

impl Question for OneCampaign {
    const RESTS_ON: Option<Topics> = Some(Topics::of(&[Topic::Campaigns, Topic::Videos]));

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let found = snapshot.reader.campaign(self.0).await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        let found = found.ok_or_else(ApiError::not_found)?;
        let figures = snapshot.reader.campaign_figures(self.0).await;
        let figures = figures.map_err(|error| snapshot.read_error(error))?;
        let campaign = CampaignWithFigures {
            object: wire(&found),
            current_views: figures.views,
            creator_count: figures.creators,
            video_count: figures.videos,
        };
        Ok(Answer::lasting(Rendered::json(&campaign, &Meta::none())?))
    }
}
