//! Where the contestants meet: each measurement gets an empty database on the same server, which is
//! deleted afterwards.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use runtime::clock::Clock;
use serde::Deserialize;
use serde_json::{Map, Value};
use sqlx::{Connection, Executor, PgConnection};
use tokio::process::Command;

use super::job::{AppendJob, Appends, Contestant, Workload};
use super::plain;
use crate::bench::Setting;
use crate::bench::error::BenchError;
use crate::bench::folder::Database;
use crate::bench::worker::{Job, Worker, begin_together};

/// One measurement of ours.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Of all processes together.
    pub writers: usize,
    pub processes: usize,
    pub payload_bytes: usize,
    pub length: Duration,
    pub workload: Workload,
    pub mirrored: bool,
}

/// What can be said of any contestant.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Figures {
    pub events_per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// A contestant that is not ours; their names are those of their folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    MessageDb,
    Emmett,
    UmaDb,
}

pub struct Contest<'a> {
    pub database: Database,
    setting: &'a Setting,
    peers: Option<PathBuf>,
    nats_url: String,
    versions: Map<String, Value>,
}

impl Run {
    /// New streams, one process, 200 bytes.
    pub fn new(writers: usize, length: Duration) -> Self {
        Self {
            writers,
            processes: 1,
            payload_bytes: 200,
            length,
            workload: Workload::NewStreams,
            mirrored: false,
        }
    }
}

impl Peer {
    pub const ALL: [Self; 3] = [Self::UmaDb, Self::MessageDb, Self::Emmett];

    pub const fn name(self) -> &'static str {
        match self {
            Self::MessageDb => "message-db",
            Self::Emmett => "emmett",
            Self::UmaDb => "umadb",
        }
    }

    const fn needs(self) -> &'static str {
        match self {
            Self::MessageDb => "schema.sql",
            Self::Emmett | Self::UmaDb => "run",
        }
    }
}

impl From<&Appends> for Figures {
    fn from(appends: &Appends) -> Self {
        Self {
            events_per_second: appends.per_second(),
            p50_ms: appends.latencies.millis(0.5),
            p99_ms: appends.latencies.millis(0.99),
        }
    }
}

impl<'a> Contest<'a> {
    pub fn new(
        setting: &'a Setting,
        database: Database,
        peers: Option<PathBuf>,
        nats_url: String,
    ) -> Self {
        Self {
            database,
            setting,
            peers,
            nats_url,
            versions: Map::new(),
        }
    }

    /// The folder of a peer, if it is there.
    pub fn peer(&self, peer: Peer) -> Option<PathBuf> {
        let folder = self.peers.as_ref()?.join(peer.name());
        folder.join(peer.needs()).is_file().then_some(folder)
    }

    /// The versions of those that were measured.
    pub fn peer_versions(&self) -> Map<String, Value> {
        self.versions.clone()
    }

    /// Measures our log in a database of its own.
    pub async fn ours(&mut self, run: Run) -> Result<Appends, BenchError> {
        let url = self.database.ours().await?;
        let appends = self.ours_in(&url, run).await?;
        self.database.drop(&url).await?;
        Ok(appends)
    }

    /// Measures our log in a database that is there, and checks that it holds what was counted.
    pub async fn ours_in(&self, url: &str, run: Run) -> Result<Appends, BenchError> {
        let mut workers = Vec::new();
        for number in 0..run.processes {
            let share =
                run.writers / run.processes + usize::from(number < run.writers % run.processes);
            let job = AppendJob {
                contestant: Contestant::Ours,
                database_url: url.to_owned(),
                nats_url: run.mirrored.then(|| self.nats_url.clone()),
                writers: share,
                length: run.length,
                payload_bytes: run.payload_bytes,
                workload: run.workload,
                seed: self.setting.entropy.u64(),
            };
            workers.push(Worker::start(&Job::Append(job), &self.setting.clock).await?);
        }
        let appends = gather(workers).await?;
        let mut connection = PgConnection::connect(url).await?;
        let head: i64 = sqlx::query_scalar("select position from log.head")
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        if u64::try_from(head) != Ok(appends.events) {
            let counted = appends.events;
            let text = format!("{counted} appends succeeded, and the log ends at {head}");
            return Err(BenchError::Wrong(text));
        }
        Ok(appends)
    }

    /// Measures plain inserts of `rows` rows in all at once.
    pub async fn plain(
        &mut self,
        rows: usize,
        connections: u32,
        payload_bytes: usize,
        length: Duration,
    ) -> Result<Appends, BenchError> {
        let url = self.database.ours().await?;
        let mut connection = PgConnection::connect(&url).await?;
        connection.execute(plain::TABLE).await?;
        connection.close().await?;
        let contestant = Contestant::Plain { connections };
        let appends = self
            .sql(contestant, &url, rows, payload_bytes, length)
            .await?;
        self.database.drop(&url).await?;
        Ok(appends)
    }

    /// Measures a peer; none if it is not there.
    pub async fn peer_run(
        &mut self,
        peer: Peer,
        writers: usize,
        payload_bytes: usize,
        length: Duration,
    ) -> Result<Option<Figures>, BenchError> {
        let Some(folder) = self.peer(peer) else {
            return Ok(None);
        };
        let program = Program {
            peer,
            folder: &folder,
            writers,
            payload_bytes,
            length,
        };
        let printed = match peer {
            Peer::UmaDb => {
                let mut command = program.command();
                command.arg("--data-dir").arg(self.setting.folder.path());
                program.run(command, &self.setting.clock).await?
            }
            Peer::Emmett => {
                let url = self.database.empty().await?;
                let mut command = program.command();
                // Everyone on the machine can read arguments, and this is a superuser's login.
                command.env("BENCH_DATABASE_URL", &url);
                let printed = program.run(command, &self.setting.clock).await?;
                self.database.drop(&url).await?;
                printed
            }
            Peer::MessageDb => self.message_db(&program).await?,
        };
        self.versions
            .insert(peer.name().to_owned(), printed.version.into());
        Ok(Some(printed.figures))
    }

    /// It is SQL, so we are its client.
    async fn message_db(&mut self, program: &Program<'_>) -> Result<Printed, BenchError> {
        let read = |name| {
            let path = program.folder.join(name);
            std::fs::read_to_string(&path).map_err(BenchError::io("read", &path))
        };
        let url = self.database.empty().await?;
        let mut connection = PgConnection::connect(&url).await?;
        // The peer's own file, in a database of its own.
        connection
            .execute(sqlx::AssertSqlSafe(read("schema.sql")?))
            .await?;
        connection.close().await?;
        let (writers, bytes) = (program.writers, program.payload_bytes);
        let appends = self
            .sql(Contestant::MessageDb, &url, writers, bytes, program.length)
            .await?;
        self.database.drop(&url).await?;
        let version = read("version")?.trim().to_owned();
        Ok(Printed {
            version,
            figures: Figures::from(&appends),
        })
    }

    async fn sql(
        &self,
        contestant: Contestant,
        url: &str,
        writers: usize,
        payload_bytes: usize,
        length: Duration,
    ) -> Result<Appends, BenchError> {
        let job = AppendJob {
            contestant,
            database_url: url.to_owned(),
            nats_url: None,
            writers,
            length,
            payload_bytes,
            workload: Workload::NewStreams,
            seed: self.setting.entropy.u64(),
        };
        gather(vec![
            Worker::start(&Job::Append(job), &self.setting.clock).await?,
        ])
        .await
    }
}

/// What a peer's program prints.
#[derive(Debug, Deserialize)]
struct Printed {
    version: String,
    #[serde(flatten)]
    figures: Figures,
}

/// A peer that is a program (deploy/README.md).
struct Program<'a> {
    peer: Peer,
    folder: &'a Path,
    writers: usize,
    payload_bytes: usize,
    length: Duration,
}

impl Program<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(self.folder.join("run"));
        command
            .args(["--writers", &self.writers.to_string()])
            .args(["--seconds", &self.length.as_secs_f64().to_string()])
            .args(["--payload-bytes", &self.payload_bytes.to_string()])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, mut command: Command, clock: &Clock) -> Result<Printed, BenchError> {
        let limit = self.length + Duration::from_mins(1);
        let output = clock
            .timeout(limit, command.output())
            .await
            .map_err(|source| BenchError::Late {
                what: "a peer's figures",
                source,
            })?
            .map_err(BenchError::Talk)?;
        if !output.status.success() {
            let reason = reason(&String::from_utf8_lossy(&output.stderr));
            return Err(BenchError::Child {
                program: self.peer.name().into(),
                reason,
            });
        }
        serde_json::from_slice(&output.stdout).map_err(BenchError::json)
    }
}

/// The line that names the error, in what a program said at its end.
fn reason(said: &str) -> String {
    let named = said.lines().find(|line| line.contains("rror:"));
    let reason = named.or(said.lines().last());
    reason.unwrap_or("it gave no reason").trim().to_owned()
}

/// Lets all begin at once and adds up what they did.
async fn gather(mut workers: Vec<Worker>) -> Result<Appends, BenchError> {
    begin_together(&mut workers).await?;
    let mut all = Appends::default();
    for mut worker in workers {
        all.merge(&worker.hear::<Appends>().await?);
        worker.finish().await?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn the_line_that_names_the_error_is_shown() {
        let said = "driver.mjs:20\n\nError: no database\n    at driver.mjs:20\n\nNode.js v20";
        assert_eq!(reason(said), "Error: no database");
        assert_eq!(reason("it broke"), "it broke");
        assert_eq!(reason(""), "it gave no reason");
    }
}
