//! What `doctor` and operator commands say of servers that are away, and of those that are there.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::dev::{binary, run};

/// Nothing listens there.
const AWAY: &str = "postgres://goat:hunter2@127.0.0.1:1/herd";

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = binary();
    command
        .current_dir(folder)
        .env_remove("TGA_DATABASE_URL")
        .env_remove("TGA_NATS_URL")
        .args(arguments);
    command
}

/// All that a command said, whatever came of it.
async fn said(command: Command) -> String {
    let output = run(command).await;
    let texts = [output.stdout, output.stderr];
    texts
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat()
}

#[tokio::test]
async fn a_database_that_is_away_is_named_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["orgs", "list"][..], &["migrate"], &["doctor"]] {
        let mut named = command(folder.path(), arguments);
        named.env("TGA_DATABASE_URL", AWAY);
        let named = said(named).await;
        assert!(
            named.contains("at 127.0.0.1:1: Connection refused"),
            "{named}"
        );
        assert!(!named.contains("hunter2"), "{named}");
    }
}

#[tokio::test]
async fn servers_that_a_dev_left_behind_are_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let file = serde_json::json!({"database_url": AWAY, "nats_url": "nats://127.0.0.1:1"});
    fs::write(folder.path().join("dev.json"), file.to_string()).unwrap();
    let left = said(command(folder.path(), &["orgs", "list", "--data-dir", "."])).await;
    assert!(
        left.contains("at 127.0.0.1:1 (`trackagoat dev` in . may not be running"),
        "{left}"
    );
    assert!(left.contains("deploy/run --data-dir ."), "{left}");
    assert!(!left.contains("hunter2"), "{left}");
}

#[tokio::test]
async fn doctor_files_what_is_wrong_under_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut doctor = command(folder.path(), &["doctor", "--nats-url-file", "none"]);
    doctor.env("TGA_DATABASE_URL", AWAY);
    let told = said(doctor).await;
    let broken = |what: &str| {
        let begins = format!("BROKEN   {what:<20} ");
        let found = told.lines().find_map(|line| line.strip_prefix(&begins));
        found.unwrap_or_else(|| panic!("no {what} in {told}"))
    };
    assert!(broken("nats").contains("TGA_NATS_URL_FILE cannot be read"));
    assert!(broken("database").starts_with("no connection"));
    assert!(!told.contains("nothing reads"), "{told}");
}

#[tokio::test]
async fn doctor_tries_the_ledgers_folder_and_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let told = async |ledger: &str| {
        let mut doctor = command(folder.path(), &["doctor"]);
        doctor.env("TGA_DATABASE_URL", AWAY);
        doctor.env("TGA_LEDGER_DIR", folder.path().join(ledger));
        let told = said(doctor).await;
        let ledger = |line: &&str| line.contains("revocation ledger");
        let found = told.lines().find(ledger).map(str::to_owned);
        found.unwrap_or_else(|| panic!("no ledger in {told}"))
    };
    let missing = told("later").await;
    assert!(missing.ends_with("later is not there yet"), "{missing}");
    assert!(!folder.path().join("later").exists());
    fs::write(folder.path().join("file"), "").unwrap();
    let broken = told("file").await;
    assert!(broken.starts_with("BROKEN"), "{broken}");
    fs::create_dir(folder.path().join("ledger")).unwrap();
    let fine = told("ledger").await;
    assert!(fine.starts_with("ok"), "{fine}");
    assert_eq!(
        fs::read_dir(folder.path().join("ledger")).unwrap().count(),
        0
    );
}

#[tokio::test]
async fn doctor_says_as_whom_it_looks_and_what_that_login_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let server = testkit::postgres().await;
    let admin = server.admin_url();
    let mut connection = PgConnection::connect(admin).await.unwrap();
    event_log::create_database(&mut connection, "examined")
        .await
        .unwrap();
    let superuser = format!("{}/examined", admin.rsplit_once('/').unwrap().0);
    let look = async |url: &str, action: &str| {
        let mut looking = command(folder.path(), &[action]);
        looking.env("TGA_DATABASE_URL", url);
        said(looking).await
    };
    look(&superuser, "migrate").await;
    let told = look(&superuser, "doctor").await;
    assert!(
        told.contains("a superuser, whom no grant holds back"),
        "{told}"
    );

    let mut connection = PgConnection::connect(&superuser).await.unwrap();
    let login = "examined_query";
    event_log::create_login(&mut connection, "tga_query", login, "secret")
        .await
        .unwrap();
    for statement in [
        "create role examined_observer login password 'secret' in role tga_command",
        "grant select on _sqlx_migrations to examined_observer",
        "create schema read",
        "create table read.versions ()",
    ] {
        let statement = AssertSqlSafe(statement.to_owned());
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let place = superuser.rsplit_once('@').unwrap().1;
    let told = look(&format!("postgres://{login}:secret@{place}"), "doctor").await;
    assert!(
        told.contains("examined_query, acting as tga_query: may not look at everything"),
        "{told}"
    );
    let observer = format!("postgres://examined_observer:secret@{place}");
    let told = look(&observer, "doctor").await;
    assert!(
        told.contains("ok       connected as         examined_observer\n"),
        "{told}"
    );
    assert!(told.contains("grant tga_query to current_user"), "{told}");
}
