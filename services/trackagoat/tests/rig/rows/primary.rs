//! Rows 20 to 22, 26, 27, 33, 50 and 52: what happens to Postgres.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use testkit::eventually;

use super::partitions::recovers;
use super::{REPLICAS, done, lasts};
use crate::client::now;
use crate::judge::POSTGRES;
use crate::limits::{CALM_WITHIN, SOON, VICTIMS};
use crate::rig::Rig;
use crate::setup::DATABASE;

/// Every service: nothing is asked of any but safety.
pub const ALL: [&str; 4] = ["q1", "q2", "q3", POSTGRES];
const COMMANDS: [&str; 2] = ["c1", "c2"];
/// Short enough that no lease runs out.
const SHORT_STOP: Duration = Duration::from_millis(1_200);
/// How long requests come at one rate before.
const STEADY: Duration = Duration::from_secs(4);
/// Long enough that every lease does.
const LONG_STOP: Duration = Duration::from_secs(4);

/// Row 20.
pub async fn restarted(rig: &mut Rig) {
    for is_fast in [true, false] {
        let watch = rig.round().await;
        let revoking = watch.revoke();
        rig.postgres
            .act(async move |server| {
                if is_fast {
                    server.stop().await?;
                } else {
                    server.stop_immediately().await?;
                }
                server.start().await
            })
            .await;
        done(revoking).await;
        let back = all_recover(rig).await;
        rig.end(watch, &ALL).await;
        rig.found
            .note(format!("all back {} ms after Postgres", back.as_millis()));
        rig.mend().await;
    }
}

/// Row 21: a backend, by which Postgres restarts itself; then all of it.
pub async fn killed(rig: &mut Rig) {
    let before = rig.leases().await;
    let watch = rig.round().await;
    let revoking = watch.revoke();
    kill_a_backend(rig).await;
    done(revoking).await;
    all_recover(rig).await;
    rig.end(watch, &ALL).await;
    never_back(rig, &before).await;

    rig.mend().await;
    let before = rig.leases().await;
    let watch = rig.round().await;
    let revoking = watch.revoke();
    rig.postgres
        .act(async |server| {
            server.kill().await?;
            server.start().await
        })
        .await;
    done(revoking).await;
    all_recover(rig).await;
    rig.end(watch, &ALL).await;
    never_back(rig, &before).await;
}

/// Row 22: for less than a lease nobody notices; for more, readers go on for D and then say 503.
pub async fn stopped(rig: &mut Rig) {
    let watch = rig.round().await;
    // What a process holds of an org's day lasts so long only once it knows how much is asked for.
    lasts(STEADY).await;
    let revoking = watch.revoke();
    rig.postgres.get().pause();
    lasts(SHORT_STOP).await;
    rig.postgres.get().resume();
    done(revoking).await;
    let before = rig.found.control;
    rig.end(watch, &[POSTGRES]).await;
    let (asked, answered) = (
        rig.found.control.0 - before.0,
        rig.found.control.1 - before.1,
    );
    rig.found.note(format!(
        "{answered} of {asked} reads answered around a short stop"
    ));

    rig.mend().await;
    let watch = rig.round().await;
    rig.postgres.get().pause();
    let revoking = watch.revoke();
    lasts(LONG_STOP).await;
    rig.postgres.get().resume();
    let back = all_recover(rig).await;
    done(revoking).await;
    rig.end(watch, &ALL).await;
    rig.found.note(format!(
        "all back {} ms after a long stop",
        back.as_millis()
    ));
}

/// Row 26: nobody gets one more connection; renewals have their own.
pub async fn without_connections(rig: &mut Rig) {
    let watch = rig.round().await;
    let url = rig.postgres.url("postgres");
    let mut crowd = Vec::new();
    while let Ok(connection) = PgConnection::connect(&url).await {
        crowd.push(connection);
    }
    let revoking = watch.revoke();
    lasts(SHORT_STOP).await;
    rig.found
        .note(format!("{} connections taken away", crowd.len()));
    for connection in crowd {
        // Postgres may have ended it.
        let _ = connection.close().await;
    }
    done(revoking).await;
    all_recover(rig).await;
    rig.end(watch, &ALL).await;
}

/// Row 27: somebody holds the right to append, and stands still, as a stopped command service would.
pub async fn head_lock_held(rig: &mut Rig) {
    let watch = rig.round().await;
    let mut holder = PgConnection::connect(&rig.postgres.url(DATABASE))
        .await
        .expect("it takes connections");
    let hold = "set idle_in_transaction_session_timeout = '1s'; begin; \
                select * from log.head for update";
    holder.execute(hold).await.expect("a superuser may lock");
    done(watch.revoke()).await;
    rig.end(watch, &[POSTGRES]).await;
    drop(holder);
}

/// Row 33, without its restore: the log begins another life while keys are revoked. Replicas drop all
/// that they have, and whoever revokes waits for those of the new life.
pub async fn another_epoch(rig: &mut Rig) {
    let watch = rig.round().await;
    for name in COMMANDS {
        rig.service(name).terminate();
        rig.service(name).ended().await;
    }
    sqlx::raw_sql(
        "begin; update log.head set epoch = gen_random_uuid(), fence = fence + 1;
         update gate.head set settled = 0; commit",
    )
    .execute(&rig.pool)
    .await
    .expect("a superuser may");
    rig.counters.count("epoch changed");
    for name in COMMANDS {
        rig.service(name).restart().await;
    }
    done(watch.revoke()).await;
    all_recover(rig).await;
    rig.end(watch, &ALL).await;

    let watch = rig.round().await;
    let revoked = done(watch.revoke()).await;
    rig.end(watch, &[]).await;
    let are_new = "select count(*) from gate.leases l join log.head h on l.epoch = h.epoch";
    let new: i64 = sqlx::query_scalar(are_new)
        .fetch_one(&rig.pool)
        .await
        .expect("Postgres answers");
    rig.found
        .expect(new == 3, || format!("{new} of 3 leases are of the new log"));
    rig.found.expect(revoked.len() == VICTIMS, || {
        "a revocation did not return".to_owned()
    });
}

/// Row 50: a migration that wants the tables that every request reads.
pub async fn migrated(rig: &mut Rig) {
    let watch = rig.round().await;
    let revoking = watch.revoke();
    for table in ["gate.credentials", "gate.orgs", "gate.leases"] {
        let add = format!("alter table {table} add column rig integer");
        let take_away = format!("alter table {table} drop column rig");
        for change in [add, take_away] {
            alter(rig, &change).await;
        }
    }
    done(revoking).await;
    rig.end(watch, &[POSTGRES]).await;
}

/// Row 52: the commit is durable and nobody sees it, since it waits for a standby that is not there.
pub async fn commit_stalls(rig: &mut Rig) {
    let watch = rig.round().await;
    set_standby(rig, "nobody").await;
    let revoking = watch.revoke();
    lasts(LONG_STOP).await;
    set_standby(rig, "").await;
    done(revoking).await;
    all_recover(rig).await;
    rig.end(watch, &ALL).await;
}

async fn set_standby(rig: &Rig, names: &str) {
    let statement = format!("alter system set synchronous_standby_names = '{names}'");
    for statement in [statement.as_str(), "select pg_reload_conf()"] {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&rig.pool)
            .await
            .expect("a superuser may change settings");
    }
}

/// Until it gets its lock, each try within a fifth of a second.
async fn alter(rig: &Rig, change: &str) {
    let statement = format!("set lock_timeout = '200ms'; {change}");
    eventually(SOON, change, async || {
        let statement = AssertSqlSafe(statement.clone());
        sqlx::raw_sql(statement).execute(&rig.pool).await.map(drop)
    })
    .await;
}

async fn kill_a_backend(rig: &mut Rig) {
    let find =
        "select pid from pg_stat_activity where usename = 'rig_command' order by pid limit 1";
    let pid = eventually(SOON, "a command service is connected", async || {
        let found = sqlx::query_scalar::<_, i32>(find)
            .fetch_one(&rig.pool)
            .await;
        found.ok().and_then(Pid::from_raw)
    })
    .await;
    kill_process(pid, Signal::KILL).expect("Postgres is ours");
    // It ends all others and starts again by itself.
    eventually(CALM_WITHIN, "Postgres is back", async || {
        sqlx::query("select 1").execute(&rig.pool).await.map(drop)
    })
    .await;
}

/// How long until every replica answers again.
pub async fn all_recover(rig: &Rig) -> Duration {
    let began = now();
    futures_util::future::join_all(REPLICAS.map(|name| recovers(rig, name))).await;
    Duration::from_nanos(now() - began)
}

/// A lease that came back from a crash of Postgres has lost no renewal.
pub async fn never_back(rig: &mut Rig, before: &std::collections::BTreeMap<uuid::Uuid, i64>) {
    let now = rig.leases().await;
    for (incarnation, renewed) in before {
        let is_kept = now.get(incarnation).is_none_or(|later| later >= renewed);
        rig.found
            .expect(is_kept, || format!("the lease {incarnation} went back"));
    }
}
