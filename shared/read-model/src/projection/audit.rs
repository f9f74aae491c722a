//! Where events stand, by what the audit trail looks for. Events of types that this build does not know
//! are among them: the trail gives them as they are.

use std::borrow::Cow;
use std::sync::Arc;

use domain::event::{RecordedEvent, Stream};
use domain::ids::{GlobalPosition, OrgId};
use event_log::StoredEvent;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::store::each;

/// What the trail looks for of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    org: OrgId,
    position: GlobalPosition,
    stream: Stream,
    type_name: Cow<'static, str>,
    subject: Arc<str>,
    actor: String,
}

impl From<&StoredEvent> for Indexed {
    fn from(event: &StoredEvent) -> Self {
        Self {
            org: event.org_id,
            position: event.position,
            stream: event.stream,
            type_name: event.type_name.clone(),
            subject: Arc::clone(&event.subject),
            actor: event.actor.to_string(),
        }
    }
}

impl From<&RecordedEvent> for Indexed {
    fn from(recorded: &RecordedEvent) -> Self {
        let event = &recorded.event;
        Self {
            org: recorded.org_id,
            position: recorded.position,
            stream: event.stream(),
            type_name: Cow::Borrowed(event.event_type().name()),
            subject: event.subject(recorded.org_id).into(),
            actor: recorded.actor.to_string(),
        }
    }
}

/// Writes where events stand, each once, within the caller's transaction: the one that applies them.
pub async fn index_in_tx(
    connection: &mut PgConnection,
    events: &[Indexed],
) -> Result<(), ApplyError> {
    if events.is_empty() {
        return Ok(());
    }
    let types: Vec<&str> = events.iter().map(|event| &*event.type_name).collect();
    let subjects: Vec<&str> = events.iter().map(|event| &*event.subject).collect();
    let actors: Vec<&str> = events.iter().map(|event| &*event.actor).collect();
    sqlx::query!(
        "INSERT INTO audit_events (org_id, position, stream, type, subject, actor)
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::smallint[], $4::text[], $5::text[],
                $6::text[])",
        &each(events, |event| event.org.as_uuid()) as &[Uuid],
        &each(events, |event| event.position.as_i64()),
        &each(events, |event| event.stream.number()),
        &types as &[&str],
        &subjects as &[&str],
        &actors as &[&str],
    )
    .execute(connection)
    .await?;
    Ok(())
}
