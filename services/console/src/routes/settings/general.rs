//! `/settings/general`: the org's name, and the zone in which its days begin.

use api::v1::Org;
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::json;

use crate::client::Path;
use crate::form::SignedForm;
use crate::page::{Errors, Framed, Nav, Notice, Problem, Shell, render, tell};
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
    name: String,
    timezone: String,
    zones: Vec<&'static str>,
}

impl GeneralPage {
    fn new(visit: &Visit, who: Who, filled: Option<(&str, &str)>, errors: Errors) -> Self {
        let org = who.org.clone();
        let (name, timezone) = filled.unwrap_or((org.name.as_str(), org.timezone.as_str()));
        Self {
            errors,
            local_time: text::moment(visit.app.clock.now(), who.zone),
            name: name.to_owned(),
            timezone: timezone.to_owned(),
            zones: text::zones(),
            shell: Shell::signed(visit, who, Nav::General, "General").with_notice(),
            org,
        }
    }

    /// An old name of a zone is no choice, but stays if it is what the org has.
    fn is_zone_a_choice(&self) -> bool {
        self.zones.contains(&self.timezone.as_str())
    }
}

impl Framed for GeneralPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed) -> Result<Response, Problem> {
    let who = visit.who().await?;
    let page = GeneralPage::new(&visit, who, None, Errors::default());
    Ok(render(StatusCode::OK, &page))
}

pub(super) async fn change(form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let (name, timezone) = (fields.text("name"), fields.text("timezone"));
    let body = json!({"name": name, "timezone": timezone});
    let path = Path::v1(&["orgs", "self"]);
    let changed = visit.command::<Org>(Method::PATCH, path, Some(&body), None);
    match changed.await {
        Ok(changed) => {
            let mut visit = visit.seen(&changed);
            let Org { name, timezone, .. } = &changed.data;
            let text = format!("Saved. {name} goes by the time of {timezone}.");
            visit.jar = tell(visit.jar, &Notice::of(text));
            Ok(see_other(&visit, "/settings/general"))
        }
        Err(problem) => {
            let Some(refusal) = problem.refusal() else {
                return Err(problem);
            };
            let who = visit.who().await?;
            let errors = Errors::of_refusal(refusal);
            let page = GeneralPage::new(&visit, who, Some((name, timezone)), errors);
            Ok(render(refusal.status, &page))
        }
    }
}
