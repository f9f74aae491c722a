//! `POST /projects/{id}/inbox/review` (v1-contract.md 11.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::v1::BulkAnswer;
use axum::extract::State;
use domain::ids::{ProjectId, VideoId};
use domain::org::{Command, ReviewDecision};

use crate::http::App;
use crate::http::call::Call;
use crate::http::carry;
use crate::http::videos::body;

/// What was decided on several found videos.
#[derive(Debug)]
pub(in crate::http) struct ReviewMany {
    decision: ReviewDecision,
    video_ids: Vec<VideoId>,
}

impl FromBody for ReviewMany {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let decision = body::decision(fields);
        let video_ids = body::video_ids(fields);
        Ok(Self {
            decision: decision?,
            video_ids: video_ids?,
        })
    }
}

/// Decides on several found videos.
#[utoipa::path(
    post,
    path = "/projects/{id}/inbox/review",
    operation_id = "review_videos",
    request_body = api::v1::request::ReviewVideos,
    responses((status = 200, description = "What became of each", body = api::openapi::Answer<BulkAnswer>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(project_id): PathId<ProjectId>,
    body: StrictJson<ReviewMany>,
) -> Result<Success, ApiError> {
    let command = Command::ReviewVideos {
        project_id,
        decision: body.value.decision,
        video_ids: body.value.video_ids,
    };
    carry::once(app, asked, body.fingerprint, command, async |done| {
        done.bulk()
    })
    .await
}
