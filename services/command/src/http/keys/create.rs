//! `POST /api-keys` (v1-contract.md 7.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::v1::ApiKeyCreated;
use axum::extract::State;
use domain::ids::KeyId;
use domain::org::{Command, NewKey};
use domain::scope::Scopes;
use domain::text::Name;
use domain::time::Timestamp;
use ipnet::IpNet;

use super::body;
use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry::{self, Done};

/// A key to be made.
#[derive(Debug)]
pub(in crate::http) struct CreateKey {
    name: Name,
    scopes: Scopes,
    expires_at: Option<Timestamp>,
    ip_allowlist: Option<Vec<IpNet>>,
    rate_limit_per_minute: Option<u64>,
    strict: bool,
}

impl FromBody for CreateKey {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let name = fields.required("name", |it| it.parse(Name::parse));
        let scopes = fields.optional("scopes", body::scopes);
        let expires_at = fields.nullable("expires_at", Node::instant);
        let ip_allowlist = fields.nullable("ip_allowlist", body::allowlist);
        let rate_limit_per_minute = fields.optional("rate_limit_per_minute", body::rate);
        let strict = fields.optional("strict", Node::boolean);
        Ok(Self {
            name: name?,
            scopes: scopes?.unwrap_or(Scopes::DEFAULT),
            expires_at: expires_at?,
            ip_allowlist: ip_allowlist?,
            rate_limit_per_minute: rate_limit_per_minute?,
            strict: strict?.unwrap_or(false),
        })
    }
}

/// Makes a key. Its secret is told this once.
#[utoipa::path(
    post,
    path = "/api-keys",
    operation_id = "create_api_key",
    request_body = api::v1::request::CreateApiKey,
    responses(
        (status = 201, description = "The key, with its secret", body = api::openapi::Answer<ApiKeyCreated>),
    )
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    body: StrictJson<CreateKey>,
) -> Result<Success, ApiError> {
    let create = body.value;
    let expiry = body::check_expiry(create.expires_at, app.commander().now());
    let minted = app.commander().mint();
    let (key_id, secret) = (minted.key_id, minted.secret);
    let command = Command::CreateKey(NewKey {
        key_id,
        name: create.name,
        prefix: secret.prefix(),
        hash: secret.hash(),
        scopes: create.scopes,
        expires_at: create.expires_at,
        ip_allowlist: create.ip_allowlist,
        rate_limit_per_minute: create.rate_limit_per_minute,
        strict: create.strict,
    });
    let show = async move |done: Done| {
        let key_id = done.created().map_or(key_id, KeyId::from_uuid);
        let key = done.key(key_id).await?;
        let kept = ApiKeyCreated::without_secret(key.clone());
        let answer = Answer::created(&kept, "api-keys", key_id.as_uuid())?;
        if done.is_replay {
            return Ok(answer);
        }
        answer.telling(&ApiKeyCreated::with_secret(key, &secret))
    };
    let created = carry::once(app, asked, body.fingerprint, command, show).await;
    created.map_err(|refusal| body::expiry_first(expiry, refusal))
}
