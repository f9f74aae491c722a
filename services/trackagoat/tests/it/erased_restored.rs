//! The database is restored to a time before an erasure (security.md, 30): what was erased since
//! stays unreadable.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::eventually;

use crate::dev::{answer, client, run};
use crate::erased::{CANARIES, CHANNEL, lines, rows_in};
use crate::restored::stays_closed;
use crate::serve::{CURSOR_SECRET, Given, Service, text};

const SOON: Duration = Duration::from_secs(40);
const EMAIL: &str = "grace.canary@example.com";
const NAME: &str = "Grace Canary";
/// Invited when the backup was made, and a member later.
const INVITED: &str = "linus.canary@example.com";
const OPEN: &str = "services may be started";
/// A creator, a person and an invited one, of whom a backup tells.
struct World {
    given: Given,
    org: String,
    key: String,
    creator: String,
    /// What the invited one joins with.
    invitation: String,
}

/// Both services.
struct Services {
    command: Service,
    query: Service,
    writes: String,
    reads: String,
}

/// What a run of a command came to.
struct Ran {
    succeeded: bool,
    said: String,
}

impl World {
    async fn new(database: &'static str) -> Self {
        let given = Given::new(database).await;
        given.told(&["migrate"]).await;
        let org = ["orgs", "create", "--name", "Goats", "--plan", "ultra"];
        let org = given.told(&org).await;
        let scopes = ["--scopes", "read,write,ingest"];
        let key = [&["keys", "create", &org, "--name", "Script"][..], &scopes].concat();
        let key = given.told(&key).await;
        let mut world = Self {
            given,
            org,
            key,
            creator: String::new(),
            invitation: String::new(),
        };
        let services = world.serve().await;
        world.creator = world.add_creator(&services).await;
        let invitation = world.invite(EMAIL, "admin").await;
        accept(&services, &invitation, NAME).await;
        world.invitation = world.invite(INVITED, "member").await;
        services.terminate().await;
        world.given.back_up().await;
        world
    }

    fn ledger(&self) -> PathBuf {
        self.given.folder.path().join("ledger")
    }

    async fn command_service(&self) -> Command {
        let mut command = self.given.command(&self.given.login("tga_command").await);
        command.env("TGA_LEDGER_DIR", self.ledger());
        command
    }

    async fn serve(&self) -> Services {
        let command = self.command_service().await;
        let (command, writes) = self.given.serve("command", command).await;
        let mut query = self.given.command(&self.given.login("tga_query").await);
        let projector = self.given.login("tga_projector").await;
        query
            .env("TGA_PROJECTOR_DATABASE_URL", projector)
            .env("TGA_CURSOR_SECRET", CURSOR_SECRET);
        let (query, reads) = self.given.serve("query", query).await;
        Services {
            command,
            query,
            writes,
            reads,
        }
    }

    async fn post(&self, url: String, body: Value) -> Value {
        let request = client().post(url).bearer_auth(&self.key).json(&body);
        let answer = answer(request).await;
        assert!(answer.status.is_success(), "{}", answer.body);
        answer.body["data"].clone()
    }

    /// A creator with everything that is sealed of one.
    async fn add_creator(&self, services: &Services) -> String {
        let Services { writes, reads, .. } = services;
        let project = self
            .post(format!("{writes}/projects"), json!({"name": "Herd"}))
            .await;
        let project = project["id"].as_str().unwrap();
        let new = json!({"platform": "youtube", "handle": CHANNEL, "tracking_start_date": null,
            "display_name": CANARIES[0]});
        let creator = self
            .post(format!("{writes}/projects/{project}/creators"), new)
            .await;
        let creator = creator["id"].as_str().unwrap().to_owned();
        let lines: Vec<_> = lines(2).iter().map(Value::to_string).collect();
        let url = format!("{writes}/ingest/observations?project_id={project}");
        let request = client().post(url).bearer_auth(&self.key);
        let request = request.header("content-type", "application/x-ndjson");
        let told = answer(request.body(lines.join("\n"))).await;
        assert!(told.status.is_success(), "{}", told.body);
        let url = format!("{reads}/creators/{creator}");
        eventually(SOON, "the creator is answered by its name", async || {
            let answer = answer(client().get(&url).bearer_auth(&self.key)).await;
            let data = &answer.body["data"];
            let is_there = data["follower_count"] == 10 && data["display_name"] == CANARIES[0];
            is_there.then_some(()).ok_or(answer.body)
        })
        .await;
        creator
    }

    /// The token of an invitation.
    async fn invite(&self, email: &str, role: &str) -> String {
        let invite = ["members", "invite", &self.org, email, "--role", role];
        let link = self.given.told(&invite).await;
        link.split_once("token=").unwrap().1.to_owned()
    }

    async fn operate(&self, arguments: &[&str], ledger: Option<&Path>) -> Ran {
        let mut command = self.given.command(&self.given.operator_url());
        command.args(arguments);
        if let Some(ledger) = ledger {
            command.env("TGA_LEDGER_DIR", ledger);
        }
        let output = run(command).await;
        Ran {
            succeeded: output.status.success(),
            said: text(&output) + "\n" + &String::from_utf8_lossy(&output.stderr),
        }
    }

    async fn erase_all(&self) {
        // Whom the backup does not know: there the one who is erased is the only admin.
        let services = self.serve().await;
        let ada = self.invite("ada@example.com", "admin").await;
        accept(&services, &ada, "Ada").await;
        accept(&services, &self.invitation, "Linus").await;
        services.terminate().await;
        let creator = ["erase", "creator", &self.org, &self.creator];
        let [grace, linus] = [EMAIL, INVITED].map(|person| ["erase", "user", person]);
        for erase in [&creator[..], &grace, &linus] {
            let erased = self.operate(erase, Some(&self.ledger())).await;
            assert!(erased.succeeded, "{}", erased.said);
            assert!(!erased.said.contains("warning"), "{}", erased.said);
        }
    }

    async fn replay(&self, flags: &[&str], ledger: &Path) -> Ran {
        let ledger = ledger.to_str().unwrap();
        self.operate(&[&["log", "restored"], flags, &[ledger]].concat(), None)
            .await
    }

    /// What tells of the erased in any table.
    async fn tells(&self) -> Vec<String> {
        let url = self.given.operator_url();
        let mut rows = Vec::new();
        for canary in CANARIES.iter().chain(&[EMAIL, NAME, INVITED]) {
            rows.extend(rows_in(&url, canary).await);
        }
        rows
    }

    async fn erasures(&self) -> String {
        let doctor = self.operate(&["doctor"], Some(&self.ledger())).await;
        let found = doctor.said.lines().find(|line| line.contains("erasures"));
        found
            .unwrap_or_else(|| panic!("{}", doctor.said))
            .to_owned()
    }

    /// The files of erasures, those first that were begun first.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.ledger()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|own| own == "erasures"))
            .collect();
        files.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
        files
    }

    /// A folder with this file of erasures, and nothing else.
    fn folder(&self, name: &str, text: &str) -> PathBuf {
        let folder = self.given.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.erasures"), text).unwrap();
        folder
    }
}

impl Services {
    async fn terminate(self) {
        self.query.terminate().await;
        self.command.terminate().await;
    }
}

async fn accept(services: &Services, invitation: &str, name: &str) {
    let origin = services.writes.strip_suffix("/api/v1").unwrap();
    let accept = json!({"token": invitation, "name": name, "password": "correct horse battery"});
    let url = format!("{origin}/auth/invitations/accept");
    let joined = answer(client().post(url).json(&accept)).await;
    assert_eq!(joined.status, StatusCode::CREATED, "{}", joined.body);
}

fn counts(again: usize, already: usize) -> String {
    format!("erased again {again}, already erased {already}, cannot be erased 0")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_since_the_backup_stays_erased() {
    let world = World::new("erased_restored").await;
    world.erase_all().await;
    assert!(world.erasures().await.starts_with("ok"));
    let [creator, grace, linus] = &world.files()[..] else {
        panic!("{:?}", world.files());
    };
    for file in [creator, grace, linus] {
        let text = fs::read_to_string(file).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        for canary in CANARIES.iter().chain(&[EMAIL, NAME, INVITED, CHANNEL]) {
            assert!(!text.contains(canary), "{text}");
        }
    }

    world.given.restore().await;
    let back = world.tells().await;
    for told in [CANARIES[0], EMAIL, INVITED] {
        assert!(back.iter().any(|row| row.contains(told)), "{back:?}");
    }
    assert!(world.erasures().await.starts_with("BROKEN"));
    stays_closed(&world.given, world.command_service().await).await;
    let rehearsed = world.replay(&["--dry-run"], &world.ledger()).await;
    assert!(!rehearsed.succeeded, "{}", rehearsed.said);
    for said in [
        &*counts(3, 0),
        "would erase the person",
        "cannot be applied 1",
    ] {
        assert!(rehearsed.said.contains(said), "{}", rehearsed.said);
    }
    assert_eq!(world.tells().await, back);

    // As if it were killed on its way: denials are in force, and all but one are erased.
    let half = world.given.folder.path().join("half");
    fs::create_dir(&half).unwrap();
    for entry in fs::read_dir(world.ledger()).unwrap() {
        let path = entry.unwrap().path();
        if path != *creator {
            fs::copy(&path, half.join(path.file_name().unwrap())).unwrap();
        }
    }
    let halfway = world.replay(&[], &half).await;
    for said in [&*counts(2, 0), "cannot be applied 1", "must stay closed"] {
        assert!(halfway.said.contains(said), "{}", halfway.said);
    }
    let said = stays_closed(&world.given, world.command_service().await).await;
    assert!(
        said.contains(&format!("the creator {}", world.creator)),
        "{said}"
    );
    let whole = world.replay(&[], &world.ledger()).await;
    assert!(
        whole.succeeded && whole.said.contains(&counts(1, 2)),
        "{}",
        whole.said
    );
    assert!(whole.said.contains(OPEN), "{}", whole.said);
    let again = world.replay(&[], &world.ledger()).await;
    assert!(
        again.succeeded && again.said.contains(&counts(0, 3)),
        "{}",
        again.said
    );

    let services = world.serve().await;
    is_told_nowhere(&world).await;
    // Until the query service has built what it answers from there is nothing to build anew.
    eventually(SOON, "what answers is built anew", async || {
        let rebuilt = world.given.operate(&["projections", "rebuild"]).await;
        let said = String::from_utf8_lossy(&rebuilt.stderr).into_owned();
        let is_done = rebuilt.status.success();
        assert!(is_done || said.contains("answers nothing yet"), "{said}");
        is_done.then_some(()).ok_or(said)
    })
    .await;
    is_told_nowhere(&world).await;
    let told = world.given.told(&["log", "replay"]).await;
    for canary in CANARIES {
        assert!(!told.contains(canary), "{canary}");
    }
    let url = format!("{}/creators/{}", services.reads, world.creator);
    let gone = answer(client().get(url).bearer_auth(&world.key)).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND, "{}", gone.body);
    services.terminate().await;
    assert!(world.erasures().await.starts_with("ok"));
}

async fn is_told_nowhere(world: &World) {
    eventually(SOON, "no row tells", async || {
        let rows = world.tells().await;
        rows.is_empty().then_some(()).ok_or(rows)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_of_which_only_the_beginning_is_known_is_made_good_too() {
    let world = World::new("half_erased").await;
    world.erase_all().await;
    // Without a ledger nobody could tell.
    let creator = ["erase", "creator", &world.org, &world.creator];
    let unrecorded = world.operate(&creator, None).await;
    assert!(unrecorded.succeeded, "{}", unrecorded.said);
    assert!(
        unrecorded.said.contains("warning: no ledger is named"),
        "{}",
        unrecorded.said
    );
    let files = world.files();
    let creators = fs::read_to_string(&files[0]).unwrap();
    let (begun, _) = creators.split_once('\n').unwrap();

    // As if the command had been killed before it came to its end.
    world.given.restore().await;
    for file in &files[1..] {
        fs::remove_file(file).unwrap();
    }
    fs::write(&files[0], begun).unwrap();
    let broken = world.erasures().await;
    assert!(
        broken.starts_with("BROKEN") && broken.contains(&world.creator),
        "{broken}"
    );
    let erasures = world.folder("begun", begun);
    let whole = world.replay(&[], &erasures).await;
    assert!(
        whole.succeeded && whole.said.contains(&counts(1, 0)),
        "{}",
        whole.said
    );
    assert!(world.erasures().await.starts_with("ok"));

    // A line that broke off was nobody's promise; one that was altered may be.
    let torn = world.folder("torn", &format!("{creators}{}", &begun[..begun.len() / 2]));
    let torn = world.replay(&[], &torn).await;
    assert!(
        torn.succeeded && torn.said.contains("1 lines broke off"),
        "{}",
        torn.said
    );
    assert!(torn.said.contains(&counts(0, 1)), "{}", torn.said);
    let altered = begun.replace(&world.creator, &world.org);
    assert_ne!(altered, begun);
    let damaged = world.folder("damaged", &format!("{creators}{altered}\n}}\n"));
    let damaged = world.replay(&[], &damaged).await;
    assert!(!damaged.succeeded, "{}", damaged.said);
    for said in [
        "a.erasures, line 3",
        "a.erasures, line 4",
        "services must stay closed",
    ] {
        assert!(damaged.said.contains(said), "{}", damaged.said);
    }
}
