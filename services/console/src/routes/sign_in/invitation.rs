//! `/invitations/accept`: where an invitation's link leads. Who has no account makes one and joins; who
//! has one may use its password, or signs in and accepts among their organizations.

use api::limits::{NAME_CHARS, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use api::v1::SessionCreated;
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{enter, named};
use crate::client::Path;
use crate::form::Form;
use crate::page::{Errors, Framed, Nav, Next, Problem, Shell, refused, render};
use crate::visit::Visit;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(path = "sign_in/invitation.html")]
struct InvitationPage {
    shell: Shell,
    errors: Errors,
    token: String,
    name: String,
    is_signed_in: bool,
    /// Whether the invited person has an account, with which they accept.
    has_account: bool,
}

impl Framed for InvitationPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

impl InvitationPage {
    fn new(visit: &Visit, token: &str, name: &str, errors: Errors) -> Self {
        Self {
            shell: Shell::outside(visit, Nav::Outside, "You are invited"),
            errors,
            token: token.to_owned(),
            name: name.to_owned(),
            is_signed_in: visit.credential().is_some(),
            has_account: false,
        }
    }
}

pub(super) async fn show(visit: Visit, Query(asked): Query<Asked>) -> Response {
    let visit = named(visit);
    let errors = match asked.token.as_str() {
        "" => Errors::of_form("This link is not complete. Open it as it was sent to you."),
        _ => Errors::default(),
    };
    let page = InvitationPage::new(&visit, &asked.token, "", errors);
    render(StatusCode::OK, &page)
}

pub(super) async fn accept(form: Form) -> Result<Response, Problem> {
    let Form { visit, fields } = form;
    let body = json!({
        "token": fields.text("token"),
        "name": fields.text("name"),
        "password": fields.exact("password"),
    });
    let path = Path::auth(&["invitations", "accept"]);
    let answer = visit.command::<SessionCreated>(Method::POST, path, Some(&body), None);
    match answer.await {
        Ok(answer) => enter(visit.seen(&answer), answer.data, &Next::default()).await,
        Err(problem) => match problem.refusal() {
            Some(refusal) => {
                let errors = match refusal.code.as_str() {
                    "not_found" => Errors::of_form(
                        "This invitation was used, was taken back, or has expired. Ask for another.",
                    ),
                    "state_conflict" => Errors::of_form(
                        "You have an account here already. Sign in with it, and accept the invitation there.",
                    ),
                    "invalid_credentials" => Errors::of_form(
                        "You have an account already: the password is not the one of that account.",
                    ),
                    _ if refusal.issues().iter().any(|issue| issue.path == "token") => {
                        Errors::of_form("This link is not complete. Open it as it was sent to you.")
                    }
                    _ => Errors::of_refusal(refusal),
                };
                let (token, name) = (fields.text("token"), fields.text("name"));
                let page = InvitationPage {
                    has_account: refusal.code == "state_conflict",
                    ..InvitationPage::new(&visit, token, name, errors)
                };
                Ok(refused(refusal, &page))
            }
            None => Err(problem),
        },
    }
}
