//! `PATCH /orgs/self` (v1-contract.md 8.1).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::v1::Org;
use axum::extract::State;
use domain::org::Command;
use domain::text::Name;

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Changes of the org.
#[derive(Debug)]
pub(in crate::http) struct ChangeOrg {
    name: Option<Name>,
    timezone: Option<String>,
}

impl FromBody for ChangeOrg {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let any = fields.refuse_empty();
        let name = fields.optional("name", |it| it.parse(Name::parse));
        let timezone = fields.optional("timezone", |it| {
            it.text()?.zone().map(|zone| zone.name().to_owned())
        });
        any?;
        Ok(Self {
            name: name?,
            timezone: timezone?,
        })
    }
}

/// Changes the caller's org. With a new zone its days begin elsewhere in all later answers.
#[utoipa::path(
    patch,
    path = "/orgs/self",
    operation_id = "change_org",
    request_body = api::v1::request::ChangeOrg,
    responses((status = 200, description = "The org", body = api::openapi::Answer<Org>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    body: StrictJson<ChangeOrg>,
) -> Result<Success, ApiError> {
    let command = Command::ChangeOrg {
        name: body.value.name,
        timezone: body.value.timezone,
    };
    carry::each_time(app, asked.org, asked.context(), command, async |done| {
        Answer::ok(&done.org().await?)
    })
    .await
}
