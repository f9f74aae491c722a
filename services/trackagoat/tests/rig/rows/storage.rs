//! Rows 23 to 25: what becomes of what Postgres stores.

use std::env;
use std::fs;
use std::time::Duration;

use fuser::Errno;
use reqwest::{Method, StatusCode};
use runtime::entropy::Entropy;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use testkit::eventually;

use super::primary::{ALL, all_recover, never_back};
use super::{done, in_log, lasts};
use crate::aside::Aside;
use crate::client::answer;
use crate::disk::{Faults, Loss};
use crate::limits::{RECOVERS_WITHIN, SOON, VICTIMS};
use crate::rig::Rig;
use crate::seen::Revoked;
use crate::setup::DATABASE;
use crate::watch::Watch;

/// Power failures of Postgres with what it waits for by itself, and as many with
/// `synchronous_commit = off` for everybody who does not say otherwise.
const CUTS: usize = 4;
/// The latest that the power fails after revocations have begun, in milliseconds.
const LATEST_CUT: u64 = 60;
/// How long a disk goes on failing.
const FAILS_FOR: Duration = Duration::from_millis(1_500);
/// Bytes of one message that only fills the log of Postgres.
const FILLER: usize = 4_000_000;

/// Row 23.
pub async fn power_lost(rig: &mut Rig) {
    let slow_writer = [("wal_writer_delay", "10s".to_owned())];
    let mut aside = Aside::under_postgres(rig, &slow_writer).await;
    let mut lost = Loss::default();
    let cuts = cuts();
    for cut in 0..cuts {
        lost += cut_amid_revocations(&mut aside, cut).await;
    }
    relax(&aside).await;
    let mut unwaited = 0;
    for cut in 0..cuts {
        lost += cut_amid_revocations(&mut aside, cut).await;
        unwaited += u32::from(loses_what_nobody_waited_for(&mut aside).await);
    }
    let all = 3 * cuts;
    aside.found.note(format!(
        "{all} power failures took {} pages and {} changes of names",
        lost.pages, lost.names
    ));
    aside.found.expect(lost.pages > 0, || {
        "nothing was lost, so nothing is proven".to_owned()
    });
    aside.found.note(format!(
        "a commit that nobody waited for was lost in {unwaited} of {cuts} power failures"
    ));
    aside.found.expect(unwaited > 0, || {
        "synchronous_commit = off lost nothing: the row is blind".to_owned()
    });
    aside.finish(rig).await;
    without_sync(rig).await;
}

/// As many as the environment asks for.
fn cuts() -> usize {
    let asked = env::var("TGA_RIG_CUTS").ok();
    let asked = asked.map(|cuts| cuts.parse().expect("TGA_RIG_CUTS is a number"));
    asked.unwrap_or(CUTS)
}

/// Revokes, and cuts the power: in one of two cuts once the revocations have returned, otherwise
/// in their midst. What was acknowledged is there, and leases know of all their renewals.
async fn cut_amid_revocations(aside: &mut Aside, cut: usize) -> Loss {
    let entropy = Entropy::os();
    let before = aside.leases().await;
    let watch = aside.round().await;
    if cut.is_multiple_of(3) {
        checkpoint(aside).await;
    }
    let revoking = watch.revoke();
    let returned = if cut.is_multiple_of(2) {
        Ok(done(revoking).await)
    } else {
        let after = u64::from_le_bytes(entropy.bytes()) % LATEST_CUT;
        lasts(Duration::from_millis(after)).await;
        Err(revoking)
    };
    let chance = (!cut.is_multiple_of(4)).then_some(&entropy);
    let loss = aside.cut_postgres(chance).await;
    let revoked = match returned {
        Ok(revoked) => revoked,
        Err(revoking) => done(revoking).await,
    };
    all_recover(aside).await;
    nothing_is_lost(aside, &revoked).await;
    aside.end(watch, &ALL).await;
    never_back(aside, &before).await;
    aside.mend().await;
    loss
}

/// Nobody waits for the log any more who does not say so; who is connected has to connect anew.
async fn relax(aside: &Aside) {
    let database = format!("alter database {DATABASE} set synchronous_commit = off");
    let roles = ["command", "query", "projector"]
        .map(|role| format!("alter role rig_{role} set synchronous_commit = off"));
    let marks = "create table public.marks (mark integer)".to_owned();
    let ended =
        "select pg_terminate_backend(pid) from pg_stat_activity where usename like 'rig\\_%'";
    let changes = [database, marks].into_iter().chain(roles);
    for statement in changes.chain([ended.to_owned()]) {
        aside
            .pool
            .execute(AssertSqlSafe(statement))
            .await
            .expect("a superuser may");
    }
}

/// A control: whether a commit of the rig's own is lost when the power fails right after it.
async fn loses_what_nobody_waited_for(aside: &mut Aside) -> bool {
    // Whoever waits for the log takes with them what came before.
    for service in &aside.services {
        service.stop();
    }
    let url = aside.postgres.url(DATABASE);
    let mut connection = PgConnection::connect(&url).await.expect("it answers");
    let count = "select count(*) from public.marks";
    let before: i64 = sqlx::query_scalar(count)
        .fetch_one(&mut connection)
        .await
        .expect("the table is there");
    connection
        .execute("insert into public.marks values (1)")
        .await
        .expect("a superuser may");
    aside.cut_postgres(None).await;
    for service in &aside.services {
        service.go_on();
    }
    let after: i64 = eventually(SOON, "Postgres is back", async || {
        let mut connection = PgConnection::connect(&url).await?;
        sqlx::query_scalar(count).fetch_one(&mut connection).await
    })
    .await;
    aside.mend().await;
    after == before
}

/// A control: a Postgres that syncs nothing loses what it has acknowledged.
async fn without_sync(rig: &mut Rig) {
    let mut aside = Aside::under_postgres(rig, &[("fsync", "off".to_owned())]).await;
    let watch = aside.round().await;
    let revoked = done(watch.revoke()).await;
    aside.cut_postgres(None).await;
    let lost = revoked.len() - in_log(&aside, &revoked).await;
    drop(watch.finish().await);
    rig.found.expect(lost > 0, || {
        "fsync = off lost nothing: the row is blind".to_owned()
    });
    rig.found.note(format!(
        "with fsync = off {lost} of {} acknowledged revocations are lost, as they must be",
        revoked.len()
    ));
}

/// Row 24: first tables cannot grow, then the log of Postgres cannot.
pub async fn full(rig: &mut Rig) {
    let mut aside = Aside::under_postgres(rig, &[]).await;
    for fills_log in [false, true] {
        let watch = aside.round().await;
        let full = Faults {
            room: Some(0),
            ..Faults::default()
        };
        aside.disk.set(full);
        if fills_log {
            fill_log(&mut aside).await;
        } else {
            fill_tables(&aside).await;
        }
        let refused = aside.disk.refused();
        amid_failures(&mut aside, watch, fills_log).await;
        aside.found.note(format!(
            "{}: the disk said {refused} times and more that it is full",
            if fills_log { "log" } else { "tables" }
        ));
    }
    answers_are_honest(&mut aside);
    aside.finish(rig).await;
}

/// Row 25: errors of the disk. What a failed sync left in memory alone is lost for good when the
/// power fails, which it does at the end.
pub async fn failing(rig: &mut Rig) {
    let mut aside = Aside::under_postgres(rig, &[]).await;
    let kinds: [(&str, Faults); 4] = [
        ("EIO on sync", on_sync(Errno::EIO)),
        ("ENOSPC on sync", on_sync(Errno::ENOSPC)),
        ("EIO on write", on_write(Errno::EIO)),
        ("ENOSPC on write", on_write(Errno::ENOSPC)),
    ];
    for (what, faults) in kinds {
        let watch = aside.round().await;
        let before = aside.disk.refused();
        aside.disk.set(faults);
        eventually(SOON, "the disk fails", async || {
            aside.disk.refused() > before
        })
        .await;
        amid_failures(&mut aside, watch, true).await;
        let panics = panics(&aside);
        aside
            .found
            .note(format!("{what}: Postgres ended in panic {panics} times"));
        aside.found.expect(panics > 0, || {
            format!("{what}: Postgres went on, so nothing is proven")
        });
        aside.cut_postgres(Some(&Entropy::os())).await;
        aside.mend().await;
    }
    answers_are_honest(&mut aside);
    aside.finish(rig).await;
}

fn on_sync(error: Errno) -> Faults {
    Faults {
        on_sync: Some(error),
        ..Faults::default()
    }
}

fn on_write(error: Errno) -> Faults {
    Faults {
        on_write: Some(error),
        ..Faults::default()
    }
}

/// Revokes while the disk fails; then it works again, and so does everything else.
async fn amid_failures(aside: &mut Aside, watch: Watch, ends_postgres: bool) {
    let revoking = watch.revoke();
    lasts(FAILS_FOR).await;
    aside.disk.set(Faults::default());
    if ends_postgres {
        aside.bring_postgres_back().await;
    }
    let back = all_recover(aside).await;
    let revoked = done(revoking).await;
    nothing_is_lost(aside, &revoked).await;
    aside.end(watch, &ALL).await;
    aside.found.expect_speed(back <= RECOVERS_WITHIN, || {
        format!("L2: all back after {} ms", back.as_millis())
    });
    aside.mend().await;
}

/// S3, at once; the whole log is judged at the end.
async fn nothing_is_lost(aside: &mut Aside, revoked: &[Revoked]) {
    let kept = in_log(aside, revoked).await;
    aside.found.expect(kept == VICTIMS, || {
        format!("S3: {kept} of {VICTIMS} acknowledged revocations are in the log")
    });
}

/// Writes until one is refused as one that may be tried again.
async fn fill_tables(aside: &Aside) {
    let command = aside.target("c1");
    eventually(SOON, "a write is refused for want of room", async || {
        let body = json!({"name": "n".repeat(60), "scopes": ["read"]});
        let request = aside.admin.request(&command, Method::POST, "/api-keys");
        let refused = answer(request.json(&body)).await;
        refused
            .is(StatusCode::SERVICE_UNAVAILABLE)
            .then_some(())
            .ok_or(refused.told())
    })
    .await;
}

/// Writes until Postgres has no more log to write to.
async fn fill_log(aside: &mut Aside) {
    let url = aside.postgres.url(DATABASE);
    eventually(SOON, "Postgres cannot go on", async || {
        let Ok(mut connection) = PgConnection::connect(&url).await else {
            return true;
        };
        let fill = "select pg_logical_emit_message(true, 'rig', repeat('x', $1)), pg_switch_wal()";
        let filled = sqlx::query(fill)
            .bind(i32::try_from(FILLER).expect("it fits"))
            .execute(&mut connection)
            .await;
        filled.is_err()
    })
    .await;
}

async fn checkpoint(aside: &Aside) {
    aside
        .pool
        .execute("checkpoint")
        .await
        .expect("a superuser may");
}

/// How often Postgres panicked since it was started last.
fn panics(aside: &Aside) -> usize {
    let folder = aside.folder.path().join("postgres");
    let logs = ["server.log", "server.log.old"].map(|name| folder.join(name));
    let said = logs.map(|log| fs::read_to_string(log).unwrap_or_default());
    said.iter().map(|log| log.matches("PANIC: ").count()).sum()
}

/// Who cannot be served is told that, and nothing else.
fn answers_are_honest(aside: &mut Aside) {
    let is_odd = |told: &&String| told.contains("500") || told.contains("507");
    let odd: Vec<_> = aside.found.answers.keys().filter(is_odd).cloned().collect();
    aside.found.expect(odd.is_empty(), || {
        format!("answers that say something else than 503: {odd:?}")
    });
    let refused = aside.found.answers.iter();
    let refused = refused.filter(|(told, _)| told.contains("503"));
    let refused: u64 = refused.map(|(_, count)| count).sum();
    aside.found.expect(refused > 0, || {
        "nobody was refused, so nothing is proven".to_owned()
    });
}
