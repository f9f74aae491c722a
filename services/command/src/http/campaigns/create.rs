//! `POST /projects/{id}/campaigns` (v1-contract.md 13).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, Patch, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::input::path::PathId;
use api::v1::Campaign;
use axum::extract::State;
use domain::ids::{CampaignId, ProjectId};
use domain::limits::MAX_COUNT;
use domain::org::{Command, NewCampaign};
use domain::text::{CampaignName, Metadata, Readme};
use domain::time::Timestamp;

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// A campaign to be made.
#[derive(Debug)]
pub(in crate::http) struct CreateCampaign {
    name: CampaignName,
    readme: Option<Readme>,
    metadata: Metadata,
    target_views: Option<u64>,
    target_at: Option<Timestamp>,
}

impl FromBody for CreateCampaign {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let name = fields.required("name", |it| it.parse(CampaignName::parse));
        let readme = fields.notes();
        let metadata = fields.metadata();
        let target_views = fields.nullable("target_views", |it| it.integer(1..=MAX_COUNT));
        let target_at = fields.nullable("target_at", Node::instant);
        Ok(Self {
            name: name?,
            readme: readme.map(Patch::into_option)?,
            metadata: metadata?.unwrap_or_else(Metadata::empty),
            target_views: target_views?,
            target_at: target_at?,
        })
    }
}

/// Makes a campaign, which holds nothing yet.
#[utoipa::path(
    post,
    path = "/projects/{id}/campaigns",
    operation_id = "create_campaign",
    request_body = api::v1::request::CreateCampaign,
    responses((status = 201, description = "The campaign", body = api::openapi::Answer<Campaign>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(project_id): PathId<ProjectId>,
    body: StrictJson<CreateCampaign>,
) -> Result<Success, ApiError> {
    let create = body.value;
    let campaign_id = app.new_id(CampaignId::generate);
    let command = Command::AddCampaign {
        project_id,
        campaign: NewCampaign {
            campaign_id,
            name: create.name,
            readme: create.readme,
            metadata: create.metadata,
            target_views: create.target_views,
            target_at: create.target_at,
        },
    };
    carry::once(app, asked, body.fingerprint, command, async move |done| {
        let campaign_id = done.created().map_or(campaign_id, CampaignId::from_uuid);
        let campaign = done.campaign(campaign_id).await?;
        Answer::created(&campaign, "campaigns", campaign_id.as_uuid())
    })
    .await
}
