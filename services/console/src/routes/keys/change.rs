//! `/settings/api-keys/{id}/change`: its name, and what it may do.

use api::v1::{ApiKey, ApiKeyChanged};
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};

use super::at;
use super::create::errors_of;
use super::fields::{EXPIRIES, KeyForm, body};
use crate::form::SignedForm;
use crate::page::{Errors, Framed, Nav, Notice, Problem, Shell, render, tell};
use crate::routes::id::Id;
use crate::text::filters;
use crate::visit::{Signed, see_other};

#[derive(Template)]
#[template(path = "keys/change.html")]
struct ChangePage {
    shell: Shell,
    errors: Errors,
    key: ApiKey,
    form: KeyForm,
}

impl Framed for ChangePage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed, Id(id): Id) -> Result<Response, Problem> {
    let (who, key) = tokio::try_join!(visit.who(), visit.get::<ApiKey>(at(id)))?;
    let form = KeyForm::of(&key.data, who.session.scopes, visit.app.clock.now());
    let page = ChangePage {
        shell: Shell::signed(&visit, who, Nav::Keys, format!("Change {}", key.data.name)),
        errors: Errors::default(),
        key: key.data,
        form,
    };
    Ok(render(StatusCode::OK, &page))
}

pub(super) async fn change(Id(id): Id, form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let body = body(&fields, visit.app.clock.now());
    let changed = visit.command::<ApiKeyChanged>(Method::PATCH, at(id), Some(&body), None);
    match changed.await {
        Ok(changed) => {
            let mut visit = visit.seen(&changed);
            let name = &changed.data.object.name;
            let notice = match &changed.data.receipt {
                Some(receipt) => Notice::with(
                    format!("{name} was changed. What it lost is refused everywhere."),
                    Some(receipt),
                ),
                None => Notice::of(format!("{name} was changed.")),
            };
            visit.jar = tell(visit.jar, &notice);
            Ok(see_other(&visit, &format!("/settings/api-keys/{id}")))
        }
        Err(problem) => {
            let Some(refusal) = problem.refusal() else {
                return Err(problem);
            };
            let (who, key) = tokio::try_join!(visit.who(), visit.get::<ApiKey>(at(id)))?;
            let page = ChangePage {
                errors: errors_of(refusal, who.session.scopes),
                form: KeyForm::sent(&fields, who.session.scopes),
                shell: Shell::signed(&visit, who, Nav::Keys, format!("Change {}", key.data.name)),
                key: key.data,
            };
            Ok(render(refusal.status, &page))
        }
    }
}
