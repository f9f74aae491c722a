//! `PATCH /campaigns/{id}` (v1-contract.md 13).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, Patch, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::input::path::PathId;
use api::v1::Campaign;
use axum::extract::State;
use domain::ids::CampaignId;
use domain::limits::MAX_COUNT;
use domain::org::{CampaignPatch, Command};
use domain::text::CampaignName;

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Changes of a campaign.
#[derive(Debug)]
pub(in crate::http) struct ChangeCampaign(CampaignPatch);

impl FromBody for ChangeCampaign {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let any = fields.refuse_empty();
        let name = fields.optional("name", |it| it.parse(CampaignName::parse));
        let readme = fields.notes();
        let metadata = fields.metadata();
        let target_views = fields.patch("target_views", |it| it.integer(1..=MAX_COUNT));
        let target_at = fields.patch("target_at", Node::instant);
        any?;
        Ok(Self(CampaignPatch {
            name: name?,
            readme: readme.map(Patch::into_change)?,
            metadata: metadata?,
            target_views: target_views.map(Patch::into_change)?,
            target_at: target_at.map(Patch::into_change)?,
        }))
    }
}

/// Changes a campaign.
#[utoipa::path(
    patch,
    path = "/campaigns/{id}",
    operation_id = "change_campaign",
    request_body = api::v1::request::ChangeCampaign,
    responses((status = 200, description = "The campaign", body = api::openapi::Answer<Campaign>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(campaign_id): PathId<CampaignId>,
    body: StrictJson<ChangeCampaign>,
) -> Result<Success, ApiError> {
    let ChangeCampaign(patch) = body.value;
    let command = Command::ChangeCampaign { campaign_id, patch };
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.campaign(campaign_id).await?),
    )
    .await
}
