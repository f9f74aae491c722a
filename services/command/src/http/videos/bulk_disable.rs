//! `POST /projects/{id}/videos/bulk-tracking-disable` (v1-contract.md 11.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::v1::BulkAnswer;
use axum::extract::State;
use domain::ids::{ProjectId, VideoId};
use domain::org::Command;

use super::body;
use crate::http::App;
use crate::http::call::Call;
use crate::http::carry;

/// The videos concerned.
#[derive(Debug)]
pub(in crate::http) struct VideoIds(Vec<VideoId>);

impl FromBody for VideoIds {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        body::video_ids(fields).map(Self)
    }
}

/// Ends the updates of videos.
#[utoipa::path(
    post,
    path = "/projects/{id}/videos/bulk-tracking-disable",
    operation_id = "disable_tracking_of_videos",
    request_body = api::v1::request::VideoIds,
    responses((status = 200, description = "What became of each", body = api::openapi::Answer<BulkAnswer>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(project_id): PathId<ProjectId>,
    body: StrictJson<VideoIds>,
) -> Result<Success, ApiError> {
    let VideoIds(video_ids) = body.value;
    let command = Command::DisableTrackingMany {
        project_id,
        video_ids,
    };
    carry::once(app, asked, body.fingerprint, command, async |done| {
        done.bulk()
    })
    .await
}
