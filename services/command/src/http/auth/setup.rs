//! `POST /auth/setup` (v1-contract.md 8.4): the first org and its admin.

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use axum::extract::State;
use domain::email::Email;
use domain::text::Name;

use super::{body, guess, session};
use crate::http::App;
use crate::http::carry::shielded;
use crate::http::people::{Visit, refusal};
use crate::people::{FirstOrg, OneTimeToken, SetupError};

/// What the first admin chooses.
pub(super) struct SetUp {
    token: OneTimeToken,
    first: FirstOrg,
}

impl FromBody for SetUp {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let token = fields.required("setup_token", body::token);
        let email = fields.required("email", |it| it.parse(Email::parse));
        let password = fields.required("password", body::chosen);
        let name = fields.required("name", |it| it.parse(Name::parse));
        let org_name = fields.required("org_name", |it| it.parse(Name::parse));
        let timezone = fields.required("timezone", |it| {
            it.text()?.zone().map(|zone| zone.name().to_owned())
        });
        Ok(Self {
            token: token?,
            first: FirstOrg {
                email: email?,
                name: name?,
                password: password?,
                org_name: org_name?,
                timezone: timezone?,
            },
        })
    }
}

pub(super) async fn handle(
    State(app): State<App>,
    visit: Visit,
    body: StrictJson<SetUp>,
) -> Result<Success, ApiError> {
    shielded(&app.clone(), async move {
        let guess = guess(&app, visit.place.ip)?;
        let SetUp { token, first } = body.value;
        let opened = app
            .people()
            .set_up(&token, first, visit.place, &visit.request_id)
            .await;
        if matches!(opened, Err(SetupError::Worthless)) {
            guess.failed();
        } else {
            guess.passed();
        }
        let opened = opened.map_err(|error| match error {
            SetupError::Over => ApiError::setup_over("This service is set up: sign in"),
            SetupError::Worthless => ApiError::setup_over(
                "This setup token was used, has expired, or was never given out: make another",
            ),
            SetupError::InUse => ApiError::state_conflict("Another request uses this setup token"),
            SetupError::People(error) => refusal(error, app.jitter()),
        })?;
        session::created(&app, opened, |created| created).await
    })
    .await
}
