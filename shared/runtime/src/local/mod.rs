//! Private Postgres and NATS servers, for `trackagoat dev` and for tests.
//!
//! Each server lives in one folder, listens on loopback alone, and never runs as root: where we are
//! root, it gets the account that owns its folder. A server that a killed process left behind is
//! stopped by its watchdog, and again at the next start.

mod account;
mod binary;
mod nats;
mod nats_access;
mod port;
mod postgres;
mod process;
pub mod scram;
mod secret_file;

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::entropy::Entropy;
use crate::files;

pub use nats::{NatsConfig, NatsServer};
pub use nats_access::{
    DURABLES_PERMISSIONS, REPLICA_PERMISSIONS, SUBSCRIBERS_EXPORTS, SUBSCRIBERS_IMPORTS,
    SUBSCRIBERS_PERMISSIONS,
};
pub use postgres::{Durability, PostgresConfig, PostgresServer};
pub use process::FolderLock;

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
        "{program} runs as user {user}, who may not enter {}; allow it with: chmod o+x {}",
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

/// The programs that private servers would run, or what keeps them from it. Nothing is started.
pub fn programs() -> [(&'static str, Result<PathBuf, LocalError>); 2] {
    let postgres = binary::postgres_bin(None).map(|bin| bin.join(binary::POSTGRES));
    [
        (binary::POSTGRES, postgres),
        (binary::NATS, binary::nats_server()),
    ]
}

/// A place for private servers in a folder: the folder itself or, where we are root and a folder on
/// the way shuts the servers' account out, one under `/var/tmp` that a link in the folder leads to.
///
/// # Errors
/// If neither can be had.
pub fn home(folder: &Path, entropy: &Entropy) -> Result<PathBuf, LocalError> {
    let folder = folder
        .canonicalize()
        .map_err(LocalError::io("resolve", folder))?;
    let link = folder.join("servers");
    if let Ok(home) = link.canonicalize() {
        return Ok(home);
    }
    let inside = folder.join("postgres");
    if account::Account::for_folder(&inside)
        .check_reach(binary::POSTGRES, &inside)
        .is_ok()
    {
        return Ok(folder);
    }
    let name = format!("trackagoat-{}", files::hex(&entropy.bytes::<8>()));
    let home = Path::new("/var/tmp").join(name);
    fs::DirBuilder::new()
        .mode(0o711)
        .create(&home)
        .map_err(LocalError::io("make the folder", &home))?;
    // The umask may have taken something away.
    fs::set_permissions(&home, fs::Permissions::from_mode(0o711))
        .map_err(LocalError::io("change the mode of", &home))?;
    std::os::unix::fs::symlink(&home, &link).map_err(LocalError::io("make the link", &link))?;
    tracing::warn!(
        home = %home.display(),
        "the servers' account may not enter the data folder, they are kept elsewhere"
    );
    Ok(home)
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::home;
    use crate::entropy::Entropy;

    #[test]
    fn servers_live_elsewhere_only_where_they_are_shut_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let open = Permissions::from_mode(0o711);
        fs::set_permissions(&path, open).unwrap();
        let entropy = Entropy::os();
        assert_eq!(home(&path, &entropy).unwrap(), path);

        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        let found = home(&path, &entropy).unwrap();
        assert_eq!(home(&path, &entropy).unwrap(), found);
        if rustix::process::geteuid().is_root() {
            assert!(found.starts_with("/var/tmp"), "{}", found.display());
            fs::remove_dir(found).unwrap();
        } else {
            assert_eq!(found, path);
        }
    }
}
