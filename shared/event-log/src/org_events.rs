//! The events of one org, read behind a second wall: the view `log.org_events` shows those of the org
//! that a setting of the transaction names, and without one none, whatever a query forgets to ask.

use domain::event::Stream;
use domain::ids::{GlobalPosition, OrgId, StreamVersion};
use sqlx::{Connection, PgConnection, Postgres, Transaction};

use crate::error::{CorruptRow, ReadError};
use crate::log::EventLog;
use crate::read::{PAGE_MAX, Row, convert};
use crate::stored::StoredEvent;

/// Where a stream of an org stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// Its version, as far as it is kept: 0 before its first event, the one before the first that is kept
    /// where older ones are not, and its last where none is.
    pub version: StreamVersion,
    /// Later events of it are archived, the last of them here; `version` is this one's.
    pub archived: Option<GlobalPosition>,
}

impl EventLog {
    /// The events of an org at these positions, in order of position; what is not there, or another
    /// org's, is left out, and so is what is archived if there is no archive here.
    pub async fn read_org_at(
        &self,
        org: OrgId,
        positions: &[GlobalPosition],
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let asked: Vec<_> = positions.iter().map(|position| position.as_i64()).collect();
        let mut events = self
            .ask(async |c| at_positions(c, org, &asked).await)
            .await?;
        let mut missing = positions.to_vec();
        missing.retain(|wanted| {
            let found = events.binary_search_by_key(wanted, |event| event.position);
            found.is_err()
        });
        if !missing.is_empty() {
            missing.sort_unstable();
            events.extend(self.find_archived(org, &missing).await?);
            events.sort_unstable_by_key(|event| event.position);
        }
        Ok(events)
    }

    /// Up to `limit` (5,000 at most) events of one stream of an org after a version, in their order, as
    /// far as they are online; none after the one with which their data takes `bytes` or more.
    pub async fn read_org_stream(
        &self,
        org: OrgId,
        stream: Stream,
        after: StreamVersion,
        limit: u16,
        bytes: usize,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        self.ask(async |c| after_version(c, org, stream, after, limit, bytes).await)
            .await
    }

    /// Whether the event of a stream of an org that follows a version is not kept online, although
    /// the stream has one.
    pub async fn is_org_event_missing(
        &self,
        org: OrgId,
        stream: Stream,
        after: StreamVersion,
    ) -> Result<bool, ReadError> {
        self.ask(async |c| is_missing_after(c, org, stream, after).await)
            .await
    }

    /// Where a stream of an org stood at a position.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] if that cannot be told, since events are neither online nor archived.
    pub async fn locate(
        &self,
        org: OrgId,
        stream: Stream,
        position: GlobalPosition,
    ) -> Result<Located, ReadError> {
        self.ask(async |c| locate(c, org, stream, position).await)
            .await
    }
}

async fn begin(
    connection: &mut PgConnection,
    org: OrgId,
) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
    let mut tx = connection.begin_with("begin read only").await?;
    sqlx::query_scalar!("select set_config('tga.org_id', $1, true)", org.to_string())
        .fetch_one(&mut *tx)
        .await?;
    Ok(tx)
}

async fn at_positions(
    connection: &mut PgConnection,
    org: OrgId,
    positions: &[i64],
) -> Result<Vec<StoredEvent>, ReadError> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = begin(connection, org).await?;
    let rows = sqlx::query_as!(
        Row,
        r#"select position as "position!", event_id as "event_id!", org_id as "org_id!",
               stream as "stream!", version as "version!", type as "type_name!",
               schema_version as "schema_version!", subject as "subject!", actor as "actor!",
               correlation_id as "correlation_id!", recorded_at as "recorded_at!", auth_prev,
               prev_hash as "prev_hash!", hash as "hash!", data::text as "data!"
           from log.org_events where position = any($1) order by position"#,
        positions
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(convert(rows)?)
}

async fn after_version(
    connection: &mut PgConnection,
    org: OrgId,
    stream: Stream,
    after: StreamVersion,
    limit: u16,
    bytes: usize,
) -> Result<Vec<StoredEvent>, ReadError> {
    let mut tx = begin(connection, org).await?;
    let rows = sqlx::query_as!(
        Row,
        r#"select position as "position!", event_id as "event_id!", org_id as "org_id!",
               stream as "stream!", version as "version!", type as "type_name!",
               schema_version as "schema_version!", subject as "subject!", actor as "actor!",
               correlation_id as "correlation_id!", recorded_at as "recorded_at!", auth_prev,
               prev_hash as "prev_hash!", hash as "hash!", data::text as "data!"
           from (
               select *, sum(octet_length(data::text)) over (
                             order by version rows between unbounded preceding and 1 preceding
                         ) as bytes_before
               from log.org_events
               where stream = $1 and version > $2 and version <= $2 + $3::bigint
           ) page
           where coalesce(bytes_before, 0) < $4
           order by version"#,
        stream.number(),
        after.as_i64(),
        i64::from(limit.min(PAGE_MAX)),
        i64::try_from(bytes).unwrap_or(i64::MAX)
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(convert(rows)?)
}

async fn is_missing_after(
    connection: &mut PgConnection,
    org: OrgId,
    stream: Stream,
    after: StreamVersion,
) -> Result<bool, ReadError> {
    let mut tx = begin(connection, org).await?;
    let is_missing = sqlx::query_scalar!(
        r#"select coalesce(
               (select version from log.org_events where stream = $1 and version > $2
                order by version limit 1) > $2 + 1,
               (select version from log.org_streams where stream = $1) > $2,
               false
           ) as "is_missing!""#,
        stream.number(),
        after.as_i64(),
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(is_missing)
}

/// A binary search, inside the database: an event that is not kept any more stands before every
/// position. Of what is archived only the end is sought: the newest of every stream is online.
async fn locate(
    connection: &mut PgConnection,
    org: OrgId,
    stream: Stream,
    position: GlobalPosition,
) -> Result<Located, ReadError> {
    let mut tx = begin(connection, org).await?;
    let found = sqlx::query!(
        r#"with recursive wanted (position) as (
               select case when $1::smallint = $3::smallint then greatest($2::bigint, (select max(upto) from log.archived))
                      else $2::bigint end
           ), search (low, high) as (
               select 0::bigint, coalesce(
                   (select version from log.org_events where stream = $1 order by version desc limit 1),
                   (select version from log.org_streams where stream = $1), 0)
               union all
               select case when e.is_after then s.low else s.middle end,
                      case when e.is_after then s.middle - 1 else s.high end
               from (select low, high, (low + high + 1) / 2 as middle from search where low < high) s
               cross join lateral (
                   select coalesce((select position from log.org_events
                                    where stream = $1 and version = s.middle)
                                   > (select position from wanted), false) as is_after
               ) e
           )
           select low as "low!", e.position, (select position from wanted) as "wanted!",
               case when low > 0 and e.position is null then coalesce(
                   (select position - 1 from log.org_events where stream = $1 and version = low + 1),
                   (select position from log.head)) end as before_next
           from search cross join lateral (
               select (select position from log.org_events where stream = $1 and version = low) as position
           ) e
           where low >= high"#,
        stream.number(),
        position.as_i64(),
        Stream::Observations.number(),
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    let newest = found.position.and_then(GlobalPosition::try_from_i64);
    // One that is not there may stand anywhere before the next one, also behind the position.
    if found.before_next.is_some_and(|last| found.wanted < last) {
        let key = format!("{org} {}", found.low);
        return Err(CorruptRow::new("log.events", "version", key, "is missing").into());
    }
    Ok(Located {
        version: StreamVersion::try_from_i64(found.low).unwrap_or_default(),
        archived: newest.filter(|newest| *newest > position),
    })
}
