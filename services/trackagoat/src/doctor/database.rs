//! The log's database: reachable, up to date, durable, not held up, followed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::pending_migrations;
use read_model::{Build, ProjectionVersion};
use runtime::clock::Clock;
use runtime::telemetry::chain;
use sqlx::PgConnection;
use uuid::Uuid;

use super::archive;
use super::finding::{Finding, Findings};
use crate::operator::Place;

const OLDEST_VERSION: i32 = 150_000;
/// Expiry of keys follows every machine's wall clock.
const CLOCKS_APART: Duration = Duration::from_secs(1);
/// A service of each kind takes about 40 connections.
const FREE_CONNECTIONS: i64 = 40;
/// A transaction so old keeps dead rows of the head from being removed.
const OLD_TRANSACTION: Duration = Duration::from_mins(1);
/// Events; a projection is a fraction of a second behind.
const LAG: i64 = 10_000;

/// Groups that services log in as.
const GROUPS: [&str; 3] = ["tga_command", "tga_query", "tga_projector"];

/// The end of the log.
pub struct Log {
    pub position: i64,
    pub epoch: Uuid,
}

/// Looks at everything; returns the end of the log if there is one.
pub async fn look(
    connection: &mut PgConnection,
    place: &Place,
    clock: &Clock,
    findings: &mut Findings,
) -> Option<Log> {
    match Box::pin(examine(connection, place, clock, findings)).await {
        Ok(log) => log,
        Err(error) => {
            findings.add(
                Finding::broken("database", chain(&error)).mend(
                    "name a login that may look at everything, as `trackagoat migrate` needs",
                ),
            );
            None
        }
    }
}

async fn examine(
    connection: &mut PgConnection,
    place: &Place,
    clock: &Clock,
    findings: &mut Findings,
) -> Result<Option<Log>, sqlx::Error> {
    findings.add(login(connection, place).await?);
    server(connection, clock, findings).await?;
    settings(connection, findings).await?;
    match pending_migrations(connection).await {
        Ok(pending) if pending.is_empty() => {
            findings.add(Finding::fine("migrations", "all applied"));
        }
        Ok(pending) => {
            let says = format!("{} missing, from {}", pending.len(), pending[0]);
            findings.add(Finding::broken("migrations", says).mend("trackagoat migrate"));
            return Ok(None);
        }
        Err(error) => {
            findings.add(
                Finding::broken("migrations", chain(&error))
                    .mend("trackagoat migrate, with the admin's login"),
            );
            return Ok(None);
        }
    }
    let log = head(connection, findings).await?;
    findings.add(super::signatures::look(connection).await?);
    logins(connection, findings).await?;
    transactions(connection, findings).await?;
    replicas(connection, findings).await?;
    projection(connection, log.position, findings).await?;
    findings.add(match archive::look(connection, place).await {
        Ok(finding) => finding,
        Err(error) => Finding::broken("log archive", chain(&error)),
    });
    Ok(Some(log))
}

/// As whom doctor is connected, which is how the next command would be.
async fn login(connection: &mut PgConnection, place: &Place) -> Result<Finding, sqlx::Error> {
    let row = sqlx::query!(
        r#"select session_user::text as "login!", current_user::text as "role!",
                  rolsuper as "is_superuser!"
           from pg_roles where rolname = session_user"#
    )
    .fetch_one(connection)
    .await?;
    let mut says = row.login.clone();
    if row.role != row.login {
        says = format!("{says}, acting as {}", row.role);
    }
    Ok(if GROUPS.contains(&row.role.as_str()) {
        Finding::warning(
            "connected as",
            format_args!("{says}: may not look at everything"),
        )
        .mend("name the admin's login with TGA_DATABASE_URL_FILE")
    } else if !row.is_superuser {
        Finding::fine("connected as", says)
    } else if place.dev_folder.is_some() {
        Finding::fine(
            "connected as",
            format_args!("{says}, superuser of dev's own server"),
        )
    } else {
        Finding::warning(
            "connected as",
            format_args!("{says}, a superuser, whom no grant holds back"),
        )
        .mend("for migrate, doctor and operator commands only: give `trackagoat serve` the logins below")
    })
}

async fn server(
    connection: &mut PgConnection,
    clock: &Clock,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let row = sqlx::query!(
        r#"select current_setting('server_version') as "version!",
                  current_setting('server_version_num')::int as "number!",
                  clock_timestamp() as "now!",
                  pg_is_in_recovery() as "standby!",
                  current_setting('server_encoding') as "encoding!",
                  current_setting('max_connections')::bigint
                  - (select count(*) from pg_stat_activity where backend_type = 'client backend')
                  as "free!""#
    )
    .fetch_one(connection)
    .await?;
    findings.add(if row.number < OLDEST_VERSION {
        Finding::broken(
            "postgres server",
            format_args!("{} is too old", row.version),
        )
        .mend("upgrade it to 15 or newer")
    } else if row.standby {
        Finding::broken("postgres server", "a standby, which takes no writes")
            .mend("name the primary with TGA_DATABASE_URL_FILE")
    } else if row.encoding == "UTF8" {
        Finding::fine("postgres server", row.version)
    } else {
        Finding::broken(
            "postgres server",
            format_args!("its encoding is {}", row.encoding),
        )
        .mend("create database trackagoat encoding 'UTF8' template template0")
    });
    findings.add(clocks(row.now, clock.now()));
    findings.add(if row.free < FREE_CONNECTIONS {
        Finding::warning("connections", format_args!("only {} are free", row.free))
            .mend("alter system set max_connections = 300, then restart the server")
    } else {
        Finding::fine("connections", format_args!("{} are free", row.free))
    });
    Ok(())
}

fn clocks(theirs: DateTime<Utc>, ours: DateTime<Utc>) -> Finding {
    let apart = theirs.signed_duration_since(ours).abs().to_std();
    let apart = apart.unwrap_or_default();
    if apart > CLOCKS_APART {
        let says = format!("the server's is {:.1} s off ours", apart.as_secs_f64());
        Finding::warning("clocks", says).mend("keep both machines' time with NTP")
    } else {
        Finding::fine("clocks", "agree")
    }
}

/// What makes a commit durable.
async fn settings(
    connection: &mut PgConnection,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let off = sqlx::query_scalar!(
        r#"select name as "name!" from pg_settings
           where name in ('fsync', 'full_page_writes', 'autovacuum') and setting = 'off'"#
    )
    .fetch_all(connection)
    .await?;
    if off.is_empty() {
        findings.add(Finding::fine(
            "durability",
            "fsync and full_page_writes are on",
        ));
    }
    for name in off {
        let mend = format!("alter system set {name} = on; select pg_reload_conf()");
        findings.add(Finding::broken("durability", format_args!("{name} is off")).mend(mend));
    }
    Ok(())
}

async fn head(connection: &mut PgConnection, findings: &mut Findings) -> Result<Log, sqlx::Error> {
    let row = sqlx::query!("select position, epoch from log.head")
        .fetch_one(connection)
        .await?;
    let says = format!("{} events, epoch {}", row.position, row.epoch);
    findings.add(Finding::fine("log", says));
    Ok(Log {
        position: row.position,
        epoch: row.epoch,
    })
}

/// Services log in as members of the groups that migrations make.
async fn logins(connection: &mut PgConnection, findings: &mut Findings) -> Result<(), sqlx::Error> {
    for group in GROUPS {
        let logins = sqlx::query_scalar!(
            r#"select m.rolname as "name!" from pg_auth_members a
               join pg_roles g on g.oid = a.roleid join pg_roles m on m.oid = a.member
               where g.rolname = $1 and m.rolcanlogin"#,
            group
        )
        .fetch_all(&mut *connection)
        .await?;
        findings.add(if logins.is_empty() {
            Finding::warning("logins", format_args!("none is a member of {group}")).mend(
                format_args!(
                    "create role {group}_login login password '...' in role {group}; \
                 alter role {group}_login set role to {group}"
                ),
            )
        } else {
            Finding::fine("logins", format_args!("{group}: {}", logins.join(", ")))
        });
    }
    Ok(())
}

/// Whoever keeps an old snapshot slows appends down.
async fn transactions(
    connection: &mut PgConnection,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let row = sqlx::query!(
        r#"select pid as "pid!", application_name as "name!",
                  extract(epoch from clock_timestamp() - xact_start)::float8 as "seconds!"
           from pg_stat_activity
           where xact_start is not null and backend_type = 'client backend'
             and (backend_xmin is not null or backend_xid is not null)
           order by xact_start limit 1"#
    )
    .fetch_optional(connection)
    .await?;
    let old = row.filter(|row| row.seconds > OLD_TRANSACTION.as_secs_f64());
    findings.add(match old {
        Some(row) => Finding::warning(
            "transactions",
            format_args!(
                "process {} ({}) is in one for {:.0} s",
                row.pid, row.name, row.seconds
            ),
        )
        .mend(format_args!("select pg_terminate_backend({})", row.pid)),
        None => Finding::fine("transactions", "none is old"),
    });
    Ok(())
}

async fn replicas(
    connection: &mut PgConnection,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let names = sqlx::query_scalar!("select replica from gate.leases order by replica")
        .fetch_all(connection)
        .await?;
    findings.add(if names.is_empty() {
        Finding::warning("query services", "none is registered").mend("trackagoat serve query")
    } else {
        let says = format!("{} registered: {}", names.len(), names.join(", "));
        Finding::fine("query services", says)
    });
    Ok(())
}

async fn projection(
    connection: &mut PgConnection,
    head: i64,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let version = ProjectionVersion::CURRENT;
    // The projector makes the read model, so an admin who is no superuser may be a stranger to it.
    let readable = sqlx::query_scalar!(
        r#"select has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
                  as "readable!"
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = 'read' and c.relname = 'versions'"#
    )
    .fetch_optional(&mut *connection)
    .await?;
    if readable == Some(false) {
        findings.add(
            Finding::warning("projection", "this login may not look at it")
                .mend("grant tga_query to current_user"),
        );
        return Ok(());
    }
    let row = if readable.is_some() {
        sqlx::query!(
            "select position, caught_up_at, build from read.versions where version = $1",
            version.get()
        )
        .fetch_optional(connection)
        .await?
    } else {
        None
    };
    let projector = "trackagoat serve query, with --projector true on one of them";
    findings.add(match row {
        None => Finding::warning(
            "projection",
            format_args!("{version} is not in this database"),
        )
        .mend(format_args!(
            "{projector}, or look into the read model's own database"
        )),
        Some(row) => {
            let (build, behind) = (Build::new(version, row.build), head - row.position);
            if row.caught_up_at.is_none() {
                let says = format!("{build} is being built: {} of {head} events", row.position);
                Finding::warning("projection", says)
                    .mend("wait; it becomes current when it has caught up")
            } else if behind > LAG {
                let says = format!("{build} is {behind} events behind");
                Finding::warning("projection", says).mend(projector)
            } else {
                Finding::fine("projection", format_args!("{build} at {}", row.position))
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::clocks;

    #[test]
    fn clocks_that_disagree_are_told_with_by_how_much() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let text = |ahead| clocks(now + TimeDelta::milliseconds(ahead), now).to_string();
        assert!(text(900).starts_with("ok"));
        assert!(text(-2_500).contains("2.5 s off"), "{}", text(-2_500));
    }
}
