//! `/settings/api-keys/new`: a key is made, and shown this once.

use api::limits::{IP_ALLOWLIST_ENTRIES, KEY_RATE_DEFAULT, NAME_CHARS};
use api::v1::{ApiKeyCreated, LimitsAnswer, Scopes};
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde::de::IgnoredAny;

use super::expiry::{Expiry, OF_NEW, SPANS};
use super::fields::{KeyForm, body};
use super::secret;
use crate::client::{Path, Refusal};
use crate::form::{ONCE_FIELD, SignedForm};
use crate::page::{Errors, Framed, Nav, Notice, Problem, Shell, refused, render, tell};
use crate::visit::{Signed, Visit, Who, see_other};

/// Names that people give.
const SUGGESTIONS: [&str; 6] = [
    "Reporting",
    "Dashboard",
    "Nightly import",
    "AI agent",
    "Data warehouse",
    "Trying things out",
];

#[derive(Template)]
#[template(path = "keys/new.html")]
struct NewPage {
    shell: Shell,
    errors: Errors,
    form: KeyForm,
    once: String,
    most_rate: Option<u64>,
    keys: Option<(u64, u64)>,
}

impl NewPage {
    fn rate_help(&self) -> String {
        let default = self
            .most_rate
            .map_or(KEY_RATE_DEFAULT, |most| most.min(KEY_RATE_DEFAULT));
        match self.most_rate {
            Some(most) => format!("Empty: {default}. Your plan allows at most {most}."),
            None => format!("Empty: {default}."),
        }
    }
}

impl Framed for NewPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed) -> Result<Response, Problem> {
    // Who may not make one is told so before anything is filled in.
    let may = visit.get::<Vec<IgnoredAny>>(Path::v1(&["api-keys"]).with("limit", 1));
    let ((who, limits), _) = tokio::try_join!(visit.who_and_limits(), may)?;
    let form = KeyForm::new(who.session.scopes, visit.app.clock.now());
    let once = visit.app.entropy.uuid_v4().to_string();
    let page = page(&visit, who, &limits, form, once, Errors::default());
    Ok(render(StatusCode::OK, &page))
}

pub(super) async fn create(form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let once = fields.text(ONCE_FIELD).to_owned();
    let expiry = Expiry::sent(&fields, OF_NEW, visit.app.clock.now());
    // Before the key is made: what fails after that would keep its secret from everybody.
    let (who, limits) = visit.who_and_limits().await?;
    let expiry = match expiry {
        Ok(expiry) => expiry,
        Err(errors) => {
            let form = KeyForm::sent(&fields, who.session.scopes);
            let page = page(&visit, who, &limits, form, once, errors);
            return Ok(render(StatusCode::BAD_REQUEST, &page));
        }
    };
    let (path, body) = (Path::v1(&["api-keys"]), body(&fields, &expiry));
    let made = visit.command::<ApiKeyCreated>(Method::POST, path, Some(&body), Some(&once));
    let made = match made.await {
        Ok(made) => made,
        Err(problem) => {
            let Some(refusal) = problem.refusal() else {
                return Err(problem);
            };
            let form = KeyForm::sent(&fields, who.session.scopes);
            let errors = errors_of(refusal, who.session.scopes);
            let page = page(&visit, who, &limits, form, once, errors);
            return Ok(refused(refusal, &page));
        }
    };
    let mut visit = visit.seen(&made);
    let Some(secret) = &made.data.key else {
        // The same form again: the key is there, and what it is was shown.
        let text =
            "This form made its key already. If you did not see it then, or lost it, rotate it.";
        visit.jar = tell(visit.jar, &Notice::of(text));
        return Ok(see_other(&visit, &place(&made.data)));
    };
    let shell = Shell::signed(&visit, who, Nav::Keys, "Your new API key");
    Ok(secret::show(&visit, shell, &made.data.object, secret, None))
}

fn place(made: &ApiKeyCreated) -> String {
    format!("/settings/api-keys/{}", made.object.id)
}

fn page(
    visit: &Visit,
    who: Who,
    limits: &LimitsAnswer,
    form: KeyForm,
    once: String,
    errors: Errors,
) -> NewPage {
    let of = |name: &str| limits.limits.iter().find(|limit| limit.key.name() == name);
    let keys = of("max_api_keys_per_org").and_then(|limit| Some((limit.current?, limit.max?)));
    NewPage {
        shell: Shell::signed(visit, who, Nav::Keys, "New API key"),
        errors,
        form,
        once,
        most_rate: of("max_requests_per_minute_per_key").and_then(|limit| limit.max),
        keys,
    }
}

/// What was refused, by field where it is about one.
pub(super) fn errors_of(refusal: &Refusal, held: Scopes) -> Errors {
    let max = refusal.meta.get("max").and_then(serde_json::Value::as_u64);
    let limit = refusal
        .meta
        .get("limitKey")
        .and_then(serde_json::Value::as_str);
    match (refusal.code.as_str(), limit, max) {
        ("limit_reached", Some("max_requests_per_minute_per_key"), Some(max)) => Errors::of_field(
            "rate_limit_per_minute",
            format!("Your plan allows at most {max} requests per minute for a key."),
        ),
        ("limit_reached", Some("max_api_keys_per_org"), Some(max)) => Errors::of_form(format!(
            "Your plan allows {max} live keys, and there are as many. Revoke one that is not needed. Nothing was made."
        )),
        ("idempotency_in_progress", ..) => Errors::sent_twice(
            "/settings/api-keys",
            "API keys",
            "If the new key is there and you were not shown it, rotate it.",
        ),
        ("idempotency_mismatch", ..) => Errors::of_form(
            "This form was sent before, with other values, and made its key then. Open a new form for another key.",
        ),
        ("insufficient_scope", ..) => {
            let held: Vec<_> = held.iter().map(api::v1::Scope::name).collect();
            Errors::of_field(
                "scopes",
                format!("You can only grant what you hold: {}.", held.join(", ")),
            )
        }
        _ => Errors::of_refusal(refusal),
    }
}
