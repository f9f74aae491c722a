//! `trackagoat log verify`: whether the log, one org's part of it, or an exported file is what was
//! recorded, complete and unaltered.

mod access;
mod archive;
mod chain;
mod credentials;
mod database;
mod expected;
mod file;
mod keys;
mod lines;
mod online;
mod org;
mod report;
mod walk;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use domain::event::Stream;
use domain::ids::OrgId;
use event_log::archive::ArchiveError;
use event_log::{FolderError, ReadError};
use runtime::clock::Clock;
use runtime::entropy::Entropy;

pub use self::database::connect;
use self::keys::KeysError;
use self::lines::LinesError;
use crate::operator::log::has_org;
use crate::operator::{ConnectError, Target};

/// Looks for the first thing that is wrong. Exit code 0: everything is as it was recorded. 1: something
/// is wrong, or could not be read. 3: nothing wrong was found, but not all can be proven, as the output says.
#[derive(Debug, Args)]
pub struct Verify {
    /// An export (`.ndjson`, or compressed `.ndjson.zst`) to verify without any database, with
    /// --public-key alone.
    #[arg(
        long,
        value_name = "EXPORT",
        requires = "public_keys",
        conflicts_with = "org"
    )]
    file: Option<PathBuf>,
    /// Archives `events-<first>-<last>.ndjson.zst` to verify without any database, in any order; the
    /// manifest of each must stand beside it. Of files that follow one another it is verified that they do.
    #[arg(
        long = "archive",
        value_name = "FILE",
        num_args = 1..,
        conflicts_with_all = ["file", "org", "stream"]
    )]
    archives: Vec<PathBuf>,
    /// A public key of the log, or a file with one a line. Without it, signed heads are verified with the
    /// keys that stand beside them, which whoever writes there may have put there.
    #[arg(long = "public-key", id = "public_keys", value_name = "KEY|FILE")]
    public_keys: Vec<String>,
    /// A file with a signed head of the log that came by another way: for an export that is sealed at it,
    /// or for archives, of whose events it proves those that it is over.
    #[arg(long, value_name = "NOTE", requires = "public_keys")]
    checkpoint: Option<PathBuf>,
    /// The export was filtered: look at each event alone, and not for what is missing between them.
    #[arg(long, requires = "file")]
    partial: bool,
    /// One org's streams alone: their chains, over which there is no signature.
    #[arg(long, conflicts_with = "public_keys")]
    org: Option<OrgId>,
    /// One stream of the org alone.
    #[arg(long, value_name = "decisions|observations", value_parser = stream)]
    stream: Option<Stream>,
    /// A folder that command services had as --checkpoint-dir, beside the database to compare the log
    /// with; may be repeated.
    #[arg(
        long = "checkpoint-dir",
        env = "TGA_CHECKPOINT_DIR",
        value_name = "FOLDER"
    )]
    checkpoint_dirs: Vec<PathBuf>,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the log could not be read")]
    Read(#[from] ReadError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Lines(#[from] LinesError),
    #[error("the file {path} cannot be read")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the log has no org {0}: `trackagoat orgs list` names them")]
    NoOrg(OrgId),
    #[error("--stream goes with --org or --file")]
    Stream,
    #[error("--checkpoint goes with --file or --archive")]
    Checkpoint,
    #[error("verifying was broken off")]
    Lost(#[from] tokio::task::JoinError),
}

impl VerifyError {
    /// A row that cannot be read was not written so; all else says nothing of the log.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Read(ReadError::Corrupt(_)) => ExitCode::FAILURE,
            _ => ExitCode::from(report::NOT_VERIFIED),
        }
    }
}

impl Verify {
    /// Verifies, and prints what was found.
    pub async fn run(
        self,
        target: &Target,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<ExitCode, VerifyError> {
        let keys = keys::read(&self.public_keys)?;
        if self.checkpoint.is_some() && self.file.is_none() && self.archives.is_empty() {
            return Err(VerifyError::Checkpoint);
        }
        let report = match (&self.file, self.org) {
            _ if !self.archives.is_empty() => {
                let (files, note) = (self.archives, self.checkpoint);
                let verify = move || archive::verify(&files, &keys, note.as_deref());
                tokio::task::spawn_blocking(verify).await??
            }
            (Some(path), _) => {
                let asked = file::Asked {
                    keys,
                    checkpoint: self.checkpoint.clone(),
                    stream: self.stream,
                    is_partial: self.partial,
                };
                let path = path.clone();
                tokio::task::spawn_blocking(move || file::verify(&path, &asked)).await??
            }
            (None, Some(org)) => {
                let log = database::connect(&target.place()?, clock, entropy).await?;
                if !has_org(&log, org).await? {
                    return Err(VerifyError::NoOrg(org));
                }
                org::verify(&log, org, self.stream).await?
            }
            (None, None) if self.stream.is_some() => return Err(VerifyError::Stream),
            (None, None) => {
                let outside = database::Outside {
                    keys,
                    folders: self.checkpoint_dirs,
                };
                database::verify(&target.place()?, outside, clock, entropy).await?
            }
        };
        report.print();
        Ok(report.verdict().exit_code())
    }
}

fn stream(name: &str) -> Result<Stream, &'static str> {
    [Stream::Decisions, Stream::Observations]
        .into_iter()
        .find(|stream| stream.name() == name)
        .ok_or("is decisions or observations")
}
