//! `/login`: a password opens a session.

use api::limits::{EMAIL_CHARS, PASSWORD_CHARS_MAX};
use api::v1::SignedIn;
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{enter, named};
use crate::client::{Path, Refusal};
use crate::form::{Fields, Form};
use crate::page::{Errors, Framed, Nav, Next, Problem, Shell, refused, render};
use crate::visit::Visit;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    email: String,
}

#[derive(Template)]
#[template(path = "sign_in/login.html")]
pub(super) struct LoginPage {
    shell: Shell,
    errors: Errors,
    email: String,
    next: Next,
    /// What people know the provider as that they may sign in with, if there is one.
    provider: Option<String>,
    /// Where that begins.
    provider_place: String,
}

impl Framed for LoginPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

impl LoginPage {
    pub(super) fn new(visit: &Visit, email: &str, next: Next, errors: Errors) -> Self {
        Self {
            shell: Shell::outside(visit, Nav::Outside, "Sign in"),
            errors,
            email: email.to_owned(),
            provider: visit.app.oidc_name.clone(),
            provider_place: next.after("/login/oidc"),
            next,
        }
    }
}

pub(super) async fn show(
    visit: Visit,
    Query(asked): Query<Asked>,
    Query(next): Query<Next>,
) -> Response {
    let visit = named(visit);
    let mut page = LoginPage::new(&visit, &asked.email, next, Errors::default());
    // Whoever was signed out is told what that came to.
    page.shell = page.shell.with_notice();
    render(StatusCode::OK, &page)
}

pub(super) async fn sign_in(form: Form) -> Result<Response, Problem> {
    let Form { visit, fields } = form;
    let body = json!({"email": fields.text("email"), "password": fields.exact("password")});
    let path = Path::auth(&["sessions"]);
    let answer = visit.command::<SignedIn>(Method::POST, path, Some(&body), None);
    match answer.await {
        Ok(answer) => {
            let next = Next::sent(&fields);
            enter(visit.seen(&answer), answer.data.session, &next).await
        }
        Err(problem) => match problem.refusal() {
            Some(refusal) => Ok(again(&visit, &fields, refusal)),
            None => Err(problem),
        },
    }
}

fn again(visit: &Visit, fields: &Fields, refusal: &Refusal) -> Response {
    let errors = match refusal.code.as_str() {
        // What may be an address, and what a password, is nobody's business here.
        "invalid_credentials" | "invalid_body" => {
            Errors::of_form("The address or the password is wrong.")
        }
        // Somebody guesses, maybe somebody else from there.
        "verification_unavailable" => Errors::of_form(
            "Your password was not looked at just now, as happens after many wrong ones from your address. Wait some seconds, then try again.",
        ),
        "no_membership" => Errors::of_form(
            "You belong to no organization any more. Ask an admin to invite you again.",
        ),
        _ => Errors::of_refusal(refusal),
    };
    let page = LoginPage::new(visit, fields.text("email"), Next::sent(fields), errors);
    refused(refusal, &page)
}
