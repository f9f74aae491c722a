//! What other event stores hold, filled by a thousand events of a stream at once and read by what
//! each has for reading everything.

use std::path::{Path, PathBuf};
use std::time::Duration;

use runtime::clock::Clock;
use serde::Deserialize;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, Row};
use tokio::process::Command;

use crate::bench::error::BenchError;
use crate::bench::folder::Database;
use crate::bench::peer::{Peer, Peers, make_message_db};

/// Events of a stream of a peer.
const EVENTS_EACH: u64 = 1_000;
/// Emmett looks at each page through all that came before it, so that a million would take many
/// minutes to read: it holds no more than these, which favours it.
const EMMETT_EVENTS_MAX: u64 = 100_000;
const FILLED_WITHIN: Duration = Duration::from_mins(10);
const READ_WITHIN: Duration = Duration::from_mins(3);

/// $1: the stream; $2: events; $3: data.
const WRITE: &str = "select count(write_message(gen_random_uuid()::varchar, $1, 'measured', $3))
    from generate_series(1, $2)";
/// One category is all there is. $1: the first position that is wanted.
const READ: &str = "select id, stream_name, type, position, global_position, data, metadata, time
    from get_category_messages('measured', $1)";
/// Where the position stands in it.
const GLOBAL_POSITION: usize = 4;

/// One that has been filled.
pub struct Filled {
    pub peer: Peer,
    pub version: String,
    pub url: String,
    pub events: u64,
    folder: PathBuf,
}

/// What its program says of all that it read.
#[derive(Debug, Deserialize)]
struct Told {
    events: u64,
    #[serde(default)]
    seconds: f64,
}

impl Filled {
    /// Fills a peer; none if it is not there.
    pub async fn make(
        peer: Peer,
        peers: &Peers,
        database: &mut Database,
        (events, payload_bytes): (u64, usize),
        clock: &Clock,
    ) -> Result<Option<Self>, BenchError> {
        let Some(folder) = peers.folder(peer) else {
            return Ok(None);
        };
        let events = match peer {
            Peer::Emmett => events.min(EMMETT_EVENTS_MAX),
            _ => events,
        };
        let (url, version) = if peer == Peer::MessageDb {
            let (url, version) = make_message_db(database, &folder).await?;
            fill_message_db(&url, events, payload_bytes).await?;
            (url, version)
        } else {
            let url = database.empty().await?;
            let mut command = program(&folder, &url);
            command
                .args(["--fill", &events.to_string()])
                .args(["--payload-bytes", &payload_bytes.to_string()]);
            let filled = peer.run::<Told>(command, FILLED_WITHIN, clock).await?;
            (url, filled.version)
        };
        Ok(Some(Self {
            peer,
            version,
            url,
            events,
            folder,
        }))
    }

    /// Seconds until everything is read.
    pub async fn read(&self, clock: &Clock) -> Result<f64, BenchError> {
        let told = if self.peer == Peer::MessageDb {
            let reading = clock.timeout(READ_WITHIN, read_message_db(&self.url, clock));
            reading.await.map_err(|source| BenchError::Late {
                what: "all that message-db holds",
                source,
            })??
        } else {
            let mut command = program(&self.folder, &self.url);
            command.arg("--replay");
            let told = self.peer.run::<Told>(command, READ_WITHIN, clock).await?;
            told.figures
        };
        if told.events == self.events {
            return Ok(told.seconds);
        }
        Err(BenchError::Child {
            program: self.peer.name().into(),
            reason: format!("it read {} events of {}", told.events, self.events),
        })
    }
}

fn program(folder: &Path, url: &str) -> Command {
    let mut command = Command::new(folder.join("run"));
    // Everyone on the machine can read arguments, and this is a superuser's login.
    command.env("BENCH_DATABASE_URL", url);
    command
}

async fn connect(url: &str) -> Result<PgConnection, BenchError> {
    let options: PgConnectOptions = url.parse()?;
    let options = options.options([("search_path", "message_store,public")]);
    Ok(options.connect().await?)
}

async fn fill_message_db(url: &str, events: u64, payload_bytes: usize) -> Result<(), BenchError> {
    let mut connection = connect(url).await?;
    let data = json!({ "filler": "x".repeat(payload_bytes) });
    let mut missing = events;
    while missing > 0 {
        let count = missing.min(EVENTS_EACH);
        sqlx::query(WRITE)
            .bind(format!("measured-{missing}"))
            .bind(i64::try_from(count).unwrap_or(i64::MAX))
            .bind(&data)
            .execute(&mut connection)
            .await?;
        missing -= count;
    }
    Ok(())
}

/// In batches of a thousand, which is what its function gives unless told otherwise.
async fn read_message_db(url: &str, clock: &Clock) -> Result<Told, BenchError> {
    let mut connection = connect(url).await?;
    let begun = clock.monotonic();
    let (mut events, mut next) = (0, 1_i64);
    loop {
        let batch = sqlx::query(READ)
            .bind(next)
            .fetch_all(&mut connection)
            .await?;
        let Some(last) = batch.last() else {
            break;
        };
        next = last.try_get::<i64, _>(GLOBAL_POSITION)? + 1;
        events += batch.len() as u64;
    }
    let seconds = clock.monotonic().saturating_since(begun).as_secs_f64();
    Ok(Told { events, seconds })
}
