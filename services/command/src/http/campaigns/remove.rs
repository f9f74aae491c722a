//! `DELETE /campaigns/{id}` (v1-contract.md 13).

use api::envelope::Success;
use api::error::ApiError;
use api::input::path::PathId;
use api::v1::Campaign;
use axum::extract::State;
use domain::ids::CampaignId;
use domain::org::Command;

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Removes a campaign from its project and from the campaigns that hold it; what it held stays.
#[utoipa::path(
    delete,
    path = "/campaigns/{id}",
    operation_id = "remove_campaign",
    responses((status = 200, description = "The campaign as it last was", body = api::openapi::Answer<Campaign>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(campaign_id): PathId<CampaignId>,
) -> Result<Success, ApiError> {
    let command = Command::RemoveCampaign { campaign_id };
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.campaign(campaign_id).await?),
    )
    .await
}
