//! The revocation ledger: a second durable copy of what took access away, on another volume than
//! the log's. After a restore to a time before a revocation it is what still knows of it
//! (revocation.md 10).
//!
//! One file for each process, lines of JSON that are only ever added. A line may be there twice,
//! and a process that was killed may leave half of one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use domain::ids::{GlobalPosition, LogEpoch};
use event_log::StoredEvent;
use runtime::lifecycle::{TaskKind, Tasks};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

/// Writes that wait; beyond, a denial's second copy is pending.
const QUEUE: usize = 4_096;
/// How files are named.
const EXTENSION: &str = "ndjson";

/// Where the ledger is written; cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger(mpsc::Sender<Entry>);

/// A ledger could not be opened or read.
#[derive(Debug, Error)]
#[error("the revocation ledger {path} could not be {what}")]
pub struct LedgerError {
    path: PathBuf,
    what: &'static str,
    #[source]
    source: io::Error,
}

/// What a ledger holds.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Denials, in the order of the files' names and lines; some perhaps more than once.
    pub denials: Vec<(LogEpoch, StoredEvent)>,
    /// Lines that could not be read: cut short by a crash, or damaged.
    pub unreadable: usize,
}

#[derive(Serialize, Deserialize)]
struct Line {
    epoch: LogEpoch,
    previous: Option<GlobalPosition>,
    event: Box<RawValue>,
}

struct Entry {
    lines: Vec<u8>,
    written: oneshot::Sender<()>,
}

struct Writer {
    path: PathBuf,
    /// Made with the first denial.
    file: Option<File>,
    /// The last write failed, perhaps in the middle of a line.
    torn: bool,
}

impl Ledger {
    /// Writes to a file of this process's own in `folder`, which is made if it is not there; both
    /// are its user's alone.
    ///
    /// # Errors
    /// [`LedgerError`] if files cannot be made there: nobody should find out at the first
    /// revocation.
    pub fn open(folder: &Path, name: &str, tasks: &Tasks) -> Result<Self, LedgerError> {
        let path = folder.join(name).with_extension(EXTENSION);
        let probe = folder.join(name).with_extension("probe");
        create(&probe)
            .and_then(|_| fs::remove_file(&probe))
            .map_err(|source| LedgerError {
                path: folder.to_owned(),
                what: "opened",
                source,
            })?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = Writer {
            path,
            file: None,
            torn: false,
        };
        tasks.spawn(TaskKind::Job, "revocation ledger", keep(writer, receiver));
        Ok(Self(sender))
    }

    /// Adds denials; returns once they are durable. False if they could not be written.
    pub(crate) async fn add(&self, epoch: LogEpoch, denials: &[&StoredEvent]) -> bool {
        let mut lines = Vec::new();
        for denial in denials {
            let line = Line {
                epoch,
                previous: denial.auth_prev,
                event: RawValue::from_string(denial.to_cloud_event())
                    .expect("a public event is JSON"),
            };
            serde_json::to_writer(&mut lines, &line).expect("ids and JSON are JSON");
            lines.push(b'\n');
        }
        let (written, waiting) = oneshot::channel();
        let sent = self.0.try_send(Entry { lines, written });
        sent.is_ok() && waiting.await.is_ok()
    }
}

fn create(path: &Path) -> io::Result<File> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o600).open(path)?;
    file.sync_all()?;
    // The name must last as long as the lines.
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// Writes until nobody adds any more; what waits is written together.
async fn keep(mut writer: Writer, mut entries: mpsc::Receiver<Entry>) {
    while let Some(first) = entries.recv().await {
        let mut together = vec![first];
        while let Ok(next) = entries.try_recv() {
            together.push(next);
        }
        let written = spawn_blocking(move || {
            let written = writer.write(&together);
            (writer, together, written)
        });
        let Ok((back, together, written)) = written.await else {
            return;
        };
        writer = back;
        match written {
            Ok(()) => {
                for entry in together {
                    let _ = entry.written.send(());
                }
            }
            // Whoever waits is told by the sender that is dropped.
            Err(error) => tracing::error!(
                %error,
                path = %writer.path.display(),
                "a revocation could not be written to the ledger: after a restore it may be lost"
            ),
        }
    }
}

impl Writer {
    fn write(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => create(&self.path)?,
        };
        if self.torn {
            file.write_all(b"\n")?;
        }
        self.torn = true;
        for entry in entries {
            file.write_all(&entry.lines)?;
        }
        file.sync_data()?;
        self.torn = false;
        // A file that failed is opened anew: what it failed with may have passed.
        self.file = Some(file);
        Ok(())
    }
}

/// Reads all files of a ledger's folder.
///
/// # Errors
/// [`LedgerError`] if the folder or a file cannot be read; a line that cannot is counted.
pub fn read_ledger(folder: &Path) -> Result<Recorded, LedgerError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| LedgerError {
            path,
            what: "read",
            source,
        }
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == EXTENSION)
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut recorded = Recorded::default();
    for path in paths {
        let file = File::open(&path).map_err(failed(&path))?;
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(failed(&path))?;
            match parse(&line) {
                Some(denial) => recorded.denials.push(denial),
                None if line.is_empty() => {}
                None => recorded.unreadable += 1,
            }
        }
    }
    Ok(recorded)
}

fn parse(line: &[u8]) -> Option<(LogEpoch, StoredEvent)> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let event = StoredEvent::from_public(line.event.get().as_bytes(), line.previous)?;
    Some((line.epoch, event))
}
