//! What the rig (faults.md 3) asks of a process that was built for it: to stand still inside a request,
//! and not to know a kind of event. Without the feature `mutants` nothing is asked, and none of this
//! costs anything.

#[cfg(feature = "mutants")]
pub use self::asked::{is_forgotten, reach};

/// Where a request can be made to stand still, in the order in which it comes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// It knows until when the lease lasts.
    DeadlinesLoaded,
    /// It has an entry and its tombstones.
    CacheRead,
    /// It knows what time it is.
    ClocksRead,
    /// It was let in, and has not been answered.
    Decided,
}

/// A request with the credential comes to the point.
#[cfg(not(feature = "mutants"))]
pub const fn reach(_: Point, _: &domain::credential::CredentialHash) {}

/// Whether this process is to take an event of that type for one that it does not know.
#[cfg(not(feature = "mutants"))]
pub const fn is_forgotten(_: &str) -> bool {
    false
}

#[cfg(feature = "mutants")]
mod asked {
    use std::env;
    use std::fmt::Write;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;
    use std::thread;
    use std::time::Duration;

    use domain::credential::CredentialHash;
    use rustix::process::{Signal, getpid, kill_process};

    use super::Point;

    /// Names the folder in which a file `<point>-<hash>` asks for one stop.
    const STOPS: &str = "TGA_RIG_STOPS";
    /// Names an event type that is not known.
    const FORGOTTEN: &str = "TGA_RIG_FORGOTTEN_EVENT";
    /// Between two looks for leave to go on.
    const LOOK: Duration = Duration::from_millis(1);

    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    static TYPE: OnceLock<Option<String>> = OnceLock::new();

    impl Point {
        const fn name(self) -> &'static str {
            match self {
                Self::DeadlinesLoaded => "deadlines-loaded",
                Self::CacheRead => "cache-read",
                Self::ClocksRead => "clocks-read",
                Self::Decided => "decided",
            }
        }
    }

    /// Stops the whole process here, if that is asked for; the first request that comes takes it.
    pub fn reach(point: Point, hash: &CredentialHash) {
        let folder = FOLDER.get_or_init(|| env::var_os(STOPS).map(PathBuf::from));
        if let Some(folder) = folder {
            let mut name = format!("{}-", point.name());
            for byte in hash.as_bytes() {
                let _ = write!(name, "{byte:02x}");
            }
            stop_if_asked(&folder.join(name));
        }
    }

    /// The signal may reach another thread first, and this one would get on for a while: it waits until
    /// whoever asked has seen the process stand, and says so by a second file.
    fn stop_if_asked(file: &Path) {
        if fs::remove_file(file).is_err() {
            return;
        }
        let _ = kill_process(getpid(), Signal::STOP);
        let leave = file.with_extension("seen");
        while fs::remove_file(&leave).is_err() {
            thread::park_timeout(LOOK);
        }
    }

    /// Whether this process is to take an event of that type for one that it does not know.
    pub fn is_forgotten(type_name: &str) -> bool {
        let forgotten = TYPE.get_or_init(|| env::var(FORGOTTEN).ok());
        forgotten.as_deref() == Some(type_name)
    }
}
