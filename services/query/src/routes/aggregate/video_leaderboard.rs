//! `GET /analytics/aggregate/video-leaderboard`.

use api::envelope::Meta;
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::openapi;
use api::v1::VideoLeaderboardRow;
use axum::extract::State;
use axum::response::Response;
use read_model::{VideoCard, VideoOrder};
use utoipa::IntoParams;

use super::{RESTS_ON, Ranking, RowsDoc, ScopeDoc};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::choices::choices;
use crate::routes::figures::creator_card;

pub struct VideoLeaderboard(Ranking<VideoOrder>);

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
    Orders: VideoOrder::ALL.map(VideoOrder::name), Some("view_count");
}

impl FromQuery for VideoLeaderboard {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let ranking = Ranking::read(
            params,
            &VideoOrder::ALL,
            VideoOrder::name,
            VideoOrder::default(),
        );
        ranking.map(Self)
    }
}

/// Ranks the videos posted in a range.
///
/// By their last-known counts, or by when they were posted: the highest first, null last, ties by
/// id. Only counted videos; one whose post time was not reported counts as posted when it was
/// taken up.
#[utoipa::path(
    get,
    path = "/analytics/aggregate/video-leaderboard",
    operation_id = "get_video_leaderboard",
    params(ScopeDoc, Described, RowsDoc),
    responses((status = 200, description = "Videos", body = openapi::Rows<VideoLeaderboardRow>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<VideoLeaderboard>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, query.value).await
}

impl Question for VideoLeaderboard {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let Ranking { scope, order, rows } = self.0;
        let seen = snapshot.seen(&scope).await?;
        let (project, period) = (scope.project_id, &seen.period);
        let found = snapshot
            .reader
            .video_leaderboard(project, period, order, rows)
            .await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        seen.answer_rows(&found, wire, Meta::none())
    }
}

fn wire(found: &VideoCard) -> VideoLeaderboardRow {
    VideoLeaderboardRow {
        video_id: found.id,
        title: found.title.clone(),
        thumbnail_url: found.thumbnail_url.clone(),
        url: found.url.clone(),
        view_count: found.view_count,
        like_count: found.like_count,
        comment_count: found.comment_count,
        share_count: found.share_count,
        save_count: found.save_count,
        posted_at: found.posted_at,
        platform: found.platform,
        tracking_status: found.tracking_status,
        creator: found.creator.as_ref().map(creator_card),
    }
}
