//! `log.restorations`: why the log has begun a new life.

use std::collections::BTreeSet;

use domain::ids::{LogEpoch, TreeSize};
use domain::signed::{LogName, NoteSigner, Restoration, VerifierKey};
use domain::time::Timestamp;
use sqlx::PgConnection;

use crate::error::{CorruptRow, ReadError};
use crate::log::EventLog;
use crate::signer::CheckpointCopy;

/// Most restorations that are looked at, the newest.
const MOST: i64 = 1_000;

/// One of them, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRestoration {
    /// What its row says; of which log is said by the note alone.
    pub said: Restoration,
    /// The note, as it is carried out of the database; none: it is under no signature.
    pub copy: Option<CheckpointCopy>,
}

impl EventLog {
    /// The restorations of the log, the newest first and 1,000 at most.
    pub async fn restorations(&self) -> Result<Vec<LogRestoration>, ReadError> {
        self.ask(async |c| restorations(c).await).await
    }
}

/// Notes that a life of the log ended; under a signature if there is a key. For the owner's connection.
///
/// # Errors
/// If the database does not answer, or refuses.
pub async fn note_restoration_in_tx(
    connection: &mut PgConnection,
    said: &Restoration,
    signer: Option<&NoteSigner>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into log.restorations
             (epoch, former, tree_size, known, restored_at, public_key, note)
         values ($1, $2, $3, $4, $5, $6, $7)",
        said.epoch.as_uuid(),
        said.former.as_uuid(),
        said.size.as_i64(),
        said.known.as_i64(),
        said.at.datetime(),
        signer.map(|signer| signer.verifier().to_string()),
        signer.map(|signer| said.sign(signer))
    )
    .execute(connection)
    .await
    .map(drop)
}

impl LogRestoration {
    /// What its note says under one of the keys, whatever its row does.
    pub fn signed(&self, keys: &[VerifierKey]) -> Option<Restoration> {
        self.copy.as_ref()?.restoration(keys).ok()
    }
}

/// Those of whose lives nothing under one of the keys says anything: noted without a key, with another one that the
/// log had before, or by whoever could write the database. Of each pair of lives the newest.
pub fn unsigned_restorations<'a>(
    all: &'a [LogRestoration],
    keys: &[VerifierKey],
) -> Vec<&'a Restoration> {
    let lives = |said: &Restoration| (said.former, said.epoch);
    let signed = all.iter().filter_map(|one| one.signed(keys));
    let mut done: BTreeSet<_> = signed.map(|said| lives(&said)).collect();
    let all = all.iter().map(|one| &one.said);
    all.filter(|said| done.insert(lives(said))).collect()
}

pub(crate) async fn restorations(
    connection: &mut PgConnection,
) -> Result<Vec<LogRestoration>, ReadError> {
    let rows = sqlx::query!(
        "select epoch, former, tree_size, known, restored_at, public_key, note
         from log.restorations order by restored_at desc, epoch, former, note nulls last limit $1",
        MOST
    )
    .fetch_all(connection)
    .await?;
    let size = |size: i64, column| {
        TreeSize::try_from_i64(size)
            .ok_or_else(|| CorruptRow::new("log.restorations", column, size, "is negative"))
    };
    let all = rows.into_iter().map(|row| {
        let epoch = LogEpoch::from_uuid(row.epoch);
        let said = Restoration {
            origin: LogName::default(),
            former: LogEpoch::from_uuid(row.former),
            size: size(row.tree_size, "tree_size")?,
            known: size(row.known, "known")?,
            epoch,
            at: Timestamp::from_datetime(row.restored_at),
        };
        let copy = row.public_key.zip(row.note);
        let copy = copy.map(|(public_key, note)| CheckpointCopy {
            epoch,
            tree_size: said.size.get(),
            public_key,
            note,
            restorations: None,
        });
        Ok(LogRestoration { said, copy })
    });
    Ok(all.collect::<Result<_, CorruptRow>>()?)
}
