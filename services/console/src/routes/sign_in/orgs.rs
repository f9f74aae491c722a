//! `/orgs`: the organizations of a person, and what they are invited to.

use api::limits::PAGE_MAX;
use api::v1::{InvitationAccepted, InvitationReceived, OrgOfPerson, SessionCreated};
use askama::Template;
use axum::response::Response;
use http::Method;
use serde_json::{Value, json};

use super::enter;
use crate::client::Path;
use crate::form::SignedForm;
use crate::page::{Framed, Nav, Next, Notice, Problem, Shell, ok, tell};
use crate::text::filters;
use crate::visit::{Signed, see_other};

#[derive(Template)]
#[template(path = "sign_in/orgs.html")]
struct OrgsPage {
    shell: Shell,
    orgs: Vec<OrgOfPerson>,
    current: String,
    invitations: Vec<InvitationReceived>,
}

impl Framed for OrgsPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed) -> Result<Response, Problem> {
    let orgs = visit.get::<Vec<OrgOfPerson>>(Path::v1(&["orgs"]).with("limit", ORGS));
    let received = Path::v1(&["invitations", "received"]);
    let received = visit.get::<Vec<InvitationReceived>>(received);
    let (who, orgs, received) = tokio::try_join!(visit.who(), orgs, received)?;
    let current = who.org.id.to_string();
    let shell = Shell::signed(&visit, who, Nav::Outside, "Organizations");
    Ok(ok(&OrgsPage {
        shell,
        orgs: orgs.data,
        current,
        invitations: received.data,
    }))
}

/// Most orgs of a person that are listed.
const ORGS: u16 = PAGE_MAX;

/// Opens a session in another org; of an invitation that is accepted, in the org it was to.
pub(super) async fn switch(form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let Some(id) = fields.some("invitation") else {
        return enter_org(visit, fields.text("org_id")).await;
    };
    let path = Path::v1(&["invitations"]).join(id);
    if fields.text("answer") == "decline" {
        let path = path.join("decline");
        let declined = visit.command::<Value>(Method::POST, path, None::<&()>, None);
        let mut visit = visit.clone().seen(&declined.await?);
        let text = "You declined the invitation.";
        visit.jar = tell(visit.jar, &Notice::of(text));
        return Ok(see_other(&visit, "/orgs"));
    }
    if fields.text("answer") != "accept" {
        return Err(Problem::not_our_form(&visit));
    }
    let path = path.join("accept");
    let accepted = visit.command::<InvitationAccepted>(Method::POST, path, None::<&()>, None);
    let accepted = accepted.await?;
    let org = accepted.data.org_id.to_string();
    enter_org(visit.seen(&accepted), &org).await
}

async fn enter_org(visit: crate::visit::Visit, org: &str) -> Result<Response, Problem> {
    let body = json!({"org_id": org});
    let path = Path::v1(&["sessions"]);
    let answer = visit.command::<SessionCreated>(Method::POST, path, Some(&body), None);
    let answer = answer.await?;
    enter(visit.seen(&answer), answer.data, &Next::default()).await
}
