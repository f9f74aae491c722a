//! Writing a settled batch: one statement for the events and the head, and one for each of the
//! tables beside the log that the batch concerns.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use domain::event::Reading;
use domain::ids::{GlobalPosition, OrgId};
use sqlx::postgres::{PgHasArrayType, PgTypeInfo};
use sqlx::{PgConnection, Postgres};
use uuid::Uuid;

use super::StoredAnswer;
use super::session::Tid;
use super::settle::{PlacedReading, Settlement};
use crate::log::Head;
use crate::readings::FIELDS;
use crate::stored::StoredEvent;

/// Bytes of the longest actor, `user:` or `key:` and an id.
const ACTOR_BYTES: usize = 41;

/// Writes the rows beside the log in the caller's transaction.
pub async fn companions_in_tx(
    connection: &mut PgConnection,
    settlement: &Settlement,
) -> Result<(), sqlx::Error> {
    if !settlement.readings.is_empty() {
        readings_in_tx(connection, &settlement.readings).await?;
    }
    if !settlement.answers.is_empty() {
        answers_in_tx(connection, &settlement.answers).await?;
    }
    super::gate_rows::changes_in_tx(connection, &settlement.changes).await
}

/// Writes the events and moves the head, if it stands where it is expected: one statement, so that
/// it can be a transaction of its own. Returns where the head's row stands then.
pub async fn events(
    connection: &mut PgConnection,
    settlement: &Settlement,
    before: &Head,
    tid: Option<&Tid>,
    after: &Head,
) -> Result<Option<Tid>, sqlx::Error> {
    let metadata = settlement.metadata.iter().map(Option::as_deref);
    let events = settlement.events.iter().zip(metadata);
    let rows: Vec<EventRow<'_>> = events.map(|(e, m)| EventRow::of(e, m)).collect();
    let fence = tid.map_or(0, |tid| tid.fence);
    let moved = sqlx::query_scalar!(
        r#"with moved as (
               update log.head set position = $1, auth_position = $2, recorded_at = $3
               where ctid = $4::text::tid and position = $5 and epoch = $6 and fence = $7
               returning ctid
           ), written as (
               insert into log.events (position, version, auth_prev, recorded_at, stream,
                   schema_version, event_id, org_id, type, subject, actor, correlation_id,
                   prev_hash, hash, metadata, data)
               select e.position, e.version, e.auth_prev, $3, e.stream, e.schema_version,
                   e.event_id, e.org_id, e.type, e.subject, e.actor, e.correlation_id,
                   e.prev_hash, e.hash, e.metadata::json, e.data::json
               from unnest($8::log.event_row[]) as e
               where exists (select from moved)
           )
           select ctid::text as "ctid!" from moved"#,
        after.position.as_i64(),
        after.auth_position.as_i64(),
        after.recorded_at.datetime(),
        tid.map(|tid| tid.ctid.as_str()),
        before.position.as_i64(),
        before.epoch.as_uuid(),
        fence,
        &rows as &[EventRow<'_>]
    )
    .fetch_optional(connection)
    .await?;
    Ok(moved.map(|ctid| Tid { ctid, fence }))
}

/// An event as it is sent: the type `log.event_row`.
#[derive(sqlx::Encode)]
struct EventRow<'a> {
    position: i64,
    version: i64,
    auth_prev: Option<i64>,
    stream: i16,
    schema_version: i16,
    event_id: Uuid,
    org_id: Uuid,
    type_name: &'a str,
    subject: &'a str,
    actor: String,
    correlation_id: &'a str,
    prev_hash: &'a [u8],
    hash: &'a [u8],
    metadata: Option<&'a str>,
    data: &'a str,
}

impl<'a> EventRow<'a> {
    fn of(event: &'a StoredEvent, metadata: Option<&'a str>) -> Self {
        let mut actor = String::with_capacity(ACTOR_BYTES);
        write!(actor, "{}", event.actor).expect("writing to a String");
        Self {
            position: event.position.as_i64(),
            version: event.version.as_i64(),
            auth_prev: event.auth_prev.map(GlobalPosition::as_i64),
            stream: event.stream.number(),
            schema_version: event.schema_version.cast_signed(),
            event_id: event.event_id.as_uuid(),
            org_id: event.org_id.as_uuid(),
            type_name: &event.type_name,
            subject: &event.subject,
            actor,
            correlation_id: &event.correlation_id,
            prev_hash: event.prev_hash.as_bytes(),
            hash: event.hash.as_bytes(),
            metadata,
            data: &event.data,
        }
    }
}

impl sqlx::Type<Postgres> for EventRow<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("log.event_row")
    }
}

impl PgHasArrayType for EventRow<'_> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of("log.event_row")
    }
}

async fn readings_in_tx(
    connection: &mut PgConnection,
    readings: &[PlacedReading],
) -> Result<(), sqlx::Error> {
    macro_rules! column {
        ($placed:ident => $value:expr) => {
            readings.iter().map(|$placed| $value).collect::<Vec<_>>()
        };
    }
    // Corrections within one batch are rare; without any the column is left out, which is null.
    let mut former: Vec<Option<String>> = column!(r => r.former.to_column());
    if former.iter().all(Option::is_none) {
        former.clear();
    }
    let written = sqlx::query!(
        "insert into log.reading_keys as k (org_id, kind, subject, observed_at, position, carries,
             digest, former)
         select org_id, kind, subject, observed_at, position, carries, digest, former::bigint[]
         from unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::timestamptz[], $5::bigint[],
             $6::smallint[], $7::bytea[], $8::text[])
             as r (org_id, kind, subject, observed_at, position, carries, digest, former)
         on conflict (org_id, kind, subject, observed_at) do update set
             position = excluded.position, carries = excluded.carries, digest = excluded.digest,
             former = (
                 select array_agg(p.position order by p.place) from (
                     select f.place, case
                         when f.field & excluded.carries <> 0 then null
                         when f.field & coalesce(($10::smallint[])[excluded.kind], 0) = 0 then null
                         when excluded.former[f.place::int] is not null
                             then excluded.former[f.place::int]
                         when f.field & k.carries <> 0 then k.position
                         else k.former[f.place::int]
                     end as position
                     from unnest($9::smallint[]) with ordinality as f (field, place)
                 ) as p having count(p.position) > 0
             )",
        &column!(r => r.org_id.as_uuid()),
        &column!(r => r.reading.key.kind),
        &column!(r => r.reading.key.subject),
        &column!(r => r.reading.key.observed_at.datetime()),
        &column!(r => r.position.as_i64()),
        &column!(r => r.reading.carries),
        &column!(r => &r.reading.digest[..]) as _,
        &former as _,
        &FIELDS[..],
        &[1, 2, 3, 4].map(Reading::lasting)[..]
    )
    .execute(connection)
    .await?;
    expect_rows(written.rows_affected(), readings.len())
}

async fn answers_in_tx(
    connection: &mut PgConnection,
    answers: &[(OrgId, StoredAnswer)],
) -> Result<(), sqlx::Error> {
    macro_rules! column {
        ($answer:ident => $value:expr) => {
            answers
                .iter()
                .map(|(_, $answer)| $value)
                .collect::<Vec<_>>()
        };
    }
    let orgs: Vec<Uuid> = answers.iter().map(|(org, _)| org.as_uuid()).collect();
    let instants: Vec<DateTime<Utc>> = column!(a => a.recorded_at.datetime());
    // A row that is there is one that has expired: this was looked at under the head's lock.
    let written = sqlx::query!(
        "insert into log.idempotency (org_id, key, route, fingerprint, status, answer,
             first_position, last_position, recorded_at)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::smallint[],
             $6::bytea[], $7::bigint[], $8::bigint[], $9::timestamptz[])
         on conflict (org_id, key) do update set
             route = excluded.route, fingerprint = excluded.fingerprint, status = excluded.status,
             answer = excluded.answer, first_position = excluded.first_position,
             last_position = excluded.last_position, recorded_at = excluded.recorded_at",
        &orgs,
        &column!(a => a.record.key.as_str()) as _,
        &column!(a => a.record.route.as_str()) as _,
        &column!(a => &a.record.fingerprint[..]) as _,
        &column!(a => a.record.status.cast_signed()),
        &column!(a => &a.record.answer[..]) as _,
        &column!(a => a.first.as_i64()),
        &column!(a => a.last.as_i64()),
        &instants
    )
    .execute(connection)
    .await?;
    expect_rows(written.rows_affected(), answers.len())
}

/// A write that touches another number of rows than it should is no write.
fn expect_rows(written: u64, expected: usize) -> Result<(), sqlx::Error> {
    if written == expected as u64 {
        Ok(())
    } else {
        let text = format!("wrote {written} rows in place of {expected}");
        Err(sqlx::Error::Protocol(text))
    }
}
