//! Command services sign, each in its turn, and what they signed is held to by `log verify`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};
use testkit::eventually;

use crate::dev::{Dev, run};
use crate::serve::{Given, text};

const SIGNED_WITHIN: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn services_sign_the_log_and_one_goes_on_when_another_is_killed() {
    let given = Given::new("signed").await;
    given.told(&["migrate"]).await;
    let well = text(&given.operate(&["doctor"]).await);
    assert!(
        well.contains("what the log holds cannot be proven"),
        "{well}"
    );
    let key = given.folder.path().join("signing.key");
    let new = ["log", "new-signing-key", "--file", key.to_str().unwrap()];
    let public = given.told(&new).await;
    let copies = given.folder.path().join("checkpoints");
    let login = given.login("tga_command").await;
    let service = async || {
        let mut command = given.command(&login);
        command
            .env("TGA_LOG_SIGNING_KEY_FILE", &key)
            .env("TGA_CHECKPOINT_DIR", &copies);
        given.serve("command", command).await.0
    };
    let first = service().await;
    let second = service().await;
    let verify = [
        &["log", "verify", "--public-key", &public, "--checkpoint-dir"][..],
        &[copies.to_str().unwrap()],
    ]
    .concat();
    let all_signed = async || {
        eventually(SIGNED_WITHIN, "all of the log to be signed", async || {
            let verified = given.operate(&verify).await;
            let said = text(&verified);
            let is_copied = !said.contains("0 in folders") && !said.contains(" 0 on the stream");
            match verified.status.code() {
                Some(0) if is_copied => Ok(()),
                Some(1) => panic!("{said}"),
                _ => Err(said),
            }
        })
        .await;
    };
    given.told(&["orgs", "create", "--name", "Goats"]).await;
    all_signed().await;
    // Killed, whichever of the two signs.
    drop(first);
    given.told(&["orgs", "create", "--name", "Sheep"]).await;
    all_signed().await;
    let third = service().await;
    drop(second);
    given.told(&["orgs", "create", "--name", "Cows"]).await;
    all_signed().await;
    let well = text(&given.operate(&["doctor"]).await);
    assert!(well.contains("signatures"), "{well}");
    assert!(!well.contains("cannot be proven"), "{well}");
    third.terminate().await;

    // A new life is signed if a note says under the log's key why it began.
    let ledger = given.folder.path().join("ledger");
    std::fs::create_dir_all(&ledger).unwrap();
    let (ledger, copies) = (ledger.to_str().unwrap(), copies.to_str().unwrap());
    let restored = ["log", "restored", ledger, "--checkpoint-dir", copies];
    let unsigned = given.operate(&restored).await;
    let warned = String::from_utf8_lossy(&unsigned.stderr).into_owned();
    assert!(unsigned.status.success(), "{warned}");
    assert!(warned.contains("the log's key is not at hand"), "{warned}");
    let doubted = given.operate(&verify).await;
    assert_eq!(doubted.status.code(), Some(3), "{}", text(&doubted));
    // Once more with nothing at hand that was signed: the database still knows that something was.
    let mut alone = given.command(&given.operator_url());
    alone.env_remove("TGA_NATS_URL").args(&restored[..3]);
    let unsigned = run(alone).await;
    let warned = String::from_utf8_lossy(&unsigned.stderr).into_owned();
    assert!(unsigned.status.success(), "{warned}");
    assert!(warned.contains("the log's key is not at hand"), "{warned}");
    let with_key = ["--log-signing-key-file", key.to_str().unwrap()];
    // The database's word is not signed unless somebody vouches for it.
    let restored_with_key = [&restored[..], &with_key].concat();
    let told = given.operate(&restored_with_key).await;
    let warned = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(warned.contains("only the database says"), "{warned}");
    let doubted = given.operate(&verify).await;
    assert_eq!(doubted.status.code(), Some(3), "{}", text(&doubted));
    let vouched = [&restored_with_key[..], &["--sign-noted"]].concat();
    given.told(&vouched).await;
    let fourth = service().await;
    given.told(&["orgs", "create", "--name", "Ducks"]).await;
    all_signed().await;
    fourth.terminate().await;

    // Services that are started over a restored database see another history on the stream, and begin a life of
    // which nothing is said.
    let mut tampering = PgConnection::connect(&given.operator_url()).await.unwrap();
    let begin_a_life = "update log.head set epoch = gen_random_uuid()";
    tampering.execute(begin_a_life).await.unwrap();
    given.told(&restored_with_key).await;
    let fifth = service().await;
    given.told(&["orgs", "create", "--name", "Geese"]).await;
    all_signed().await;
    fifth.terminate().await;

    a_rewrite_is_no_restore(&given, tampering, &restored_with_key, &verify).await;
}

/// A log that was rewritten has lost nothing by a restore, whatever its database keeps of what was signed.
async fn a_rewrite_is_no_restore(
    given: &Given,
    mut tampering: PgConnection,
    restored: &[&str],
    verify: &[&str],
) {
    let rewrite = "alter table log.events disable trigger append_only;
         alter table log.events_000000 disable trigger append_only;
         alter table log.checkpoints disable trigger append_only;
         alter table log.merkle disable trigger append_only;
         update log.events set hash = sha256(hash) where position = 2;
         delete from log.checkpoints where tree_size > 1; delete from log.newest_checkpoint;
         delete from log.merkle; update log.head set epoch = gen_random_uuid()";
    sqlx::raw_sql(rewrite)
        .execute(&mut tampering)
        .await
        .unwrap();
    let deceived = given.operate(restored).await;
    let warned = String::from_utf8_lossy(&deceived.stderr).into_owned();
    assert!(
        warned.contains("the log is not what was signed"),
        "{warned}"
    );
    let found = given.operate(verify).await;
    assert_eq!(found.status.code(), Some(1), "{}", text(&found));
}

/// What `dev` was given, or keeps by itself, is what operators go by from wherever they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_dev_tells_operators_where_copies_archives_and_its_key_are() {
    let folder = tempfile::tempdir().unwrap();
    let copies = folder.path().join("copies");
    let archives = folder.path().join("archives");
    let dev = Dev::start_bare(&[
        "--checkpoint-dir",
        copies.to_str().unwrap(),
        "--archive-dir",
        archives.to_str().unwrap(),
    ])
    .await;
    let said = fs::read(dev.folder().join("data/dev.json")).unwrap();
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(said["archive_dir"], archives.to_str().unwrap());
    let key = Path::new(said["signing_key_file"].as_str().unwrap());
    assert!(key.is_absolute() && key.exists(), "{said}");
    eventually(SIGNED_WITHIN, "copies outside the database", async || {
        let verified = text(&run(dev.operate(&["log", "verify"])).await);
        let is_copied = verified.contains("signed heads") && !verified.contains(" 0 in folders");
        is_copied.then_some(()).ok_or(verified)
    })
    .await;
}
