//! `PATCH /videos/{id}` (v1-contract.md 11.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, Patch, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::input::path::PathId;
use api::v1::Video;
use axum::extract::State;
use domain::ids::VideoId;
use domain::org::{Command, ReviewDecision, VideoPatch};

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Changes of a video.
#[derive(Debug)]
pub(in crate::http) struct ChangeVideo(VideoPatch);

impl FromBody for ChangeVideo {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let any = fields.refuse_empty();
        let readme = fields.notes();
        let metadata = fields.metadata();
        let decisions = [ReviewDecision::Include, ReviewDecision::Exclude];
        let decision = fields.optional("tracking_status", |it| {
            it.one_of(&decisions, |decision| decision.status().name())
        });
        let tracking_enabled = fields.optional("tracking_enabled", Node::boolean);
        any?;
        Ok(Self(VideoPatch {
            readme: readme.map(Patch::into_change)?,
            metadata: metadata?,
            decision: decision?,
            tracking_enabled: tracking_enabled?,
        }))
    }
}

/// Changes a video.
#[utoipa::path(
    patch,
    path = "/videos/{id}",
    operation_id = "change_video",
    request_body = api::v1::request::ChangeVideo,
    responses((status = 200, description = "The video", body = api::openapi::Answer<Video>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(video_id): PathId<VideoId>,
    body: StrictJson<ChangeVideo>,
) -> Result<Success, ApiError> {
    let ChangeVideo(patch) = body.value;
    let command = Command::ChangeVideo { video_id, patch };
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.video(video_id).await?),
    )
    .await
}
