//! `trackagoat log verify` finds whatever was done to the log by somebody who can do anything in its
//! database, and to an exported file.
#![expect(clippy::unwrap_used, reason = "tests")]

mod archived;
mod files;
mod logs;
mod service;
mod state;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use domain::credential::{CredentialKind, CredentialSecret};
use domain::event::Stream;
use domain::event::{Actor, Event, KeyCreated, OrgChanged, OrgCreated, ProjectAdded};
use domain::ids::{GlobalPosition, KeyId, OrgId, ProjectId, StreamVersion};
use domain::plan::Plan;
use domain::scope::Scopes;
use domain::signed::{NoteSigner, SealedLine};
use domain::text::{Metadata, Name, ProjectName};
use domain::time::Timestamp;
use event_log::{AppendRequest, Config, EventLog, Signer, SignerConfig, StoredEvent};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind};
use sqlx::{AssertSqlSafe, Executor};
use testkit::{TestDatabase, postgres};

use crate::dev::{binary, run};

const SOON: Duration = Duration::from_secs(20);

fn key() -> NoteSigner {
    NoteSigner::new("trackagoat".parse().unwrap(), &[7; 32].into())
}

/// A log with a signer, and a folder of copies.
struct World {
    db: TestDatabase,
    log: EventLog,
    folder: tempfile::TempDir,
    lifecycle: Lifecycle,
}

/// What a run of the command came to.
#[derive(Debug)]
struct Said {
    code: i32,
    text: String,
}

impl Said {
    /// It ended so, and said so.
    #[track_caller]
    fn is(&self, code: i32, text: &str) {
        assert!(
            self.code == code && self.text.contains(text),
            "exit code {} and not {code}, or no `{text}` in: {}",
            self.code,
            self.text
        );
    }
}

impl World {
    async fn new() -> Self {
        let db = postgres().await;
        let (clock, pool) = (Clock::system(), db.pool_as("tga_command"));
        let lifecycle = Lifecycle::new(clock.clone());
        let tasks = lifecycle.handle();
        let (log, appender) = EventLog::new(pool, clock, Entropy::os(), Config::default());
        tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
        Self {
            db,
            log,
            folder: tempfile::tempdir().unwrap(),
            lifecycle,
        }
    }

    /// Two orgs with a key each and `more` events of theirs in turn, signed after every one if `often`.
    async fn filled(more: u64, often: bool) -> (Self, [OrgId; 2]) {
        let world = Self::new().await;
        let orgs = [world.org().await, world.org().await];
        for n in 0..more {
            let org = orgs[usize::try_from(n % 2).unwrap()];
            world.append(org, vec![project()]).await;
            if often {
                world.sign().await;
            }
        }
        world.sign().await;
        (world, orgs)
    }

    /// An org with a key: three events.
    async fn org(&self) -> OrgId {
        let org = OrgId::from_uuid(Entropy::os().uuid_v4());
        let created = OrgCreated {
            name: Name::parse("Acme").unwrap(),
            plan: Plan::Starter,
            timezone: "UTC".to_owned(),
        };
        let renamed = OrgChanged {
            name: Some(Name::parse("Acme & Sons").unwrap()),
            ..OrgChanged::default()
        };
        self.append(org, vec![created.into(), key_created(), renamed.into()])
            .await;
        org
    }

    async fn append(&self, org_id: OrgId, events: Vec<Event>) -> GlobalPosition {
        let request = AppendRequest {
            org_id,
            expected: None,
            events,
            actor: Actor::System,
            correlation_id: "test".to_owned(),
            idempotency: None,
            guard: None,
        };
        self.log.append(request).await.unwrap().last
    }

    fn signer(&self) -> Signer {
        let config = SignerConfig {
            folder: Some(self.copies()),
            ..SignerConfig::new(key())
        };
        Signer::new(self.log.clone(), None, config)
    }

    async fn sign(&self) {
        self.signer().sign_once().await.unwrap();
    }

    fn copies(&self) -> PathBuf {
        self.folder.path().join("checkpoints")
    }

    /// As somebody who can do anything in the database.
    async fn tamper(&self, statement: impl Into<String>) {
        let mut tx = self.db.pool().begin().await.unwrap();
        for table in [
            "events",
            "events_000000",
            "merkle",
            "checkpoints",
            "restorations",
            "archived",
        ] {
            let off = format!("alter table log.{table} disable trigger append_only");
            tx.execute(AssertSqlSafe(off)).await.unwrap();
        }
        // Several in one text.
        let statement = AssertSqlSafe(statement.into());
        sqlx::raw_sql(statement).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn verify(&self, arguments: &[&str]) -> Said {
        let mut command = verify(arguments);
        command.env("TGA_DATABASE_URL", self.db.url());
        said(command).await
    }

    /// With all that is kept outside the database.
    async fn sound(&self) -> Said {
        let (public, copies) = (key().verifier().to_string(), self.copies());
        let copies = copies.to_str().unwrap();
        self.verify(&["--public-key", &public, "--checkpoint-dir", copies])
            .await
    }

    /// All events of an org, by position.
    async fn events(&self, org: OrgId) -> Vec<StoredEvent> {
        let mut all = Vec::new();
        for stream in [Stream::Decisions, Stream::Observations] {
            let page = self
                .log
                .read_stream(org, stream, StreamVersion::ZERO, 5_000);
            all.extend(page.await.unwrap());
        }
        all.sort_by_key(|event| event.position);
        all
    }

    /// The line that seals an export.
    async fn seal(&self, org: OrgId) -> String {
        let lifecycle = Lifecycle::new(Clock::system());
        let tasks = lifecycle.handle();
        let signs = self.signer().run(tasks.clone());
        tasks.spawn(TaskKind::Critical, "signer", signs);
        let sealed = self.log.seal(org, SOON).await.unwrap();
        lifecycle.shutdown(ShutdownPolicy::default()).await;
        let line = SealedLine {
            org,
            at: sealed.signed_at,
            seal: sealed.seal,
            checkpoint: sealed.checkpoint,
        };
        line.to_json()
    }

    /// Verifies lines as an exported file.
    async fn verify_file(&self, lines: &[String], arguments: &[&str]) -> Said {
        let path = self.folder.path().join("export.ndjson");
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        let (file, public) = (path.to_str().unwrap(), key().verifier().to_string());
        let all = [&["--file", file, "--public-key", &public], arguments].concat();
        said(verify(&all)).await
    }

    async fn stop(self) {
        self.lifecycle.shutdown(ShutdownPolicy::default()).await;
    }
}

fn project() -> Event {
    ProjectAdded {
        project_id: ProjectId::from_uuid(Entropy::os().uuid_v4()),
        name: ProjectName::parse("Spring").unwrap(),
        readme: None,
        metadata: Metadata::empty(),
    }
    .into()
}

fn key_created() -> Event {
    let entropy = Entropy::os();
    let secret = CredentialSecret::generate(CredentialKind::ApiKey, &entropy.bytes());
    KeyCreated {
        key_id: KeyId::from_uuid(entropy.uuid_v4()),
        name: Name::parse("Script").unwrap(),
        prefix: secret.prefix(),
        scopes: Scopes::DEFAULT,
        expires_at: None,
        rate_limit_per_minute: 60,
        ip_allowlist: None,
        strict: false,
        owner_id: None,
        replaces: None,
        hash: Some(secret.hash()),
    }
    .into()
}

/// The command, with no server named.
fn verify(arguments: &[&str]) -> Command {
    of_log("verify", arguments)
}

/// `log` and what it shall do, with no server named.
fn of_log(name: &str, arguments: &[&str]) -> Command {
    let mut command = binary();
    command
        .current_dir(std::env::temp_dir())
        .env_remove("TGA_DATABASE_URL")
        .env_remove("TGA_NATS_URL")
        .args(["log", name])
        .args(arguments);
    command
}

async fn said(command: Command) -> Said {
    let output = run(command).await;
    let texts = [&output.stdout, &output.stderr];
    Said {
        code: output.status.code().unwrap(),
        text: texts
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .concat(),
    }
}

/// An event that was rewritten by somebody who knows how hashes are made.
fn rewritten(event: &StoredEvent) -> StoredEvent {
    let mut other = event.clone();
    other.data = other.data.replace("Spring", "Autumn").into();
    assert_ne!(other.data, event.data);
    other.hash = other.computed_hash();
    other
}

fn now() -> Timestamp {
    Timestamp::from_datetime(Clock::system().now())
}
