//! `/audit/events/{position}`: one event, whole, and what proves it.

use api::v1::{AuditEvent, InclusionProof};
use askama::Template;
use axum::extract::Path as Named;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::head::NOT_SIGNED;
use super::names::Names;
use super::sentence::{self, Sentence, Teller};
use crate::client::{Failure, Path};
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::address::link;
use crate::routes::keys::api_base;
use crate::routes::people::People;
use crate::text::filters;
use crate::visit::{Signed, Visit};

/// Most bytes of an event that are shown; a file has them all.
const SHOWN_BYTES: usize = 64 * 1024;
/// Events that are looked through for the one before: several may be of one instant.
const BEFORE: u16 = 3;

#[derive(Template)]
#[template(path = "audit/event.html")]
struct EventPage {
    shell: Shell,
    event: AuditEvent,
    /// Its type.
    name: String,
    actor: Sentence,
    subject: Sentence,
    /// Positions of the events of the same subject beside it.
    previous: Option<String>,
    next: Option<String>,
    json: String,
    is_whole: bool,
    proof: Result<InclusionProof, &'static str>,
    of_actor: String,
    of_subject: String,
    file: String,
    curl: String,
}

impl Framed for EventPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Named(position): Named<String>,
) -> Result<Response, Problem> {
    let before = position
        .parse::<u64>()
        .ok()
        .and_then(|at| at.checked_sub(1));
    let before = before.ok_or_else(|| Problem::not_found(&visit))?;
    let (raw, event) = find(&visit, before).await?;
    let names = async {
        let names = Names::default();
        Ok(names.and_of(&visit, sentence::things(&event)).await)
    };
    let (who, people, names, proof, previous, next) = tokio::try_join!(
        visit.who(),
        People::of(&visit),
        names,
        prove(&visit, before + 1),
        previous(&visit, &event, before + 1),
        next(&visit, &event),
    )?;
    let teller = Teller {
        people: &people,
        names: &names,
        zone: who.zone,
    };
    let (json, is_whole) = shown(&raw);
    let after = before.to_string();
    Ok(ok(&EventPage {
        name: sentence::name(&event).to_owned(),
        actor: teller.actor(&event.actor),
        subject: teller.subject(&event),
        shell: Shell::signed(&visit, who, Nav::Audit, teller.tell(&event).text()),
        previous,
        next,
        json,
        is_whole,
        proof,
        of_actor: link(
            "/audit",
            [("actor", event.actor.as_str()), ("stream", "all")],
        ),
        of_subject: link(
            "/audit",
            [("subject", event.subject.as_str()), ("stream", "all")],
        ),
        file: link(
            "/audit/export",
            [
                ("after_position", after.as_str()),
                ("to_position", &event.position),
            ],
        ),
        curl: format!(
            "curl -H \"Authorization: Bearer $TRACKAGOAT_KEY\" \"{}/audit/proof?position={}\"",
            api_base(&visit),
            event.position
        ),
        event,
    }))
}

/// The org's event right behind a position; another org's there is not found.
async fn find(visit: &Visit, before: u64) -> Result<(Value, AuditEvent), Problem> {
    let path = Path::v1(&["audit", "events"])
        .with("after_position", before)
        .with("stream", "all")
        .with("limit", 1);
    let found = visit.get::<Vec<Value>>(path).await;
    let found = found.map_err(|problem| match problem.refusal() {
        // Beyond the end of the log.
        Some(refusal) if refusal.status == StatusCode::BAD_REQUEST => Problem::not_found(visit),
        _ => problem,
    })?;
    let raw = found.data.into_iter().next();
    let raw = raw.ok_or_else(|| Problem::not_found(visit))?;
    let event: AuditEvent = serde_json::from_value(raw.clone())
        .map_err(|_| Problem::call(visit, Failure::Unreadable))?;
    if event.position != (before + 1).to_string() {
        return Err(Problem::not_found(visit));
    }
    Ok((raw, event))
}

/// That it stands in the log, or why that cannot be told now.
async fn prove(
    visit: &Visit,
    position: u64,
) -> Result<Result<InclusionProof, &'static str>, Problem> {
    let path = Path::v1(&["audit", "proof"]).with("position", position);
    match visit.get(path).await {
        Ok(proof) => Ok(Ok(proof.data)),
        Err(problem) => match problem.code() {
            NOT_SIGNED => Ok(Err(
                "The log has no signed head at this moment. Load the page again in a while.",
            )),
            "invalid_query" => Ok(Err(
                "The newest signed head does not cover this event yet. The next one does: load the page again in a few seconds.",
            )),
            "gone" => Ok(Err(
                "This part of the log is archived, so this service cannot prove it.",
            )),
            _ => Err(problem),
        },
    }
}

fn beside(event: &AuditEvent, limit: u16) -> Path {
    Path::v1(&["audit", "events"])
        .with("subject", &event.subject)
        .with("stream", &event.stream)
        .with("limit", limit)
}

async fn next(visit: &Visit, event: &AuditEvent) -> Result<Option<String>, Problem> {
    let path = beside(event, 1).with("after_position", &event.position);
    let next = visit.get::<Vec<AuditEvent>>(path).await?.data;
    Ok(next.into_iter().next().map(|event| event.position))
}

async fn previous(
    visit: &Visit,
    event: &AuditEvent,
    position: u64,
) -> Result<Option<String>, Problem> {
    let path = beside(event, BEFORE).with("to", event.time);
    let found = visit.get::<Vec<AuditEvent>>(path).await?.data;
    let mut positions = found.into_iter().map(|event| event.position);
    Ok(positions.find(|at| at.parse::<u64>().is_ok_and(|at| at < position)))
}

/// As people read it, as far as it is shown; and whether that is all.
fn shown(raw: &Value) -> (String, bool) {
    let mut json = serde_json::to_string_pretty(raw).unwrap_or_default();
    if json.len() <= SHOWN_BYTES {
        return (json, true);
    }
    let end = json.floor_char_boundary(SHOWN_BYTES);
    let end = json[..end].rfind('\n').unwrap_or(end);
    json.truncate(end);
    (json, false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{SHOWN_BYTES, shown};

    #[test]
    fn a_large_event_is_shown_in_part() {
        assert_eq!(
            shown(&json!({"a": 1})),
            ("{\n  \"a\": 1\n}".to_owned(), true)
        );
        let (text, is_whole) = shown(&json!(vec!["ü"; SHOWN_BYTES]));
        assert!(!is_whole && text.len() <= SHOWN_BYTES && text.ends_with("\"ü\","));
    }
}
