//! Reads an org's events over NATS with an API key: each of a stream once and in order, from a
//! checkpoint of its own. The same as `deploy/clients` has in Python and TypeScript.
//!
//! `TGA_API_KEY=tga_… cargo run -p trackagoat --example subscribe -- API_URL NATS_URL CHECKPOINT`
//!
//! Each event is a line on standard output. That is what "handled" means here: put your own work
//! in place of [`handle`]. A crash between it and the checkpoint has the last events handled again,
//! so it must be able to bear that.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::{Client, ConnectOptions, jetstream};
use futures_util::TryStreamExt;
use runtime::clock::Clock;
use runtime::files::hex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const STREAM: &str = "TGA_EVENTS";
const BATCH: usize = 100;
/// A question waits so long for an event.
const WAIT: Duration = Duration::from_secs(5);
/// How long the API may take to say something.
const WITHIN: Duration = Duration::from_mins(1);
/// A broken connection is made again after a rest, which grows up to a longest.
const REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(5);

type Failure = Box<dyn Error + Send + Sync>;

/// Why it ends for good.
#[derive(Debug, thiserror::Error)]
enum Over {
    #[error("the key may not read events any more")]
    KeyEnded,
    #[error("the key lacks the scope audit")]
    Scope,
    #[error("position {0} does not follow: the log was restored, and went on from there")]
    AnotherHistory(String),
}

#[derive(Deserialize)]
struct Body<T> {
    data: T,
}

#[derive(Deserialize)]
struct Org {
    id: String,
}

#[derive(Deserialize)]
struct Key {
    id: String,
    scopes: Vec<String>,
}

#[derive(Deserialize)]
struct Event {
    stream: String,
    streamversion: String,
    position: String,
    prevhash: String,
    hash: String,
}

/// How far a stream was handled, and the hash that its next event must name.
#[derive(Clone, Serialize, Deserialize)]
struct Place {
    version: u64,
    position: u64,
    hash: String,
}

/// The same events over HTTP, for what NATS does not keep any more.
struct Api {
    http: reqwest::Client,
    url: String,
    key: String,
}

struct Reader {
    api: Api,
    path: PathBuf,
    checkpoint: HashMap<String, Place>,
}

/// What only the key's holder can tell, since nobody else may have answers sent there.
fn inboxes(key: &str) -> String {
    let hash = Sha256::digest(format!("inbox:{key}"));
    format!("_INBOX_{}", &hex(&hash)[..32])
}

fn handle(text: &str) {
    println!("{text}");
}

impl Api {
    async fn get(&self, path: &str) -> Result<reqwest::Response, Failure> {
        let request = self.http.get(format!("{}{path}", self.url));
        let answer = request.bearer_auth(&self.key).send().await?;
        match answer.status().as_u16() {
            401 | 403 => Err(Over::KeyEnded.into()),
            _ => Ok(answer.error_for_status()?),
        }
    }

    async fn data<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let body: Body<T> = self.get(path).await?.json().await?;
        Ok(body.data)
    }
}

impl Reader {
    fn last(&self, stream: &str) -> Place {
        let nothing = || Place {
            version: 0,
            position: 0,
            hash: "0".repeat(64),
        };
        self.checkpoint.get(stream).cloned().unwrap_or_else(nothing)
    }

    /// Handles an event if it is the next of its stream, and before it what is missing. What was
    /// handled is dropped.
    async fn take(&mut self, text: &str) -> Result<(), Failure> {
        let event: Event = serde_json::from_str(text)?;
        let (last, version) = (
            self.last(&event.stream),
            event.streamversion.parse::<u64>()?,
        );
        if version <= last.version {
            return Ok(());
        }
        if version > last.version + 1 {
            let (stream, after) = (&event.stream, last.position);
            let to = event.position.parse::<u64>()? - 1;
            eprintln!(
                "{stream}: {} to {} are missing",
                last.version + 1,
                version - 1
            );
            let path =
                format!("/audit/export?stream={stream}&after_position={after}&to_position={to}");
            self.take_missing(&path).await?;
            if self.last(&event.stream).version != version - 1 {
                // The service may have stopped; what came was handled, and the rest is asked for again.
                return Err("the export ended early".into());
            }
        }
        self.take_next(text)
    }

    /// Handles what an export has, line by line: it may be long.
    async fn take_missing(&mut self, path: &str) -> Result<(), Failure> {
        let mut answer = self.api.get(path).await?;
        let mut unread = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            unread.extend_from_slice(&chunk);
            let whole = unread.iter().rposition(|byte| *byte == b'\n');
            let lines: Vec<u8> = unread.drain(..whole.map_or(0, |end| end + 1)).collect();
            for line in std::str::from_utf8(&lines)?.lines() {
                self.take_next(line)?;
            }
        }
        Ok(())
    }

    fn take_next(&mut self, text: &str) -> Result<(), Failure> {
        let event: Event = serde_json::from_str(text)?;
        let (last, version) = (self.last(&event.stream), event.streamversion.parse()?);
        if version != last.version + 1 || event.prevhash != last.hash {
            return Err(Over::AnotherHistory(event.position).into());
        }
        handle(text);
        let position = event.position.parse()?;
        let hash = event.hash;
        let place = Place {
            version,
            position,
            hash,
        };
        self.checkpoint.insert(event.stream, place);
        Ok(())
    }

    /// Whole or not at all.
    fn save(&self) -> Result<(), Failure> {
        let beside = self.path.with_extension("new");
        std::fs::write(&beside, serde_json::to_vec(&self.checkpoint)?)?;
        Ok(std::fs::rename(beside, &self.path)?)
    }

    async fn connect_and_read(&mut self, nats_url: &str) -> Result<(), Failure> {
        // The key is asked for each time: a connection that is refused does not say whether it has
        // ended.
        let org: Org = self.api.data("/orgs/self").await?;
        let key: Key = self.api.data("/api-keys/self").await?;
        if !key.scopes.iter().any(|scope| scope == "audit") {
            return Err(Over::Scope.into());
        }
        let options = ConnectOptions::with_token(self.api.key.clone())
            .custom_inbox_prefix(inboxes(&self.api.key))
            .max_reconnects(1);
        let client = options.connect(nats_url).await?;
        self.read(client, &format!("{}-{}", org.id, key.id)).await
    }

    async fn read(&mut self, client: Client, durable: &str) -> Result<(), Failure> {
        let context = jetstream::with_prefix(client, "tga.api");
        let source: Consumer<pull::Config> =
            context.get_consumer_from_stream(durable, STREAM).await?;
        loop {
            let batch = source.batch().max_messages(BATCH).expires(WAIT);
            let mut messages = batch.messages().await?;
            while let Some(message) = messages.try_next().await? {
                self.take(std::str::from_utf8(&message.payload)?).await?;
                self.save()?;
                // Only now: what is not acknowledged comes again.
                message.ack().await?;
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: API_URL NATS_URL CHECKPOINT");
    let (url, nats_url, path) = (next()?, next()?, PathBuf::from(next()?));
    let key = std::env::var("TGA_API_KEY").map_err(|_| "TGA_API_KEY names no key")?;
    let checkpoint = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(_) => HashMap::new(),
    };
    let http = reqwest::Client::builder()
        .connect_timeout(WITHIN)
        .read_timeout(WITHIN)
        .build()?;
    let api = Api { http, url, key };
    let mut reader = Reader {
        api,
        path,
        checkpoint,
    };
    let mut rest = REST;
    loop {
        let before = reader.last("decisions").version;
        if let Err(error) = reader.connect_and_read(&nats_url).await {
            if error.is::<Over>() {
                eprintln!("{error}");
                std::process::exit(1);
            }
            eprintln!("not connected: {error}");
        }
        // Every connection ends after a while.
        let has_read = reader.last("decisions").version > before;
        rest = if has_read {
            REST
        } else {
            LONGEST_REST.min(2 * rest)
        };
        Clock::system().sleep(rest).await;
    }
}
