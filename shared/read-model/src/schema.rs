//! Versions of the projection: each in a schema of its own, `read_1`, `read_2`, and so on, made by
//! the projector from `migrations/read`; `read.versions` says how far each has come. A version may
//! be built again beside the tables that answer, `read_2_b2`, `read_2_b3`; then `read.versions` says
//! which of its builds answers, and `read.builds` how far the others have come.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use domain::event::ChainHash;
use domain::ids::{GlobalPosition, LogEpoch};
use domain::time::Timestamp;
use sqlx::error::DatabaseError;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgConnection};
use thiserror::Error;

static TABLES: Migrator = sqlx::migrate!("../../migrations/read");
/// First half of the advisory lock that the one projector of a build holds ("tgrd").
pub(crate) const LOCK_CLASS: i32 = 0x7467_7264;

/// The form of the tables and of what is projected into them. Raised whenever a migration alone
/// cannot bring existing rows to the new form: the new version is then built from the log beside
/// the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectionVersion(i32);

/// One building of a version, by its number from 1; the first stands in the version's own schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Build {
    version: ProjectionVersion,
    number: i32,
}

/// The text is not the name of a build's schema.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a build such as read_4 or read_4_b2")]
pub struct InvalidBuild;

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
    /// Somebody has dropped the build.
    #[error("the build {build} is not there any more")]
    Dropped {
        /// Which.
        build: Build,
    },
    /// The database did not answer.
    #[error("the read model's database did not answer")]
    Database(#[from] sqlx::Error),
}

/// How far a build has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Whether it is the build that answers.
    pub serves: bool,
    pub position: GlobalPosition,
    pub hash: Option<ChainHash>,
    pub log_epoch: Option<LogEpoch>,
    pub is_caught_up: bool,
}

/// How long one statement of a question may take: whoever asked has gone by then, or is told 503
/// a second later. A search is what can take long: it walks its org's index until the page is full.
pub const STATEMENT_WITHIN: Duration = Duration::from_secs(14);

/// Postgres: a table, a schema or a column that is not there.
const UNDEFINED: [&str; 3] = ["42P01", "3F000", "42703"];

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
}

/// The schema's name.
impl fmt::Display for ProjectionVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read_{}", self.0)
    }
}

impl Build {
    /// The build of this number.
    pub const fn new(version: ProjectionVersion, number: i32) -> Self {
        Self { version, number }
    }

    /// What it is a build of.
    pub const fn version(self) -> ProjectionVersion {
        self.version
    }

    /// Its number among those of its version.
    pub const fn number(self) -> i32 {
        self.number
    }

    /// Builds of one version differ in the upper half, so that the first has the version's own.
    pub(crate) const fn lock_key(self) -> (i32, i32) {
        (LOCK_CLASS, self.version.0 | (self.number - 1) << 16)
    }
}

/// The schema's name.
impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.version.fmt(f)?;
        if self.number > 1 {
            write!(f, "_b{}", self.number)?;
        }
        Ok(())
    }
}

impl FromStr for Build {
    type Err = InvalidBuild;

    fn from_str(text: &str) -> Result<Self, InvalidBuild> {
        let numbers = text.strip_prefix("read_").ok_or(InvalidBuild)?;
        let (version, number) = numbers.split_once("_b").unwrap_or((numbers, "1"));
        let parsed = |text: &str| text.parse::<i16>().ok().filter(|number| *number > 0);
        let (Some(version), Some(number)) = (parsed(version), parsed(number)) else {
            return Err(InvalidBuild);
        };
        let build = Self::new(ProjectionVersion(version.into()), number.into());
        // Only one way to write it.
        (build.to_string() == text)
            .then_some(build)
            .ok_or(InvalidBuild)
    }
}

/// The build of a version that answers, or that will: the first, before there is any.
pub(crate) async fn serving(
    connection: &mut PgConnection,
    version: ProjectionVersion,
) -> Result<Build, sqlx::Error> {
    let number = sqlx::query_scalar!(
        "SELECT build FROM read.versions WHERE version = $1",
        version.get(),
    )
    .fetch_optional(connection)
    .await;
    match number {
        Ok(number) => Ok(Build::new(version, number.unwrap_or(1))),
        Err(error) if is_undefined(&error) => Ok(Build::new(version, 1)),
        Err(error) => Err(error),
    }
}

/// Whether what was asked for is not there yet: the schema, the table, or the column.
pub(crate) fn is_undefined(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| UNDEFINED.contains(&code.as_ref()))
}

/// Makes or migrates a build's tables, and says how far it has come; plain names mean its tables
/// from now on. The connection must hold the build's lock.
pub(crate) async fn prepare(
    connection: &mut PgConnection,
    build: Build,
    now: Timestamp,
) -> Result<Checkpoint, SchemaError> {
    // The name of a schema cannot be a parameter; this one is made of numbers.
    let create = format!("CREATE SCHEMA IF NOT EXISTS {build}");
    sqlx::query(AssertSqlSafe(create))
        .execute(&mut *connection)
        .await?;
    sqlx::query_scalar!(
        "SELECT set_config('search_path', $1, false)",
        build.to_string()
    )
    .fetch_one(&mut *connection)
    .await?;
    // Not `run`: its future is not `Send` for every lifetime of a connection.
    TABLES
        .run_direct(None, &mut *connection, false)
        .await
        .map_err(|source| SchemaError::Migrate {
            schema: build.to_string(),
            source,
        })?;
    if build.number == 1 {
        sqlx::query!(
            "INSERT INTO read.versions (version, started_at) VALUES ($1, $2)
             ON CONFLICT (version) DO NOTHING",
            build.version.get(),
            now.datetime(),
        )
        .execute(&mut *connection)
        .await?;
    }
    checkpoint(connection, build)
        .await?
        .ok_or(SchemaError::Dropped { build })
}

async fn checkpoint(
    connection: &mut PgConnection,
    build: Build,
) -> Result<Option<Checkpoint>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT position AS "position!", hash, log_epoch,
                  caught_up_at IS NOT NULL AS "is_caught_up!", true AS "serves!"
           FROM read.versions WHERE version = $1 AND build = $2
           UNION ALL
           SELECT position, hash, log_epoch, caught_up_at IS NOT NULL, false
           FROM read.builds WHERE version = $1 AND build = $2"#,
        build.version.get(),
        build.number,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Checkpoint {
        serves: row.serves,
        position: GlobalPosition::try_from_i64(row.position).unwrap_or_default(),
        hash: row.hash.as_deref().and_then(ChainHash::try_from_slice),
        log_epoch: row.log_epoch.map(LogEpoch::from_uuid),
        is_caught_up: row.is_caught_up,
    }))
}

/// Whether there is such a build.
pub(crate) async fn exists(
    connection: &mut PgConnection,
    build: Build,
) -> Result<bool, sqlx::Error> {
    match checkpoint(connection, build).await {
        Ok(found) => Ok(found.is_some()),
        Err(error) if is_undefined(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Moves the checkpoint inside the transaction that applied the events up to it. False if another
/// projector has moved it meanwhile, or another build answers now: then the transaction must not be
/// committed.
pub(crate) async fn advance_in_tx(
    connection: &mut PgConnection,
    build: Build,
    from: GlobalPosition,
    to: Checkpoint,
) -> Result<bool, sqlx::Error> {
    let (version, number) = (build.version.get(), build.number);
    let hash = to.hash.as_ref().map(|hash| hash.as_bytes().as_slice());
    let epoch = to.log_epoch.map(LogEpoch::as_uuid);
    let moved = if to.serves {
        sqlx::query!(
            "UPDATE read.versions SET position = $4, hash = $5, log_epoch = $6
             WHERE version = $1 AND build = $2 AND position = $3",
            version,
            number,
            from.as_i64(),
            to.position.as_i64(),
            hash,
            epoch,
        )
        .execute(connection)
        .await?
    } else {
        sqlx::query!(
            "UPDATE read.builds SET position = $4, hash = $5, log_epoch = $6
             WHERE version = $1 AND build = $2 AND position = $3",
            version,
            number,
            from.as_i64(),
            to.position.as_i64(),
            hash,
            epoch,
        )
        .execute(connection)
        .await?
    };
    Ok(moved.rows_affected() == 1)
}

/// Notes that a build has reached the head of the log: the one that answers is read from now on.
pub(crate) async fn mark_caught_up(
    connection: &mut PgConnection,
    build: Build,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "WITH beside AS (UPDATE read.builds SET caught_up_at = $3
             WHERE version = $1 AND build = $2 AND caught_up_at IS NULL)
         UPDATE read.versions SET caught_up_at = $3
         WHERE version = $1 AND build = $2 AND caught_up_at IS NULL",
        build.version.get(),
        build.number,
        now.datetime(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the lock of the one projector of a build, held until the connection ends. False if
/// another has it.
pub(crate) async fn try_lock(
    connection: &mut PgConnection,
    build: Build,
) -> Result<bool, sqlx::Error> {
    let (class, object) = build.lock_key();
    sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_lock($1, $2) AS "locked!""#,
        class,
        object,
    )
    .fetch_one(connection)
    .await
}

/// Gives it back.
pub(crate) async fn unlock(connection: &mut PgConnection, build: Build) -> Result<(), sqlx::Error> {
    let (class, object) = build.lock_key();
    sqlx::query_scalar!("SELECT pg_advisory_unlock($1, $2)", class, object)
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Drops a build's tables and begins it anew. The connection must hold the build's lock.
pub(crate) async fn empty(
    connection: &mut PgConnection,
    build: Build,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let (version, number) = (build.version.get(), build.number);
    let mut tx = sqlx::Connection::begin(connection).await?;
    drop_schema_in_tx(&mut tx, build).await?;
    sqlx::query!(
        "WITH beside AS (UPDATE read.builds SET position = 0, hash = NULL, log_epoch = NULL,
                 caught_up_at = NULL, started_at = $3 WHERE version = $1 AND build = $2)
         UPDATE read.versions SET position = 0, hash = NULL, log_epoch = NULL,
             caught_up_at = NULL, started_at = $3 WHERE version = $1 AND build = $2",
        version,
        number,
        now.datetime(),
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

pub(crate) async fn drop_schema_in_tx(
    connection: &mut PgConnection,
    build: Build,
) -> Result<(), sqlx::Error> {
    // The name of a schema cannot be a parameter; this one is made of numbers.
    let drop = format!("DROP SCHEMA IF EXISTS {build} CASCADE");
    sqlx::query(AssertSqlSafe(drop)).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{Build, InvalidBuild, ProjectionVersion};

    #[test]
    fn a_build_is_named_as_its_schema_in_one_way() {
        let version = ProjectionVersion::new(4);
        for (text, number) in [("read_4", 1), ("read_4_b2", 2), ("read_4_b17", 17)] {
            let build = Build::new(version, number);
            assert_eq!(text.parse(), Ok(build));
            assert_eq!(build.to_string(), text);
        }
        for text in [
            "",
            "4",
            "read_",
            "read_4_b1",
            "read_04",
            "read_4_b02",
            "read_0",
            "read_4_b",
            "read_4_b0",
            "read_-4",
            "read_99999",
            "read_4; drop",
        ] {
            assert_eq!(text.parse::<Build>(), Err(InvalidBuild), "{text}");
        }
    }

    #[test]
    fn no_two_builds_have_the_same_lock() {
        let mut keys = std::collections::HashSet::new();
        for version in 1..50 {
            let version = ProjectionVersion::new(version);
            for number in 1..50 {
                assert!(keys.insert(Build::new(version, number).lock_key()));
            }
            let first = Build::new(version, 1).lock_key();
            assert_eq!(first.1, version.get(), "what former programs hold");
        }
        assert_eq!("read_4".parse::<Build>().unwrap().lock_key().1, 4);
    }
}
