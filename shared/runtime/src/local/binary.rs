use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::LocalError;

pub(super) const POSTGRES: &str = "postgres";
pub(super) const NATS: &str = "nats-server";
const POSTGRES_NEEDED: u32 = 15;
const NATS_NEEDED: Version = Version(2, 10);

/// Major and minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

/// The folder with `postgres` and `initdb`: of version `major`, or the newest if none is asked for.
///
/// Looked for in `TGA_POSTGRES_BIN` (then nowhere else), `PATH`, the places of the distributions
/// and `.tools`.
pub(super) fn postgres_bin(major: Option<u32>) -> Result<PathBuf, LocalError> {
    let folders = match env::var_os("TGA_POSTGRES_BIN") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => postgres_folders(),
    };
    let found = versions(
        folders
            .iter()
            .filter(|folder| folder.join("initdb").is_file())
            .map(|folder| folder.join(POSTGRES)),
    );
    let fits = |version: Version| match major {
        Some(major) => version.0 == major,
        None => version.0 >= POSTGRES_NEEDED,
    };
    let needed = major.map_or_else(
        || format!("{POSTGRES_NEEDED} or newer"),
        |major| format!("{major}, which wrote the data folder,"),
    );
    let mut binary = choose(POSTGRES, &found, &folders, &needed, fits)?;
    binary.pop();
    Ok(binary)
}

/// The NATS server.
///
/// Looked for in `TGA_NATS_SERVER` (then nowhere else), `PATH` and `.tools`.
pub(super) fn nats_server() -> Result<PathBuf, LocalError> {
    let candidates: Vec<_> = match env::var_os("TGA_NATS_SERVER") {
        Some(file) => vec![PathBuf::from(file)],
        None => path_folders()
            .chain(tools_folders())
            .map(|folder| folder.join(NATS))
            .collect(),
    };
    let found = versions(candidates.iter().cloned());
    let needed = format!("{NATS_NEEDED} or newer");
    choose(NATS, &found, &candidates, &needed, |version| {
        version >= NATS_NEEDED
    })
}

fn postgres_folders() -> Vec<PathBuf> {
    let installed = ["/usr/lib/postgresql", "/usr/local/lib/postgresql"];
    path_folders()
        .chain(
            installed
                .into_iter()
                .flat_map(|root| children(Path::new(root)))
                .map(|version| bin(&version)),
        )
        .chain(tools_folders())
        .chain(tools_folders().map(|folder| folder.join("postgres/bin")))
        .collect()
}

fn path_folders() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

/// `.tools` and `.tools/bin` in the current folder and in those above it.
fn tools_folders() -> impl Iterator<Item = PathBuf> {
    let current = env::current_dir().unwrap_or_default();
    let folders: Vec<_> = current
        .ancestors()
        .map(|folder| folder.join(".tools"))
        .filter(|tools| tools.is_dir())
        .flat_map(|tools| [bin(&tools), tools])
        .collect();
    folders.into_iter()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    folder.read_dir().map_or_else(
        |_| Vec::new(),
        |entries| entries.flatten().map(|entry| entry.path()).collect(),
    )
}

fn bin(folder: &Path) -> PathBuf {
    folder.join("bin")
}

/// The candidates that exist and tell a version.
fn versions(candidates: impl Iterator<Item = PathBuf>) -> Vec<(PathBuf, Version)> {
    candidates
        .filter(|file| file.is_file())
        .filter_map(|file| ask_version(&file).map(|version| (file, version)))
        .collect()
}

fn ask_version(binary: &Path) -> Option<Version> {
    let output = Command::new(binary)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0)` and `nats-server: v2.15.1`.
fn parse_version(text: &str) -> Option<Version> {
    text.split_whitespace().find_map(|word| {
        let number = word.strip_prefix('v').unwrap_or(word);
        let digits = number
            .split(|char: char| !char.is_ascii_digit() && char != '.')
            .next()?;
        let mut parts = digits.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts
            .next()
            .and_then(|minor| minor.parse().ok())
            .unwrap_or(0);
        Some(Version(major, minor))
    })
}

/// The newest that fits; of equals the first.
fn choose(
    program: &'static str,
    found: &[(PathBuf, Version)],
    looked_in: &[PathBuf],
    needed: &str,
    fits: impl Fn(Version) -> bool,
) -> Result<PathBuf, LocalError> {
    let newest = found
        .iter()
        .rev()
        .filter(|(_, version)| fits(*version))
        .max_by_key(|(_, version)| *version);
    if let Some((file, _)) = newest {
        return Ok(file.clone());
    }
    if found.is_empty() {
        return Err(LocalError::NotFound {
            program,
            looked_in: list(looked_in.iter().map(|path| path.display())),
        });
    }
    let each = found
        .iter()
        .map(|(file, version)| format!("{version} ({})", file.display()));
    Err(LocalError::WrongVersion {
        program,
        found: list(each),
        needed: needed.to_owned(),
    })
}

fn list<T: fmt::Display>(items: impl Iterator<Item = T>) -> String {
    let texts: Vec<_> = items.map(|item| item.to_string()).collect();
    texts.join(", ")
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{LocalError, NATS_NEEDED, Version, choose, parse_version};

    #[test]
    fn versions_are_read_as_the_servers_write_them() {
        for (text, version) in [
            (
                "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)",
                Version(15, 18),
            ),
            ("postgres (PostgreSQL) 18beta1", Version(18, 0)),
            ("nats-server: v2.15.1\n", Version(2, 15)),
            ("nats-server: v2.9.10", Version(2, 9)),
        ] {
            assert_eq!(parse_version(text), Some(version), "{text}");
        }
        assert_eq!(parse_version("no number here"), None);
    }

    fn nats(found: &[(&str, Version)]) -> Result<PathBuf, LocalError> {
        let found: Vec<_> = found
            .iter()
            .map(|(path, version)| (PathBuf::from(path), *version))
            .collect();
        let looked_in = [PathBuf::from("/here"), PathBuf::from("/there")];
        choose("nats-server", &found, &looked_in, "2.10 or newer", |one| {
            one >= NATS_NEEDED
        })
    }

    #[test]
    fn the_newest_that_fits_is_taken_and_of_equals_the_first() {
        let old = ("/usr/bin/nats-server", Version(2, 9));
        let one = ("/a/nats-server", Version(2, 15));
        let two = ("/b/nats-server", Version(2, 15));
        assert_eq!(
            nats(&[old, one, two]).ok(),
            Some(PathBuf::from("/a/nats-server"))
        );
    }

    #[test]
    fn one_too_old_is_refused_with_the_command_that_installs_a_newer() {
        let text = nats(&[("/usr/bin/nats-server", Version(2, 9))])
            .expect_err("2.9 has no auth callout")
            .to_string();
        assert_eq!(
            text,
            "nats-server 2.9 (/usr/bin/nats-server) will not do, 2.10 or newer is needed; \
             install it with: deploy/run"
        );
    }

    #[test]
    fn one_missing_is_reported_with_where_it_was_looked_for() {
        let text = nats(&[]).expect_err("nothing was found").to_string();
        assert_eq!(
            text,
            "nats-server was not found (/here, /there); install it with: deploy/run"
        );
    }
}
