//! Reading a ledger: whole after a restore, and its ends to notice that there was one.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use domain::ids::{GlobalPosition, LogEpoch};
use event_log::{EventLog, ReadError, StoredEvent};
use sqlx::PgPool;
use thiserror::Error;
use tokio::task::spawn_blocking;

use super::erasures::{self, Erasure};
use super::{ERASURES, EXTENSION, LedgerError, Line};
use crate::store::{StoreError, replayed};

/// Files whose ends are compared with the log, those that were written last: as many as processes
/// may well have written beside each other.
const COMPARED_FILES: usize = 64;
/// Bytes of each that are read for that: a few dozen lines.
const COMPARED_BYTES: u64 = 65_536;

/// What a ledger holds.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Denials, in the order of the files' names and lines; some perhaps more than once.
    pub denials: Vec<(LogEpoch, StoredEvent)>,
    /// Erasures that were begun, whether or not they came to their end; each in parts.
    pub erasures: Vec<Erasure>,
    /// Lines that a crash cut short: nobody was told that they were written.
    pub torn: usize,
    /// Lines that say something else than what was written.
    pub damaged: Vec<Damaged>,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}, line {line}", path.display())]
pub struct Damaged {
    /// The file.
    pub path: PathBuf,
    /// Its number, from 1.
    pub line: usize,
}

/// Why a log may not be served by whoever has this ledger.
#[derive(Debug, Error)]
pub enum LedgerAhead {
    /// The log does not have what the ledger has, nor was that replayed.
    #[error(
        "the log lacks the denial at position {0}, which the ledger has: it was restored to an \
         earlier moment, so run `trackagoat log restored` before services are started"
    )]
    Lacks(GlobalPosition),
    /// What was erased can be read again.
    #[error(
        "the database has {0} again, which was erased: it was restored to an earlier moment, so run \
         `trackagoat log restored` before services are started"
    )]
    Unerased(Erasure),
    /// The log could not be asked.
    #[error("the log could not be compared with the ledger")]
    Log(#[from] ReadError),
    /// Nor what was replayed.
    #[error("the log could not be compared with the ledger")]
    Replayed(#[from] StoreError),
    /// The ledger could not be read.
    #[error("the ledger cannot be read, so nobody knows whether the log has all of it")]
    Ledger(#[source] LedgerError),
}

/// Why a line is none of a ledger's.
pub(super) enum Unreadable {
    Torn,
    Damaged,
}

/// Reads all files of a ledger's folder.
///
/// # Errors
/// [`LedgerError`] if the folder or a file cannot be read; a line that cannot is told apart.
pub fn read_ledger(folder: &Path) -> Result<Recorded, LedgerError> {
    let mut recorded = Recorded::default();
    for path in files(folder, EXTENSION)? {
        let denials = lines(&path, &mut recorded, parse)?;
        recorded.denials.extend(denials);
    }
    for path in files(folder, ERASURES)? {
        let erasures = lines(&path, &mut recorded, erasures::parse)?;
        let begun = erasures.into_iter().filter_map(erasures::Step::begun);
        recorded.erasures.extend(begun);
    }
    Ok(recorded)
}

/// What the lines of a file say; counts those that say nothing.
fn lines<T>(
    path: &Path,
    recorded: &mut Recorded,
    parse: impl Fn(&[u8]) -> Result<T, Unreadable>,
) -> Result<Vec<T>, LedgerError> {
    let file = File::open(path).map_err(failed(path))?;
    let mut found = Vec::new();
    for (index, line) in BufReader::new(file).split(b'\n').enumerate() {
        let line = line.map_err(failed(path))?;
        if line.is_empty() {
            continue;
        }
        match parse(&line) {
            Ok(one) => found.push(one),
            Err(Unreadable::Torn) => recorded.torn += 1,
            Err(Unreadable::Damaged) => recorded.damaged.push(Damaged {
                path: path.to_owned(),
                line: index + 1,
            }),
        }
    }
    Ok(found)
}

/// Looks for the newest denials in the log, or among those that were replayed.
pub async fn compare(folder: &Path, log: &EventLog, primary: &PgPool) -> Result<(), LedgerAhead> {
    let owned = folder.to_owned();
    let newest = spawn_blocking(move || newest(&owned)).await;
    let mut newest = newest
        .map_err(|error| failed(folder)(io::Error::other(error)))
        .flatten()
        .map_err(LedgerAhead::Ledger)?;
    let positions: Vec<_> = newest.iter().map(|event| event.position).collect();
    let found = log.read_at(&positions).await?;
    newest.retain(|event| !found.iter().any(|one| one.event_id == event.event_id));
    let lost: Vec<_> = newest.iter().map(|event| event.event_id).collect();
    let replayed = replayed(primary, &lost).await?;
    match newest.iter().find(|one| !replayed.contains(&one.event_id)) {
        Some(event) => Err(LedgerAhead::Lacks(event.position)),
        None => Ok(()),
    }
}

/// The newest denial in each of the files that were written last. A replay comes to it last.
fn newest(folder: &Path) -> Result<Vec<StoredEvent>, LedgerError> {
    let mut newest = Vec::new();
    for end in ends(folder, EXTENSION, COMPARED_FILES, COMPARED_BYTES)? {
        let denials = end.split(|byte| *byte == b'\n').filter_map(|line| {
            let (_, event) = parse(line).ok()?;
            Some(event)
        });
        // Positions of two lives cannot be compared, times can.
        newest.extend(denials.max_by_key(|event| (event.recorded_at, event.position)));
    }
    Ok(newest)
}

/// The last bytes of each of the files that were written last, the newest first.
pub(super) fn ends(
    folder: &Path,
    extension: &str,
    files_max: usize,
    bytes: u64,
) -> Result<Vec<Vec<u8>>, LedgerError> {
    let mut files = files(folder, extension)?;
    let written = |path: &PathBuf| {
        let changed = fs::metadata(path).and_then(|file| file.modified());
        changed.unwrap_or(SystemTime::UNIX_EPOCH)
    };
    files.sort_by_cached_key(|path| Reverse(written(path)));
    let newest = files.into_iter().take(files_max);
    let ends = newest.map(|path| end(&path, bytes).map_err(failed(&path)));
    ends.collect()
}

/// The last bytes of a file, perhaps from the middle of a line on.
fn end(path: &Path, bytes: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut end = Vec::new();
    file.take(bytes).read_to_end(&mut end)?;
    Ok(end)
}

/// In the order of their names.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, LedgerError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path.extension().is_some_and(|own| own == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError {
        path: path.clone(),
        what: "read",
        source,
    }
}

fn parse(line: &[u8]) -> Result<(LogEpoch, StoredEvent), Unreadable> {
    let line: Line = match serde_json::from_slice(line) {
        Ok(line) => line,
        Err(error) if error.is_eof() => return Err(Unreadable::Torn),
        Err(_) => return Err(Unreadable::Damaged),
    };
    let event = StoredEvent::from_public(line.event.get().as_bytes(), line.previous);
    Ok((line.epoch, event.ok_or(Unreadable::Damaged)?))
}
