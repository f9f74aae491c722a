//! The database is restored to a time before a revocation (faults.md, row 33).
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use testkit::eventually;

use crate::dev::{Answer, answer, client, run};
use crate::serve::{CURSOR_SECRET, Given, Service, text};

/// Scopes of keys that may do everything here.
const ALL: &str = "read,write,keys";
const SOON: Duration = Duration::from_secs(40);

/// Servers, two orgs with keys, and a backup from before anything was taken away.
struct World {
    given: Given,
    org: String,
    suspended: String,
    doomed: Key,
    narrowed: Key,
    /// Had one scope, and has another since.
    exchanged: Key,
    innocent: Key,
    of_suspended: Key,
}

struct Key {
    id: String,
    secret: String,
}

/// What a run of the command came to.
struct Replayed {
    succeeded: bool,
    said: String,
}

impl World {
    async fn new(database: &'static str) -> Self {
        let given = Given::new(database).await;
        given.told(&["migrate"]).await;
        let org = org(&given, "Goats").await;
        let suspended = self::org(&given, "Sheep").await;
        let world = Self {
            doomed: key(&given, &org, "Doomed", ALL).await,
            narrowed: key(&given, &org, "Narrowed", ALL).await,
            exchanged: key(&given, &org, "Exchanged", "write").await,
            innocent: key(&given, &org, "Innocent", ALL).await,
            of_suspended: key(&given, &suspended, "Of the suspended", ALL).await,
            org,
            suspended,
            given,
        };
        world.given.back_up().await;
        world
    }

    fn ledger(&self) -> PathBuf {
        self.given.folder.path().join("ledger")
    }

    fn operators_ledger(&self) -> PathBuf {
        self.given.folder.path().join("operators-ledger")
    }

    async fn serve_command(&self) -> (Service, String) {
        let mut command = self.given.command(&self.given.login("tga_command").await);
        command.env("TGA_LEDGER_DIR", self.ledger());
        self.given.serve("command", command).await
    }

    async fn serve_query(&self) -> (Service, String) {
        let mut query = self.given.command(&self.given.login("tga_query").await);
        let projector = self.given.login("tga_projector").await;
        query
            .env("TGA_PROJECTOR_DATABASE_URL", projector)
            .env("TGA_CURSOR_SECRET", CURSOR_SECRET);
        self.given.serve("query", query).await
    }

    /// What the operator does, with a ledger of their own.
    async fn operate(&self, arguments: &[&str]) -> Replayed {
        let mut command = self.given.command(&self.given.operator_url());
        command
            .env("TGA_LEDGER_DIR", self.operators_ledger())
            .args(arguments);
        let output = run(command).await;
        Replayed {
            succeeded: output.status.success(),
            said: text(&output) + &String::from_utf8_lossy(&output.stderr),
        }
    }

    async fn replay(&self, flags: &[&str], ledgers: &[PathBuf]) -> Replayed {
        let ledgers = ledgers.iter().map(|folder| folder.to_str().unwrap());
        let mut arguments = vec!["log", "restored"];
        arguments.extend(flags.iter().copied().chain(ledgers));
        self.operate(&arguments).await
    }

    async fn head(&self) -> (i64, String) {
        let url = self.given.operator_url();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        // Run at run time: a test's own look at one row.
        sqlx::query_as("select position, epoch::text from log.head")
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }
}

async fn org(given: &Given, name: &str) -> String {
    let arguments = ["orgs", "create", "--name", name, "--plan", "starter"];
    given.told(&arguments).await
}

async fn key(given: &Given, org: &str, name: &str, scopes: &str) -> Key {
    let scopes = ["--scopes", scopes];
    let arguments = [&["keys", "create", org, "--name", name][..], &scopes].concat();
    let secret = given.told(&arguments).await;
    let listed = given.told(&["keys", "list", org]).await;
    let own = listed.lines().find(|line| line.contains(name)).unwrap();
    let mut words = own.split(['|', '│', '┆', ' ']);
    let id = words.find(|word| word.len() == 36).unwrap().to_owned();
    Key { id, secret }
}

async fn call(method: Method, url: String, key: &Key, body: Option<Value>) -> Answer {
    let request = client().request(method, url).bearer_auth(&key.secret);
    answer(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

const OK: (StatusCode, &str) = (StatusCode::OK, "");

/// Status of a read with a key, and the code of an error.
async fn read(api: &str, key: &Key) -> (StatusCode, String) {
    let answer = call(Method::GET, format!("{api}/projects"), key, None).await;
    let is_error = !answer.status.is_success();
    let code = answer.body["meta"]["code"].as_str().filter(|_| is_error);
    (answer.status, code.unwrap_or_default().to_owned())
}

/// Waits for a restored service to answer a key as it should.
async fn answers(api: &str, key: &Key, expected: (StatusCode, &str)) {
    eventually(SOON, "the key is answered as it should be", async || {
        let (status, code) = read(api, key).await;
        ((status, code.as_str()) == expected)
            .then_some(())
            .ok_or((status, code))
    })
    .await;
}

/// Revokes one key, narrows two, suspends an org, and makes and ends a key that the backup does
/// not know.
async fn take_away(world: &World, writes: &str) {
    let keys = format!("{writes}/api-keys");
    let body = json!({"name": "Late", "scopes": ["read"]});
    let late = call(Method::POST, keys.clone(), &world.innocent, Some(body)).await;
    assert_eq!(late.status, StatusCode::CREATED, "{}", late.body);
    let late = late.body["data"]["id"].as_str().unwrap();
    for id in [&*world.doomed.id, late] {
        let url = format!("{keys}/{id}");
        let ended = call(Method::DELETE, url, &world.innocent, None).await;
        assert_eq!(ended.status, StatusCode::OK, "{}", ended.body);
    }
    for key in [&world.narrowed, &world.exchanged] {
        let body = json!({"scopes": ["read"]});
        let url = format!("{keys}/{}", key.id);
        let narrowed = call(Method::PATCH, url, &world.innocent, Some(body)).await;
        assert_eq!(narrowed.status, StatusCode::OK, "{}", narrowed.body);
    }
    let suspended = world.operate(&["orgs", "suspend", &world.suspended]).await;
    assert!(suspended.succeeded, "{}", suspended.said);
}

/// The command service does not open over a log that lacks what its ledger has.
async fn is_refused(world: &World) {
    let mut command = world.given.command(&world.given.login("tga_command").await);
    command.env("TGA_LEDGER_DIR", world.ledger());
    stays_closed(&world.given, command).await;
}

/// A command service ends and names the command that opens it; what it said.
pub async fn stays_closed(given: &Given, mut command: Command) -> String {
    let log = given.folder.path().join("refused.log");
    command
        .args(["serve", "command", "--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stderr(File::create(&log).unwrap());
    let mut service = Service(command.spawn().unwrap());
    let status = eventually(SOON, "it ends", async || service.0.try_wait().unwrap()).await;
    let said = fs::read_to_string(log).unwrap();
    assert!(!status.success(), "{said}");
    assert!(said.contains("trackagoat log restored"), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_away_since_the_backup_stays_away() {
    let world = World::new("restored").await;
    let (command, writes) = world.serve_command().await;
    let (query, reads) = world.serve_query().await;
    for key in [&world.doomed, &world.of_suspended, &world.innocent] {
        answers(&reads, key, OK).await;
    }
    take_away(&world, &writes).await;
    command.terminate().await;
    let lost = world.head().await;

    // The query service outlives it.
    world.given.restore().await;
    let before = world.head().await;
    assert!(before.0 < lost.0);
    is_refused(&world).await;
    assert_eq!(world.head().await, before);

    let both = [world.ledger(), world.operators_ledger()];
    // The operator's own is read without being named.
    let rehearsed = world.replay(&["--dry-run"], &both[..1]).await;
    assert!(!rehearsed.succeeded, "{}", rehearsed.said);
    for (count, what) in [
        (3, "would restore "),
        (1, "would restore key.revoked"),
        (1, "would restore key.changed"),
        (1, "would restore org.suspended"),
        (
            1,
            "restored 3, already there 0, about nothing that the log knows 1, cannot be applied 1",
        ),
        (1, "would be left without a scope: revoke it"),
    ] {
        assert_eq!(
            rehearsed.said.matches(what).count(),
            count,
            "{}",
            rehearsed.said
        );
    }
    assert_eq!(world.head().await, before);
    is_refused(&world).await;

    // As if it were killed on its way: what comes later in time is there, the rest is not.
    let half = world.replay(&[], &both[1..]).await;
    assert!(half.succeeded, "{}", half.said);
    assert!(
        half.said.contains("restored 1, already there 0"),
        "{}",
        half.said
    );
    is_refused(&world).await;
    let whole = world.replay(&[], &both).await;
    let counts =
        "restored 2, already there 2, about nothing that the log knows 1, cannot be applied 1";
    assert!(whole.said.contains(counts), "{}", whole.said);
    let closed = "services must stay closed";
    assert!(
        !whole.succeeded && whole.said.contains(closed),
        "{}",
        whole.said
    );
    let by_hand = ["keys", "revoke", &world.org, &world.exchanged.id];
    assert!(world.operate(&by_hand).await.succeeded);
    let stands = world.head().await.0;
    let again = world.replay(&[], &both).await;
    assert!(again.said.contains("restored 0,"), "{}", again.said);
    let open = "services may be started";
    assert!(
        again.succeeded && again.said.contains(open),
        "{}",
        again.said
    );
    assert_eq!(world.head().await.0, stands);

    // What lived through it follows the new life, and what is started now does too.
    let (command, writes) = world.serve_command().await;
    let made = key(&world.given, &world.suspended, "Made since", ALL).await;
    for api in [&reads, &writes] {
        answers(api, &made, (StatusCode::FORBIDDEN, "org_suspended")).await;
        answers(
            api,
            &world.doomed,
            (StatusCode::UNAUTHORIZED, "invalid_api_key"),
        )
        .await;
        answers(
            api,
            &world.of_suspended,
            (StatusCode::FORBIDDEN, "org_suspended"),
        )
        .await;
    }
    answers(&reads, &world.innocent, OK).await;
    let body = json!({"name": "Herd"});
    let url = format!("{writes}/projects");
    let refused = call(Method::POST, url, &world.narrowed, Some(body)).await;
    assert_eq!(
        refused.body["meta"]["code"], "insufficient_scope",
        "{}",
        refused.body
    );
    command.terminate().await;
    query.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_life_begins_while_command_services_run() {
    let world = World::new("running").await;
    let (command, _) = world.serve_command().await;
    let life = world.head().await;
    let both = [world.ledger(), world.operators_ledger()];
    let running = world.replay(&[], &both).await;
    let stop = "stop all services first";
    assert!(
        !running.succeeded && running.said.contains(stop),
        "{}",
        running.said
    );
    assert_eq!(world.head().await, life);
    command.terminate().await;
}
