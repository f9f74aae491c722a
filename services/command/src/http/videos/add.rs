//! `POST /projects/{id}/videos`, for one or up to 50 (v1-contract.md 11.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, Patch, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::input::path::PathId;
use api::v1::{BulkAnswer, Video};
use axum::extract::State;
use domain::event::MediaType;
use domain::ids::{ProjectId, VideoId};
use domain::limits::BULK_ADD_ITEMS;
use domain::org::{Command, NewVideo, Outcome};
use domain::platform::{Platform, PlatformVideoId, VideoUrl};
use domain::text::{Metadata, Readme};

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// One video, or several.
#[derive(Debug)]
pub(in crate::http) enum AddVideos {
    One(AddVideo),
    Many(Vec<AddVideo>),
}

impl FromBody for AddVideos {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        if fields.has("videos") {
            fields
                .required("videos", |it| it.list(1..=BULK_ADD_ITEMS, Node::object))
                .map(Self::Many)
        } else {
            AddVideo::read(fields).map(Self::One)
        }
    }
}

/// A video to be tracked.
#[derive(Debug)]
pub(in crate::http) struct AddVideo {
    video: VideoUrl,
    readme: Option<Option<Readme>>,
    metadata: Option<Metadata>,
}

impl FromBody for AddVideo {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let video = video(fields);
        let readme = fields.notes();
        let metadata = fields.metadata();
        Ok(Self {
            video: video?,
            readme: readme.map(Patch::into_change)?,
            metadata: metadata?,
        })
    }
}

impl AddVideo {
    fn into_new(self, video_id: VideoId) -> NewVideo {
        let media_type = if self.video.is_photo {
            MediaType::Photo
        } else {
            MediaType::Video
        };
        NewVideo {
            video_id,
            platform: self.video.platform,
            platform_video_id: self.video.id,
            url: self.video.url,
            media_type,
            readme: self.readme,
            metadata: self.metadata,
        }
    }
}

/// The video, from `url` or from `platform` and `platform_video_id`; all must name the same one.
fn video(fields: &mut Fields<'_>) -> Result<VideoUrl, Invalid> {
    let url = fields.nullable("url", |it| it.parse(VideoUrl::parse));
    let platform = fields.nullable("platform", Node::from_str::<Platform>);
    let resolved = match (&url, &platform) {
        (Ok(url), Ok(platform)) => Ok(platform.or(url.as_ref().map(|url| url.platform))),
        _ => Err(Invalid),
    };
    let id = fields.nullable("platform_video_id", |it| {
        let platform = resolved?.ok_or_else(|| it.invalid("needs platform beside it"))?;
        it.parse(|text| PlatformVideoId::parse(platform, text))
    });
    let (url, resolved) = (url?, resolved?);
    match (url, id?) {
        (Some(url), id) => {
            if resolved != Some(url.platform) {
                return Err(fields.invalid("platform", "does not fit the URL"));
            }
            if id.is_some_and(|id| id != url.id) {
                return Err(fields.invalid("platform_video_id", "does not fit the URL"));
            }
            Ok(url)
        }
        (None, Some(id)) => {
            let platform = resolved.ok_or_else(|| fields.invalid("platform", "is required"))?;
            Ok(VideoUrl {
                platform,
                url: id.url(platform, None),
                id,
                is_photo: false,
            })
        }
        (None, None) => {
            Err(fields.invalid("url", "is required, or platform and platform_video_id"))
        }
    }
}

/// Tracks a video by its URL, or up to 50.
#[utoipa::path(
    post,
    path = "/projects/{id}/videos",
    operation_id = "add_videos",
    request_body = api::v1::request::AddVideos,
    responses(
        (status = 200, description = "A pending, excluded or removed video that counts now; or what became of each of several", body = OneOrMany),
        (status = 201, description = "The video", body = api::openapi::Answer<Video>),
    )
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(project_id): PathId<ProjectId>,
    body: StrictJson<AddVideos>,
) -> Result<Success, ApiError> {
    let new = |one: AddVideo| one.into_new(app.new_id(VideoId::generate));
    let command = match body.value {
        AddVideos::One(one) => Command::AddVideo {
            project_id,
            video: new(one),
        },
        AddVideos::Many(many) => Command::AddVideos {
            project_id,
            videos: many.into_iter().map(new).collect(),
        },
    };
    let fingerprint = body.fingerprint;
    carry::once(
        app,
        asked,
        fingerprint,
        command,
        async move |done| match &done.executed.outcome {
            Outcome::Created(id) => {
                let video = done.video(VideoId::from_uuid(*id)).await?;
                Answer::created(&video, "videos", *id)
            }
            Outcome::Reactivated(id) => Answer::ok(&done.video(VideoId::from_uuid(*id)).await?),
            _ => done.bulk(),
        },
    )
    .await
}

/// One video, or what became of each of several.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the document is made of it")]
#[schema(as = OneVideoOrMany)]
pub(in crate::http) enum OneOrMany {
    #[schema(title = "one")]
    One(Box<api::openapi::Answer<Video>>),
    #[schema(title = "several")]
    Many(api::openapi::Answer<BulkAnswer>),
}
