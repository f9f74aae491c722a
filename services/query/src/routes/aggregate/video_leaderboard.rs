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
use read_model::{Rows, VideoCard, VideoOrder};
use utoipa::IntoParams;

use super::{RESTS_ON, RowsDoc, Scope, ScopeDoc, page_of_rows};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::choices::choices;
use crate::routes::figures::creator_card;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VideoLeaderboard {
    #[param(ignore)]
    scope: Scope,
    /// By what, descending; null comes last.
    #[param(value_type = Option<Orders>, inline)]
    order: VideoOrder,
    #[param(ignore)]
    rows: Rows,
}

choices! {
    Orders: VideoOrder::ALL.map(VideoOrder::name), Some("view_count");
}

impl FromQuery for VideoLeaderboard {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let scope = Scope::read(params);
        let order = params.optional("order", |it| it.one_of(&VideoOrder::ALL, VideoOrder::name));
        let rows = page_of_rows(params);
        Ok(Self {
            scope: scope?,
            order: order?.unwrap_or_default(),
            rows: rows?,
        })
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
    params(ScopeDoc, VideoLeaderboard, RowsDoc),
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
        let seen = snapshot.seen(&self.scope).await?;
        let found = snapshot
            .reader
            .video_leaderboard(self.scope.project_id, &seen.period, self.order, self.rows)
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
