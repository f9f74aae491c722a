//! The revocation ledger: a second durable copy of what took access away, on another volume than
//! the log's. After a restore to a time before a revocation it is what still knows of it
//! (revocation.md 10).
//!
//! One file for each process, lines of JSON that are only ever added. A line may be there twice,
//! and a process that was killed may leave half of one. Erasures stand beside denials, in files of
//! their own ([`Erasures`]).

mod erasures;
mod read;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::ids::{GlobalPosition, LogEpoch};
use event_log::{EventLog, StoredEvent};
use runtime::files::{make_folder, sync_folder};
use runtime::lifecycle::{TaskKind, Tasks};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::PgPool;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, spawn_blocking};

pub use self::erasures::{Erasure, Erasures, erasures_left};
pub use self::read::{Damaged, LedgerAhead, Recorded, read_ledger};

/// Writes that wait; beyond, a denial's second copy is pending.
const QUEUE: usize = 4_096;
/// How files of denials are named.
const EXTENSION: &str = "ndjson";
/// How files of erasures are named.
const ERASURES: &str = "erasures";

/// Where the ledger is written; cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    folder: Arc<Path>,
    entries: mpsc::Sender<Entry>,
}

/// A ledger could not be opened or read.
#[derive(Debug, Error)]
#[error("the revocation ledger {path} could not be {what}")]
pub struct LedgerError {
    path: PathBuf,
    what: &'static str,
    #[source]
    source: io::Error,
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
        Self::probe(folder, name)?;
        let path = folder.join(name).with_extension(EXTENSION);
        let (entries, receiver) = mpsc::channel(QUEUE);
        let writer = Writer {
            path,
            file: None,
            torn: false,
        };
        tasks.spawn(TaskKind::Job, "revocation ledger", keep(writer, receiver));
        Ok(Self {
            folder: folder.into(),
            entries,
        })
    }

    /// Makes a file in `folder` and removes it again.
    ///
    /// # Errors
    /// [`LedgerError`] if that cannot be done.
    pub fn probe(folder: &Path, name: &str) -> Result<(), LedgerError> {
        let probe = folder.join(name).with_extension("probe");
        create(&probe)
            .and_then(|_| fs::remove_file(&probe))
            .map_err(|source| LedgerError {
                path: folder.to_owned(),
                what: "opened",
                source,
            })
    }

    /// Whether the log has what this process's folder has. To be asked before anything is served: a
    /// log that was restored, and whose lost denials were not replayed, accepts what they ended, and
    /// what was erased can be read again.
    ///
    /// # Errors
    /// [`LedgerAhead`]: the log was restored, or that is not known.
    pub async fn compare(&self, log: &EventLog, primary: &PgPool) -> Result<(), LedgerAhead> {
        read::compare(&self.folder, log, primary).await?;
        erasures::compare(&self.folder, log, primary).await
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
        let sent = self.entries.try_send(Entry { lines, written });
        sent.is_ok() && waiting.await.is_ok()
    }
}

fn create(path: &Path) -> io::Result<File> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o600).open(path)?;
    file.sync_all()?;
    // The name must last as long as the lines.
    sync_folder(path)?;
    Ok(file)
}

/// Writes until nobody adds any more; what waits is written together.
/// A writer that panicked ends the process: no denial would have a second copy any more.
async fn keep(mut writer: Writer, mut entries: mpsc::Receiver<Entry>) -> Result<(), JoinError> {
    while let Some(first) = entries.recv().await {
        let mut together = vec![first];
        while let Ok(next) = entries.try_recv() {
            together.push(next);
        }
        let written = spawn_blocking(move || {
            let written = writer.write(&together);
            (writer, together, written)
        });
        let (back, together, written) = written.await?;
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
    Ok(())
}

impl Writer {
    fn write(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut file = match self.file.take() {
            // What is written to a file that was removed is lost without an error.
            Some(file) if file.metadata()?.nlink() > 0 => file,
            _ => create(&self.path)?,
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use domain::event::{Actor, ChainHash, Event, KeyRevoked, RevocationReason, Stream};
    use domain::ids::{EventId, KeyId, OrgId, StreamVersion};
    use domain::time::Timestamp;
    use futures_util::future::join_all;
    use futures_util::{FutureExt, poll};
    use runtime::clock::Clock;
    use runtime::lifecycle::{Lifecycle, Outcome, ShutdownPolicy};
    use tempfile::TempDir;
    use uuid::Uuid;

    use super::*;

    fn epoch() -> LogEpoch {
        LogEpoch::from_uuid(Uuid::from_u128(1))
    }

    /// A key's end, at that position.
    fn denial(position: u64) -> StoredEvent {
        let event = Event::KeyRevoked(KeyRevoked {
            key_id: KeyId::from_uuid(Uuid::from_u128(position.into())),
            reason: RevocationReason::Requested,
        });
        let mut stored = StoredEvent {
            position: GlobalPosition::new(position),
            event_id: EventId::from_uuid(Uuid::from_u128(position.into())),
            org_id: OrgId::from_uuid(Uuid::from_u128(7)),
            stream: Stream::Decisions,
            version: StreamVersion::new(position),
            type_name: event.event_type().name().into(),
            schema_version: event.event_type().schema_version(),
            subject: event.subject(OrgId::from_uuid(Uuid::from_u128(7))).into(),
            actor: Actor::System,
            correlation_id: "a test".into(),
            recorded_at: Timestamp::parse("2026-01-05T00:00:00Z").unwrap(),
            auth_prev: Some(GlobalPosition::new(position - 1)),
            prev_hash: ChainHash::ZERO,
            hash: ChainHash::ZERO,
            data: event.data().into(),
        };
        stored.hash = stored.computed_hash();
        stored
    }

    /// A folder, and the tasks of a process that writes there.
    struct World {
        folder: TempDir,
        lifecycle: Lifecycle,
    }

    impl World {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
                lifecycle: Lifecycle::new(Clock::system()),
            }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("ledger")
        }

        fn open(&self, name: &str) -> Ledger {
            Ledger::open(&self.path(), name, &self.lifecycle.handle()).unwrap()
        }

        fn read(&self) -> (Vec<u64>, usize) {
            let recorded = read_ledger(&self.path()).unwrap();
            let positions = recorded
                .denials
                .iter()
                .map(|(_, event)| event.position.get());
            (positions.collect(), recorded.torn + recorded.damaged.len())
        }
    }

    async fn add(ledger: &Ledger, position: u64) -> bool {
        ledger.add(epoch(), &[&denial(position)]).await
    }

    #[tokio::test]
    async fn what_was_added_is_read_as_it_was() {
        let world = World::new();
        let ledger = world.open("a");
        let (one, two, three) = (denial(5), denial(6), denial(9));
        assert!(ledger.add(epoch(), &[&one, &two]).await);
        let later = LogEpoch::from_uuid(Uuid::from_u128(2));
        assert!(ledger.add(later, &[&three]).await);
        let recorded = read_ledger(&world.path()).unwrap();
        let expected = [(epoch(), one), (epoch(), two), (later, three)];
        assert_eq!(recorded.denials, expected);
        assert_eq!((recorded.torn, recorded.damaged.len()), (0, 0));
    }

    #[tokio::test]
    async fn folder_and_files_are_their_users_alone() {
        let world = World::new();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let ledger = world.open("a");
        assert_eq!(mode(&world.path()), 0o700);
        let files = fs::read_dir(world.path()).unwrap().count();
        assert_eq!(files, 0, "nothing was taken away yet");
        assert!(add(&ledger, 5).await);
        assert_eq!(mode(&world.path().join("a.ndjson")), 0o600);
    }

    #[tokio::test]
    async fn two_processes_write_beside_each_other_and_may_repeat_themselves() {
        let world = World::new();
        let (first, second) = (world.open("a"), world.open("b"));
        let (one, other) = tokio::join!(add(&second, 7), add(&first, 8));
        assert!(one && other);
        assert!(add(&first, 5).await && add(&first, 5).await);
        assert_eq!(world.read(), (vec![8, 5, 5, 7], 0));
    }

    #[tokio::test]
    async fn those_that_come_together_are_all_there() {
        let world = World::new();
        let ledger = world.open("a");
        let added = join_all((1..=200).map(|position| add(&ledger, position))).await;
        assert!(added.iter().all(|added| *added));
        let (mut positions, unreadable) = world.read();
        positions.sort_unstable();
        assert_eq!(positions, (1..=200).collect::<Vec<_>>());
        assert_eq!(unreadable, 0);
    }

    #[tokio::test]
    async fn lines_that_are_torn_or_altered_are_counted_and_hide_no_other() {
        let world = World::new();
        let ledger = world.open("a");
        for position in [5, 6, 7] {
            assert!(add(&ledger, position).await);
        }
        let file = world.path().join("a.ndjson");
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let torn = &lines[1][..lines[1].len() / 2];
        let altered = lines[2].replace(r#""position":"7""#, r#""position":"8""#);
        let altered = altered.replace(r#""position":7"#, r#""position":8"#);
        assert_ne!(altered, lines[2]);
        let text = format!("{}\n\n{altered}\n{}\n{torn}", lines[0], lines[2]);
        fs::write(&file, text).unwrap();
        fs::write(world.path().join("notes.txt"), "not ours").unwrap();
        assert_eq!(world.read(), (vec![5, 7], 2));
        let recorded = read_ledger(&world.path()).unwrap();
        let damaged = Damaged {
            path: file,
            line: 3,
        };
        assert_eq!((recorded.torn, recorded.damaged), (1, vec![damaged]));
    }

    #[test]
    fn after_a_write_that_broke_off_the_next_line_stands_alone() {
        let world = World::new();
        fs::create_dir(world.path()).unwrap();
        let path = world.path().join("a.ndjson");
        fs::write(&path, r#"{"epoch":"#).unwrap();
        // On a full disk.
        let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let mut writer = Writer {
            path,
            file: Some(full),
            torn: false,
        };
        let entry = || {
            let (written, _) = oneshot::channel();
            let event = RawValue::from_string(denial(5).to_cloud_event()).unwrap();
            let line = Line {
                epoch: epoch(),
                previous: None,
                event,
            };
            let lines = serde_json::to_vec(&line).unwrap();
            [Entry { lines, written }]
        };
        assert!(writer.write(&entry()).is_err());
        assert!(writer.write(&entry()).is_ok(), "what it failed with passed");
        assert_eq!(world.read(), (vec![5], 1));
    }

    #[tokio::test]
    async fn a_write_that_fails_is_pending_and_a_later_one_is_not() {
        let world = World::new();
        let ledger = world.open("a");
        let in_its_place = world.path().join("a.ndjson");
        fs::create_dir(&in_its_place).unwrap();
        assert!(!add(&ledger, 5).await);
        fs::remove_dir(&in_its_place).unwrap();
        assert!(add(&ledger, 6).await);
        assert_eq!(world.read(), (vec![6], 0));
    }

    #[tokio::test]
    async fn what_was_removed_is_made_anew() {
        let world = World::new();
        let ledger = world.open("a");
        assert!(add(&ledger, 5).await);
        fs::remove_dir_all(world.path()).unwrap();
        assert!(add(&ledger, 6).await);
        assert_eq!(world.read(), (vec![6], 0));
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_used_is_said_at_once() {
        let world = World::new();
        let file = world.folder.path().join("file");
        fs::write(&file, "").unwrap();
        let below = file.join("ledger");
        let opened = Ledger::open(&below, "a", &world.lifecycle.handle());
        let said = opened.unwrap_err().to_string();
        let expected = format!(
            "the revocation ledger {} could not be opened",
            below.display()
        );
        assert_eq!(said, expected);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_not_an_empty_ledger() {
        let world = World::new();
        let missing = read_ledger(&world.path()).unwrap_err().to_string();
        let expected = format!(
            "the revocation ledger {} could not be read",
            world.path().display()
        );
        assert_eq!(missing, expected);
        let no_file = world.path().join("a.ndjson");
        fs::create_dir_all(&no_file).unwrap();
        let unreadable = read_ledger(&world.path()).unwrap_err().to_string();
        let expected = format!(
            "the revocation ledger {} could not be read",
            no_file.display()
        );
        assert_eq!(unreadable, expected);
    }

    #[tokio::test]
    async fn who_finds_no_place_or_no_writer_is_pending() {
        let (entries, receiver) = mpsc::channel(1);
        let folder = Path::new(".").into();
        let ledger = Ledger { folder, entries };
        let first = add(&ledger, 5);
        tokio::pin!(first);
        assert!(poll!(first.as_mut()).is_pending());
        assert_eq!(add(&ledger, 6).now_or_never(), Some(false));
        drop(receiver);
        assert!(!first.await);
        assert!(!add(&ledger, 7).await);
    }

    #[tokio::test]
    async fn a_process_that_stops_writes_what_waits() {
        let world = World::new();
        let ledger = world.open("a");
        let added = add(&ledger, 5);
        {
            tokio::pin!(added);
            assert!(poll!(added.as_mut()).is_pending());
        }
        drop(ledger);
        let World { folder, lifecycle } = world;
        let outcome = lifecycle.shutdown(ShutdownPolicy::default()).await;
        assert_eq!(outcome, Outcome::Clean);
        let recorded = read_ledger(&folder.path().join("ledger")).unwrap();
        assert_eq!(recorded.denials, [(epoch(), denial(5))]);
    }
}
