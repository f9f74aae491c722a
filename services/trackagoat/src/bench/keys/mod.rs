//! `keys`: what a million active keys take in a replica's memory, and how long loading them takes.

pub mod job;

use self::job::{KeysJob, Loaded, TableJob};
use super::aim::{Aim, Report, rounded};
use super::error::BenchError;
use super::folder::Database;
use super::million;
use super::stats::{Repeats, float};
use super::worker::{Job, Worker};
use super::{Options, Setting, conditions};

const AIMS: &[Aim] = &[
    Aim::at_most(BYTES, "bytes", 400.0),
    Aim::at_most(SECONDS, "s", 5.0),
];
const BYTES: &str = "resident memory of an active key, at a million";
/// Keys that are used once each, to see what their windows take.
const USED: usize = 10_000;
const SECONDS: &str = "from the start of a process to a gate that is ready";

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let Setting {
        folder,
        clock,
        entropy,
    } = setting;
    let mut report = Report::new("keys", AIMS);
    let (keys, repeats) = if options.quick {
        (50_000, 1)
    } else {
        (1_000_000, 3)
    };
    let mut database = Database::start(folder, clock, entropy).await?;
    let settings = conditions::postgres_settings(&mut database.connect().await?).await?;
    let (empty, full) = (database.ours().await?, database.ours().await?);
    options.say(&format!("keys: writing {keys} rows"));
    million::add_keys(&full, keys).await?;

    let used = million::add_credentials(&full, USED, entropy).await?;

    let [
        mut bytes,
        mut gate_bytes,
        mut used_bytes,
        mut table_bytes,
        mut seconds,
        mut loading,
    ] = [(); 6].map(|()| Repeats::default());
    for repeat in 0..repeats {
        options.say(&format!("keys: repeat {} of {repeats}", repeat + 1));
        let (without, _) = load(gate_of(&empty, &[]), setting).await?;
        let (with, from_start) = load(gate_of(&full, &used), setting).await?;
        let (table, _) = load(Job::Table(TableJob { keys }), setting).await?;
        bytes.push(grown(with) / float(keys));
        gate_bytes.push(grown(without));
        used_bytes.push(float(with.used.saturating_sub(with.after)) / float(USED as u64));
        table_bytes.push(grown(table) / float(keys));
        seconds.push(from_start);
        loading.push(with.seconds);
    }
    report.condition("postgres", settings);
    report.condition("keys", keys);
    report.condition("requests_a_minute_of_each_key", million::RATE_LIMIT);
    report.condition("repeats", repeats);
    report.result("resident_bytes_per_key", bytes.to_json());
    report.result("resident_bytes_without_keys", gate_bytes.to_json());
    report.result("seconds_from_start_to_ready", seconds.to_json());
    report.result("seconds_of_it_loading", loading.to_json());
    report.result(
        "keys_loaded_per_second",
        rounded(float(keys) / loading.median()),
    );
    report.result("more_bytes_for_each_key_that_is_used", used_bytes.to_json());
    report.result("bytes_per_key_in_a_bare_hash_table", table_bytes.to_json());
    report.ratio(
        "a cached key / one in a bare hash table",
        bytes.median() / table_bytes.median(),
    );
    report.reached(BYTES, bytes.median());
    report.reached(SECONDS, seconds.median());
    report.not_done("the keys were written as rows, not appended as events");
    report.not_done("a query service does more at its start than a gate; `read` has the seconds");
    database.shut_down().await?;
    Ok(report)
}

fn gate_of(url: &str, credentials: &[String]) -> Job {
    Job::Keys(KeysJob {
        database_url: url.to_owned(),
        credentials: credentials.to_vec(),
    })
}

fn grown(loaded: Loaded) -> f64 {
    float(loaded.after.saturating_sub(loaded.before))
}

/// A fresh process that loads everything; also how long it took from its start.
async fn load(job: Job, setting: &Setting) -> Result<(Loaded, f64), BenchError> {
    let clock = &setting.clock;
    let began = clock.monotonic();
    let mut worker = Worker::start(&job, clock).await?;
    let loaded = worker.hear().await?;
    let seconds = clock.monotonic().saturating_since(began).as_secs_f64();
    worker.finish().await?;
    Ok((loaded, seconds))
}
