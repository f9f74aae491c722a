//! `GET /analytics/aggregate/member-overlap`.

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::input::text::Text;
use api::openapi;
use api::v1::{Figure, MemberOverlap, OverlappingCampaign, OverlappingPair, SharedMember};
use axum::extract::State;
use axum::response::Response;
use domain::ids::{CampaignId, ProjectId};
use domain::limits::OVERLAP_CAMPAIGNS;
use read_model::{MemberKind, Overlap};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::{Topic, Topics};
use crate::call::Call;
use crate::routes::choices::choices;
use crate::routes::figures::decimal_figure;

#[derive(Debug)]
pub struct CompareMembers {
    project_id: ProjectId,
    by: MemberKind,
    campaign_ids: Option<Vec<CampaignId>>,
}

/// The same parameters, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here")]
struct Described {
    /// The project.
    project_id: Uuid,
    /// What is compared.
    #[param(inline)]
    by: Option<By>,
    /// Up to 10 different campaigns of the project, with commas between; the 10 with most members
    /// unless given.
    #[param(min_items = 1, max_items = 10, style = Form, explode = false)]
    campaign_ids: Option<Vec<Uuid>>,
}

choices! {
    By: MemberKind::ALL.map(MemberKind::name), Some("creator");
}

impl FromQuery for CompareMembers {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let project_id = params.required("project_id", Text::from_str);
        let by = params.optional("by", |it| it.one_of(&MemberKind::ALL, MemberKind::name));
        let campaign_ids = params.optional("campaign_ids", |it| {
            it.list(1..=OVERLAP_CAMPAIGNS, Text::from_str::<CampaignId>)
        });
        Ok(Self {
            project_id: project_id?,
            by: by?.unwrap_or(MemberKind::Creator),
            campaign_ids: campaign_ids?,
        })
    }
}

/// Says what campaigns of a project have in common.
///
/// Members are those of the unions: creators that are in a campaign or own a counted video in it,
/// or counted videos. The similarity of two campaigns is their Jaccard index: members of both per
/// member of either (Jaccard 1912).
#[utoipa::path(
    get,
    path = "/analytics/aggregate/member-overlap",
    operation_id = "get_member_overlap",
    params(Described),
    responses((status = 200, description = "What they share", body = openapi::Counted<MemberOverlap>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<CompareMembers>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, query.value).await
}

impl Question for CompareMembers {
    const RESTS_ON: Option<Topics> = Some(Topics::of(&[
        Topic::Projects,
        Topic::Creators,
        Topic::Videos,
        Topic::Campaigns,
    ]));

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        snapshot.require_project(Some(self.project_id)).await?;
        let found = snapshot
            .reader
            .member_overlap(self.project_id, self.by, self.campaign_ids.as_deref())
            .await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        let found = found.ok_or_else(ApiError::not_found)?;
        let meta = Meta::none()
            .total_count(found.shared_members)
            .valid_until(None);
        Ok(Answer::lasting(Rendered::json(&wire(&found), &meta)?))
    }
}

fn wire(found: &Overlap) -> MemberOverlap {
    let campaigns = found.campaigns.iter().map(|one| OverlappingCampaign {
        id: one.id,
        name: one.name.clone(),
        size: one.size,
    });
    let pairs = found.pairs.iter().map(|pair| OverlappingPair {
        a: pair.a,
        b: pair.b,
        shared: pair.shared,
        jaccard: pair.jaccard().map_or(Figure::Count(0), decimal_figure),
    });
    let members = found.members.iter().map(|member| SharedMember {
        id: member.id,
        label: member.label.clone(),
        campaign_ids: member.campaigns.clone(),
    });
    MemberOverlap {
        campaigns: campaigns.collect(),
        pairs: pairs.collect(),
        members: members.collect(),
    }
}
