//! The migrations, embedded: `migrations/*.sql` without those of the read model.

use std::time::Duration;

use runtime::clock::Clock;
use sqlx::PgConnection;
use sqlx::migrate::{Migrate, Migrator};
use thiserror::Error;

static EMBEDDED: Migrator = sqlx::migrate!("../../migrations");

/// Number of the advisory lock that whoever migrates holds.
const LOCK: i64 = 0x7467_615f_6d69_6772;
const TRY_AGAIN: Duration = Duration::from_millis(200);
const GIVE_UP: Duration = Duration::from_mins(1);

/// Why the database could not be brought up to date.
#[derive(Debug, Error)]
pub enum MigrateError {
    /// The database did not answer, or refused.
    #[error("the database could not be asked")]
    Database(#[source] sqlx::Error),
    /// A migration failed, or one that was applied has changed since.
    #[error("a migration could not be applied")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// Another process has been migrating for too long.
    #[error("another process has been migrating for {} s", GIVE_UP.as_secs())]
    Busy,
}

/// Migrations of this build that a database lacks, by version and name, in their order.
///
/// # Errors
/// If the database does not answer, or is in the middle of a migration that failed.
pub async fn pending_migrations(
    connection: &mut PgConnection,
) -> Result<Vec<String>, MigrateError> {
    let table = EMBEDDED.table_name.as_ref();
    let exists = sqlx::query_scalar!(r#"select to_regclass($1) is not null as "exists!""#, table)
        .fetch_one(&mut *connection)
        .await
        .map_err(MigrateError::Database)?;
    let applied = if exists {
        connection
            .list_applied_migrations(table)
            .await
            .map_err(MigrateError::Migration)?
    } else {
        Vec::new()
    };
    let is_pending = |version| !applied.iter().any(|one| one.version == version);
    let pending = EMBEDDED.iter().filter(|one| is_pending(one.version));
    Ok(pending
        .map(|one| format!("{} {}", one.version, one.description))
        .collect())
}

/// Brings log, gate and auth up to date. The connection's user must be able to create roles and
/// schemas. Migrations of a newer build are left alone: both builds run beside each other.
pub async fn migrate(connection: &mut PgConnection, clock: &Clock) -> Result<(), MigrateError> {
    // Trying, not waiting: a waiting statement holds a snapshot, and an index built concurrently
    // in a migration would wait for that for ever.
    let deadline = clock.monotonic() + GIVE_UP;
    while !try_lock(connection).await? {
        if clock.monotonic() > deadline {
            return Err(MigrateError::Busy);
        }
        clock.sleep(TRY_AGAIN).await;
    }
    let migrator = Migrator {
        migrations: EMBEDDED.migrations.clone(),
        locking: false,
        ignore_missing: true,
        ..Migrator::DEFAULT
    };
    let migrated = migrator
        .run_direct(None, connection, false)
        .await
        .map_err(MigrateError::Migration);
    sqlx::query!("select pg_advisory_unlock($1)", LOCK)
        .fetch_one(connection)
        .await
        .map_err(MigrateError::Database)?;
    migrated
}

async fn try_lock(connection: &mut PgConnection) -> Result<bool, MigrateError> {
    sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "locked!""#, LOCK)
        .fetch_one(connection)
        .await
        .map_err(MigrateError::Database)
}
