//! Reading the log. Pages are short statements, so that no reader holds a snapshot for long.

use std::ops::RangeInclusive;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::event::{ChainHash, Stream, TypePattern};
use domain::ids::{EventId, GlobalPosition, LogEpoch, OrgId, StreamVersion};
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::archive::{self, Archived};
use crate::error::{CorruptRow, ReadError};
use crate::log::Head;
use crate::replay::Selection;
use crate::stored::{StoredEvent, type_name};

/// Most events of one page.
pub const PAGE_MAX: u16 = 5_000;

/// A row of `log.events` without its metadata, which no reader sees.
pub struct Row {
    pub position: i64,
    pub event_id: Uuid,
    pub org_id: Uuid,
    pub stream: i16,
    pub version: i64,
    pub type_name: String,
    pub schema_version: i16,
    pub subject: String,
    pub actor: String,
    pub correlation_id: String,
    pub recorded_at: DateTime<Utc>,
    pub auth_prev: Option<i64>,
    pub prev_hash: Vec<u8>,
    pub hash: Vec<u8>,
    pub data: String,
}

impl TryFrom<Row> for StoredEvent {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        let key = row.position;
        let corrupt = |column, problem| CorruptRow::new("log.events", column, key, problem);
        let position = |column, value| {
            GlobalPosition::try_from_i64(value).ok_or_else(|| corrupt(column, "is negative"))
        };
        let hash = |column, bytes: &[u8]| {
            ChainHash::try_from_slice(bytes).ok_or_else(|| corrupt(column, "is not 32 bytes"))
        };
        Ok(Self {
            position: position("position", row.position)?,
            event_id: EventId::from_uuid(row.event_id),
            org_id: OrgId::from_uuid(row.org_id),
            stream: Stream::from_number(row.stream)
                .ok_or_else(|| corrupt("stream", "is no stream"))?,
            version: StreamVersion::try_from_i64(row.version)
                .ok_or_else(|| corrupt("version", "is negative"))?,
            type_name: type_name(row.type_name),
            schema_version: u16::try_from(row.schema_version)
                .map_err(|_| corrupt("schema_version", "is negative"))?,
            subject: Arc::from(row.subject),
            actor: row
                .actor
                .parse()
                .map_err(|_| corrupt("actor", "is no actor"))?,
            correlation_id: Arc::from(row.correlation_id),
            recorded_at: Timestamp::from_datetime(row.recorded_at),
            auth_prev: row
                .auth_prev
                .map(|value| position("auth_prev", value))
                .transpose()?,
            prev_hash: hash("prev_hash", &row.prev_hash)?,
            hash: hash("hash", &row.hash)?,
            data: Arc::from(row.data),
        })
    }
}

/// The end of the log.
pub async fn head(connection: &mut PgConnection) -> Result<Head, ReadError> {
    let row = sqlx::query!("select position, auth_position, recorded_at, epoch from log.head")
        .fetch_one(connection)
        .await?;
    Ok(Head::try_from_row(
        row.position,
        row.auth_position,
        row.recorded_at,
        row.epoch,
    )?)
}

impl Head {
    pub(crate) fn try_from_row(
        position: i64,
        auth_position: i64,
        recorded_at: DateTime<Utc>,
        epoch: Uuid,
    ) -> Result<Self, CorruptRow> {
        let counter = |column, value| {
            GlobalPosition::try_from_i64(value)
                .ok_or_else(|| CorruptRow::new("log.head", column, "the row", "is negative"))
        };
        Ok(Self {
            position: counter("position", position)?,
            auth_position: counter("auth_position", auth_position)?,
            recorded_at: Timestamp::from_datetime(recorded_at),
            epoch: LogEpoch::from_uuid(epoch),
        })
    }
}

/// Events without gaps, and what comes next where they end early.
#[derive(Debug)]
pub struct Page {
    pub events: Vec<StoredEvent>,
    /// The next event, if it is known to be there, and is not online.
    pub missing: Option<GlobalPosition>,
}

/// The events after a position, without gaps, as far as they are online.
pub async fn after(
    connection: &mut PgConnection,
    after: GlobalPosition,
    limit: u16,
) -> Result<Page, ReadError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select position, event_id, org_id, stream, version, type as type_name, schema_version,
               subject, actor, correlation_id, recorded_at, auth_prev, prev_hash, hash,
               data::text as "data!"
           from log.events where position > $1 and position <= $1 + $2::bigint
           order by position"#,
        after.as_i64(),
        i64::from(limit.min(PAGE_MAX))
    )
    .fetch_all(connection)
    .await?;
    let mut last = after;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        let event = StoredEvent::try_from(row)?;
        if event.position != last.next() {
            let missing = Some(last.next());
            return Ok(Page { events, missing });
        }
        last = event.position;
        events.push(event);
    }
    let missing = None;
    Ok(Page { events, missing })
}

/// What is archived of the events behind a page; none if the page ends with the log or is full.
///
/// # Errors
/// If an event is missing that is not archived.
pub async fn archived_behind(
    connection: &mut PgConnection,
    after: GlobalPosition,
    limit: u16,
    page: &Page,
) -> Result<Option<Archived>, ReadError> {
    let is_full = page.events.len() >= usize::from(limit.min(PAGE_MAX));
    if is_full && page.missing.is_none() {
        return Ok(None);
    }
    let last = page.events.last().map_or(after, |event| event.position);
    let archived = archive::holding(connection, last.next()).await?;
    match page.missing {
        Some(missing) if archived.is_none() => {
            Err(CorruptRow::new("log.events", "position", missing, "is missing").into())
        }
        _ => Ok(archived),
    }
}

/// How many events of the size of these come to so many bytes; none where there are none.
pub fn fitting(bytes: usize, events: &[StoredEvent], bounds: RangeInclusive<u16>) -> Option<u16> {
    let of_these: usize = events.iter().map(StoredEvent::text_bytes).sum();
    let fits = bytes.saturating_mul(events.len()).checked_div(of_these)?;
    let fits = u16::try_from(fits).unwrap_or(u16::MAX);
    Some(fits.clamp(*bounds.start(), *bounds.end()))
}

/// The events at these positions, in their order.
pub async fn at_positions(
    connection: &mut PgConnection,
    positions: &[i64],
) -> Result<Vec<StoredEvent>, ReadError> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        Row,
        r#"select position, event_id, org_id, stream, version, type as type_name, schema_version,
               subject, actor, correlation_id, recorded_at, auth_prev, prev_hash, hash,
               data::text as "data!"
           from log.events where position = any($1) order by position"#,
        positions
    )
    .fetch_all(connection)
    .await?;
    Ok(convert(rows)?)
}

/// The selected events after a position and up to another one.
pub async fn selected(
    connection: &mut PgConnection,
    after: GlobalPosition,
    to: GlobalPosition,
    selection: &Selection,
    limit: u16,
) -> Result<Vec<StoredEvent>, ReadError> {
    let types: Vec<_> = selection.types.iter().map(like).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select position, event_id, org_id, stream, version, type as type_name, schema_version,
               subject, actor, correlation_id, recorded_at, auth_prev, prev_hash, hash,
               data::text as "data!"
           from log.events
           where position > $1 and position <= $2 and ($3::uuid is null or org_id = $3)
             and (cardinality($4::text[]) = 0 or type like any ($4))
           order by position limit $5"#,
        after.as_i64(),
        to.as_i64(),
        selection.org.map(OrgId::as_uuid),
        &types,
        i64::from(limit.min(PAGE_MAX))
    )
    .fetch_all(connection)
    .await?;
    Ok(convert(rows)?)
}

/// A pattern of types as `LIKE` has it.
fn like(pattern: &TypePattern) -> String {
    let escaped = pattern.as_str().replace('_', "\\_");
    match escaped.strip_suffix('*') {
        Some(entity) => format!("{entity}%"),
        None => escaped,
    }
}

/// How many events there are after a position and up to another one.
pub async fn count(
    connection: &mut PgConnection,
    after: GlobalPosition,
    to: GlobalPosition,
) -> Result<u64, ReadError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from log.events where position > $1 and position <= $2"#,
        after.as_i64(),
        to.as_i64()
    );
    let count = count.fetch_one(connection).await?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// The events of one stream after a version, as far as they are online without gaps.
pub async fn stream(
    connection: &mut PgConnection,
    org: OrgId,
    stream: Stream,
    after: StreamVersion,
    limit: u16,
) -> Result<Vec<StoredEvent>, ReadError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select position, event_id, org_id, stream, version, type as type_name, schema_version,
               subject, actor, correlation_id, recorded_at, auth_prev, prev_hash, hash,
               data::text as "data!"
           from log.events
           where org_id = $1 and stream = $2 and version > $3 and version <= $3 + $4::bigint
           order by version"#,
        org.as_uuid(),
        stream.number(),
        after.as_i64(),
        i64::from(limit.min(PAGE_MAX))
    )
    .fetch_all(connection)
    .await?;
    let mut events = convert(rows)?;
    let mut due = after.next();
    let whole = events.iter().take_while(|event| {
        let is_due = event.version == due;
        due = due.next();
        is_due
    });
    let whole = whole.count();
    events.truncate(whole);
    Ok(events)
}

/// The events after a position that change who may call.
pub async fn auth_after(
    connection: &mut PgConnection,
    after: GlobalPosition,
    limit: u16,
) -> Result<Vec<StoredEvent>, ReadError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select position, event_id, org_id, stream, version, type as type_name, schema_version,
               subject, actor, correlation_id, recorded_at, auth_prev, prev_hash, hash,
               data::text as "data!"
           from log.events where auth_prev is not null and position > $1
           order by position limit $2"#,
        after.as_i64(),
        i64::from(limit.min(PAGE_MAX))
    )
    .fetch_all(connection)
    .await?;
    Ok(convert(rows)?)
}

/// Rows as events.
pub fn convert(rows: Vec<Row>) -> Result<Vec<StoredEvent>, CorruptRow> {
    rows.into_iter().map(StoredEvent::try_from).collect()
}

/// Begins a new epoch, unless another one has begun since `old`. What was settled in the old one
/// says nothing about the positions of the new one.
pub async fn begin_epoch(
    connection: &mut PgConnection,
    old: LogEpoch,
    new: LogEpoch,
) -> Result<(), ReadError> {
    sqlx::query!(
        "with begun as (update log.head set epoch = $2 where epoch = $1 returning 1)
         update gate.head set settled = 0,
             copied = least(copied, (select auth_position from log.head))
         where exists (select from begun)",
        old.as_uuid(),
        new.as_uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ids of orgs are UUIDs version 7, so their order is that of their making.
pub async fn orgs(connection: &mut PgConnection) -> Result<Vec<OrgId>, ReadError> {
    // One row each, made by the append of `org.created`.
    let ids = sqlx::query_scalar!("select org_id from gate.orgs order by org_id")
        .fetch_all(connection)
        .await?;
    Ok(ids.into_iter().map(OrgId::from_uuid).collect())
}
