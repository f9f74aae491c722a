//! `import`: real readings through the public API as a client sends them, and a projection rebuilt
//! from what came of them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use tokio::process::Command;

use super::aim::{Aim, Report};
use super::error::BenchError;
use super::product::Product;
use super::rebuild::build;
use super::stats::{Repeats, per_second};
use super::{Options, Setting, conditions};

const AIMS: &[Aim] = &[
    Aim::at_least(IMPORTED, "readings/s", 20_000.0),
    Aim::at_least(REBUILT, "readings/s", 100_000.0),
];
const IMPORTED: &str = "readings through the public API, until they can be read";
const REBUILT: &str = "readings of a projection that is rebuilt";

/// Begin of the names of the files.
const LISTS: &str = "youtube_trending_";
/// Number of the readings that one row of a list becomes (`Reading::kind_number`).
const VIDEO_STATS: i16 = 1;

/// The least that keeps the same numbers: rows of readings, no events, no checks.
const PLAIN_TABLE: &str = "create table public.plain_readings (video_id uuid not null,
        observed_at timestamptz not null, views bigint, likes bigint, comments bigint,
        primary key (video_id, observed_at))";
const PLAIN_INSERT: &str = "insert into public.plain_readings
    select gen_random_uuid(), now(), n, n, n from generate_series(1, 500) as n";

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let mut report = Report::new("import", AIMS);
    let Some(data) = &options.data else {
        report.not_done("no folder with lists was given (--data or TGA_BENCH_DATA)");
        return Ok(report);
    };
    let Setting {
        folder,
        clock,
        entropy,
    } = setting;
    let mut files = lists(data)?;
    if options.quick {
        files.truncate(1);
    }
    if files.is_empty() {
        let text = format!("{} holds no {LISTS}*.csv or .csv.zst", data.display());
        return Err(BenchError::Wrong(text));
    }
    options.say("import: the product, with a demo");
    let product = Product::start(folder.path(), 1, clock).await?;
    let url = product.ready.database_url.clone();
    let mut connection = PgConnection::connect(&url).await?;
    let settings = conditions::postgres_settings(&mut connection).await?;
    connection.execute(PLAIN_TABLE).await?;

    let repeats = if options.quick { 1 } else { 3 };
    let mut found = Found::default();
    for repeat in 0..repeats {
        options.step("import", repeat, repeats);
        let project = product.make_project(&format!("bench {repeat}")).await?;
        for turn in 0..2 {
            if (turn + repeat).is_multiple_of(2) {
                found
                    .import(&product, &project, &files, &mut connection, setting)
                    .await?;
            } else {
                let rate = insert_plainly(&mut connection, setting).await?;
                found.plain.push(rate);
            }
        }
    }
    connection.close().await?;
    let total = build::count_readings(&url).await?;
    for repeat in 0..repeats {
        options.step("import: rebuild", repeat, repeats);
        let seconds = build::run(&url, clock, entropy).await?;
        found.rebuilt.push(per_second(total, seconds));
    }
    report.condition("postgres", settings);
    report.condition("files", files.len());
    report.condition("readings_rebuilt", total);
    report.condition("repeats", repeats);
    found.judge(&mut report);
    report.not_done("the client, reading and parsing the files included, shares the cores");
    product.stop().await?;
    Ok(report)
}

/// Figures of every repeat.
#[derive(Default)]
struct Found {
    imports: Vec<Value>,
    readings: Repeats,
    /// Profiles and what is said of videos included.
    lines: Repeats,
    again: Repeats,
    rebuilt: Repeats,
    plain: Repeats,
}

impl Found {
    /// Imports into an empty project, and once more.
    async fn import(
        &mut self,
        product: &Product,
        project: &str,
        files: &[PathBuf],
        connection: &mut PgConnection,
        setting: &Setting,
    ) -> Result<(), BenchError> {
        let before = Kept::count(connection).await?;
        let seconds = import(product, project, files, setting).await?;
        let after = Kept::count(connection).await?;
        let readings = after.video_stats - before.video_stats;
        self.readings.push(per_second(readings, seconds));
        self.lines.push(per_second(after.all - before.all, seconds));
        self.imports.push(json!({
            "readings": readings,
            "lines_kept": after.all - before.all,
            "events": after.events - before.events,
            "seconds": seconds,
        }));
        let seconds = import(product, project, files, setting).await?;
        self.again.push(per_second(readings, seconds));
        let repeated = Kept::count(connection).await?;
        if repeated.video_stats == after.video_stats {
            return Ok(());
        }
        Err(BenchError::Wrong("importing again added readings".into()))
    }

    fn judge(self, report: &mut Report) {
        let plain = self.plain.median();
        report.ratio(
            "imported / plain inserts of 500",
            self.readings.median() / plain,
        );
        report.reached(IMPORTED, self.readings.median());
        report.reached(REBUILT, self.rebuilt.median());
        report.result("imports", self.imports);
        report.result("readings_per_second", self.readings.to_json());
        report.result("lines_kept_per_second", self.lines.to_json());
        report.result(
            "readings_per_second_when_all_are_known",
            self.again.to_json(),
        );
        report.result("rebuilt_readings_per_second", self.rebuilt.to_json());
        report.result("plain_inserts_of_500_per_second", self.plain.to_json());
    }
}

/// What the log keeps, so far.
struct Kept {
    video_stats: u64,
    all: u64,
    events: u64,
}

impl Kept {
    async fn count(connection: &mut PgConnection) -> Result<Self, BenchError> {
        let (video_stats, all, events): (i64, i64, i64) = sqlx::query_as(
            "select count(*) filter (where kind = $1), count(*),
                 (select position from log.head) from log.reading_keys",
        )
        .bind(VIDEO_STATS)
        .fetch_one(connection)
        .await?;
        Ok(Self {
            video_stats: video_stats.unsigned_abs(),
            all: all.unsigned_abs(),
            events: events.unsigned_abs(),
        })
    }
}

/// Runs the importer as a user would; seconds from its start to its end, when everything can be
/// read.
pub async fn import(
    product: &Product,
    project: &str,
    files: &[PathBuf],
    setting: &Setting,
) -> Result<f64, BenchError> {
    let clock = &setting.clock;
    let binary = env::current_exe().map_err(BenchError::Talk)?;
    let began = clock.monotonic();
    let output = Command::new(binary)
        .args(["import", "youtube-trending", "--api", &product.ready.api])
        .arg("--key-file")
        .arg(&product.ready_file)
        .args(["--project", project])
        .args(files)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(BenchError::Talk)?;
    let seconds = clock.monotonic().saturating_since(began).as_secs_f64();
    if output.status.success() {
        return Ok(seconds);
    }
    let reason = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    Err(BenchError::Child {
        program: "trackagoat import".into(),
        reason,
    })
}

/// Rows a second of inserts of 500 rows, each its own transaction.
async fn insert_plainly(
    connection: &mut PgConnection,
    setting: &Setting,
) -> Result<f64, BenchError> {
    const INSERTS: u32 = 200;
    let began = setting.clock.monotonic();
    for _ in 0..INSERTS {
        connection.execute(PLAIN_INSERT).await?;
    }
    let seconds = setting
        .clock
        .monotonic()
        .saturating_since(began)
        .as_secs_f64();
    Ok(per_second(u64::from(INSERTS) * 500, seconds))
}

/// The lists in a folder, by name.
pub fn lists(folder: &Path) -> Result<Vec<PathBuf>, BenchError> {
    let entries = fs::read_dir(folder).map_err(BenchError::io("read the folder", folder))?;
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let (_, kind) = name.split_once('.').unwrap_or_default();
            name.starts_with(LISTS) && ["csv", "csv.zst"].contains(&kind)
        })
        .collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_lists_are_taken_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "youtube_trending_US.csv.zst",
            "README.md",
            "youtube_trending_GB.csv",
            "other.csv",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = lists(folder.path()).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(
            names,
            ["youtube_trending_GB.csv", "youtube_trending_US.csv.zst"]
        );
    }
}
