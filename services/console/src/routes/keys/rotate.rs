//! `/settings/api-keys/{id}/rotate`: another secret, and for how long the old one still works.

use api::limits::{ROTATION_OVERLAP_DEFAULT_SECONDS, ROTATION_OVERLAP_MAX_SECONDS};
use api::v1::{ApiKey, ApiKeyRotated};
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::json;

use super::create::errors_of;
use super::show::is_live;
use super::{at, secret};
use crate::form::{ONCE_FIELD, SignedForm};
use crate::page::{Errors, Framed, Nav, Notice, Problem, Shell, refused, render, tell};
use crate::routes::id::Id;
use crate::text;
use crate::visit::{Signed, Visit, Who, see_other};

/// Seconds of overlap unless something else is chosen.
const DEFAULT_OVERLAP: u64 = ROTATION_OVERLAP_DEFAULT_SECONDS.unsigned_abs();
/// Overlaps to choose from: seconds, and how they read.
const OVERLAPS: [(u64, &str); 5] = [
    (0, "None: the old key ends at once"),
    (3_600, "1 hour"),
    (DEFAULT_OVERLAP, "1 day"),
    (604_800, "7 days"),
    (ROTATION_OVERLAP_MAX_SECONDS.unsigned_abs(), "30 days"),
];

#[derive(Template)]
#[template(path = "keys/rotate.html")]
struct RotatePage {
    shell: Shell,
    errors: Errors,
    key: ApiKey,
    once: String,
    chosen: u64,
}

impl Framed for RotatePage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed, Id(id): Id) -> Result<Response, Problem> {
    let (who, key) = tokio::try_join!(visit.who(), visit.get::<ApiKey>(at(id)))?;
    if !is_live(&key.data) {
        return Ok(over(visit, &key.data));
    }
    let once = visit.app.entropy.uuid_v4().to_string();
    let page = page(
        &visit,
        who,
        key.data,
        once,
        DEFAULT_OVERLAP,
        Errors::default(),
    );
    Ok(render(StatusCode::OK, &page))
}

/// To the key, of which there is nothing left to rotate.
fn over(mut visit: Visit, key: &ApiKey) -> Response {
    let text = format!(
        "{} is {} and cannot be rotated: make another key.",
        key.name,
        key.status.name()
    );
    visit.jar = tell(visit.jar, &Notice::of(text));
    see_other(&visit, &format!("/settings/api-keys/{}", key.id))
}

pub(super) async fn rotate(Id(id): Id, form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let once = fields.text(ONCE_FIELD).to_owned();
    let overlap = fields.text("overlap_seconds");
    // What is no number is for the API to refuse.
    let body = match overlap.parse::<u64>() {
        Ok(seconds) => json!({"overlap_seconds": seconds}),
        Err(_) => json!({"overlap_seconds": overlap}),
    };
    // Before the new key is made: what fails after that would keep its secret from everybody.
    let (who, key) = tokio::try_join!(visit.who(), visit.get::<ApiKey>(at(id)))?;
    let path = at(id).join("rotate");
    let rotated = visit.command::<ApiKeyRotated>(Method::POST, path, Some(&body), Some(&once));
    let rotated = match rotated.await {
        Ok(rotated) => rotated,
        Err(problem) => {
            let Some(refusal) = problem.refusal() else {
                return Err(problem);
            };
            let errors = errors_of(refusal, who.session.scopes);
            let chosen = overlap.parse().unwrap_or(DEFAULT_OVERLAP);
            let page = page(&visit, who, key.data, once, chosen, errors);
            return Ok(refused(refusal, &page));
        }
    };
    let mut visit = visit.seen(&rotated);
    let ApiKeyRotated { new, old, receipt } = rotated.data;
    let Some(shown) = &new.key else {
        let text = "This form rotated the key already. If you did not see the new one then, or lost it, rotate again.";
        visit.jar = tell(visit.jar, &Notice::of(text));
        return Ok(see_other(
            &visit,
            &format!("/settings/api-keys/{}", new.object.id),
        ));
    };
    let of_old = match (&receipt, old.expires_at) {
        (None, Some(end)) => format!(
            "The old key {} works until {}.",
            old.prefix,
            text::moment(end.datetime(), who.zone)
        ),
        _ => format!("The old key {} is refused everywhere.", old.prefix),
    };
    let mut shell = Shell::signed(&visit, who, Nav::Keys, "Your new API key");
    shell.notice = receipt.map(|receipt| Notice::with(of_old.clone(), Some(&receipt)));
    Ok(secret::show(
        &visit,
        shell,
        &new.object,
        shown,
        Some(of_old),
    ))
}

fn page(
    visit: &Visit,
    who: Who,
    key: ApiKey,
    once: String,
    chosen: u64,
    errors: Errors,
) -> RotatePage {
    RotatePage {
        shell: Shell::signed(visit, who, Nav::Keys, format!("Rotate {}", key.name)),
        errors,
        key,
        once,
        chosen,
    }
}
