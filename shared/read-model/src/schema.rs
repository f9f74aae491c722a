//! Versions of the projection: each in a schema of its own, `read_1`, `read_2`, and so on, made by
//! the projector from `migrations/read`; `read.versions` says how far each has come.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use domain::event::ChainHash;
use domain::ids::{GlobalPosition, LogEpoch};
use domain::time::Timestamp;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgConnection};
use thiserror::Error;

static TABLES: Migrator = sqlx::migrate!("../../migrations/read");
/// First half of the advisory lock that the one projector of a version holds ("tgrd").
const LOCK_CLASS: i32 = 0x7467_7264;

/// The form of the tables and of what is projected into them. Raised whenever a migration alone
/// cannot bring existing rows to the new form: the new version is then built from the log beside
/// the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectionVersion(i32);

/// Why a version's tables could not be brought up to date.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// A migration failed, or differs from what was applied.
    #[error("schema {schema} cannot be migrated")]
    Migrate {
        /// The schema.
        schema: String,
        /// Which migration and why.
        #[source]
        source: MigrateError,
    },
    /// The database did not answer.
    #[error("the read model's database did not answer")]
    Database(#[from] sqlx::Error),
}

/// How far a version has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub position: GlobalPosition,
    pub hash: Option<ChainHash>,
    pub log_epoch: Option<LogEpoch>,
    pub is_caught_up: bool,
}

/// How long one statement of a question may take: whoever asked has gone by then, or is told 503
/// a second later. A search is what can take long: it walks its org's index until the page is full.
pub const STATEMENT_WITHIN: Duration = Duration::from_secs(14);

/// Memory of one step of a question's plan before it goes to disk.
const WORK_MEM: &str = "16MB";

impl ProjectionVersion {
    /// The version that this build writes and reads.
    pub const CURRENT: Self = Self(4);

    /// A version by its number, from 1.
    pub const fn new(number: i32) -> Self {
        Self(number)
    }

    /// The bare number.
    pub const fn get(self) -> i32 {
        self.0
    }

    /// How to connect for questions: the tables' plain names mean those of this version, and no
    /// statement takes longer than [`STATEMENT_WITHIN`]. Sums by bucket stay in memory, and plans
    /// are not compiled: that takes longer than what they do.
    ///
    /// # Errors
    /// If the URL cannot be read.
    pub fn connect_options(self, url: &str) -> Result<PgConnectOptions, sqlx::Error> {
        let options = self.in_schema(PgConnectOptions::from_str(url)?);
        let within = STATEMENT_WITHIN.as_millis().to_string();
        Ok(options.options([
            ("statement_timeout", within.as_str()),
            ("work_mem", WORK_MEM),
            ("jit", "off"),
        ]))
    }

    /// The same, from other options.
    #[must_use]
    pub fn in_schema(self, options: PgConnectOptions) -> PgConnectOptions {
        options.options([("search_path", self.to_string())])
    }

    pub(crate) const fn lock_key(self) -> (i32, i32) {
        (LOCK_CLASS, self.0)
    }
}

/// The schema's name.
impl fmt::Display for ProjectionVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read_{}", self.0)
    }
}

/// Makes or migrates a version's tables, and says how far it has come. The connection must hold
/// the version's lock.
pub(crate) async fn prepare(
    connection: &mut PgConnection,
    version: ProjectionVersion,
    now: Timestamp,
) -> Result<Checkpoint, SchemaError> {
    // The name of a schema cannot be a parameter; this one is made of a number.
    let create = format!("CREATE SCHEMA IF NOT EXISTS {version}");
    sqlx::query(AssertSqlSafe(create))
        .execute(&mut *connection)
        .await?;
    // Not `run`: its future is not `Send` for every lifetime of a connection.
    TABLES
        .run_direct(None, &mut *connection, false)
        .await
        .map_err(|source| SchemaError::Migrate {
            schema: version.to_string(),
            source,
        })?;
    sqlx::query!(
        "INSERT INTO read.versions (version, started_at) VALUES ($1, $2)
         ON CONFLICT (version) DO NOTHING",
        version.get(),
        now.datetime(),
    )
    .execute(&mut *connection)
    .await?;
    Ok(checkpoint(connection, version).await?)
}

async fn checkpoint(
    connection: &mut PgConnection,
    version: ProjectionVersion,
) -> Result<Checkpoint, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT position, hash, log_epoch, caught_up_at IS NOT NULL AS "is_caught_up!"
           FROM read.versions WHERE version = $1"#,
        version.get(),
    )
    .fetch_one(connection)
    .await?;
    Ok(Checkpoint {
        position: GlobalPosition::try_from_i64(row.position).unwrap_or_default(),
        hash: row.hash.as_deref().and_then(ChainHash::try_from_slice),
        log_epoch: row.log_epoch.map(LogEpoch::from_uuid),
        is_caught_up: row.is_caught_up,
    })
}

/// Moves the checkpoint inside the transaction that applied the events up to it. False if another
/// projector has moved it meanwhile: then the transaction must not be committed.
pub(crate) async fn advance_in_tx(
    connection: &mut PgConnection,
    version: ProjectionVersion,
    from: GlobalPosition,
    to: Checkpoint,
) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query!(
        "UPDATE read.versions SET position = $3, hash = $4, log_epoch = $5
         WHERE version = $1 AND position = $2",
        version.get(),
        from.as_i64(),
        to.position.as_i64(),
        to.hash.as_ref().map(|hash| hash.as_bytes().as_slice()),
        to.log_epoch.map(LogEpoch::as_uuid),
    )
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Notes that a version has reached the head of the log: from now on it is read.
pub(crate) async fn mark_caught_up(
    connection: &mut PgConnection,
    version: ProjectionVersion,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE read.versions SET caught_up_at = $2 WHERE version = $1 AND caught_up_at IS NULL",
        version.get(),
        now.datetime(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the lock of the one projector of a version, held until the connection ends. False if
/// another has it.
pub(crate) async fn try_lock(
    connection: &mut PgConnection,
    version: ProjectionVersion,
) -> Result<bool, sqlx::Error> {
    let (class, object) = version.lock_key();
    sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_lock($1, $2) AS "locked!""#,
        class,
        object,
    )
    .fetch_one(connection)
    .await
}

/// Drops a version with all its rows. The connection must hold the version's lock.
pub(crate) async fn drop_version(
    connection: &mut PgConnection,
    version: ProjectionVersion,
) -> Result<(), sqlx::Error> {
    // The name of a schema cannot be a parameter; this one is made of a number.
    let drop = format!("DROP SCHEMA IF EXISTS {version} CASCADE");
    let mut tx = sqlx::Connection::begin(connection).await?;
    sqlx::query(AssertSqlSafe(drop)).execute(&mut *tx).await?;
    sqlx::query!(
        "DELETE FROM read.versions WHERE version = $1",
        version.get(),
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Older versions that nobody projects into any more, once a newer one has been read for `since`.
pub(crate) async fn drop_outlived(
    connection: &mut PgConnection,
    current: ProjectionVersion,
    caught_up_before: Timestamp,
) -> Result<Vec<ProjectionVersion>, sqlx::Error> {
    let outlived = sqlx::query_scalar!(
        "SELECT old.version FROM read.versions old
         JOIN read.versions new ON new.version = $1 AND new.caught_up_at < $2
         WHERE old.version < $1 ORDER BY old.version",
        current.get(),
        caught_up_before.datetime(),
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut dropped = Vec::new();
    for version in outlived.into_iter().map(ProjectionVersion) {
        if !try_lock(connection, version).await? {
            continue;
        }
        drop_version(connection, version).await?;
        let (class, object) = version.lock_key();
        sqlx::query_scalar!("SELECT pg_advisory_unlock($1, $2)", class, object)
            .fetch_one(&mut *connection)
            .await?;
        dropped.push(version);
    }
    Ok(dropped)
}
