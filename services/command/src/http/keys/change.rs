//! `PATCH /api-keys/{id}` (v1-contract.md 7.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, Patch, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::input::path::PathId;
use api::v1::ApiKeyChanged;
use axum::extract::State;
use domain::ids::KeyId;
use domain::org::{Command, KeyPatch};
use domain::text::Name;

use super::body;
use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry::{self, Done};

/// Changes of a key.
#[derive(Debug)]
pub(in crate::http) struct ChangeKey(KeyPatch);

impl FromBody for ChangeKey {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let any = fields.refuse_empty();
        let name = fields.optional("name", |it| it.parse(Name::parse));
        let scopes = fields.optional("scopes", body::scopes);
        let expires_at = fields.patch("expires_at", Node::instant);
        let ip_allowlist = fields.patch("ip_allowlist", body::allowlist);
        let rate_limit_per_minute = fields.optional("rate_limit_per_minute", body::rate);
        let strict = fields.optional("strict", Node::boolean);
        any?;
        Ok(Self(KeyPatch {
            name: name?,
            scopes: scopes?,
            expires_at: expires_at.map(Patch::into_change)?,
            ip_allowlist: ip_allowlist.map(Patch::into_change)?,
            rate_limit_per_minute: rate_limit_per_minute?,
            strict: strict?,
        }))
    }
}

/// Changes a key. What takes something away is answered once that is in force everywhere.
#[utoipa::path(
    patch,
    path = "/api-keys/{id}",
    operation_id = "change_api_key",
    request_body = api::v1::request::ChangeApiKey,
    responses(
        (status = 200, description = "The key, with a receipt if something was taken away", body = api::openapi::Answer<ApiKeyChanged>),
    )
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(key_id): PathId<KeyId>,
    body: StrictJson<ChangeKey>,
) -> Result<Success, ApiError> {
    let ChangeKey(patch) = body.value;
    // Only the key as it is says whether an end that lies so near is a new one.
    let expiry = body::check_expiry(patch.expires_at.flatten(), app.commander().now());
    let command = Command::ChangeKey { key_id, patch };
    let show = async move |done: Done| {
        Answer::ok(&ApiKeyChanged {
            object: done.key(key_id).await?,
            receipt: done.receipt(key_id.as_uuid()),
        })
    };
    let changed = carry::each_time(app, asked.org, asked.context(), command, show).await;
    changed.map_err(|refusal| body::expiry_first(expiry, refusal))
}
