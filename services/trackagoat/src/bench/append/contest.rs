//! Where the contestants meet: each measurement gets an empty database on the same server, which is
//! deleted afterwards.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use sqlx::{Connection, Executor, PgConnection};
use tokio::process::Command;

use super::job::{AppendJob, Appends, Contestant, Workload};
use super::plain;
use crate::bench::Setting;
use crate::bench::error::BenchError;
use crate::bench::folder::Database;
use crate::bench::peer::{Peer, Peers, Printed, make_message_db};
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

pub struct Contest<'a> {
    pub database: Database,
    setting: &'a Setting,
    peers: Peers,
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
            peers: Peers::new(peers),
            nats_url,
            versions: Map::new(),
        }
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
        let Some(folder) = self.peers.folder(peer) else {
            return Ok(None);
        };
        let program = Program {
            folder: &folder,
            writers,
            payload_bytes,
            length,
        };
        let clock = &self.setting.clock;
        let limit = length + Duration::from_mins(1);
        let printed: Printed<Figures> = match peer {
            Peer::UmaDb => {
                let mut command = program.command();
                command.arg("--data-dir").arg(self.setting.folder.path());
                peer.run(command, limit, clock).await?
            }
            Peer::Emmett | Peer::Eventsourcing | Peer::PostgresEs => {
                let url = self.database.empty().await?;
                let mut command = program.command();
                // Everyone on the machine can read arguments, and this is a superuser's login.
                command.env("BENCH_DATABASE_URL", &url);
                let printed = peer.run(command, limit, clock).await;
                self.database.drop(&url).await?;
                printed?
            }
            Peer::MessageDb => self.message_db(&program).await?,
        };
        self.versions
            .insert(peer.name().to_owned(), printed.version.into());
        Ok(Some(printed.figures))
    }

    /// It is SQL, so we are its client.
    async fn message_db(&mut self, program: &Program<'_>) -> Result<Printed<Figures>, BenchError> {
        let (url, version) = make_message_db(&mut self.database, program.folder).await?;
        let (writers, bytes) = (program.writers, program.payload_bytes);
        let appends = self
            .sql(Contestant::MessageDb, &url, writers, bytes, program.length)
            .await?;
        self.database.drop(&url).await?;
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

/// A peer that is a program (deploy/README.md).
struct Program<'a> {
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
            .args(["--payload-bytes", &self.payload_bytes.to_string()]);
        command
    }
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
