//! `/settings/account`: who one is, and one's password.

use api::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use api::v1::PasswordChanged;
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::json;

use crate::client::{Path, Refusal};
use crate::form::SignedForm;
use crate::page::{Errors, Framed, Nav, Notice, Problem, Shell, refused, render, tell};
use crate::visit::{Signed, Visit, Who, see_other};

#[derive(Template)]
#[template(path = "settings/account.html")]
struct AccountPage {
    shell: Shell,
    errors: Errors,
    name: Option<String>,
    email: Option<String>,
    org: String,
    role: &'static str,
}

impl AccountPage {
    fn new(visit: &Visit, who: Who, errors: Errors) -> Self {
        Self {
            errors,
            name: who.session.user.name.clone(),
            email: who.session.user.email.clone(),
            org: who.org.name.clone(),
            role: who.session.object.role.name(),
            shell: Shell::signed(visit, who, Nav::Account, "Account"),
        }
    }
}

impl Framed for AccountPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed) -> Result<Response, Problem> {
    let who = visit.who().await?;
    let page = AccountPage::new(&visit, who, Errors::default());
    Ok(render(StatusCode::OK, &page))
}

pub(super) async fn change_password(form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let who = visit.who().await?;
    let body = json!({"current": fields.exact("current"), "new": fields.exact("new")});
    let path = Path::auth(&["password"]);
    let changed = visit.command::<PasswordChanged>(Method::POST, path, Some(&body), None);
    match changed.await {
        Ok(changed) => {
            let mut visit = visit.seen(&changed);
            let receipt = changed.data.receipt;
            let text = match &receipt {
                Some(_) => {
                    "Your password is changed. All your other sessions are refused everywhere."
                }
                None => "Your password is changed. You had no other session.",
            };
            visit.jar = tell(visit.jar, &Notice::with(text, receipt.as_ref()));
            Ok(see_other(&visit, "/settings/account"))
        }
        Err(problem) => {
            let Some(refusal) = problem.refusal() else {
                return Err(problem);
            };
            let page = AccountPage::new(&visit, who, errors_of(refusal));
            Ok(refused(refusal, &page))
        }
    }
}

fn errors_of(refusal: &Refusal) -> Errors {
    match refusal.code.as_str() {
        "invalid_credentials" => Errors::of_field("current", "This is not your current password."),
        _ => Errors::of_refusal(refusal),
    }
}
