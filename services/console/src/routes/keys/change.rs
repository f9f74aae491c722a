//! `/settings/api-keys/{id}/change`: its name, and what it may do.

use api::limits::{IP_ALLOWLIST_ENTRIES, NAME_CHARS};
use api::v1::{ApiKey, ApiKeyChanged, KeyStatus, Timestamp};
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};

use super::at;
use super::create::errors_of;
use super::expiry::{Expiry, KEPT, SPANS};
use super::fields::{KeyForm, body, edits, entered};
use crate::edit::{Edit, settle};
use crate::form::{Fields, SignedForm};
use crate::page::{Errors, Framed, Nav, Notice, Problem, Shell, refused, render, tell};
use crate::routes::id::Id;
use crate::text;
use crate::text::filters;
use crate::visit::{Signed, Visit, Who, see_other};

#[derive(Template)]
#[template(path = "keys/change.html")]
struct ChangePage {
    shell: Shell,
    errors: Errors,
    key: ApiKey,
    form: KeyForm,
}

impl ChangePage {
    fn new(
        visit: &Visit,
        who: Who,
        key: ApiKey,
        edits: Vec<Edit>,
        fields: &Fields,
        errors: Errors,
    ) -> Self {
        let held = who.session.scopes.iter().chain(key.scopes.iter()).collect();
        Self {
            form: KeyForm::of(edits, held, fields, visit.app.clock.now()),
            shell: Shell::signed(visit, who, Nav::Keys, format!("Change {}", key.name)),
            errors,
            key,
        }
    }

    /// When the key ends as it is.
    fn end(&self) -> String {
        let end = self.key.expires_at;
        let end = end.map(|at| text::moment(at.datetime(), self.shell.zone()));
        end.unwrap_or_else(|| "never".to_owned())
    }

    /// When its rotation ends it, whatever else is said.
    fn rotation_end(&self) -> Option<Timestamp> {
        let rotation = self.key.rotation.as_ref();
        let ends = rotation.filter(|_| self.key.status == KeyStatus::Rotating);
        ends.map(|rotation| rotation.ends_at)
    }
}

impl Framed for ChangePage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed, Id(id): Id) -> Result<Response, Problem> {
    let (who, key) = tokio::try_join!(visit.who(), visit.get::<ApiKey>(at(id)))?;
    let (edits, fields) = (edits(&key.data, who.zone), Fields::default());
    let page = ChangePage::new(&visit, who, key.data, edits, &fields, Errors::default());
    Ok(render(StatusCode::OK, &page))
}

pub(super) async fn change(Id(id): Id, form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let (who, key) = tokio::try_join!(visit.who(), visit.get::<ApiKey>(at(id)))?;
    let key = key.data;
    let expiry = Expiry::sent(&fields, KEPT, visit.app.clock.now());
    let sent = expiry.as_ref().unwrap_or(&Expiry::Kept);
    let edits = entered(edits(&key, who.zone), &fields, sent);
    let again = |errors| {
        ChangePage::new(
            &visit,
            who.clone(),
            key.clone(),
            edits.clone(),
            &fields,
            errors,
        )
    };
    // First what somebody else changed: the form that comes back shows what is, and would hide it.
    let changed = match settle(&edits) {
        Ok(changed) => changed,
        Err(errors) => return Ok(render(StatusCode::CONFLICT, &again(errors))),
    };
    let expiry = match expiry {
        Ok(expiry) => expiry,
        Err(errors) => return Ok(render(StatusCode::BAD_REQUEST, &again(errors))),
    };
    let mut body = body(&fields, &expiry);
    body.retain(|name, _| changed.contains(&name.as_str()));
    let place = format!("/settings/api-keys/{id}");
    if body.is_empty() {
        let text = format!("Nothing was changed of {}.", key.name);
        return Ok(told(visit, &Notice::of(text), &place));
    }
    let changed = visit.command::<ApiKeyChanged>(Method::PATCH, at(id), Some(&body), None);
    match changed.await {
        Ok(changed) => Ok(told(
            visit.clone().seen(&changed),
            &notice(&changed.data, body.contains_key("expires_at")),
            &place,
        )),
        Err(problem) => match problem.refusal() {
            Some(refusal) => {
                let errors = errors_of(refusal, who.session.scopes);
                Ok(refused(refusal, &again(errors)))
            }
            None => Err(problem),
        },
    }
}

fn told(mut visit: Visit, notice: &Notice, place: &str) -> Response {
    visit.jar = tell(visit.jar, notice);
    see_other(&visit, place)
}

fn notice(changed: &ApiKeyChanged, has_other_end: bool) -> Notice {
    let name = &changed.object.name;
    let ends = if has_other_end && changed.object.status == KeyStatus::Rotating {
        " It ends with its rotation all the same."
    } else {
        ""
    };
    match &changed.receipt {
        Some(receipt) => Notice::with(
            format!("{name} was changed. What it lost is refused everywhere.{ends}"),
            Some(receipt),
        ),
        None => Notice::of(format!("{name} was changed.{ends}")),
    }
}
