//! `/login/oidc`: signing in with a provider. The way there is a link, since what the page says of
//! forms (`form-action 'self'`) would hold up one that leads elsewhere; what keeps others from beginning
//! or ending a sign-in in this browser is the flow, which it alone keeps.

use api::v1::{SignInStarted, SignedIn};
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::login::LoginPage;
use super::{enter, named};
use crate::client::{Path, Refusal};
use crate::cookies;
use crate::page::{Errors, Next, Problem, render};
use crate::visit::{Visit, see_other};

/// What the provider sends people back with.
#[derive(Default, Deserialize)]
pub(super) struct Returned {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    error: String,
}

/// A page with a longer address is not come back to: browsers keep cookies of 4 KiB.
const NEXT_BYTES: usize = 500;

/// What the browser keeps meanwhile.
#[derive(Serialize, Deserialize)]
struct Kept {
    flow: String,
    #[serde(flatten)]
    next: Next,
}

pub(super) async fn begin(visit: Visit, Query(next): Query<Next>) -> Result<Response, Problem> {
    let mut visit = named(visit);
    let name = provider(&visit)?;
    let is_kept = next.place().is_none_or(|place| place.len() <= NEXT_BYTES);
    let next = if is_kept {
        next
    } else {
        Next::new("", next.is_unsent())
    };
    let path = Path::auth(&["oidc", "start"]);
    let started = visit.command::<SignInStarted>(Method::POST, path, None::<&()>, None);
    let started = match started.await {
        Ok(started) => started.data,
        Err(problem) => return Ok(failed(&visit, &name, next, problem)),
    };
    let Ok(target) = started.authorization_url.parse::<Url>() else {
        let status = StatusCode::BAD_GATEWAY;
        return Ok(again(&visit, status, next, cannot_be_asked(&name)));
    };
    let kept = Kept {
        flow: started.flow,
        next,
    };
    let kept = serde_json::to_string(&kept).unwrap_or_default();
    visit.jar = cookies::begin_flow(visit.jar, kept);
    Ok(see_other(&visit, target.as_str()))
}

pub(super) async fn finish(
    visit: Visit,
    returned: Result<Query<Returned>, QueryRejection>,
) -> Result<Response, Problem> {
    let mut visit = named(visit);
    let name = provider(&visit)?;
    let kept = cookies::flow(&visit.jar);
    let kept: Option<Kept> = kept.and_then(|kept| serde_json::from_str(&kept).ok());
    visit.jar = cookies::end_flow(visit.jar);
    let returned = returned.map(|Query(returned)| returned).unwrap_or_default();
    let Some(kept) = kept else {
        let errors = Errors::of_form(
            "This sign-in was used, took longer than 10 minutes, or was begun by another address or in \
             another browser. Try again. If that does not help, see whether the address begins with \
             https:// and cookies are allowed.",
        );
        return Ok(again(
            &visit,
            StatusCode::BAD_REQUEST,
            Next::default(),
            errors,
        ));
    };
    let next = kept.next;
    if !returned.error.is_empty() || returned.code.is_empty() {
        let errors = Errors::of_form(match returned.error.as_str() {
            "access_denied" => {
                format!("{name} was not allowed to say who you are. You are not signed in.")
            }
            _ => format!("{name} did not sign you in. Try again, or sign in with your password."),
        });
        return Ok(again(&visit, StatusCode::UNAUTHORIZED, next, errors));
    }
    let body = json!({"code": returned.code, "state": returned.state, "flow": kept.flow});
    let path = Path::auth(&["oidc", "finish"]);
    let signed = visit.command::<SignedIn>(Method::POST, path, Some(&body), None);
    match signed.await {
        Ok(signed) => enter(visit.seen(&signed), signed.data.session, &next).await,
        Err(problem) => Ok(failed(&visit, &name, next, problem)),
    }
}

fn provider(visit: &Visit) -> Result<String, Problem> {
    let name = visit.app.oidc_name.clone();
    name.ok_or_else(|| Problem::not_found(visit))
}

/// The page to sign in on, and why it did not work with the provider.
fn failed(visit: &Visit, name: &str, next: Next, problem: Problem) -> Response {
    use axum::response::IntoResponse;

    let Some(refusal) = problem.told() else {
        return problem.into_response();
    };
    again(visit, refusal.status, next, errors(name, refusal))
}

fn again(visit: &Visit, status: StatusCode, next: Next, errors: Errors) -> Response {
    render(status, &LoginPage::new(visit, "", next, errors))
}

fn errors(name: &str, refusal: &Refusal) -> Errors {
    match refusal.code.as_str() {
        "invalid_credentials" | "invalid_body" => Errors::of_form(
            "This sign-in was used already, took too long, or was not begun here. Try again.",
        ),
        "no_membership" => Errors::of_form(format!(
            "Nobody here has an address that {name} has verified for you. Ask an admin to invite you, or \
             sign in with your password.",
        )),
        "not_found" | "verification_unavailable" => cannot_be_asked(name),
        _ => Errors::of_refusal(refusal),
    }
}

fn cannot_be_asked(name: &str) -> Errors {
    Errors::of_form(format!(
        "Signing in with {name} does not work just now. Try again in a moment, or sign in with your \
         password.",
    ))
}
