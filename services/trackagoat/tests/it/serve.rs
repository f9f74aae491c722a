//! Services as processes of their own, on servers that are given, set up by an operator with
//! nothing but the binary.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use testkit::{TestDatabase, TestNats, eventually};

use crate::dev::{answer, binary, client, run};

const READY_WITHIN: Duration = Duration::from_mins(2);
const END_WITHIN: Duration = Duration::from_mins(1);
pub const CURSOR_SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Servers that were given to us: an empty database, and NATS.
pub struct Given {
    database: &'static str,
    server: TestDatabase,
    nats: TestNats,
    pub folder: tempfile::TempDir,
}

/// A service, stopped at the latest with the test.
pub struct Service(pub Child);

impl Given {
    pub async fn new(database: &'static str) -> Self {
        let (server, nats) = (testkit::postgres().await, testkit::nats().await);
        let mut connection = PgConnection::connect(server.admin_url()).await.unwrap();
        event_log::create_database(&mut connection, database)
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self {
            database,
            server,
            nats,
            folder,
        }
    }

    /// The database as its superuser.
    pub fn operator_url(&self) -> String {
        let url = self.server.admin_url();
        format!("{}/{}", url.rsplit_once('/').unwrap().0, self.database)
    }

    /// Who may make and remove databases there.
    pub async fn administrator(&self) -> PgConnection {
        let url = self.server.admin_url();
        PgConnection::connect(url).await.unwrap()
    }

    async fn administer(&self, statement: &str) {
        let mut administrator = self.administrator().await;
        // Run at run time: names of databases cannot be bound.
        let done = administrator.execute(AssertSqlSafe(statement)).await;
        done.unwrap();
    }

    /// Keeps the database as it is now; nobody may be connected.
    pub async fn back_up(&self) {
        let database = self.database;
        let copy = format!("create database {database}_backup template {database}");
        self.administer(&copy).await;
    }

    /// The backup takes the place of the database, whoever is connected.
    pub async fn restore(&self) {
        let database = self.database;
        let remove = format!("drop database {database} with (force)");
        self.administer(&remove).await;
        let put_back = format!("create database {database} template {database}_backup");
        self.administer(&put_back).await;
        // A base backup would have kept what is granted on the database itself.
        let grant = format!("grant create on database {database} to tga_projector");
        self.administer(&grant).await;
    }

    /// A URL with a new login in a group.
    pub async fn login(&self, group: &str) -> String {
        let operator = self.operator_url();
        let mut connection = PgConnection::connect(&operator).await.unwrap();
        let login = format!("{}_{group}", self.database);
        event_log::create_login(&mut connection, group, &login, "secret")
            .await
            .unwrap();
        let place = operator.rsplit_once('@').unwrap().1;
        format!("postgres://{login}:secret@{place}")
    }

    /// The binary in a folder where no `dev` runs, with the URLs in its environment.
    pub fn command(&self, database_url: &str) -> Command {
        let mut command = binary();
        command
            .current_dir(self.folder.path())
            .env("TGA_DATABASE_URL", database_url)
            .env("TGA_NATS_URL", self.nats.url());
        command
    }

    pub async fn operate(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(&self.operator_url());
        command.args(arguments);
        run(command).await
    }

    /// What an operator command printed, which must have succeeded.
    pub async fn told(&self, arguments: &[&str]) -> String {
        let output = self.operate(arguments).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        text(&output)
    }

    /// Starts a service and waits until it says where it is.
    pub async fn serve(&self, role: &str, mut command: Command) -> (Service, String) {
        let ready = self.folder.path().join(format!("{role}.json"));
        // What an earlier one left of itself.
        let _ = fs::remove_file(&ready);
        command
            .args(["serve", role, "--listen", "127.0.0.1:0", "--ready-file"])
            .arg(&ready)
            .stdin(Stdio::null());
        let mut service = Service(command.spawn().unwrap());
        let url = eventually(READY_WITHIN, "the service is ready", async || {
            assert!(service.0.try_wait().unwrap().is_none(), "it ended early");
            read_url(&ready)
        })
        .await;
        (service, url)
    }
}

fn read_url(path: &Path) -> Option<String> {
    let ready: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some(format!("{}/api/v1", ready["url"].as_str()?))
}

impl Service {
    /// Ends it as an orchestrator does.
    pub async fn terminate(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let child = &mut self.0;
        let status = eventually(END_WITHIN, "the service ends", async || {
            child.try_wait().unwrap()
        })
        .await;
        assert!(status.success(), "{status}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sets_everything_up_with_the_binary_alone() {
    let given = Given::new("set_up").await;

    // Doctor names what is missing, and the command it names mends it.
    let sick = given.operate(&["doctor"]).await;
    assert!(!sick.status.success());
    assert!(
        text(&sick).contains("-> mend with:        trackagoat migrate"),
        "{}",
        text(&sick)
    );
    let applied = given.told(&["migrate"]).await;
    assert!(applied.contains("create log"), "{applied}");
    assert_eq!(given.told(&["migrate"]).await, "up to date");

    let (command_login, query_login, projector_login) = (
        given.login("tga_command").await,
        given.login("tga_query").await,
        given.login("tga_projector").await,
    );
    let (command, writes) = given.serve("command", given.command(&command_login)).await;
    let mut query = given.command(&query_login);
    query
        .env("TGA_PROJECTOR_DATABASE_URL", projector_login)
        .env("TGA_CURSOR_SECRET", CURSOR_SECRET);
    let (query, reads) = given.serve("query", query).await;
    check_docs(&reads).await;
    let well = text(&given.operate(&["doctor"]).await);
    assert!(well.contains("1 registered: query"), "{well}");
    let broken = well.lines().filter(|line| line.starts_with("BROKEN"));
    let broken: Vec<_> = broken.collect();
    // The tests' servers are quick and forgetful, which must not go unnoticed either.
    let durability = |line: &&str| line.contains("durability");
    assert!(
        broken.iter().all(durability) && !broken.is_empty(),
        "{well}"
    );

    // An org, a key, a write on one process, the read on the other.
    let org = given
        .told(&["orgs", "create", "--name", "Goats", "--plan", "ultra"])
        .await;
    let key = given
        .told(&[
            "keys",
            "create",
            &org,
            "--name",
            "Script",
            "--scopes",
            "read,write,keys",
        ])
        .await;
    let call = async |method: Method, url: String, body: Option<Value>| {
        let request = client().request(method, url).bearer_auth(&key);
        answer(body.map_or(request.try_clone().unwrap(), |body| request.json(&body))).await
    };
    let body = json!({"name": "Herd"});
    let made = call(Method::POST, format!("{writes}/projects"), Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let position = made.headers["tga-position"].clone();
    let request = client().get(format!("{reads}/projects")).bearer_auth(&key);
    let listed = answer(request.header("Tga-Min-Position", position)).await;
    assert_eq!(listed.body["data"][0]["name"], "Herd", "{}", listed.body);

    // Revoked on one process, refused on the other as soon as the call returned.
    let own = call(Method::GET, format!("{reads}/api-keys/self"), None).await;
    let id = own.body["data"]["id"].as_str().unwrap();
    let ended = call(Method::DELETE, format!("{writes}/api-keys/{id}"), None).await;
    assert_eq!(ended.status, StatusCode::OK, "{}", ended.body);
    let refused = call(Method::GET, format!("{reads}/projects"), None).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);

    query.terminate().await;
    command.terminate().await;
}

/// Beside v1 stands the reference of it, for anybody.
pub async fn check_docs(api: &str) {
    let docs = api.replace("/api/v1", "/docs");
    for (path, media_type) in [
        ("", "text/html"),
        ("/", "text/html"),
        ("/start.js", "text/javascript"),
    ] {
        let page = client().get(format!("{docs}{path}")).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        assert!(
            page.url().as_str().starts_with(&format!("{docs}/")),
            "{}",
            page.url()
        );
        let found = page.headers()["content-type"].to_str().unwrap();
        assert!(found.starts_with(media_type), "{path}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_servers_are_away_can_be_stopped() {
    let given = Given::new("away").await;
    let mut command = given.command("postgres://nobody@127.0.0.1:1/nothing");
    let log = fs::File::create(given.folder.path().join("log")).unwrap();
    command
        .args(["serve", "command", "--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stderr(log);
    let service = Service(command.spawn().unwrap());
    let log = given.folder.path().join("log");
    eventually(READY_WITHIN, "it waits for its database", async || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        text.contains("does not answer yet").then_some(())
    })
    .await;
    service.terminate().await;
}

#[tokio::test]
async fn doctor_without_servers_says_how_to_get_some() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary();
    command
        .current_dir(folder.path())
        .env_remove("TGA_DATABASE_URL")
        .env("TGA_LEESE", "2")
        .arg("doctor");
    let output = run(command).await;
    let told = text(&output);
    assert!(told.contains("no `trackagoat dev` runs in .data"), "{told}");
    assert!(told.contains("nothing reads TGA_LEESE"), "{told}");
}
