//! `export`: an org's whole trail through the public API of a query service, beside what Postgres
//! needs to hand out the same rows, and the memory that the service takes for it.

mod reader;

use domain::ids::OrgId;
use runtime::clock::Clock;

use self::reader::export;
use super::aim::{Aim, Report};
use super::copy::copy_out;
use super::error::BenchError;
use super::folder::Database;
use super::product::{forget_peak, peak_bytes, resident_bytes};
use super::stats::{Repeats, float, per_second};
use super::trail::Trail;
use super::{Options, Setting, conditions};

const AIMS: &[Aim] = &[
    Aim::at_least(OF_COPY, "of it", 0.5),
    Aim::at_most(GROWN, "MiB", 64.0),
];
const OF_COPY: &str = "of COPY of the same rows, a million events of an org";
const GROWN: &str = "memory that an export adds to a query service, at its peak";

const PAYLOAD_BYTES: usize = 200;
const MEBIBYTE: f64 = 1_048_576.0;

/// Figures of every repeat.
#[derive(Default)]
struct Found {
    exported: Repeats,
    copied: Repeats,
    megabytes: Repeats,
    grown: Repeats,
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let mut report = Report::new("export", AIMS);
    let Setting {
        folder,
        clock,
        entropy,
    } = setting;
    let (repeats, events) = if options.quick {
        (1, 20_000)
    } else {
        (3, 1_000_000)
    };
    let mut database = Database::start(folder, clock, entropy).await?;
    let settings = conditions::postgres_settings(&mut database.connect().await?).await?;
    report.condition("postgres", settings);
    report.condition("payload_bytes", PAYLOAD_BYTES);
    report.condition("events", events);
    report.condition("repeats", repeats);
    options.say(&format!("export: an org with {events} events"));
    let url = database.ours().await?;
    let trail = Trail::make(url, events, PAYLOAD_BYTES, setting).await?;
    database.checkpoint().await?;
    let mut found = Found::default();
    for repeat in 0..repeats {
        options.step("export", repeat, repeats);
        for turn in 0..2 {
            if (turn + repeat).is_multiple_of(2) {
                if !found.export(&trail, clock).await? {
                    report.not_done("this build has no GET /audit/export");
                }
            } else {
                found.copy(&trail, clock).await?;
            }
        }
    }
    found.judge(&mut report);
    report.not_done("the client shares the cores with the service and with Postgres");
    trail.service.stop().await?;
    database.shut_down().await?;
    Ok(report)
}

impl Found {
    /// Exports everything; false if that cannot be asked for.
    async fn export(&mut self, trail: &Trail, clock: &Clock) -> Result<bool, BenchError> {
        let pid = trail.service.ready.pid;
        forget_peak(pid)?;
        let before = resident_bytes(pid)?;
        let url = trail.service.ready.url.trim_end_matches('/');
        let Some((exported, seconds)) = export(url, &trail.key, clock).await? else {
            return Ok(false);
        };
        let grown = peak_bytes(pid)?.saturating_sub(before);
        if (exported.lines, exported.last) != (trail.events, trail.head.get()) {
            let (lines, last) = (exported.lines, exported.last);
            let text = format!("the export has {lines} lines, the last of {last}");
            return Err(BenchError::Wrong(text));
        }
        self.exported.push(per_second(exported.lines, seconds));
        self.megabytes.push(float(exported.bytes) / 1e6 / seconds);
        self.grown.push(float(grown) / MEBIBYTE);
        Ok(true)
    }

    async fn copy(&mut self, trail: &Trail, clock: &Clock) -> Result<(), BenchError> {
        let org = OrgId::from_uuid(trail.org.id);
        let copied = copy_out(&trail.url, Some(org), clock).await?;
        if copied.rows != trail.events {
            let text = format!("{} rows were copied", copied.rows);
            return Err(BenchError::Wrong(text));
        }
        self.copied.push(per_second(copied.rows, copied.seconds));
        Ok(())
    }

    /// Of memory the most in any repeat: the first one adds what later ones use again.
    fn judge(&self, report: &mut Report) {
        let of_copy = self.exported.median() / self.copied.median();
        report.reached(OF_COPY, of_copy);
        report.reached(GROWN, self.grown.highest());
        report.ratio("exported / COPY", of_copy);
        report.result("exported_per_second", self.exported.to_json());
        report.result("exported_megabytes_per_second", self.megabytes.to_json());
        report.result("copied_per_second", self.copied.to_json());
        report.result("mebibytes_grown_at_the_peak", self.grown.to_json());
    }
}
