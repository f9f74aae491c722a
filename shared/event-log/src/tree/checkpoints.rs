//! `log.checkpoints` and the newest of them.

use chrono::{DateTime, Utc};
use domain::ids::{LogEpoch, TreeSize};
use domain::merkle::NodeHash;
use domain::signed::{NoteError, VerifierKey};
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{CorruptRow, ReadError};
use crate::log::EventLog;

/// A signed head of the tree, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// Life of the log.
    pub epoch: LogEpoch,
    /// Events under it.
    pub size: TreeSize,
    /// The root over them.
    pub root: NodeHash,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// By what the signature is verified, as text.
    pub public_key: String,
    /// The signed note.
    pub note: String,
}

/// Checkpoints page by page; of one life of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogCheckpoints {
    /// The life.
    pub epoch: LogEpoch,
    /// The last size that was read; none at the start.
    pub after: Option<TreeSize>,
}

impl SignedCheckpoint {
    /// The text under the signature, which is verified with the kept key if no other is given.
    ///
    /// # Errors
    /// If the signature is wrong, or the note says something else than the row.
    pub fn open(&self, keys: &[VerifierKey]) -> Result<domain::signed::Checkpoint, NoteError> {
        let kept: Vec<VerifierKey> = self.public_key.parse().into_iter().collect();
        let keys = if keys.is_empty() { &kept } else { keys };
        domain::signed::Checkpoint::open(&self.note, keys)
    }
}

struct Row {
    epoch: Uuid,
    tree_size: i64,
    root: Vec<u8>,
    signed_at: DateTime<Utc>,
    public_key: String,
    note: String,
}

impl TryFrom<Row> for SignedCheckpoint {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        let size = row.tree_size;
        let corrupt = |column, problem| CorruptRow::new("log.checkpoints", column, size, problem);
        Ok(Self {
            epoch: LogEpoch::from_uuid(row.epoch),
            size: TreeSize::try_from_i64(size)
                .ok_or_else(|| corrupt("tree_size", "is negative"))?,
            root: NodeHash::try_from_slice(&row.root)
                .ok_or_else(|| corrupt("root", "is not 32 bytes"))?,
            signed_at: Timestamp::from_datetime(row.signed_at),
            public_key: row.public_key,
            note: row.note,
        })
    }
}

impl EventLog {
    /// The newest signed head of the tree; none if no signer ever ran.
    pub async fn newest_checkpoint(&self) -> Result<Option<SignedCheckpoint>, ReadError> {
        self.ask(async |c| newest(c).await).await
    }

    /// Up to `limit` signed heads of a life of the log, the smallest first.
    pub async fn checkpoints(
        &self,
        from: LogCheckpoints,
        limit: u16,
    ) -> Result<Vec<SignedCheckpoint>, ReadError> {
        self.ask(async |c| page_after(c, from, limit).await).await
    }

    /// Up to `limit` signed heads of all lives of the log, by size; `after` is the last that was read.
    pub async fn all_checkpoints(
        &self,
        after: Option<(TreeSize, LogEpoch)>,
        limit: u16,
    ) -> Result<Vec<SignedCheckpoint>, ReadError> {
        self.ask(async |c| all_after(c, after, limit).await).await
    }
}

/// The newest signed head.
pub(crate) async fn newest(
    connection: &mut PgConnection,
) -> Result<Option<SignedCheckpoint>, ReadError> {
    let row = sqlx::query_as!(
        Row,
        "select epoch, tree_size, root, signed_at, public_key, note from log.newest_checkpoint"
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(SignedCheckpoint::try_from).transpose()?)
}

/// The signed head of the largest size of all lives; of two of one size that of this life.
pub(crate) async fn largest(
    connection: &mut PgConnection,
    epoch: LogEpoch,
) -> Result<Option<SignedCheckpoint>, ReadError> {
    let row = sqlx::query_as!(
        Row,
        "select epoch, tree_size, root, signed_at, public_key, note from log.checkpoints
         order by tree_size desc, epoch <> $1 limit 1",
        epoch.as_uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(SignedCheckpoint::try_from).transpose()?)
}

async fn all_after(
    connection: &mut PgConnection,
    after: Option<(TreeSize, LogEpoch)>,
    limit: u16,
) -> Result<Vec<SignedCheckpoint>, ReadError> {
    let (size, epoch) = after.map_or((-1, Uuid::nil()), |(size, epoch)| {
        (size.as_i64(), epoch.as_uuid())
    });
    let rows = sqlx::query_as!(
        Row,
        "select epoch, tree_size, root, signed_at, public_key, note from log.checkpoints
         where (tree_size, epoch) > ($1, $2) order by tree_size, epoch limit $3",
        size,
        epoch,
        i64::from(limit)
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(SignedCheckpoint::try_from);
    Ok(rows.collect::<Result<_, CorruptRow>>()?)
}

/// The signed heads of a life after a size.
async fn page_after(
    connection: &mut PgConnection,
    from: LogCheckpoints,
    limit: u16,
) -> Result<Vec<SignedCheckpoint>, ReadError> {
    let rows = sqlx::query_as!(
        Row,
        "select epoch, tree_size, root, signed_at, public_key, note from log.checkpoints
         where epoch = $1 and tree_size > $2 order by tree_size limit $3",
        from.epoch.as_uuid(),
        from.after.map_or(-1, TreeSize::as_i64),
        i64::from(limit)
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(SignedCheckpoint::try_from);
    Ok(rows.collect::<Result<_, CorruptRow>>()?)
}
