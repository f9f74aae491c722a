//! `/setup`: the first admin and their org, with the token that a first start printed.

use api::limits::{EMAIL_CHARS, NAME_CHARS, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use api::v1::SessionCreated;
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{enter, named};
use crate::client::Path;
use crate::form::{Fields, Form};
use crate::page::{Errors, Framed, Nav, Next, Problem, Shell, refused, render};
use crate::text::zones;
use crate::visit::Visit;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(path = "sign_in/setup.html")]
struct SetupPage {
    shell: Shell,
    errors: Errors,
    token: String,
    email: String,
    name: String,
    org_name: String,
    timezone: String,
    zones: Vec<&'static str>,
    /// Whether somebody was here before, or the token is worth nothing.
    is_over: bool,
}

impl Framed for SetupPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

impl SetupPage {
    fn new(visit: &Visit, fields: &Fields, token: &str, errors: Errors) -> Self {
        let sent = |name| fields.text(name).to_owned();
        Self {
            shell: Shell::outside(visit, Nav::Outside, "Set up trackagoat"),
            errors,
            token: token.to_owned(),
            email: sent("email"),
            name: sent("name"),
            org_name: sent("org_name"),
            timezone: fields.some("timezone").unwrap_or("UTC").to_owned(),
            zones: zones(),
            is_over: false,
        }
    }
}

pub(super) async fn show(visit: Visit, Query(asked): Query<Asked>) -> Response {
    let visit = named(visit);
    let empty = Fields::default();
    let page = SetupPage::new(&visit, &empty, &asked.token, Errors::default());
    render(StatusCode::OK, &page)
}

pub(super) async fn set_up(form: Form) -> Result<Response, Problem> {
    let Form { visit, fields } = form;
    let body = json!({
        "setup_token": fields.text("setup_token"),
        "email": fields.text("email"),
        "password": fields.exact("password"),
        "name": fields.text("name"),
        "org_name": fields.text("org_name"),
        "timezone": fields.text("timezone"),
    });
    let path = Path::auth(&["setup"]);
    let answer = visit.command::<SessionCreated>(Method::POST, path, Some(&body), None);
    match answer.await {
        Ok(answer) => enter(visit.seen(&answer), answer.data, &Next::default()).await,
        Err(problem) => match problem.refusal() {
            Some(refusal) => {
                let errors = Errors::of_refusal(refusal);
                let token = fields.text("setup_token");
                let page = SetupPage {
                    is_over: refusal.code == "gone",
                    ..SetupPage::new(&visit, &fields, token, errors)
                };
                Ok(refused(refusal, &page))
            }
            None => Err(problem),
        },
    }
}
