//! What verifying the whole log reads beside the events: its ends, what is kept of the tree, signed
//! heads, and the credentials that it made. For the operator's connection.

use domain::event::Stream;
use domain::ids::{GlobalPosition, OrgId, StreamVersion};
use domain::merkle::Grown;
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::append::{ACTIVE, KIND_SESSION, ROTATING};
use crate::archive::{Stretch, Subjects};
use crate::error::{CorruptRow, ReadError};
use crate::log::{EventLog, Head};
use crate::read::{self, PAGE_MAX};
use crate::replay::Selection;
use crate::stored::StoredEvent;
use crate::tree::{self, WrongSubtree};

/// Where the log begins and ends, all as of one moment.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// The oldest event that is kept online; none in an empty log.
    pub first: Option<GlobalPosition>,
    /// The newest event that is there.
    pub last: Option<GlobalPosition>,
    /// Where the log says it ends.
    pub head: Head,
}

/// A credential, as the log or the gate has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Credential {
    /// The key or session.
    pub id: Uuid,
    /// Whose it is.
    pub org: OrgId,
    /// SHA-256 of it, as hexadecimal digits.
    pub sha256: String,
}

/// A credential that may call, as the gate has it.
#[expect(clippy::struct_excessive_bools, reason = "columns of one row")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The key or session.
    pub id: Uuid,
    /// Whose it is.
    pub org: OrgId,
    /// Whether it is a session.
    pub is_session: bool,
    /// Whether it was replaced.
    pub is_rotating: bool,
    /// One bit for each scope.
    pub scopes: i16,
    /// Whether every request is checked on the primary.
    pub strict: bool,
    /// The person behind it.
    pub owner: Option<Uuid>,
    /// Whether that person is shut out.
    pub is_banned: bool,
    /// Requests in any trailing 60 s.
    pub rate: i64,
    /// Networks from which it may call; none: anywhere.
    pub networks: Option<Vec<String>>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it ends as a replaced one.
    pub overlap_ends_at: Option<Timestamp>,
}

impl EventLog {
    /// Up to `limit` credentials that may call, ordered by their ids, with all that is said of them.
    pub async fn standings(
        &self,
        after: Option<Uuid>,
        limit: u16,
    ) -> Result<Vec<Standing>, ReadError> {
        self.ask(async |c| standings(c, after, limit).await).await
    }

    /// Where the log begins and ends.
    pub async fn extent(&self) -> Result<Extent, ReadError> {
        self.ask(async |c| extent(c).await).await
    }

    /// The first version of a stream after another that is there; without gaps, the next.
    pub async fn version_after(
        &self,
        org: OrgId,
        stream: Stream,
        after: StreamVersion,
    ) -> Result<Option<StreamVersion>, ReadError> {
        self.ask(async |c| version_after(c, org, stream, after).await)
            .await
    }

    /// Those of the subtrees that are kept otherwise, or not at all.
    pub async fn wrong_subtrees(&self, due: &[Grown]) -> Result<Vec<WrongSubtree>, ReadError> {
        if due.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(async |c| Ok(tree::wrong_subtrees(c, due).await?))
            .await
    }

    /// Up to 5,000 events after a position and up to another that are online, whether others between
    /// them are archived or not, and up to where these are all.
    pub async fn read_online(
        &self,
        after: GlobalPosition,
        until: GlobalPosition,
    ) -> Result<(Vec<StoredEvent>, GlobalPosition), ReadError> {
        let all = Selection::default();
        let events = self.ask(async |c| read::selected(c, after, until, &all, PAGE_MAX).await);
        let events = events.await?;
        let is_full = events.len() >= usize::from(PAGE_MAX);
        let last = events.last().filter(|_| is_full);
        let through = last.map_or(until, |last| last.position);
        Ok((events, through))
    }

    /// The first event that holds the newest reading of a subject, stands up to where archives end, and is
    /// not online. [`latest_readings`](Self::latest_readings) needs all of them.
    pub async fn lost_newest_reading(
        &self,
        upto: GlobalPosition,
    ) -> Result<Option<GlobalPosition>, ReadError> {
        let stretch = Stretch {
            first: GlobalPosition::new(1),
            last: upto,
        };
        let mut subjects = Subjects::newest_alone();
        let mut first_lost: Option<i64> = None;
        loop {
            let next = self.ask(async |c| Ok(subjects.next(c, stretch).await?));
            let Some(newest) = next.await? else {
                break;
            };
            let lost = self
                .ask(async |c| Ok(first_lost_of(c, &newest).await?))
                .await?;
            first_lost = [first_lost, lost].into_iter().flatten().min();
        }
        Ok(first_lost.and_then(GlobalPosition::try_from_i64))
    }

    /// The credentials that events after one position up to another made.
    pub async fn made_credentials(
        &self,
        after: GlobalPosition,
        until: GlobalPosition,
    ) -> Result<Vec<Credential>, ReadError> {
        self.ask(async |c| made(c, after, until).await).await
    }

    /// Up to `limit` credentials that may call, ordered by their ids.
    pub async fn active_credentials(
        &self,
        after: Option<Uuid>,
        limit: u16,
    ) -> Result<Vec<Credential>, ReadError> {
        self.ask(async |c| active(c, after, limit).await).await
    }
}

async fn extent(connection: &mut PgConnection) -> Result<Extent, ReadError> {
    let row = sqlx::query!(
        "select position, auth_position, recorded_at, epoch,
             (select min(e.position) from log.events e) as first,
             (select max(e.position) from log.events e) as last
         from log.head"
    )
    .fetch_one(connection)
    .await?;
    let end = |value: Option<i64>| {
        value
            .map(|value| {
                GlobalPosition::try_from_i64(value)
                    .ok_or_else(|| CorruptRow::new("log.events", "position", value, "is negative"))
            })
            .transpose()
    };
    Ok(Extent {
        first: end(row.first)?,
        last: end(row.last)?,
        head: Head::try_from_row(row.position, row.auth_position, row.recorded_at, row.epoch)?,
    })
}

async fn version_after(
    connection: &mut PgConnection,
    org: OrgId,
    stream: Stream,
    after: StreamVersion,
) -> Result<Option<StreamVersion>, ReadError> {
    let version = sqlx::query_scalar!(
        "select version from log.events
     where org_id = $1 and stream = $2 and version > $3 order by version limit 1",
        org.as_uuid(),
        stream.number(),
        after.as_i64()
    )
    .fetch_optional(connection)
    .await?;
    Ok(version.and_then(StreamVersion::try_from_i64))
}

async fn first_lost_of(
    connection: &mut PgConnection,
    positions: &[i64],
) -> Result<Option<i64>, sqlx::Error> {
    if positions.is_empty() {
        return Ok(None);
    }
    sqlx::query_scalar!(
        "select min(wanted.position) from unnest($1::bigint[]) as wanted (position)
         where not exists (select from log.events e where e.position = wanted.position)",
        positions
    )
    .fetch_one(connection)
    .await
}

async fn made(
    connection: &mut PgConnection,
    after: GlobalPosition,
    until: GlobalPosition,
) -> Result<Vec<Credential>, ReadError> {
    let rows = sqlx::query!(
        r#"select org_id, subject, metadata->>'credential_sha256' as "sha256!"
           from log.events
           where position > $1 and position <= $2 and metadata->>'credential_sha256' is not null
           order by position"#,
        after.as_i64(),
        until.as_i64()
    )
    .fetch_all(connection)
    .await?;
    let made = rows.into_iter().filter_map(|row| {
        let (_, id) = row.subject.rsplit_once('/')?;
        Some(Credential {
            id: id.parse().ok()?,
            org: OrgId::from_uuid(row.org_id),
            sha256: row.sha256,
        })
    });
    Ok(made.collect())
}

async fn standings(
    connection: &mut PgConnection,
    after: Option<Uuid>,
    limit: u16,
) -> Result<Vec<Standing>, ReadError> {
    let rows = sqlx::query!(
        r#"select id, org_id, kind, status, scopes, strict, owner_id, owner_banned,
               rate_limit_per_minute, ip_allowlist::text[] as "networks: Vec<String>",
               expires_at, overlap_ends_at
           from gate.credentials
           where status in ($3, $4) and ($1::uuid is null or id > $1) order by id limit $2"#,
        after,
        i64::from(limit),
        ACTIVE,
        ROTATING
    )
    .fetch_all(connection)
    .await?;
    let standings = rows.into_iter().map(|row| Standing {
        id: row.id,
        org: OrgId::from_uuid(row.org_id),
        is_session: row.kind == KIND_SESSION,
        is_rotating: row.status == ROTATING,
        scopes: row.scopes,
        strict: row.strict,
        owner: row.owner_id,
        is_banned: row.owner_banned,
        rate: row.rate_limit_per_minute,
        networks: row.networks,
        expires_at: row.expires_at.map(Timestamp::from_datetime),
        overlap_ends_at: row.overlap_ends_at.map(Timestamp::from_datetime),
    });
    Ok(standings.collect())
}

async fn active(
    connection: &mut PgConnection,
    after: Option<Uuid>,
    limit: u16,
) -> Result<Vec<Credential>, ReadError> {
    let rows = sqlx::query!(
        r#"select id, org_id, encode(hash, 'hex') as "sha256!" from gate.credentials
           where status in ($3, $4) and ($1::uuid is null or id > $1) order by id limit $2"#,
        after,
        i64::from(limit),
        ACTIVE,
        ROTATING
    )
    .fetch_all(connection)
    .await?;
    let active = rows.into_iter().map(|row| Credential {
        id: row.id,
        org: OrgId::from_uuid(row.org_id),
        sha256: row.sha256,
    });
    Ok(active.collect())
}
