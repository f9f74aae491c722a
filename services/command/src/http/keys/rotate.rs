//! `POST /api-keys/{id}/rotate` (v1-contract.md 7.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, OptionalJson, Patch};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::input::path::PathId;
use api::v1::{ApiKeyCreated, ApiKeyRotated};
use axum::extract::State;
use domain::ids::KeyId;
use domain::limits::{ROTATION_OVERLAP_DEFAULT_SECONDS, ROTATION_OVERLAP_MAX_SECONDS};
use domain::org::{Command, Rotation};
use domain::text::Name;
use domain::time::Timestamp;

use super::body;
use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry::{self, Done};

/// How a key is to be replaced.
#[derive(Debug)]
pub(in crate::http) struct RotateKey {
    overlap_seconds: i64,
    name: Option<Name>,
    expires_at: Option<Option<Timestamp>>,
}

impl FromBody for RotateKey {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        const LONGEST: u64 = ROTATION_OVERLAP_MAX_SECONDS.unsigned_abs();
        let overlap = fields.optional("overlap_seconds", |it| it.integer(0..=LONGEST));
        let name = fields.optional("name", |it| it.parse(Name::parse));
        let expires_at = fields.patch("expires_at", Node::instant);
        Ok(Self {
            overlap_seconds: overlap?.map_or(ROTATION_OVERLAP_DEFAULT_SECONDS, u64::cast_signed),
            name: name?,
            expires_at: expires_at.map(Patch::into_change)?,
        })
    }
}

/// Replaces a key by a new one with the same rights. The old one is accepted until the overlap
/// ends; without an overlap it ends at once, everywhere.
#[utoipa::path(
    post,
    path = "/api-keys/{id}/rotate",
    operation_id = "rotate_api_key",
    request_body = api::v1::request::RotateApiKey,
    responses(
        (status = 201, description = "Both keys, the new one with its secret", body = api::openapi::Answer<ApiKeyRotated>),
    )
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(old_id): PathId<KeyId>,
    body: OptionalJson<RotateKey>,
) -> Result<Success, ApiError> {
    let rotate = body.value;
    let expiry = body::check_expiry(rotate.expires_at.flatten(), app.commander().now());
    let ends_at_once = rotate.overlap_seconds == 0;
    let minted = app.commander().mint();
    let (new_id, secret) = (minted.key_id, minted.secret);
    let rotation = Rotation {
        new_key_id: new_id,
        prefix: secret.prefix(),
        hash: secret.hash(),
        overlap_seconds: rotate.overlap_seconds,
        name: rotate.name,
        expires_at: rotate.expires_at,
    };
    let command = Command::RotateKey {
        key_id: old_id,
        rotation,
    };
    let show = async move |done: Done| {
        let new_id = done.created().map_or(new_id, KeyId::from_uuid);
        let new = done.key(new_id).await?;
        let receipt = done.receipt(old_id.as_uuid()).filter(|_| ends_at_once);
        let kept = ApiKeyRotated {
            new: ApiKeyCreated::without_secret(new.clone()),
            old: done.key(old_id).await?,
            receipt,
        };
        let answer = Answer::created(&kept, "api-keys", new_id.as_uuid())?.denying(ends_at_once);
        if done.is_replay {
            return Ok(answer);
        }
        answer.telling(&ApiKeyRotated {
            new: ApiKeyCreated::with_secret(new, &secret),
            ..kept
        })
    };
    let rotated = carry::once(app, asked, body.fingerprint, command, show).await;
    rotated.map_err(|refusal| body::expiry_first(expiry, refusal))
}
