//! Copies of signed heads in files, one line each, a file for each month of signing. Notes of restorations
//! stand in the file that is the newest as they are carried. Files are only added to; whoever wants less may
//! move old ones away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runtime::files::{make_shared_folder, sync_folder};
use thiserror::Error;
use tokio::sync::Semaphore;

use super::copies::{CheckpointCopy, End};

/// As much of a file's end as is looked at for its last line.
const TAIL_BYTES: u64 = 64 * 1024;
/// As much as is looked at for its last head, if what stands there is no head: more than all notes of
/// restorations that are carried.
const NOTES_BYTES: u64 = 4 * 1024 * 1024;
/// Longest line that is read, in bytes.
const LINE_BYTES: u64 = 32 * 1024;
const PREFIX: &str = "checkpoints-";
const SUFFIX: &str = ".ndjson";

/// The folder cannot be used.
#[derive(Debug, Error)]
#[error("the checkpoints in {path} cannot be {what}")]
pub struct FolderError {
    path: PathBuf,
    what: &'static str,
    #[source]
    source: io::Error,
}

/// A folder of copies.
#[derive(Debug, Clone)]
pub struct CheckpointFolder {
    path: PathBuf,
    /// A volume that hangs must not take one thread after the other.
    hands: Arc<Semaphore>,
}

impl CheckpointFolder {
    /// At this path; it is made with the first copy.
    pub fn new(path: PathBuf) -> Self {
        let hands = Arc::new(Semaphore::new(1));
        Self { path, hands }
    }

    /// Every copy in the folder, in the order in which they were written, and how many lines broke off as
    /// they were written. Blocks.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn read(&self, mut take: impl FnMut(CheckpointCopy)) -> Result<usize, FolderError> {
        let mut torn = 0;
        for path in self.files()? {
            let failed = |source| failure(&path, "read", source);
            let mut file = BufReader::new(File::open(&path).map_err(failed)?);
            let mut line = Vec::new();
            loop {
                line.clear();
                let read = file.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line);
                if read.map_err(failed)? == 0 {
                    break;
                }
                match CheckpointCopy::parse(&line) {
                    Ok(copy) => take(copy),
                    Err(_) => torn += 1,
                }
            }
        }
        Ok(torn)
    }

    /// The newest head and what stands behind it.
    pub(super) async fn end(&self) -> Result<End, FolderError> {
        self.blocking(|folder| {
            let mut behind = Vec::new();
            for path in folder.files()?.into_iter().rev() {
                let mut end = end(&path).map_err(|source| failure(&path, "read", source))?;
                end.notes.append(&mut behind);
                if end.head.is_some() {
                    return Ok(end);
                }
                behind = end.notes;
            }
            Ok(End {
                head: None,
                notes: behind,
            })
        })
        .await
    }

    /// Adds copies; they are on the disk when this returns.
    pub(super) async fn add(&self, copies: Vec<CheckpointCopy>) -> Result<(), FolderError> {
        if copies.is_empty() {
            return Ok(());
        }
        self.blocking(move |folder| {
            for month in copies.chunk_by(|a, b| month(a) == month(b)) {
                let path = folder.file_for(month)?;
                append(&folder.path, &path, month)
                    .map_err(|source| failure(&path, "written", source))?;
            }
            Ok(())
        })
        .await
    }

    /// That of the month of signing; for notes, whose month may be long past, the newest if there is any.
    fn file_for(&self, copies: &[CheckpointCopy]) -> Result<PathBuf, FolderError> {
        let first = copies.first();
        if first.is_some_and(CheckpointCopy::is_restoration)
            && let Some(newest) = self.files()?.pop()
        {
            return Ok(newest);
        }
        let month = first.map_or_else(String::new, month);
        Ok(self.path.join(format!("{PREFIX}{month}{SUFFIX}")))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, FolderError> + Send + 'static,
    ) -> Result<T, FolderError> {
        let unused = |error| failure(&self.path, "used", io::Error::other(error));
        let busy = Arc::clone(&self.hands).try_acquire_owned();
        let busy = busy.map_err(|_| unused("what was begun before has not ended"))?;
        let folder = self.clone();
        let worked = tokio::task::spawn_blocking(move || {
            let _busy = busy;
            work(&folder)
        });
        worked
            .await
            .unwrap_or_else(|_| Err(unused("it was broken off")))
    }

    /// The files, the oldest first.
    fn files(&self) -> Result<Vec<PathBuf>, FolderError> {
        let failed = |source| failure(&self.path, "listed", source);
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
                files.push(entry.path());
            }
        }
        files.sort_unstable();
        Ok(files)
    }
}

fn failure(path: &Path, what: &'static str, source: io::Error) -> FolderError {
    FolderError {
        path: path.to_owned(),
        what,
        source,
    }
}

/// Year and month of signing, as the note says it.
fn month(copy: &CheckpointCopy) -> String {
    let time = copy
        .note
        .lines()
        .find_map(|line| line.strip_prefix("time "));
    let month = time.and_then(|time| time.get(..7));
    month.unwrap_or("0000-00").to_owned()
}

fn append(folder: &Path, path: &Path, copies: &[CheckpointCopy]) -> io::Result<()> {
    let mut file = open(folder, path)?;
    let mut text = String::new();
    // What broke off before stays a line of its own.
    if tail(path, TAIL_BYTES)?
        .last()
        .is_some_and(|last| *last != b'\n')
    {
        text.push('\n');
    }
    for copy in copies {
        text.push_str(&copy.line());
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Opens a file to add to it. It and its folder are made if they are not there, for others to read: copies
/// hold no secret.
fn open(folder: &Path, path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true);
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_shared_folder(folder)?;
            options.create(true).open(path)?
        }
        opened => opened?,
    };
    // Before its first line: the name of a file with lines is on the disk, whoever was killed here.
    if file.metadata()?.len() == 0 {
        sync_folder(path)?;
    }
    Ok(file)
}

/// The newest head in a file and what stands behind it.
fn end(path: &Path) -> io::Result<End> {
    let mut end = End::default();
    for most in [TAIL_BYTES, NOTES_BYTES] {
        end = End::default();
        let lines = tail(path, most)?;
        let lines = lines.split(|byte| *byte == b'\n');
        lines
            .filter_map(|line| CheckpointCopy::parse(line).ok())
            .for_each(|copy| end.push(copy));
        if end.head.is_some() {
            break;
        }
    }
    Ok(end)
}

fn tail(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut tail = Vec::new();
    file.take(most).read_to_end(&mut tail)?;
    Ok(tail)
}
