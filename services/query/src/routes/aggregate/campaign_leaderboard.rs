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
use read_model::{CampaignStanding, CreatorFigure};
use utoipa::IntoParams;

use super::{Ranking, RowsDoc, ScopeDoc};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::{Topic, Topics};
use crate::call::Call;
use crate::routes::choices::choices;
use crate::routes::figures::figure;

pub struct CampaignLeaderboard(Ranking<CreatorFigure>);

/// The parameter that is its own, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here")]
struct Described {
    /// By what, descending; null comes last.
    #[param(value_type = Option<Orders>, inline)]
    order: Option<String>,
}

choices! {
    Orders: CreatorFigure::OF_CAMPAIGNS.map(CreatorFigure::name), Some("views");
}

impl FromQuery for CampaignLeaderboard {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let ranking = Ranking::read(
            params,
            &CreatorFigure::OF_CAMPAIGNS,
            CreatorFigure::name,
            CreatorFigure::Views,
        );
        ranking.map(Self)
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
    params(ScopeDoc, Described, RowsDoc),
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
        let Ranking { scope, order, rows } = self.0;
        let seen = snapshot.seen(&scope).await?;
        let (project, period) = (scope.project_id, &seen.period);
        let found = snapshot
            .reader
            .campaign_leaderboard(project, period, order, rows)
            .await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        seen.answer_rows(&found, wire, Meta::none())
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
