//! `PATCH /creators/{id}` (v1-contract.md 10.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::v1::Creator;
use axum::extract::State;
use domain::ids::CreatorId;
use domain::org::{Command, CreatorPatch};

use super::body::Settings;
use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Changes of a creator.
#[derive(Debug)]
pub(in crate::http) struct ChangeCreator(CreatorPatch);

impl FromBody for ChangeCreator {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let any = fields.refuse_empty();
        let same_platform = if fields.has("platform") {
            Err(fields.invalid(
                "platform",
                "cannot change: add the other account as a creator",
            ))
        } else {
            Ok(())
        };
        let handle = sent_handle(fields);
        let settings = Settings::read(fields);
        any?;
        same_platform?;
        let ((handle, is_tiktok_handle), settings) = (handle?, settings?);
        Ok(Self(CreatorPatch {
            handle,
            is_tiktok_handle,
            tracking_mode: settings.tracking_mode,
            tracking_start_date: settings.tracking_start_date,
            display_name: settings.display_name,
            readme: settings.readme,
            metadata: settings.metadata,
        }))
    }
}

/// As it was sent: only the creator's platform says whether it is a handle, and whether it may be
/// sent as TikTok's.
fn sent_handle(fields: &mut Fields<'_>) -> Result<(Option<String>, bool), Invalid> {
    let handle = fields.optional("handle", |it| {
        it.text().map(|text| text.as_str().to_owned())
    });
    let tiktok = fields.optional("tiktok_handle", |it| {
        it.text().map(|text| text.as_str().to_owned())
    });
    match (handle?, tiktok?) {
        (Some(handle), Some(tiktok)) if handle != tiktok => Err(fields.invalid(
            "tiktok_handle",
            "is another name of handle: send one of them",
        )),
        (handle, tiktok) => {
            let is_tiktok = tiktok.is_some();
            Ok((handle.or(tiktok), is_tiktok))
        }
    }
}

/// Changes a creator; with a new handle it keeps its id, videos and history.
#[utoipa::path(
    patch,
    path = "/creators/{id}",
    operation_id = "change_creator",
    request_body = api::v1::request::ChangeCreator,
    responses((status = 200, description = "The creator", body = api::openapi::Answer<Creator>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(creator_id): PathId<CreatorId>,
    body: StrictJson<ChangeCreator>,
) -> Result<Success, ApiError> {
    let ChangeCreator(patch) = body.value;
    let command = Command::ChangeCreator { creator_id, patch };
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.creator(creator_id).await?),
    )
    .await
}
