//! `/settings/general`: the org's name, and the zone in which its days begin.

use std::collections::HashMap;

use api::limits::NAME_CHARS;
use api::v1::Org;
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};

use crate::client::Path;
use crate::edit::{Edit, settle};
use crate::form::SignedForm;
use crate::page::{Errors, Framed, Nav, Notice, Problem, Shell, refused, render, tell};
use crate::text::{self, filters};
use crate::visit::{Signed, Visit, Who, see_other};

#[derive(Template)]
#[template(path = "settings/general.html")]
struct GeneralPage {
    shell: Shell,
    errors: Errors,
    org: Org,
    /// What time it is there.
    local_time: String,
    name: Edit,
    timezone: Edit,
    zones: Vec<&'static str>,
}

impl GeneralPage {
    fn new(visit: &Visit, who: Who, [name, timezone]: [Edit; 2], errors: Errors) -> Self {
        Self {
            errors,
            local_time: text::moment(visit.app.clock.now(), who.zone),
            name,
            timezone,
            zones: text::zones(),
            org: who.org.clone(),
            shell: Shell::signed(visit, who, Nav::General, "General"),
        }
    }

    fn zone_help(&self) -> String {
        format!(
            "Days begin at midnight there, and times are shown as there: it is {} now. Figures by day \
             change with it, past ones too.",
            self.local_time
        )
    }

    /// An old name of a zone is no choice, but stays if it is what the org has.
    fn is_zone_a_choice(&self) -> bool {
        self.zones.contains(&self.timezone.holds())
    }
}

impl Framed for GeneralPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed) -> Result<Response, Problem> {
    let who = visit.who().await?;
    let edits = edits(&who.org);
    let page = GeneralPage::new(&visit, who, edits, Errors::default());
    Ok(render(StatusCode::OK, &page))
}

pub(super) async fn change(form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { mut visit, fields } = form;
    let who = visit.who().await?;
    let entered = |edit: Edit| {
        let text = fields.text(edit.name).to_owned();
        edit.sent(&fields, Some(text))
    };
    let edits = edits(&who.org).map(entered);
    let changed = match settle(&edits) {
        Ok(changed) => changed,
        Err(errors) => {
            let page = GeneralPage::new(&visit, who, edits, errors);
            return Ok(render(StatusCode::CONFLICT, &page));
        }
    };
    let text = if changed.is_empty() {
        "Nothing was changed.".to_owned()
    } else {
        let body = changed.into_iter().map(|name| (name, fields.text(name)));
        let body: HashMap<_, _> = body.collect();
        let path = Path::v1(&["orgs", "self"]);
        let changed = visit.command::<Org>(Method::PATCH, path, Some(&body), None);
        match changed.await {
            Ok(changed) => {
                visit = visit.seen(&changed);
                let Org { name, timezone, .. } = changed.data;
                format!("Saved. {name} goes by the time of {timezone}.")
            }
            Err(problem) => return again(&visit, who, edits, problem),
        }
    };
    visit.jar = tell(visit.jar, &Notice::of(text));
    Ok(see_other(&visit, "/settings/general"))
}

fn again(visit: &Visit, who: Who, edits: [Edit; 2], problem: Problem) -> Result<Response, Problem> {
    let Some(refusal) = problem.refusal() else {
        return Err(problem);
    };
    let page = GeneralPage::new(visit, who, edits, Errors::of_refusal(refusal));
    Ok(refused(refusal, &page))
}

fn edits(org: &Org) -> [Edit; 2] {
    [
        Edit::opened("name", org.name.clone()),
        Edit::opened("timezone", org.timezone.clone()),
    ]
}
