//! `/settings/members/self/leave`: the person goes themselves.

use api::v1::{MemberRemoved, OrgOfPerson, Receipt, SessionCreated};
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::json;

use super::departure::{self, Departure};
use crate::client::Path;
use crate::cookies;
use crate::form::{Fields, SignedForm};
use crate::page::{Errors, Framed, Nav, Notice, Problem, Shell, refused, render, tell};
use crate::routes::people::People;
use crate::routes::sign_in;
use crate::text::filters;
use crate::visit::{Signed, Visit, Who, see_other};

/// Organizations to go to that are offered.
const ORGS: u16 = 100;

#[derive(Template)]
#[template(path = "settings/members/leave.html")]
struct LeavePage {
    shell: Shell,
    errors: Errors,
    org: String,
    departure: Departure,
    /// Where to go next: id and name.
    orgs: Vec<(String, String)>,
    next: String,
}

impl Framed for LeavePage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed) -> Result<Response, Problem> {
    let (who, people) = tokio::try_join!(visit.who(), People::of(&visit))?;
    let (fields, errors) = (Fields::default(), Errors::default());
    let page = page(&visit, who, &people, &fields, errors).await?;
    Ok(render(StatusCode::OK, &page))
}

pub(super) async fn leave(form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { mut visit, fields } = form;
    let (who, people) = tokio::try_join!(visit.who(), People::of(&visit))?;
    // A session elsewhere is opened before: with the one of here nothing can be opened any more.
    let next = match fields.some("next") {
        Some(org) => Some(open(&visit, org).await?),
        None => None,
    };
    let left = visit.delete::<MemberRemoved>(departure::removal("self", &fields));
    let left = match left.await {
        Ok(left) => left,
        Err(problem) => {
            if let Some(opened) = next {
                end(visit.clone(), opened).await;
            }
            let Some(refusal) = problem.refusal() else {
                return Err(problem);
            };
            let errors = departure::errors_of(refusal, "You are");
            return match page(&visit, who, &people, &fields, errors).await {
                Ok(page) => Ok(refused(refusal, &page)),
                Err(_) => Err(problem),
            };
        }
    };
    visit = visit.seen(&left);
    let MemberRemoved { receipt, keys } = left.data;
    let keys = departure::became(&keys, &people, &fields);
    let text = format!(
        "You left {}. Your sessions there are refused everywhere.{keys}",
        who.org.name
    );
    let notice = Notice::with(text, Some(&receipt));
    let place = if let Some(opened) = next {
        visit = sign_in::sign_in(visit, opened)?;
        "/orgs"
    } else {
        visit.jar = cookies::sign_out(visit.jar);
        "/login"
    };
    visit.jar = tell(visit.jar, &notice);
    Ok(see_other(&visit, place))
}

async fn open(visit: &Visit, org: &str) -> Result<SessionCreated, Problem> {
    let body = json!({"org_id": org});
    let path = Path::v1(&["sessions"]);
    let opened = visit.command::<SessionCreated>(Method::POST, path, Some(&body), None);
    Ok(opened.await?.data)
}

/// A session that nobody goes to is ended; if that fails, it ends by itself, and nobody holds it.
async fn end(visit: Visit, opened: SessionCreated) {
    if let Some(token) = opened.token {
        let visit = visit.with_session(SecretString::from(token));
        let ended = visit.delete::<Receipt>(Path::v1(&["sessions", "self"]));
        drop(ended.await);
    }
}

async fn page(
    visit: &Visit,
    who: Who,
    people: &People,
    fields: &Fields,
    errors: Errors,
) -> Result<LeavePage, Problem> {
    let Some(member) = people.find(who.session.user.id.as_uuid()) else {
        return Err(Problem::not_found(visit));
    };
    let orgs = visit.get::<Vec<OrgOfPerson>>(Path::v1(&["orgs"]).with("limit", ORGS));
    let departure = Departure::of(visit, member, people, who.is_admin(), fields);
    let (orgs, departure) = tokio::try_join!(orgs, departure)?;
    let orgs = orgs.data.into_iter().map(|org| org.object);
    let others = orgs.filter(|org| org.id != who.org.id && !org.suspended);
    Ok(LeavePage {
        errors,
        org: who.org.name.clone(),
        departure,
        orgs: others.map(|org| (org.id.to_string(), org.name)).collect(),
        next: fields.text("next").to_owned(),
        shell: Shell::signed(visit, who, Nav::Members, "Leave the organization"),
    })
}
