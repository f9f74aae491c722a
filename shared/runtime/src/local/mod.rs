//! Private Postgres and NATS servers, for `trackagoat dev` and for tests.
//!
//! Each server lives in one folder, listens on loopback alone, and never runs as root: where we are
//! root, it gets the account that owns its folder. A server that a killed process left behind is
//! stopped by its watchdog, and again at the next start.

mod account;
mod binary;
mod nats;
mod port;
mod postgres;
mod process;
mod secret_file;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use nats::{NatsConfig, NatsServer};
pub use postgres::{Durability, PostgresConfig, PostgresServer};

/// How often a running server is looked after.
const WATCH_PERIOD: Duration = Duration::from_millis(250);

/// Why a private server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// No binary was found.
    #[error("{program} was not found ({looked_in}); install it with: deploy/run")]
    NotFound {
        /// The program's name.
        program: &'static str,
        /// Where it was looked for.
        looked_in: String,
    },
    /// Binaries were found, and none will do.
    #[error("{program} {found} will not do, {needed} is needed; install it with: deploy/run")]
    WrongVersion {
        /// The program's name.
        program: &'static str,
        /// The versions that were found, and where.
        found: String,
        /// What is needed.
        needed: String,
    },
    /// The server's account may not enter a folder on the way to its own.
    #[error(
        "{program} runs as user {user}, who may not enter {}; choose a data folder elsewhere, or \
         allow it with: chmod o+x {}",
        folder.display(), folder.display()
    )]
    Unreachable {
        /// The program's name.
        program: &'static str,
        /// The account's name.
        user: String,
        /// The folder that shuts it out.
        folder: PathBuf,
    },
    /// Another process of ours runs a server in the folder.
    #[error("{program} in {} is in use by another process", folder.display())]
    InUse {
        /// The program's name.
        program: &'static str,
        /// The server's folder.
        folder: PathBuf,
    },
    /// The operating system refused something.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The answer.
        #[source]
        source: io::Error,
    },
    /// The program ended when it should not have.
    #[error("{program} ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// The program's name.
        program: &'static str,
        /// Its exit status.
        status: String,
        /// The last lines it wrote.
        log: String,
    },
    /// The program started and does not answer.
    #[error("{program} was not ready within {} s; the end of its log:\n{log}", waited.as_secs())]
    NotReady {
        /// The program's name.
        program: &'static str,
        /// How long it was given.
        waited: Duration,
        /// The last lines it wrote.
        log: String,
    },
    /// The program does not go away.
    #[error("{program} (process {pid}) could not be stopped")]
    NotStopped {
        /// The program's name.
        program: &'static str,
        /// Its process id.
        pid: u32,
    },
}

/// The programs that private servers in `folder` would run, or what keeps them from it. Nothing is
/// started and nothing changed.
pub fn programs(folder: &Path) -> [(&'static str, Result<PathBuf, LocalError>); 2] {
    let account = account::Account::for_folder(folder);
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let check = |name, found: Result<PathBuf, LocalError>| {
        let binary = found?;
        account.check_reach(name, &binary)?;
        // Folders that are still to be made will be the account's.
        let existing = folder.ancestors().find(|path| path.exists());
        account.check_reach(name, &existing.unwrap_or(&folder).join("."))?;
        Ok(binary)
    };
    let postgres = binary::postgres_bin(None).map(|bin| bin.join(binary::POSTGRES));
    [
        (binary::POSTGRES, check(binary::POSTGRES, postgres)),
        (binary::NATS, check(binary::NATS, binary::nats_server())),
    ]
}

impl LocalError {
    fn io<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }
}
