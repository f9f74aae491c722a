//! `/audit/as-of`: the org, its keys and its members as they stood.

use api::v1::{AsOf, AuditEvent, KeyAsOf, OrgAsOf, Timestamp};
use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::moment::instant;
use crate::client::Path;
use crate::page::{Errors, Framed, Nav, Problem, Shell, render};
use crate::routes::address::{Parameters, filled, link};
use crate::routes::people::People;
use crate::routes::question;
use crate::text::filters;
use crate::visit::{Signed, Visit};

/// A day with a time of it.
const AT: &str = "at";
const POSITION: &str = "position";

#[derive(Template)]
#[template(path = "audit/as_of.html")]
struct AsOfPage {
    shell: Shell,
    errors: Errors,
    refused: Option<String>,
    at: String,
    position: String,
    /// The newest decision, where nothing was asked for.
    newest: Option<AuditEvent>,
    stood: Option<Stood>,
}

/// How it stood.
struct Stood {
    position: String,
    at: Timestamp,
    org: OrgAsOf,
    keys: Vec<(KeyAsOf, Option<String>)>,
    members: Vec<(String, &'static str)>,
    /// The trail up to then, and from then on.
    before: String,
    after: String,
}

impl AsOfPage {
    /// What the field of the moment is: one that is exact, which an address may hold, is a text.
    fn field(&self) -> &'static str {
        if self.at.ends_with(['Z', 'z']) {
            "text"
        } else {
            "datetime-local"
        }
    }
}

impl Framed for AsOfPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed, asked: Parameters) -> Result<Response, Problem> {
    let who = visit.who().await?;
    let mut page = AsOfPage {
        errors: Errors::default(),
        refused: None,
        newest: None,
        stood: None,
        at: asked.get(AT).to_owned(),
        position: asked.get(POSITION).to_owned(),
        shell: Shell::signed(&visit, who, Nav::Audit, "State at a moment"),
    };
    let status = fill(&visit, &mut page).await?;
    page.refused = question::summary(&page.errors, &[AT, POSITION]);
    Ok(render(status, &page))
}

async fn fill(visit: &Visit, page: &mut AsOfPage) -> Result<StatusCode, Problem> {
    let position = filled(&page.position);
    let at = filled(&page.at).map(|at| instant(at, page.shell.zone()));
    if at.is_none() && position.is_none() {
        page.newest = newest(visit).await?;
        return Ok(StatusCode::OK);
    }
    let Ok(at) = at.transpose() else {
        let text = "Clocks were put forward then, so that day had no such time.";
        page.errors = Errors::of_field(AT, text);
        return Ok(StatusCode::BAD_REQUEST);
    };
    if at.is_some() && position.is_some() {
        let text = "Give either a moment or a position, and not both.";
        page.errors = Errors::of_field(POSITION, text);
        return Ok(StatusCode::BAD_REQUEST);
    }
    if let Some(at) = at.as_deref()
        && Timestamp::parse(at).is_ok_and(|at| at.datetime() > page.shell.now())
    {
        let text = "That moment lies ahead. Choose one that has passed.";
        page.errors = Errors::of_field(AT, text);
        return Ok(StatusCode::BAD_REQUEST);
    }
    let path = Path::v1(&["audit", "as-of"])
        .with_some(AT, at.as_deref())
        .with_some(POSITION, position);
    let (stood, people) = tokio::join!(visit.get::<AsOf>(path), People::of(visit));
    match stood {
        Ok(stood) => {
            page.stood = Some(Stood::new(stood.data, &people?));
            Ok(StatusCode::OK)
        }
        Err(problem) => {
            let Some(refusal) = problem.refusal() else {
                return Err(problem);
            };
            page.errors = match refusal.status {
                StatusCode::NOT_FOUND => {
                    let (field, what) = match at {
                        Some(_) => (AT, "moment"),
                        None => (POSITION, "position"),
                    };
                    let text =
                        format!("The organization was not there yet. Choose a later {what}.");
                    Errors::of_field(field, &text)
                }
                StatusCode::BAD_REQUEST => Errors::of_refusal(refusal),
                _ => return Err(problem),
            };
            Ok(refusal.status)
        }
    }
}

async fn newest(visit: &Visit) -> Result<Option<AuditEvent>, Problem> {
    let path = Path::v1(&["audit", "events"]).with("limit", 1);
    let newest = visit.get::<Vec<AuditEvent>>(path).await?;
    Ok(newest.data.into_iter().next())
}

impl Stood {
    fn new(stood: AsOf, people: &People) -> Self {
        let position = stood.position.to_string();
        let keys = stood.keys.into_iter().map(|key| {
            let owner = key.owner_id.map(|id| people.name(&id.to_string()));
            (key, owner)
        });
        let members = stood.members.iter();
        let members = members.map(|it| (people.name(&it.user_id.to_string()), it.role.name()));
        let mut members: Vec<_> = members.collect();
        members.sort();
        Self {
            before: link("/audit", [("to", stood.at.to_string().as_str())]),
            after: link("/audit", [("after_position", position.as_str())]),
            position,
            at: stood.at,
            org: stood.org,
            keys: keys.collect(),
            members,
        }
    }
}
