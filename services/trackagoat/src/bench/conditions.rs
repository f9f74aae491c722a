//! What a figure depends on: machine, versions, settings, the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, Write};
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use runtime::clock::Clock;
use serde_json::{Map, Value, json};
use sqlx::{PgConnection, Row};

use super::error::BenchError;
use super::stats::Histogram;

/// Writes of the probe.
const PROBES: u32 = 200;
/// The longest that the probe goes on, on a slow disk.
const PROBE_LIMIT: Duration = Duration::from_secs(3);
/// What Postgres writes at least: a page of its log.
const PAGE: [u8; 8192] = [0x5a; 8192];

const SETTINGS: [&str; 11] = [
    "autovacuum",
    "checkpoint_timeout",
    "data_checksums",
    "fsync",
    "full_page_writes",
    "max_wal_size",
    "server_version",
    "shared_buffers",
    "synchronous_commit",
    "wal_level",
    "wal_sync_method",
];

/// The machine and the build.
pub fn machine(folder: &Path) -> Map<String, Value> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    let Value::Object(conditions) = json!({
        "trackagoat": env!("CARGO_PKG_VERSION"),
        "build": build,
        "cores": available_parallelism().map_or(0, usize::from),
        "cpu_model": field(&read("/proc/cpuinfo"), "model name"),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "file_system": file_system(&read("/proc/mounts"), folder),
    }) else {
        return Map::new();
    };
    conditions
}

/// How many processes were running or waiting for a core, over the last minute: what else went on.
pub fn load_average() -> Value {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().and_then(|word| word.parse().ok());
    first.map_or(Value::Null, |load: f64| json!(load))
}

/// The settings of Postgres that a durable write depends on.
pub async fn postgres_settings(connection: &mut PgConnection) -> Result<Value, BenchError> {
    let names: Vec<String> = SETTINGS.map(str::to_owned).into();
    let rows = sqlx::query(
        "select name, current_setting(name) as value from pg_settings where name = any ($1)",
    )
    .bind(names)
    .fetch_all(connection)
    .await?;
    let mut settings = Map::new();
    for row in rows {
        let (name, value): (String, String) = (row.try_get("name")?, row.try_get("value")?);
        settings.insert(name, value.into());
    }
    Ok(settings.into())
}

/// How long the disk takes to keep one page for good, written to a file in `folder`.
pub fn fdatasync(folder: &Path, clock: &Clock) -> Result<Value, BenchError> {
    let path = folder.join("fdatasync.probe");
    let failed = || BenchError::io("write and sync", &path);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&path)
        .map_err(failed())?;
    let mut latencies = Histogram::default();
    let end = clock.monotonic() + PROBE_LIMIT;
    // The first write makes the file long enough: later ones change no metadata, as in Postgres.
    sync_page(&mut file).map_err(failed())?;
    for _ in 0..PROBES {
        let begun = clock.monotonic();
        if begun >= end {
            break;
        }
        sync_page(&mut file).map_err(failed())?;
        let nanos = clock.monotonic().as_nanos() - begun.as_nanos();
        latencies.record(nanos);
    }
    fs::remove_file(&path).map_err(failed())?;
    Ok(latencies.to_json())
}

fn sync_page(file: &mut File) -> std::io::Result<()> {
    file.rewind()?;
    file.write_all(&PAGE)?;
    file.sync_data()
}

/// The value in the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// The type of the file system that `folder`, an absolute path, lies on.
fn file_system(mounts: &str, folder: &Path) -> Option<String> {
    let mounted = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        folder.starts_with(point).then_some((point.len(), kind))
    });
    mounted
        .max_by_key(|(length, _)| *length)
        .map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn fields_are_found_as_the_kernel_writes_them() {
        let text = "processor\t: 0\nmodel name\t: A: fast one\nmodel name\t: another\n";
        assert_eq!(field(text, "model name").unwrap(), "A: fast one");
        assert_eq!(field(text, "MemTotal"), None);
    }

    #[test]
    fn the_deepest_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/b xfs rw 0 0\n";
        let kind = |path: &str| file_system(mounts, Path::new(path)).unwrap();
        assert_eq!(
            [kind("/home"), kind("/tmp/x"), kind("/tmp/b/c")],
            ["ext4", "tmpfs", "xfs"]
        );
        assert_eq!(kind("/tmpfile"), "ext4");
    }

    #[test]
    fn the_probe_measures_and_cleans_up() {
        let folder = tempfile::tempdir().unwrap();
        let found = fdatasync(folder.path(), &Clock::system()).unwrap();
        assert!(found["samples"].as_u64().unwrap() > 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
