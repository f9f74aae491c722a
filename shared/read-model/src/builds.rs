//! The builds that there are, for an operator: listed, begun, switched to, dropped.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::ids::{GlobalPosition, LogEpoch};
use domain::time::Timestamp;
use sqlx::{Connection, PgConnection, Postgres, Transaction};
use thiserror::Error;

use crate::position::CHANNEL;
use crate::schema::{self, Build, ProjectionVersion, SchemaError, is_undefined};

/// How long questions are waited for that may have begun before another build answered: longer than
/// one takes.
const LAST_QUESTIONS: Duration = Duration::from_secs(20);
/// How often it is looked whether they have ended.
const LOOKS: u64 = LAST_QUESTIONS.as_secs() * 10;

/// The read model's builds, through one connection of a role that owns them.
#[derive(Debug)]
pub struct Builds<'a> {
    connection: &'a mut PgConnection,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct BuildStatus {
    /// Which.
    pub build: Build,
    /// Whether it is the one of its version that answers, or will once it has caught up.
    pub serves: bool,
    /// Every event up to here is applied.
    pub position: GlobalPosition,
    /// When it was begun.
    pub started_at: Timestamp,
    /// When it first reached the head of the log; until then it does not answer.
    pub caught_up_at: Option<Timestamp>,
    /// Whether some process writes to it, or is about to.
    pub is_projected: bool,
    /// What its tables and indexes take on disk.
    pub bytes: u64,
}

/// Why a build was not begun, switched to or dropped.
#[derive(Debug, Error)]
pub enum BuildError {
    /// No projector has made the version yet.
    #[error("version {0} answers nothing yet: its first build is the query services' own")]
    NotServed(ProjectionVersion),
    /// There is no such build.
    #[error("there is no build {0}")]
    Unknown(Build),
    /// Another process is at it.
    #[error("another process is building {0}")]
    Busy(Build),
    /// A build stands beside already, and one is enough.
    #[error("{0} stands beside already, built: switch to it, or drop it")]
    Beside(Build),
    /// It is the build that answers.
    #[error("{0} is the build that answers")]
    Serves(Build),
    /// Transactions that began before somebody wanted it dropped have not ended.
    #[error("{0} may still be read, by what has been under way for {secs} s: drop it later",
        secs = LAST_QUESTIONS.as_secs())]
    Read(Build),
    /// This program knows other tables.
    #[error("{build} is of another version than this program's {version}")]
    OtherVersion {
        /// What was asked for.
        build: Build,
        /// What this program reads and writes.
        version: ProjectionVersion,
    },
    /// It was never brought up to the log.
    #[error("{0} was never built to its end: go on with a rebuild first")]
    Unfinished(Build),
    /// Its tables could not be made.
    #[error("the tables could not be prepared")]
    Schema(#[from] SchemaError),
    /// The database did not answer, or refused.
    #[error("the read model's database did not answer")]
    Database(#[from] sqlx::Error),
}

impl<'a> Builds<'a> {
    /// Those that this connection sees.
    pub const fn new(connection: &'a mut PgConnection) -> Self {
        Self { connection }
    }

    /// The role that owns the tables which answer, whoever of its members made them; none before
    /// there are any. Builds must be its own too, so that the services can go on with them.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn owner(&mut self) -> Result<Option<String>, BuildError> {
        let build = schema::serving(self.connection, ProjectionVersion::CURRENT).await?;
        let owner = sqlx::query_scalar!(
            r#"SELECT pg_get_userbyid(nspowner)::text AS "owner!" FROM pg_namespace
               WHERE nspname = $1"#,
            build.to_string(),
        );
        Ok(owner.fetch_optional(&mut *self.connection).await?)
    }

    /// All of them, the oldest version first.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn list(&mut self) -> Result<Vec<BuildStatus>, BuildError> {
        let rows = sqlx::query_as!(
            StatusRow,
            r#"SELECT version AS "version!", build AS "build!", serves AS "serves!",
                      position AS "position!", started_at AS "started_at!", caught_up_at,
                      (SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c
                       JOIN pg_namespace n ON n.oid = c.relnamespace
                       WHERE c.relkind = 'r' AND n.nspname = 'read_' || version
                           || CASE WHEN build > 1 THEN '_b' || build ELSE '' END) AS bytes,
                      EXISTS (SELECT FROM pg_locks
                       WHERE locktype = 'advisory' AND objsubid = 2 AND granted
                         AND database = (SELECT oid FROM pg_database
                                         WHERE datname = current_database())
                         AND classid::bigint = $1
                         AND objid::bigint = (version | ((build - 1) << 16))) AS "is_projected!"
               FROM (SELECT version, build, true AS serves, position, started_at, caught_up_at
                     FROM read.versions
                     UNION ALL
                     SELECT version, build, false, position, started_at, caught_up_at
                     FROM read.builds) AS builds
               ORDER BY version, build"#,
            i64::from(schema::LOCK_CLASS),
        )
        .fetch_all(&mut *self.connection)
        .await;
        match rows {
            Ok(rows) => Ok(rows.into_iter().map(BuildStatus::from).collect()),
            // No projector of this program's version has run here yet.
            Err(error) if is_undefined(&error) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// The build to go on with beside the one that answers: what was begun and never finished, else
    /// a new one.
    ///
    /// # Errors
    /// [`BuildError::NotServed`], [`BuildError::Beside`], or if the database does not answer.
    pub async fn begin(&mut self, now: Timestamp) -> Result<Build, BuildError> {
        let version = ProjectionVersion::CURRENT;
        let mut tx = self.connection.begin().await?;
        // Who begins at the same time waits here, and then finds ours.
        let made = sqlx::query_scalar!(
            "SELECT builds FROM read.versions
             WHERE version = $1 AND caught_up_at IS NOT NULL FOR UPDATE",
            version.get(),
        )
        .fetch_optional(&mut *tx)
        .await;
        let made = match made {
            Ok(made) => made.ok_or(BuildError::NotServed(version))?,
            Err(error) if is_undefined(&error) => return Err(BuildError::NotServed(version)),
            Err(error) => return Err(error.into()),
        };
        let beside = sqlx::query!(
            r#"SELECT build, caught_up_at IS NOT NULL AS "is_built!" FROM read.builds
               WHERE version = $1 ORDER BY build DESC LIMIT 1"#,
            version.get(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(beside) = beside {
            let build = Build::new(version, beside.build);
            return if beside.is_built {
                Err(BuildError::Beside(build))
            } else {
                Ok(build)
            };
        }
        sqlx::query!(
            "WITH numbered AS (UPDATE read.versions SET builds = builds + 1 WHERE version = $1)
             INSERT INTO read.builds (version, build, started_at) VALUES ($1, $2, $3)",
            version.get(),
            made + 1,
            now.datetime(),
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Build::new(version, made + 1))
    }

    /// Drops a build that does not answer, and to which nobody writes. Of an older version every
    /// build may go. Questions that began before another one answered are waited for, 20 s at most.
    ///
    /// # Errors
    /// [`BuildError::Serves`], [`BuildError::Busy`], [`BuildError::Read`], [`BuildError::Unknown`], or
    /// if the database does not answer.
    pub async fn drop(&mut self, build: Build) -> Result<(), BuildError> {
        self.drop_beside(build, ProjectionVersion::CURRENT, Readers::Awaited)
            .await
    }

    /// The same, for a program of this version.
    async fn drop_beside(
        &mut self,
        build: Build,
        current: ProjectionVersion,
        readers: Readers,
    ) -> Result<(), BuildError> {
        let listed = self.list().await?;
        let status = listed.iter().find(|status| status.build == build);
        let status = status.ok_or(BuildError::Unknown(build))?;
        let is_old = build.version() < current;
        if status.serves && !is_old {
            return Err(BuildError::Serves(build));
        }
        if !schema::try_lock(self.connection, build).await? {
            return Err(BuildError::Busy(build));
        }
        // As long as its lock is held it does not become the one that answers.
        let dropped = match readers {
            Readers::Awaited if !self.outlasts_questions().await? => Err(BuildError::Read(build)),
            Readers::Awaited | Readers::Gone => self.drop_locked(build, is_old).await,
        };
        schema::unlock(self.connection, build).await?;
        dropped
    }

    /// Waits until every transaction of this database has ended that is under way: one whose snapshot
    /// is older than a switch finds the tables of before it. False if some take too long.
    async fn outlasts_questions(&mut self) -> Result<bool, sqlx::Error> {
        let mut under_way = self.transactions().await?;
        for _ in 0..LOOKS {
            if under_way.is_empty() {
                return Ok(true);
            }
            sqlx::query!("SELECT pg_sleep(0.1)")
                .execute(&mut *self.connection)
                .await?;
            let now = self.transactions().await?;
            under_way.retain(|one| now.contains(one));
        }
        Ok(under_way.is_empty())
    }

    /// Others' transactions. Each holds a lock on its own number from its beginning to its end, which
    /// every role sees; autovacuum, which has no user, reads no build as of a snapshot.
    async fn transactions(&mut self) -> Result<HashSet<String>, sqlx::Error> {
        let rows = sqlx::query_scalar!(
            r#"SELECT l.virtualtransaction AS "transaction!" FROM pg_locks l
               JOIN pg_stat_activity a ON a.pid = l.pid
               WHERE l.locktype = 'virtualxid' AND l.virtualxid = l.virtualtransaction
                 AND a.usesysid IS NOT NULL AND a.pid <> pg_backend_pid()
                 AND a.datid = (SELECT oid FROM pg_database WHERE datname = current_database())"#
        );
        let rows = rows.fetch_all(&mut *self.connection).await?;
        Ok(rows.into_iter().collect())
    }

    async fn drop_locked(&mut self, build: Build, is_old: bool) -> Result<(), BuildError> {
        let (version, number) = (build.version().get(), build.number());
        let mut tx = self.connection.begin().await?;
        // It may have been switched to meanwhile.
        let gone = sqlx::query_scalar!(
            r#"WITH beside AS (DELETE FROM read.builds WHERE version = $1 AND build = $2
                   RETURNING build),
               served AS (DELETE FROM read.versions WHERE version = $1 AND build = $2 AND $3
                   AND NOT EXISTS (SELECT FROM read.builds WHERE version = $1) RETURNING build)
               SELECT count(*) AS "gone!" FROM (TABLE beside UNION ALL TABLE served) AS gone"#,
            version,
            number,
            is_old,
        )
        .fetch_one(&mut *tx)
        .await?;
        if gone == 0 {
            return Err(BuildError::Serves(build));
        }
        schema::drop_schema_in_tx(&mut tx, build).await?;
        Ok(tx.commit().await?)
    }
}

/// Whether questions may still be answered from what is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readers {
    Awaited,
    /// For a day another version answers.
    Gone,
}

struct StatusRow {
    version: i32,
    build: i32,
    serves: bool,
    position: i64,
    started_at: DateTime<Utc>,
    caught_up_at: Option<DateTime<Utc>>,
    bytes: Option<i64>,
    is_projected: bool,
}

impl From<StatusRow> for BuildStatus {
    fn from(row: StatusRow) -> Self {
        Self {
            build: Build::new(ProjectionVersion::new(row.version), row.build),
            serves: row.serves,
            position: GlobalPosition::try_from_i64(row.position).unwrap_or_default(),
            started_at: Timestamp::from_datetime(row.started_at),
            caught_up_at: row.caught_up_at.map(Timestamp::from_datetime),
            is_projected: row.is_projected,
            bytes: row
                .bytes
                .and_then(|bytes| bytes.try_into().ok())
                .unwrap_or(0),
        }
    }
}

/// Holds the build that answers where it is: its projector can finish no batch meanwhile. Readers go
/// on. What it holds ends with the transaction.
pub(crate) struct Held {
    tx: Transaction<'static, Postgres>,
    serving: Build,
    /// Where it stands.
    pub position: GlobalPosition,
    /// The life of the log that this belongs to.
    pub log_epoch: Option<LogEpoch>,
}

impl Held {
    /// Begins to hold it.
    pub async fn begin(
        mut tx: Transaction<'static, Postgres>,
        version: ProjectionVersion,
    ) -> Result<Self, BuildError> {
        let row = sqlx::query!(
            "SELECT build, position, log_epoch FROM read.versions
             WHERE version = $1 AND caught_up_at IS NOT NULL FOR UPDATE",
            version.get(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        let row = row.ok_or(BuildError::NotServed(version))?;
        Ok(Self {
            tx,
            serving: Build::new(version, row.build),
            position: GlobalPosition::try_from_i64(row.position).unwrap_or_default(),
            log_epoch: row.log_epoch.map(LogEpoch::from_uuid),
        })
    }

    /// Makes another build, which must not be behind, the one that answers: they change places.
    pub async fn switch_to(mut self, build: Build) -> Result<Build, BuildError> {
        let (version, number) = (build.version().get(), build.number());
        let switched = sqlx::query!(
            "WITH risen AS (DELETE FROM read.builds WHERE version = $1 AND build = $2
                 AND caught_up_at IS NOT NULL
                 RETURNING position, hash, log_epoch, started_at, caught_up_at),
             fallen AS (SELECT * FROM read.versions WHERE version = $1),
             kept AS (INSERT INTO read.builds
                 (version, build, position, hash, log_epoch, started_at, caught_up_at)
                 SELECT version, build, position, hash, log_epoch, started_at, caught_up_at
                 FROM fallen WHERE EXISTS (SELECT FROM risen))
             UPDATE read.versions SET build = $2, position = risen.position, hash = risen.hash,
                 log_epoch = risen.log_epoch, started_at = risen.started_at,
                 caught_up_at = risen.caught_up_at
             FROM risen WHERE version = $1 AND risen.position >= versions.position",
            version,
            number,
        )
        .execute(&mut *self.tx)
        .await?;
        if switched.rows_affected() != 1 {
            return Err(BuildError::Unfinished(build));
        }
        sqlx::query!("SELECT pg_notify($1, '')", CHANNEL)
            .execute(&mut *self.tx)
            .await?;
        self.tx.commit().await?;
        Ok(self.serving)
    }
}

/// Older versions that nobody projects into any more, once a newer one has been read for a while.
pub(crate) async fn drop_outlived(
    connection: &mut PgConnection,
    current: ProjectionVersion,
    caught_up_before: Timestamp,
) -> Result<Vec<Build>, BuildError> {
    let outlived = sqlx::query!(
        r#"WITH outlived AS (SELECT old.version, old.build FROM read.versions old
             JOIN read.versions new ON new.version = $1 AND new.caught_up_at < $2
             WHERE old.version < $1)
           SELECT version AS "version!", build AS "build!", 1 AS "last!" FROM outlived
           UNION ALL SELECT version, builds.build, 0 FROM read.builds
             JOIN outlived USING (version)
           ORDER BY 3, 1, 2"#,
        current.get(),
        caught_up_before.datetime(),
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut dropped = Vec::new();
    for row in outlived {
        let build = Build::new(ProjectionVersion::new(row.version), row.build);
        let mut builds = Builds::new(connection);
        match builds.drop_beside(build, current, Readers::Gone).await {
            Ok(()) => dropped.push(build),
            // Somebody still writes to it, or to another build of its version.
            Err(BuildError::Busy(_) | BuildError::Serves(_) | BuildError::Unknown(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(dropped)
}
