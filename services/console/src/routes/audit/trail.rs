//! `/audit`: what happened, each event in one sentence.

use api::v1::{AuditEvent, Checkpoint};
use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::filters::{Filters, Group, NAMES};
use super::head;
use super::names::{Names, Thing};
use super::sentence::{self, Sentence, Teller};
use crate::page::{Errors, Framed, Nav, Problem, Shell, render};
use crate::routes::address::Parameters;
use crate::routes::people::People;
use crate::routes::question;
use crate::text::filters;
use crate::visit::{Signed, Visit, Who};

#[derive(Template)]
#[template(path = "audit/trail.html")]
struct TrailPage {
    shell: Shell,
    errors: Errors,
    refused: Option<String>,
    asked: Filters,
    types: Vec<Group>,
    actors: Vec<Group>,
    rows: Vec<Row>,
    head: Option<Checkpoint>,
}

struct Row {
    event: AuditEvent,
    sentence: Sentence,
    actor: Sentence,
    /// Its type.
    name: String,
}

impl TrailPage {
    /// What a field for a day is: an instant, which an address may hold, is none.
    fn field(value: &str) -> &'static str {
        if value.contains(['T', 't']) {
            "text"
        } else {
            "date"
        }
    }
}

impl Framed for TrailPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed, asked: Parameters) -> Result<Response, Problem> {
    let mut asked = Filters::new(&asked);
    let events = visit.get::<Vec<AuditEvent>>(asked.events());
    let (known, events) = tokio::join!(known(&visit), events);
    let (who, people, keys, head) = known?;
    let (events, errors, status) = match events {
        Ok(answer) => {
            asked.list = asked.list.answered(&answer);
            (answer.data, Errors::default(), StatusCode::OK)
        }
        Err(problem) => match problem.refusal() {
            Some(refusal) if refusal.status == StatusCode::BAD_REQUEST => {
                (Vec::new(), Errors::of_refusal(refusal), refusal.status)
            }
            _ => return Err(problem),
        },
    };
    let things = events.iter().flat_map(sentence::things);
    let things = things.chain(Thing::of_actor(asked.actor())).collect();
    let names = keys.and_of(&visit, things).await;
    let teller = Teller {
        people: &people,
        names: &names,
        zone: who.zone,
    };
    let chosen = teller.actor(asked.actor()).text();
    let actors = asked.actors(&people, &names, &chosen);
    let rows = events.into_iter().map(|event| Row {
        sentence: teller.tell(&event),
        actor: teller.actor(&event.actor),
        name: sentence::name(&event).to_owned(),
        event,
    });
    let page = TrailPage {
        rows: rows.collect(),
        shell: Shell::signed(&visit, who, Nav::Audit, "Audit trail"),
        refused: question::summary(&errors, &NAMES),
        errors,
        types: asked.types(),
        actors,
        head,
        asked,
    };
    Ok(render(status, &page))
}

async fn known(visit: &Visit) -> Result<(Who, People, Names, Option<Checkpoint>), Problem> {
    tokio::try_join!(
        visit.who(),
        People::of(visit),
        Names::of_keys(visit),
        head::newest(visit)
    )
}
