//! `/auth`: signing in, which is no part of v1 (v1-contract.md 8.4). The same envelope, behind the
//! brake on guessing.

mod accept;
mod body;
mod oidc;
mod password;
mod session;
mod setup;
mod sign_in;

use std::net::IpAddr;

use ::gate::{Admission, Guess, Principal};
use api::error::{ApiError, Caller};
use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::ids::{SessionId, UserId};
use http::request::Parts;
use runtime::http::Notes;

use super::App;
use super::edge;
use super::gate;
use super::patience::within_time;
use crate::metrics;

const SETUP: &str = "/auth/setup";
const SESSIONS: &str = "/auth/sessions";
const ACCEPT: &str = "/auth/invitations/accept";
const PASSWORD: &str = "/auth/password";
const OIDC_START: &str = "/auth/oidc/start";
const OIDC_FINISH: &str = "/auth/oidc/finish";

pub(super) fn router(app: App) -> Router {
    Router::new()
        .route(SETUP, post(setup::handle))
        .route(SESSIONS, post(sign_in::handle))
        .route(ACCEPT, post(accept::handle))
        .route(PASSWORD, post(password::handle))
        .route(OIDC_START, post(oidc::start::handle))
        .route(OIDC_FINISH, post(oidc::finish::handle))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed("POST"))
        .layer(from_fn_with_state(app.clone(), check))
        .with_state(app)
}

/// What the gate's layer is to v1. Of these calls one alone needs a credential.
async fn check(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = app.clock().monotonic();
    let routes = [SETUP, SESSIONS, ACCEPT, PASSWORD, OIDC_START, OIDC_FINISH];
    let path = request.uri().path();
    let mut notes = Notes {
        route: routes.into_iter().find(|route| *route == path),
        ..Notes::default()
    };
    let admitted = if notes.route == Some(PASSWORD) {
        let peer = edge::peer(request.extensions());
        gate::admit_alone(&app, request.headers(), peer, &mut notes)
            .await
            .map(Some)
    } else if app.is_open().await {
        Ok(None)
    } else {
        Err(ApiError::verification_unavailable(app.jitter()).into_response())
    };
    let mut response = match admitted {
        Err(refused) => refused,
        Ok(admission) => {
            let rate = admission.as_ref().map(|admission| admission.rate);
            if let Some(admission) = admission {
                request.extensions_mut().insert(admission);
            }
            let request = request.map(|body| within_time(body, app.clock()));
            let mut response = next.run(request).await;
            if let Some(rate) = rate {
                gate::set_rate(response.headers_mut(), &rate);
            }
            response
        }
    };
    let took = app.clock().monotonic().saturating_since(began);
    metrics::count_request(notes.route, response.status(), took);
    response.extensions_mut().insert(notes);
    response
}

/// The session that calls, and its person.
#[derive(Debug)]
struct Signed {
    session_id: SessionId,
    user_id: UserId,
}

impl FromRequestParts<App> for Signed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let admission = parts.extensions.get::<Admission>();
        let admission = admission.ok_or_else(|| ApiError::internal("no gate before a session"))?;
        match admission.principal {
            Principal::Session { id, user, .. } => Ok(Self {
                session_id: id,
                user_id: user,
            }),
            Principal::Key { .. } => Err(ApiError::forbidden(Caller::Session)),
        }
    }
}

/// A password or a token is looked at, unless too many were wrong.
fn guess(app: &App, peer: IpAddr) -> Result<Guess<'_>, ApiError> {
    let guess = app.gate().guess(peer);
    guess.map_err(|_| ApiError::verification_unavailable(app.jitter()))
}
