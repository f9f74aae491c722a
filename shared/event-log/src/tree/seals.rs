//! Seals: where an org's streams end, under a signature, for whoever has the org's events alone.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::event::{ChainHash, Stream};
use domain::ids::{OrgId, StreamVersion, TreeSize};
use domain::signed::StreamEnd;
use domain::time::Timestamp;
use sqlx::PgConnection;
use thiserror::Error;

use crate::error::{CorruptRow, ReadError};
use crate::log::EventLog;

/// How often it is looked for a seal that was asked for.
const LOOK: Duration = Duration::from_millis(100);

/// The signed ends of an org's streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedEnds {
    /// Events of the whole log as of which the streams ended so.
    pub size: TreeSize,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// The seal, a signed note.
    pub seal: String,
    /// The checkpoint of that size, a signed note.
    pub checkpoint: String,
}

/// Why there is no seal.
#[derive(Debug, Error)]
pub enum SealError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log knows nothing of the org.
    #[error("there is no such org")]
    NoSuchOrg,
    /// Too many orgs wait for theirs.
    #[error("too many seals are asked for")]
    Crowded,
    /// Nobody signed it in time: perhaps no signer runs.
    #[error("no seal was signed within {} ms", .0.as_millis())]
    Late(Duration),
}

impl EventLog {
    /// A seal of the org that was signed after this was called, so that all which was committed before is
    /// under it. Somebody must run a signer.
    ///
    /// # Errors
    /// [`SealError`].
    pub async fn seal(&self, org: OrgId, within: Duration) -> Result<SealedEnds, SealError> {
        let deadline = self.clock().monotonic() + within;
        let asked = self.ask(async |c| request(c, org).await).await;
        let asked = asked.map_err(refusal)?;
        loop {
            let found = self.ask(async |c| find(c, org, asked).await).await?;
            if let Some(found) = found {
                return Ok(found);
            }
            if self.clock().monotonic() >= deadline {
                return Err(SealError::Late(within));
            }
            self.clock().sleep(LOOK).await;
        }
    }
}

fn refusal(error: ReadError) -> SealError {
    if let ReadError::Database(sqlx::Error::Database(refused)) = &error {
        match refused.code().as_deref() {
            Some("P0002") => return SealError::NoSuchOrg,
            Some("54000") => return SealError::Crowded,
            _ => {}
        }
    }
    error.into()
}

/// Asks for a seal; one that answers a request as late as this is new enough.
async fn request(connection: &mut PgConnection, org: OrgId) -> Result<DateTime<Utc>, ReadError> {
    let asked = sqlx::query_scalar!(r#"select log.request_seal($1) as "asked!""#, org.as_uuid())
        .fetch_one(connection)
        .await?;
    Ok(asked)
}

async fn find(
    connection: &mut PgConnection,
    org: OrgId,
    asked: DateTime<Utc>,
) -> Result<Option<SealedEnds>, ReadError> {
    let row = sqlx::query!(
        "select tree_size, signed_at, seal, checkpoint from log.seals
         where org_id = $1 and asked_at >= $2",
        org.as_uuid(),
        asked
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let size = TreeSize::try_from_i64(row.tree_size)
        .ok_or_else(|| CorruptRow::new("log.seals", "tree_size", org, "is negative"))?;
    Ok(Some(SealedEnds {
        size,
        signed_at: Timestamp::from_datetime(row.signed_at),
        seal: row.seal,
        checkpoint: row.checkpoint,
    }))
}

/// The end of one of an org's streams when the log had so many events.
pub(crate) async fn ends(
    connection: &mut PgConnection,
    org: OrgId,
    stream: Stream,
    size: TreeSize,
) -> Result<StreamEnd, ReadError> {
    let row = sqlx::query!(
        "select version, hash from log.events
         where org_id = $1 and stream = $2 and position <= $3 order by version desc limit 1",
        org.as_uuid(),
        stream.number(),
        size.as_i64()
    )
    .fetch_optional(&mut *connection)
    .await?;
    let (version, hash) = match row {
        Some(row) => (row.version, row.hash),
        // Events that are no longer kept online have been folded.
        None => match folded(connection, org, stream).await? {
            Some(end) => end,
            None => return Ok(StreamEnd::EMPTY),
        },
    };
    let corrupt = |column| CorruptRow::new("log.events", column, org, "is no end of a stream");
    Ok(StreamEnd {
        version: StreamVersion::try_from_i64(version).ok_or_else(|| corrupt("version"))?,
        hash: ChainHash::try_from_slice(&hash).ok_or_else(|| corrupt("hash"))?,
    })
}

async fn folded(
    connection: &mut PgConnection,
    org: OrgId,
    stream: Stream,
) -> Result<Option<(i64, Vec<u8>)>, sqlx::Error> {
    let row = sqlx::query!(
        "select version, hash from log.streams where org_id = $1 and stream = $2",
        org.as_uuid(),
        stream.number()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.version, row.hash)))
}
