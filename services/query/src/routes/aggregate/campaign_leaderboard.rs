//! `GET /analytics/aggregate/campaign-leaderboard`.

use api::envelope::Meta;
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::openapi;
use api::v1::{CampaignCard, CampaignLeaderboardRow};
use axum::extract::State;
use axum::response::Response;
use read_model::{CampaignStanding, CreatorFigure, Rows};
use utoipa::IntoParams;

use super::{RowsDoc, Scope, ScopeDoc, page_of_rows};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::{Topic, Topics};
use crate::call::Call;
use crate::routes::choices::choices;
use crate::routes::figures::figure;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CampaignLeaderboard {
    #[param(ignore)]
    scope: Scope,
    /// By what, descending; null comes last.
    #[param(value_type = Option<Orders>, inline)]
    order: CreatorFigure,
    #[param(ignore)]
    rows: Rows,
}

choices! {
    Orders: CreatorFigure::OF_CAMPAIGNS.map(CreatorFigure::name), Some("views");
}

impl FromQuery for CampaignLeaderboard {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let scope = Scope::read(params);
        let orders = &CreatorFigure::OF_CAMPAIGNS;
        let order = params.optional("order", |it| it.one_of(orders, CreatorFigure::name));
        let rows = page_of_rows(params);
        Ok(Self {
            scope: scope?,
            order: order?.unwrap_or(CreatorFigure::Views),
            rows: rows?,
        })
    }
}

/// Ranks the campaigns of a project by what their unions gained in a range.
///
/// Every campaign of the project, the highest first, null last, ties by id. What was gained is to
/// the digit the total that `GET /analytics` answers with `mode=new`.
#[utoipa::path(
    get,
    path = "/analytics/aggregate/campaign-leaderboard",
    operation_id = "get_campaign_leaderboard",
    params(ScopeDoc, CampaignLeaderboard, RowsDoc),
    responses((status = 200, description = "Campaigns", body = openapi::Rows<CampaignLeaderboardRow>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<CampaignLeaderboard>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, query.value).await
}

impl Question for CampaignLeaderboard {
    const RESTS_ON: Option<Topics> = Some(Topics::of(&[
        Topic::Org,
        Topic::Projects,
        Topic::Creators,
        Topic::Videos,
        Topic::Campaigns,
    ]));

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let seen = snapshot.seen(&self.scope).await?;
        let project = self.scope.project_id;
        let ranked = snapshot
            .reader
            .campaign_leaderboard(project, &seen.period, self.order, self.rows)
            .await;
        let ranked = ranked.map_err(|error| snapshot.read_error(error))?;
        seen.answer_rows(&ranked, wire, Meta::none())
    }
}

fn wire(found: &CampaignStanding) -> CampaignLeaderboardRow {
    let gains = &found.gains;
    CampaignLeaderboardRow {
        campaign: CampaignCard {
            id: found.campaign.id,
            name: found.campaign.campaign.name.as_str().to_owned(),
        },
        views: gains.views,
        likes: gains.likes,
        comments: gains.comments,
        shares: gains.shares,
        saves: gains.saves,
        posts: gains.posts,
        engagement_rate_by_views: gains.engagement_rate_by_views.map(figure),
        creator_count: found.figures.creators,
        video_count: found.figures.videos,
        target_views: found.campaign.campaign.target_views,
        target_percentage: found.target_percentage(),
    }
}
