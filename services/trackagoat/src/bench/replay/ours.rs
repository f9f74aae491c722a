//! Our log told again: every event in its public form, a line each, to nobody.

use std::collections::HashMap;
use std::env;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use domain::event::{ChainHash, Stream};
use domain::ids::{GlobalPosition, OrgId};
use event_log::{EventLog, ReadError, StoredEvent};
use runtime::clock::Clock;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::bench::error::BenchError;

/// Takes what is written, and forgets it.
const NOWHERE: &str = "/dev/null";
/// The command of this program that tells the log again.
const COMMAND: [&str; 2] = ["log", "replay"];
const TOLD_WITHIN: Duration = Duration::from_mins(5);
const PAGE_EVENTS: u16 = 2_000;
/// Pages that are read while others are written.
const READ_AHEAD: usize = 4;
const BUFFER_BYTES: usize = 256 << 10;

/// By what the log is told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// `trackagoat log replay`, a process of its own, its start included.
    Command,
    /// Pages of [`EventLog::read`], in a build that lacks the command.
    Library,
}

/// Hashes of the newest event of each stream, checked event by event.
#[derive(Default)]
struct Chains(HashMap<(OrgId, Stream), ChainHash>);

impl Means {
    /// The command, if this build has it. This is the one place that chooses.
    pub async fn of_this_build() -> Result<Self, BenchError> {
        let asked = program()?
            .args(COMMAND)
            .arg("--help")
            .stdout(Stdio::null())
            .status()
            .await
            .map_err(BenchError::Talk)?;
        Ok(if asked.success() {
            Self::Command
        } else {
            Self::Library
        })
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "trackagoat log replay",
            Self::Library => "pages of the log, read by the benchmark",
        }
    }

    /// Seconds until everything up to `head` is told.
    pub async fn tell(
        self,
        log: &EventLog,
        url: &str,
        head: GlobalPosition,
        clock: &Clock,
    ) -> Result<f64, BenchError> {
        match self {
            Self::Command => by_command(url, clock).await,
            Self::Library => by_library(log, head, None, clock).await,
        }
    }
}

/// Seconds until everything up to `head` is told, each event's hash computed anew and compared with
/// what its stream says. The command does not check: it reads what `log verify` is there to check.
pub async fn tell_checked(
    log: &EventLog,
    head: GlobalPosition,
    clock: &Clock,
) -> Result<f64, BenchError> {
    by_library(log, head, Some(Chains::default()), clock).await
}

impl Means {
    /// Looks whether the command tells as many events as there are: what is told to nobody cannot be
    /// counted. What the benchmark itself tells, it counts.
    pub async fn prove(self, url: &str, events: u64, clock: &Clock) -> Result<(), BenchError> {
        if self == Self::Library {
            return Ok(());
        }
        let mut command = program()?;
        command.args(COMMAND).env("TGA_DATABASE_URL", url);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(BenchError::Talk)?;
        let Some(mut out) = child.stdout.take() else {
            return Err(BenchError::Talk(std::io::ErrorKind::BrokenPipe.into()));
        };
        let counted = clock.timeout(TOLD_WITHIN, count_lines(&mut out)).await;
        let lines = counted.map_err(|source| BenchError::Late {
            what: "the end of a replay",
            source,
        })??;
        let status = child.wait().await.map_err(BenchError::Talk)?;
        if status.success() && lines == events {
            return Ok(());
        }
        Err(BenchError::Child {
            program: COMMAND.join(" "),
            reason: format!("it told {lines} events of {events} and ended with {status}"),
        })
    }
}

async fn count_lines(out: &mut (impl AsyncRead + Unpin)) -> Result<u64, BenchError> {
    let (mut lines, mut chunk) = (0, vec![0; BUFFER_BYTES]);
    loop {
        let read = out.read(&mut chunk).await.map_err(BenchError::Talk)?;
        if read == 0 {
            return Ok(lines);
        }
        let ends = chunk[..read].iter().filter(|byte| **byte == b'\n');
        lines += ends.count() as u64;
    }
}

async fn by_command(url: &str, clock: &Clock) -> Result<f64, BenchError> {
    let begun = clock.monotonic();
    let mut command = program()?;
    // Everyone on the machine can read arguments, and this is a superuser's login.
    command.args(COMMAND).env("TGA_DATABASE_URL", url);
    let nowhere = OpenOptions::new().write(true).open(NOWHERE);
    command.stdout(nowhere.map_err(BenchError::io("open", Path::new(NOWHERE)))?);
    // Not `output`, which would take what is told into memory, wherever it was to go.
    let child = command.spawn().map_err(BenchError::Talk)?;
    let told = clock.timeout(TOLD_WITHIN, child.wait_with_output()).await;
    let output = told
        .map_err(|source| BenchError::Late {
            what: "the end of a replay",
            source,
        })?
        .map_err(BenchError::Talk)?;
    let seconds = clock.monotonic().saturating_since(begun).as_secs_f64();
    if output.status.success() {
        return Ok(seconds);
    }
    Err(BenchError::Child {
        program: COMMAND.join(" "),
        reason: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// This program, with nothing that whoever measures has set for it.
fn program() -> Result<Command, BenchError> {
    let mut command = Command::new(env::current_exe().map_err(BenchError::Talk)?);
    command
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Ok(command)
}

async fn by_library(
    log: &EventLog,
    head: GlobalPosition,
    mut chains: Option<Chains>,
    clock: &Clock,
) -> Result<f64, BenchError> {
    let begun = clock.monotonic();
    let failed = || BenchError::io("write to", Path::new(NOWHERE));
    let nowhere = OpenOptions::new().write(true).open(NOWHERE);
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, nowhere.map_err(failed())?);
    let (sender, mut pages) = mpsc::channel(READ_AHEAD);
    let mut reading = JoinSet::new();
    reading.spawn(read_ahead(log.clone(), head, sender));
    let (mut last, mut line) = (GlobalPosition::ZERO, String::new());
    while let Some(page) = pages.recv().await {
        for event in &page.map_err(BenchError::Read)? {
            if let Some(chains) = &mut chains {
                chains.check(event)?;
            }
            last = event.position;
            line.clear();
            event.write_line(&mut line);
            out.write_all(line.as_bytes()).map_err(failed())?;
        }
    }
    out.flush().map_err(failed())?;
    if last != head {
        let text = format!("the log was told up to {last} in place of {head}");
        return Err(BenchError::Wrong(text));
    }
    Ok(clock.monotonic().saturating_since(begun).as_secs_f64())
}

/// Pages up to `head`, until somebody no longer wants them or one cannot be read.
async fn read_ahead(
    log: EventLog,
    head: GlobalPosition,
    pages: mpsc::Sender<Result<Vec<StoredEvent>, ReadError>>,
) {
    let mut last = GlobalPosition::ZERO;
    while last < head {
        let page = log.read(last, PAGE_EVENTS).await;
        let end = page.as_ref().ok().and_then(|events| events.last());
        let next = end.map(|event| event.position);
        if pages.send(page).await.is_err() {
            return;
        }
        let Some(next) = next else {
            return;
        };
        last = next;
    }
}

impl Chains {
    fn check(&mut self, event: &StoredEvent) -> Result<(), BenchError> {
        let newest = self
            .0
            .entry((event.org_id, event.stream))
            .or_insert(ChainHash::ZERO);
        if event.prev_hash != *newest || event.computed_hash() != event.hash {
            let text = format!("{} is not what its stream says", event.position);
            return Err(BenchError::Wrong(text));
        }
        *newest = event.hash;
        Ok(())
    }
}
