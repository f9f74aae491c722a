//! `GET /analytics/aggregate/creator-leaderboard`.

use api::envelope::Meta;
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::openapi;
use api::v1::CreatorLeaderboardRow;
use axum::extract::State;
use axum::response::Response;
use read_model::{CreatorFigure, CreatorStanding};
use utoipa::IntoParams;

use super::{RESTS_ON, Ranking, RowsDoc, ScopeDoc};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::choices::choices;
use crate::routes::figures::{creator_card, figure};

pub struct CreatorLeaderboard(Ranking<CreatorFigure>);

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
    Orders: CreatorFigure::OF_LEADERBOARD.map(CreatorFigure::name), Some("views");
}

impl FromQuery for CreatorLeaderboard {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let ranking = Ranking::read(
            params,
            &CreatorFigure::OF_LEADERBOARD,
            CreatorFigure::name,
            CreatorFigure::Views,
        );
        ranking.map(Self)
    }
}

/// Ranks the creators of a project by what they gained in a range.
///
/// Every creator of the project, the highest first, null last, ties by id. What was gained is to
/// the digit the total that `GET /analytics` answers with `mode=new`; `followers` is the last
/// count before the range's end.
#[utoipa::path(
    get,
    path = "/analytics/aggregate/creator-leaderboard",
    operation_id = "get_creator_leaderboard",
    params(ScopeDoc, Described, RowsDoc),
    responses((status = 200, description = "Creators", body = openapi::Rows<CreatorLeaderboardRow>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<CreatorLeaderboard>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, query.value).await
}

impl Question for CreatorLeaderboard {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let Ranking { scope, order, rows } = self.0;
        let seen = snapshot.seen(&scope).await?;
        let (project, period) = (scope.project_id, &seen.period);
        let found = snapshot
            .reader
            .creator_leaderboard(project, period, order, rows)
            .await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        seen.answer_rows(&found, wire, Meta::none())
    }
}

fn wire(found: &CreatorStanding) -> CreatorLeaderboardRow {
    let gains = &found.gains;
    CreatorLeaderboardRow {
        creator: creator_card(&found.creator),
        views: gains.views,
        likes: gains.likes,
        comments: gains.comments,
        shares: gains.shares,
        saves: gains.saves,
        posts: gains.posts,
        followers: found.followers.map(figure),
        followers_gained: found.followers_gained,
        engagement_rate_by_views: gains.engagement_rate_by_views.map(figure),
    }
}
