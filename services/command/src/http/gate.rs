//! Steps 1 to 5 of the order of checks (v1-contract.md 4), before any endpoint: authenticate,
//! window, day, route and method, scope. So a stranger gets 401 on every path.

use std::net::IpAddr;
use std::sync::Arc;

use api::error::{ApiError, ErrorCode, Jitter, Presented};
use api::header::TGA_KEY_EXPIRES_AT;
use api::rate;
use api::route::{self, Found, ROUTES, Route, Service, Verb};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gate::{Admission, Denial, Policy, Principal, Purpose, Rate, Standing};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use runtime::http::Notes;

use super::App;
use super::edge;
use super::patience::within_time;
use crate::metrics;

/// A layer around all routes.
pub(super) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = app.clock().monotonic();
    let (mut response, notes) = pass(&app, request, next).await;
    let took = app.clock().monotonic().saturating_since(began);
    metrics::count_request(notes.route, response.status(), took);
    response.extensions_mut().insert(notes);
    response
}

async fn pass(app: &App, mut request: Request, next: Next) -> (Response, Notes) {
    let mut notes = Notes::default();
    let peer = edge::peer(request.extensions());
    if !app.is_open().await {
        return (deny(Denial::VerificationUnavailable, app.jitter()), notes);
    }
    let admission = match app.gate().authorize(request.headers(), peer).await {
        Ok(admission) => admission,
        Err(denial) => return (deny(denial, app.jitter()), notes),
    };
    note(&mut notes, &admission);
    let credential = request.headers().get(AUTHORIZATION).cloned();
    let mut response = match admit(&request, &admission) {
        Ok(route) => {
            notes.route = Some(route.path);
            let purpose = Purpose {
                method: route.verb.name(),
                route: route.path,
                scope: route.scope(),
            };
            app.gate().count(&admission, purpose);
            request.extensions_mut().insert(admission.clone());
            let request = request.map(|body| within_time(body, app.clock()));
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    };
    if tells_of_a_denial(&response) {
        let headers = credential
            .map(|value| (AUTHORIZATION, value))
            .into_iter()
            .collect();
        if let Err(denial) = app.gate().ask_again(&headers, peer).await {
            return (deny(denial, app.jitter()), notes);
        }
    }
    let headers = response.headers_mut();
    set_rate(headers, &admission.rate);
    let ends = admission.key_expires_at.map(|end| end.to_string());
    if let Some(Ok(ends)) = ends.map(HeaderValue::try_from) {
        headers.insert(TGA_KEY_EXPIRES_AT, ends);
    }
    (response, notes)
}

/// Steps 1 to 3 for a call that stands in no table of routes.
pub(super) async fn admit_alone(
    app: &App,
    headers: &HeaderMap,
    peer: IpAddr,
    notes: &mut Notes,
) -> Result<Admission, Response> {
    if !app.is_open().await {
        return Err(deny(Denial::VerificationUnavailable, app.jitter()));
    }
    let admission = app.gate().authorize(headers, peer).await;
    let admission = admission.map_err(|denial| deny(denial, app.jitter()))?;
    note(notes, &admission);
    Ok(admission)
}

/// Whose request it is, for the log of requests.
fn note(notes: &mut Notes, admission: &Admission) {
    notes.tenant = Some(admission.principal.org().as_uuid());
    notes.credential = Some(match admission.principal {
        Principal::Key { id, .. } => id.as_uuid(),
        Principal::Session { id, .. } => id.as_uuid(),
    });
}

/// Whether an answer to a caller who was admitted says that they may not, or may no longer: the log
/// is newer than what admitted them.
fn tells_of_a_denial(response: &Response) -> bool {
    let error = response.extensions().get::<Arc<ApiError>>();
    error.is_some_and(|error| {
        matches!(
            error.code(),
            ErrorCode::InvalidApiKey
                | ErrorCode::InsufficientScope
                | ErrorCode::OrgSuspended
                | ErrorCode::UserSuspended
        )
    })
}

/// Steps 4 and 5.
fn admit(request: &Request, admission: &Admission) -> Result<&'static Route, ApiError> {
    let is_session = matches!(admission.principal, Principal::Session { .. });
    let found = route::find(request.method(), request.uri().path());
    let found = match found {
        Found::Route(route) if route.service() == Service::Query => not_here(route),
        found => found,
    };
    found.admit(admission.principal.scopes(), is_session)
}

/// A query that came to the command service, where nobody divides methods between the two.
fn not_here(query: &Route) -> Found {
    let has = |verb| {
        ROUTES
            .iter()
            .any(|route| route.path == query.path && route.verb == verb)
    };
    match (has(Verb::Post), has(Verb::Patch), has(Verb::Delete)) {
        (false, false, false) => Found::Nothing { required: None },
        (true, false, false) => Found::MethodNotAllowed("POST"),
        (false, true, false) => Found::MethodNotAllowed("PATCH"),
        (false, false, true) => Found::MethodNotAllowed("DELETE"),
        (true, true, false) => Found::MethodNotAllowed("POST, PATCH"),
        (true, false, true) => Found::MethodNotAllowed("POST, DELETE"),
        (false, true, true) => Found::MethodNotAllowed("PATCH, DELETE"),
        (true, true, true) => Found::MethodNotAllowed("POST, PATCH, DELETE"),
    }
}

fn deny(denial: Denial, jitter: Jitter) -> Response {
    let refusal = match denial {
        Denial::TwoCredentials => ApiError::two_authorizations(),
        Denial::Missing => ApiError::invalid_api_key(Presented::Nothing),
        Denial::Invalid => ApiError::invalid_api_key(Presented::BearerToken),
        Denial::AddressNotAllowed => ApiError::ip_not_allowed(),
        Denial::OrgSuspended => ApiError::org_suspended(),
        Denial::UserSuspended => ApiError::user_suspended(),
        Denial::RevocationInProgress => ApiError::key_revocation_in_progress(),
        Denial::VerificationUnavailable => ApiError::verification_unavailable(jitter),
        Denial::RateLimited(limited) => {
            let refusal = ApiError::rate_limited(rate::Refusal {
                policy: policy(limited.policy),
                limit: limited.limit,
                retry_after_seconds: u64::from(limited.retry_after_seconds),
            });
            let mut response = refusal.into_response();
            set_rate(response.headers_mut(), &limited.rate);
            return response;
        }
    };
    refusal.into_response()
}

pub(super) fn set_rate(headers: &mut HeaderMap, rate: &Rate) {
    let standings: Vec<_> = rate.standings().map(standing).collect();
    rate::set_headers(headers, &standings);
}

fn standing(standing: Standing) -> rate::Standing {
    rate::Standing {
        policy: policy(standing.policy),
        quota: standing.limit,
        remaining: standing.remaining,
        reset_seconds: standing.reset_seconds,
    }
}

const fn policy(policy: Policy) -> rate::Policy {
    match policy {
        Policy::KeyMinute => rate::Policy::KeyMinute,
        Policy::SessionMinute => rate::Policy::SessionMinute,
        Policy::OrgDay => rate::Policy::OrgDay,
    }
}
