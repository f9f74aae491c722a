//! Row 33: Postgres is restored to before a revocation, as an operator would do it: a base backup, the
//! archived log, and the procedure of deploy/README.md.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use runtime::clock::Clock;
use testkit::eventually;
use uuid::Uuid;

use super::commands::refuses;
use super::nats_disk::mirror_is_the_log;
use super::primary::ALL;
use super::{done, in_log};
use crate::judge::Acknowledged;
use crate::limits::{SOON, VICTIMS};
use crate::rig::Rig;

const COMMANDS: [&str; 2] = ["c1", "c2"];
const BACK_UP: &str = "pg_basebackup";
const VERIFY: &str = "pg_verifybackup";
/// What the moment before the revocations is called.
const BEFORE: &str = "before";

/// Why there can be no backup.
pub fn missing() -> Option<String> {
    let absent = |name: &&str| !program(name).is_some_and(|program| program.exists());
    let absent = [BACK_UP, VERIFY].into_iter().find(absent)?;
    Some(format!("no {absent}: apt-get install postgresql-client"))
}

/// Row 33.
pub async fn to_before_a_revoke(rig: &mut Rig) {
    let archive = tempfile::Builder::new()
        .prefix("tga-rig-archive-")
        .permissions(Permissions::from_mode(0o777))
        .tempdir()
        .expect("the temporary folder takes one more");
    // Whatever our umask is.
    fs::set_permissions(archive.path(), Permissions::from_mode(0o777)).expect("it is ours");
    let mut aside = rig.beside(&archiving(archive.path())).await;
    aside.mend().await;
    back_up(&aside);

    // The keys are in the archive alone.
    let watch = aside.round().await;
    let former = epoch(&aside).await;
    ask(
        &aside,
        &format!("select pg_create_restore_point('{BEFORE}')::text"),
    )
    .await;
    let revoked = done(watch.revoke()).await;
    archived(&aside).await;
    for service in &mut aside.services {
        service.terminate();
        service.ended().await;
    }
    aside.postgres.act(async |server| server.stop().await).await;
    put_back(&aside, archive.path());
    aside
        .postgres
        .act(async |server| server.start().await)
        .await;
    let kept = in_log(&aside, &revoked).await;
    aside.found.expect(kept == 0, || {
        "the backup has what was revoked since, so nothing is proven".to_owned()
    });
    for name in COMMANDS {
        stays_closed(&mut aside, name).await;
    }

    let ledgers = COMMANDS.map(|name| aside.folder.path().join("ledger").join(name));
    let ledgers = ledgers.each_ref().map(|ledger| ledger.to_string_lossy());
    let mut arguments = vec!["log", "restored"];
    arguments.extend(ledgers.iter().map(|ledger| &**ledger));
    let said = aside.operator().run(&arguments);
    aside.found.note(said.lines().last().unwrap_or_default());
    verifies(&mut aside);
    aside.restart_all().await;
    for target in aside.targets() {
        for key in watch.victims() {
            refuses(&target, key).await;
        }
    }
    let restored = in_log(&aside, &revoked).await;
    aside.found.expect(restored == revoked.len(), || {
        format!("{restored} of {} revocations were restored", revoked.len())
    });
    let is_another = epoch(&aside).await != former;
    aside.found.expect(is_another, || {
        "the log goes on in its former life".to_owned()
    });
    aside.end(watch, &ALL).await;
    // Their positions are those of the former life.
    aside.acknowledged = Acknowledged::default();
    aside.counters.count("epoch changed");

    let watch = aside.round().await;
    let revoked = done(watch.revoke()).await;
    aside.end(watch, &[]).await;
    aside.found.expect(revoked.len() == VICTIMS, || {
        "a revocation did not return".to_owned()
    });
    let unreadable = mirror_is_the_log(&aside).await;
    aside.found.expect(unreadable == 0, || {
        format!("{unreadable} messages of the new stream cannot be read")
    });
    rig.judge_aside(&mut aside).await;
}

fn archiving(archive: &Path) -> Vec<(&'static str, String)> {
    let archive = archive.display();
    vec![
        ("wal_level", "replica".to_owned()),
        ("max_wal_senders", "4".to_owned()),
        ("archive_mode", "on".to_owned()),
        (
            "archive_command",
            format!("test ! -f {archive}/%f && cp %p {archive}/%f"),
        ),
    ]
}

fn program(name: &str) -> Option<PathBuf> {
    let [(_, postgres), _] = runtime::local::programs();
    // Beside the program itself, not beside a link to it.
    let postgres = postgres.ok()?.canonicalize().ok()?;
    Some(postgres.with_file_name(name))
}

fn backup(rig: &Rig) -> PathBuf {
    rig.folder.path().join("backup")
}

/// A base backup, which without the archive is none, held against its manifest.
fn back_up(rig: &Rig) {
    let mut command = Command::new(program(BACK_UP).expect("it was looked for"));
    command
        .args(["--checkpoint=fast", "--wal-method=none", "--dbname"])
        .arg(rig.postgres.url("postgres"))
        .arg("--pgdata")
        .arg(backup(rig));
    succeeds(command);
    let mut command = Command::new(program(VERIFY).expect("it was looked for"));
    command.arg("--no-parse-wal").arg(backup(rig));
    succeeds(command);
}

/// Puts the backup where the data was, to be recovered to before the revocations.
fn put_back(rig: &Rig, archive: &Path) {
    let data = rig.folder.path().join("postgres/data");
    let owner = fs::metadata(&data).expect("Postgres was there");
    fs::rename(&data, data.with_extension("lost")).expect("Postgres has ended");
    fs::rename(backup(rig), &data).expect("they are in one folder");
    let settings = format!(
        "restore_command = 'cp {}/%f %p'\nrecovery_target_name = '{BEFORE}'\n\
         recovery_target_action = 'promote'\n",
        archive.display()
    );
    let own = data.join("postgresql.auto.conf");
    let written = OpenOptions::new()
        .append(true)
        .open(own)
        .and_then(|mut file| file.write_all(settings.as_bytes()));
    written.expect("a backup has settings");
    fs::write(data.join("recovery.signal"), "").expect("the folder takes a file");
    let mut command = Command::new("chown");
    command
        .arg("-R")
        .arg(format!("{}:{}", owner.uid(), owner.gid()))
        .arg(data);
    succeeds(command);
}

/// A command service ends, and says what has to be done, rather than accept what was revoked.
async fn stays_closed(rig: &mut Rig, name: &str) {
    let service = rig.service(name);
    service.spawn_again();
    service.ended().await;
    let said = service.log();
    let is_refused = said.contains("trackagoat log restored") && !service.was_ready();
    rig.found.expect(is_refused, || {
        format!("{name} opened over a log that lacks what its ledger has")
    });
}

/// What was restored is what was recorded. Nothing signs the rig's log, so not all can be proven.
fn verifies(rig: &mut Rig) {
    let clock = Clock::system();
    let began = clock.monotonic();
    let (code, said) = rig.operator().exit(&["log", "verify"]);
    let took = clock.monotonic().saturating_since(began).as_secs_f64();
    rig.found.note(format!("verified in {took:.1} s"));
    rig.found.expect(matches!(code, Some(0 | 3)), || {
        format!("the restored log does not verify ({code:?}): {said}")
    });
}

/// Waits until all that was written so far is in the archive.
async fn archived(rig: &Rig) {
    let last = ask(rig, "select pg_walfile_name(pg_switch_wal())").await;
    let is_archived = "select coalesce(last_archived_wal, '') from pg_stat_archiver";
    eventually(SOON, "the log is archived", async || {
        ask(rig, is_archived).await >= last
    })
    .await;
}

async fn epoch(rig: &Rig) -> Uuid {
    sqlx::query_scalar("select epoch from log.head")
        .fetch_one(&rig.pool)
        .await
        .expect("Postgres answers")
}

async fn ask(rig: &Rig, question: &str) -> String {
    sqlx::query_scalar(sqlx::AssertSqlSafe(question.to_owned()))
        .fetch_one(&rig.pool)
        .await
        .expect("Postgres answers")
}

fn succeeds(mut command: Command) {
    let output = command.output().expect("it was looked for");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}
