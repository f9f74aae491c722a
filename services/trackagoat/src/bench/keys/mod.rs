//! `keys`: what a million active keys take in the memory of a query service, and how long its start
//! takes with them.

pub mod job;

use serde_json::json;

use self::job::{KeysJob, Loaded, TableJob};
use super::aim::{Aim, Report, rounded};
use super::error::BenchError;
use super::folder::Database;
use super::million;
use super::product::{Service, resident_bytes};
use super::stats::{Repeats, float};
use super::turns::InTurn;
use super::worker::{Job, Worker};
use super::{Options, Setting, conditions};

const AIMS: &[Aim] = &[
    Aim::at_most(BYTES, "bytes", 400.0),
    Aim::at_most(SECONDS, "s", 5.0),
];
const BYTES: &str = "resident memory of a query service for an active key, at a million";
const SECONDS: &str = "from the start of a query service until it is ready, at a million";

/// Keys that are used once each, to see what their windows take.
const USED: usize = 10_000;

/// Two databases, and what loading their keys takes.
struct Databases {
    empty: String,
    full: String,
    keys: u64,
    /// Some of the keys.
    used: Vec<String>,
}

/// Figures of every repeat.
#[derive(Default)]
struct Found {
    service_bytes: Repeats,
    service_bytes_without: Repeats,
    service_seconds: Repeats,
    service_seconds_without: Repeats,
    gate_bytes: Repeats,
    gate_bytes_without: Repeats,
    gate_seconds: Repeats,
    used_bytes: Repeats,
    table_bytes: Repeats,
}

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
    let databases = Databases {
        used: million::add_credentials(&full, USED, entropy).await?,
        empty,
        full,
        keys,
    };
    // Not counted: their projections are made, which later starts find.
    for url in [&databases.empty, &databases.full] {
        service(url, setting).await?;
    }
    let mut found = Found::default();
    for repeat in 0..repeats {
        options.step("keys", repeat, repeats);
        found.measure(&databases, repeat, setting).await?;
    }
    report.condition("postgres", settings);
    report.condition("keys", keys);
    report.condition("requests_a_minute_of_each_key", million::RATE_LIMIT);
    report.condition("repeats", repeats);
    found.judge(keys, &mut report);
    report.not_done("the keys were written as rows, not appended as events");
    database.shut_down().await?;
    Ok(report)
}

impl Found {
    /// Everything once; with keys and without in turn.
    async fn measure(
        &mut self,
        databases: &Databases,
        repeat: usize,
        setting: &Setting,
    ) -> Result<(), BenchError> {
        let Databases { empty, full, .. } = databases;
        let keys = float(databases.keys);
        let (with, without) = service(full, setting)
            .in_turn_with(service(empty, setting), repeat)
            .await?;
        self.service_bytes.push((with.bytes - without.bytes) / keys);
        self.service_bytes_without.push(without.bytes);
        self.service_seconds.push(with.seconds);
        self.service_seconds_without.push(without.seconds);

        let without = load(gate_of(empty, &[]), setting).await?;
        let with = load(gate_of(full, &databases.used), setting).await?;
        let table = Job::Table(TableJob {
            keys: databases.keys,
        });
        let table = load(table, setting).await?;
        self.gate_bytes.push(grown(with) / keys);
        self.gate_bytes_without.push(grown(without));
        self.gate_seconds.push(with.seconds);
        let used = float(with.used.saturating_sub(with.after));
        self.used_bytes.push(used / float(USED as u64));
        self.table_bytes.push(grown(table) / keys);
        Ok(())
    }

    /// The service is judged; the bare gate and the table explain it.
    fn judge(&self, keys: u64, report: &mut Report) {
        let service = json!({
            "resident_bytes_per_key": self.service_bytes.to_json(),
            "resident_bytes_without_keys": self.service_bytes_without.to_json(),
            "seconds_from_start_to_ready": self.service_seconds.to_json(),
            "seconds_from_start_to_ready_without_keys": self.service_seconds_without.to_json(),
        });
        report.result("query_service", service);
        let per_second = float(keys) / self.gate_seconds.median();
        let gate = json!({
            "resident_bytes_per_key": self.gate_bytes.to_json(),
            "resident_bytes_without_keys": self.gate_bytes_without.to_json(),
            "seconds_loading": self.gate_seconds.to_json(),
            "keys_loaded_per_second": rounded(per_second),
            "more_bytes_for_each_key_that_is_used": self.used_bytes.to_json(),
        });
        report.result("bare_gate", gate);
        report.result(
            "bytes_per_key_in_a_bare_hash_table",
            self.table_bytes.to_json(),
        );
        report.ratio(
            "a key of a query service / one in a bare hash table",
            self.service_bytes.median() / self.table_bytes.median(),
        );
        report.reached(BYTES, self.service_bytes.median());
        report.reached(SECONDS, self.service_seconds.median());
    }
}

/// What a query service took to become ready.
struct Started {
    bytes: f64,
    seconds: f64,
}

/// Starts a query service as an operator does, looks at it, and stops it.
async fn service(url: &str, setting: &Setting) -> Result<Started, BenchError> {
    let service = Service::query(setting.folder.path(), url, &setting.clock).await?;
    let started = Started {
        bytes: float(resident_bytes(service.ready.pid)?),
        seconds: service.seconds,
    };
    service.stop().await?;
    Ok(started)
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

/// A fresh process that loads everything.
async fn load(job: Job, setting: &Setting) -> Result<Loaded, BenchError> {
    let mut worker = Worker::start(&job, &setting.clock).await?;
    let loaded = worker.hear().await?;
    worker.finish().await?;
    Ok(loaded)
}
