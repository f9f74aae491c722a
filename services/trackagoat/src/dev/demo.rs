//! The demo org: made once, with a new key at each start.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use command::CommandService;
use command::app::{CommandContext, CommandError};
use command::people::{Password, PeopleError};
use domain::credential::CredentialSecret;
use domain::email::{Email, InvalidEmail};
use domain::event::Role;
use domain::ids::{KeyId, OrgId, ProjectId};
use domain::limits::{BULK_ADD_ITEMS, INGEST_LINES};
use domain::org::{Command, NewKey, Rejection};
use domain::plan::{LimitKey, Plan};
use domain::scope::Scopes;
use domain::text::{Metadata, Name, ProjectName, TextError};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::files;
use runtime::telemetry::chain;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::demo_data::DemoData;

/// The address of the demo's admin.
pub const ADMIN_EMAIL: &str = "admin@demo.example";
/// Requests in a minute that the demo's key may make.
const REQUESTS_PER_MINUTE: u64 = 10_000_000;
/// How long it is tried, and how soon again.
const PATIENCE: Duration = Duration::from_mins(1);
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What the demo org may, beyond its plan.
const RAISED: [(LimitKey, u64); 4] = [
    (LimitKey::MaxCreatorsPerOrg, 100_000),
    (LimitKey::MaxTrackedVideosPerOrg, 1_000_000),
    (LimitKey::MaxApiRequestsPerDay, 100_000_000),
    (LimitKey::MaxRequestsPerMinutePerKey, REQUESTS_PER_MINUTE),
];

/// What is remembered of the demo between starts.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    org_id: OrgId,
    project_id: ProjectId,
    /// The key of the last start; whether it was made is for the log to say.
    key_id: Option<KeyId>,
    filled: bool,
}

/// The demo of this start.
pub struct Demo {
    pub org_id: OrgId,
    pub project_id: ProjectId,
    pub secret: CredentialSecret,
    /// That of the admin, whose address is [`ADMIN_EMAIL`].
    pub admin_password: SecretString,
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("a command was refused")]
    Command(#[from] CommandError),
    #[error("the file {path} cannot be used")]
    File { path: PathBuf, source: io::Error },
    #[error("a name is not accepted")]
    Text(#[from] TextError),
    #[error("the admin's address is not accepted")]
    Admin(#[from] InvalidEmail),
    #[error(transparent)]
    People(#[from] PeopleError),
    #[error("somebody else makes the same demo")]
    Raced,
    #[error("{0} lines were refused")]
    Lines(usize),
}

impl DemoError {
    /// Whether the machine was merely busy.
    const fn is_passing(&self) -> bool {
        match self {
            Self::Command(error) => error.is_passing(),
            Self::People(error) => error.is_passing(),
            _ => false,
        }
    }
}

/// Makes what is missing, as often as a busy machine demands. May be broken off anywhere and called again.
pub async fn make(
    folder: &Path,
    service: &CommandService,
    entropy: &Entropy,
    clock: &Clock,
) -> Result<Demo, DemoError> {
    let until = clock.monotonic() + PATIENCE;
    loop {
        match make_once(folder, service, entropy).await {
            Err(error) if error.is_passing() && clock.monotonic() < until => {
                tracing::warn!(error = %chain(&error), "the demo is not complete, going on");
                clock.sleep(AGAIN_AFTER).await;
            }
            done => return done,
        }
    }
}

async fn make_once(
    folder: &Path,
    service: &CommandService,
    entropy: &Entropy,
) -> Result<Demo, DemoError> {
    let path = folder.join("demo.json");
    let now = service.commander().now();
    let mut memory = read(&path)?.unwrap_or_else(|| Memory {
        org_id: OrgId::generate(now, entropy.bytes()),
        project_id: ProjectId::generate(now, entropy.bytes()),
        key_id: None,
        filled: false,
    });
    let maker = Maker {
        service,
        org: memory.org_id,
    };
    if memory.filled && !maker.has(memory.project_id).await? {
        // Somebody deleted it.
        memory.project_id = ProjectId::generate(now, entropy.bytes());
        memory.filled = false;
    }
    // Written before anything is made, so that a demo that was broken off is finished.
    write(&path, &memory)?;
    if !memory.filled {
        maker.fill(memory.project_id, entropy).await?;
        memory.filled = true;
    }
    if let Some(former) = memory.key_id {
        maker.run(&Command::RevokeKey { key_id: former }).await?;
    }
    let minted = service.commander().mint();
    memory.key_id = Some(minted.key_id);
    write(&path, &memory)?;
    let key = NewKey {
        key_id: minted.key_id,
        name: Name::parse("Demo")?,
        prefix: minted.secret.prefix(),
        hash: minted.secret.hash(),
        scopes: Scopes::ORG_ADMIN,
        expires_at: None,
        ip_allowlist: None,
        rate_limit_per_minute: Some(REQUESTS_PER_MINUTE),
        strict: false,
    };
    maker.run(&Command::CreateKey(key)).await?;
    Ok(Demo {
        admin_password: maker.admin(entropy).await?,
        org_id: memory.org_id,
        project_id: memory.project_id,
        secret: minted.secret,
    })
}

struct Maker<'a> {
    service: &'a CommandService,
    org: OrgId,
}

impl Maker<'_> {
    async fn has(&self, project_id: ProjectId) -> Result<bool, DemoError> {
        let commander = self.service.commander();
        let look = commander.inspect(self.org, |state| state.project(project_id).is_some());
        Ok(look.await?)
    }

    /// The admin, with a new password: sessions of the former end.
    async fn admin(&self, entropy: &Entropy) -> Result<SecretString, DemoError> {
        let email = Email::parse(ADMIN_EMAIL)?;
        let (password, text) = Password::random(entropy);
        let people = self.service.people();
        let user_id = if let Some(known) = people.find(&email).await? {
            people.reset_password(known, password, "demo").await?;
            known
        } else {
            let name = Name::parse("Demo admin")?;
            let made = people.add(&email, &name, password);
            made.await?.ok_or(DemoError::Raced)?
        };
        let role = Role::Admin;
        self.run(&Command::JoinMember { user_id, role }).await?;
        Ok(text.as_str().into())
    }

    async fn fill(&self, project_id: ProjectId, entropy: &Entropy) -> Result<(), DemoError> {
        let (plan, timezone) = (Plan::Ultra, "UTC".to_owned());
        self.run(&Command::CreateOrg {
            name: Name::parse("Demo agency")?,
            plan,
            timezone,
        })
        .await?;
        for (limit_key, value) in RAISED {
            self.run(&Command::SetLimit {
                limit_key,
                value: Some(value),
            })
            .await?;
        }
        let name = ProjectName::parse("Goats of the world")?;
        let metadata = Metadata::empty();
        self.run(&Command::AddProject {
            project_id,
            name,
            readme: None,
            metadata,
        })
        .await?;
        let now = self.service.commander().now();
        // Today's readings would lie in the future for those who start early.
        let data = DemoData::ending(now.minus(TimeDelta::days(1)).date());
        for creators in DemoData::creators(now, entropy).chunks(BULK_ADD_ITEMS) {
            let creators = creators.to_vec();
            self.run(&Command::AddCreators {
                project_id,
                creators,
            })
            .await?;
        }
        for lines in data.lines().chunks(INGEST_LINES) {
            self.ingest(project_id, lines).await?;
        }
        Ok(())
    }

    async fn ingest(&self, project: ProjectId, lines: &[Value]) -> Result<(), DemoError> {
        let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
        let context = CommandContext::operator("demo");
        let body = lines.join("\n").into();
        let commander = self.service.commander();
        let done = commander
            .ingest(self.org, Some(project), body, &context, None)
            .await?;
        match done.answer.rejected {
            0 => Ok(()),
            rejected => Err(DemoError::Lines(rejected)),
        }
    }

    /// What is there already stays as it is.
    async fn run(&self, command: &Command) -> Result<(), DemoError> {
        let context = CommandContext::operator("demo");
        match self
            .service
            .commander()
            .execute(self.org, command, &context, None)
            .await
        {
            Ok(_)
            | Err(CommandError::Rejected(
                Rejection::OrgExists
                | Rejection::Duplicate { .. }
                | Rejection::AlreadyMember
                | Rejection::NotFound,
            )) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is remembered; a file that is there and cannot be read must not become a second demo.
fn read(path: &Path) -> Result<Option<Memory>, DemoError> {
    let file = |source| DemoError::File {
        path: path.to_owned(),
        source,
    };
    match std::fs::read(path) {
        Ok(text) => {
            let memory = serde_json::from_slice(&text).map_err(|error| file(error.into()))?;
            Ok(Some(memory))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file(error)),
    }
}

fn write(path: &Path, memory: &Memory) -> Result<(), DemoError> {
    let file = |source| DemoError::File {
        path: path.to_owned(),
        source,
    };
    let json = serde_json::to_vec_pretty(memory).map_err(|error| file(error.into()))?;
    files::write_private(path, &json).map_err(file)
}
