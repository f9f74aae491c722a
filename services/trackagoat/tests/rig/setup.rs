//! An operator's work: the database, its logins, two orgs and the first key, with nothing but the
//! binary.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::{Connection, PgConnection};

use crate::client::CANARY;
use crate::servers::Postgres;

/// The database of the rig.
pub const DATABASE: &str = "rig";
/// What the org may do: far more than the rig does.
const RAISED: [(&str, &str); 4] = [
    ("max_api_keys_per_org", "100000"),
    ("max_projects_per_org", "1000000"),
    ("max_requests_per_minute_per_key", "10000000"),
    ("max_api_requests_per_day", "1000000000"),
];

/// An empty database, and a login for each role.
pub async fn database(postgres: &Postgres) -> BTreeMap<&'static str, String> {
    let mut connection = PgConnection::connect(&postgres.url("postgres"))
        .await
        .expect("it takes connections");
    let made = event_log::create_database(&mut connection, DATABASE).await;
    made.expect("a superuser makes databases");
    migrate(&postgres.url(DATABASE));
    let (_, place) = postgres.url(DATABASE).rsplit_once('@').map_or_else(
        || panic!("the launcher writes URLs with a password"),
        |(login, place)| (login.to_owned(), place.to_owned()),
    );
    let mut logins = BTreeMap::new();
    for role in ["command", "query", "projector"] {
        let (group, login) = (format!("tga_{role}"), format!("rig_{role}"));
        let made = event_log::create_login(&mut connection, &group, &login, "secret").await;
        made.expect("a superuser makes logins");
        logins.insert(role, format!("postgres://{login}:secret@{place}"));
    }
    logins
}

fn migrate(database_url: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trackagoat"));
    command.arg("migrate").env("TGA_DATABASE_URL", database_url);
    told(command);
}

/// Who sets up the orgs, with nothing but the binary.
pub struct Operator<'a> {
    pub database_url: String,
    pub nats_url: String,
    pub folder: &'a Path,
}

impl Operator<'_> {
    /// Makes the org of the rig, and another that it may never see; gives a key of the first.
    pub fn set_up(&self) -> String {
        let other = self.run(&["orgs", "create", "--name", CANARY, "--plan", "ultra"]);
        self.run(&["keys", "create", &other, "--name", CANARY]);
        let org = self.run(&["orgs", "create", "--name", "Rig", "--plan", "ultra"]);
        for (limit, value) in RAISED {
            self.run(&["orgs", "set-limit", &org, limit, value]);
        }
        let scopes = [
            "--scopes",
            "read,write,keys,ingest",
            "--rate-limit-per-minute",
            "1000000",
        ];
        let create = ["keys", "create", &org, "--name", "Admin"];
        self.run(&[&create[..], &scopes[..]].concat())
    }

    pub fn run(&self, arguments: &[&str]) -> String {
        told(self.command(arguments))
    }

    /// What a command exits with, and what it printed.
    pub fn exit(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).stdin(Stdio::null()).output();
        let output = output.expect("the binary was built");
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).trim().to_owned();
        (output.status.code(), printed)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trackagoat"));
        command
            .args(arguments)
            .current_dir(self.folder)
            .env("TGA_DATABASE_URL", &self.database_url)
            .env("TGA_NATS_URL", &self.nats_url);
        command
    }
}

/// What a command printed, which must have succeeded.
fn told(mut command: Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the binary was built");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
