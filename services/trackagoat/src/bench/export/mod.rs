//! `export`: an org's whole trail through the public API of a query service, beside what Postgres
//! needs to hand out the same rows, and the memory that the service takes for it.

mod reader;

use std::time::Duration;

use domain::ids::{GlobalPosition, OrgId};
use domain::scope::{Scope, Scopes};
use runtime::clock::Clock;
use sqlx::{Connection, Executor, PgConnection};

use self::reader::export;
use super::aim::{Aim, Report};
use super::copy::copy_out;
use super::error::BenchError;
use super::fleet::Org;
use super::folder::Database;
use super::load;
use super::open_log::OpenLog;
use super::product::{Service, forget_peak, peak_bytes, resident_bytes};
use super::stats::{Repeats, float, per_second};
use super::zipf::Random;
use super::{Options, Setting, conditions};

const AIMS: &[Aim] = &[
    Aim::at_least(OF_COPY, "of it", 0.5),
    Aim::at_most(GROWN, "MiB", 64.0),
];
const OF_COPY: &str = "of COPY of the same rows, a million events of an org";
const GROWN: &str = "memory that an export adds to a query service, at its peak";

const PAYLOAD_BYTES: usize = 200;
const MEBIBYTE: f64 = 1_048_576.0;
const PROJECTED_WITHIN: Duration = Duration::from_mins(15);
const LOOK: Duration = Duration::from_millis(250);

/// The service and what it is asked for.
struct Subject {
    service: Service,
    url: String,
    org: Org,
    key: String,
    events: u64,
    head: GlobalPosition,
}

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
    let subject = Subject::make(url, events, setting).await?;
    database.checkpoint().await?;
    let mut found = Found::default();
    for repeat in 0..repeats {
        options.step("export", repeat, repeats);
        for turn in 0..2 {
            if (turn + repeat).is_multiple_of(2) {
                if !found.export(&subject, clock).await? {
                    report.not_done("this build has no GET /audit/export");
                }
            } else {
                found.copy(&subject, clock).await?;
            }
        }
    }
    found.judge(&mut report);
    report.not_done("the client shares the cores with the service and with Postgres");
    subject.service.stop().await?;
    database.shut_down().await?;
    Ok(report)
}

impl Subject {
    /// A service that has projected all events of an org.
    async fn make(url: String, events: u64, setting: &Setting) -> Result<Self, BenchError> {
        let Setting {
            folder,
            clock,
            entropy,
        } = setting;
        let org = Org::new(setting);
        let scopes = Scopes::from_iter([Scope::Read, Scope::Audit]);
        let mut keys = org.write_with(scopes, &url, 1, setting).await?;
        let open_log = OpenLog::open(&url, clock, entropy).await?;
        let mut random = Random::new(entropy.u64());
        let id = OrgId::from_uuid(org.id);
        let head = open_log
            .fill_org(id, events, PAYLOAD_BYTES, &mut random)
            .await?;
        open_log.close().await;
        let subject = Self {
            service: Service::query(folder.path(), &url, clock).await?,
            url,
            org,
            key: keys.pop().map(|key| key.secret).unwrap_or_default(),
            events,
            head,
        };
        let projected = clock.timeout(PROJECTED_WITHIN, subject.until_projected(clock));
        projected.await.map_err(|source| BenchError::Late {
            what: "the projection of an org's events",
            source,
        })??;
        let mut connection = PgConnection::connect(&subject.url).await?;
        connection.execute("vacuum analyze").await?;
        connection.close().await?;
        Ok(subject)
    }

    /// Asks for what is as new as the log, until that is there.
    async fn until_projected(&self, clock: &Clock) -> Result<(), BenchError> {
        let address = self.service.ready.address()?;
        let (head, key) = (self.head, &self.key);
        let request = format!(
            "GET /api/v1/projects?limit=1 HTTP/1.1\r\nhost: {address}\r\n\
             authorization: Bearer {key}\r\ntga-min-position: {head}\r\n\r\n"
        );
        loop {
            let answer = load::once(address, request.as_bytes()).await?;
            match answer.status {
                200 => return Ok(()),
                503 => clock.sleep(LOOK).await,
                _ => {
                    let text = format!("the projects were answered {answer}");
                    return Err(BenchError::Wrong(text));
                }
            }
        }
    }
}

impl Found {
    /// Exports everything; false if that cannot be asked for.
    async fn export(&mut self, subject: &Subject, clock: &Clock) -> Result<bool, BenchError> {
        let pid = subject.service.ready.pid;
        forget_peak(pid)?;
        let before = resident_bytes(pid)?;
        let url = subject.service.ready.url.trim_end_matches('/');
        let Some((exported, seconds)) = export(url, &subject.key, clock).await? else {
            return Ok(false);
        };
        let grown = peak_bytes(pid)?.saturating_sub(before);
        if (exported.lines, exported.last) != (subject.events, subject.head.get()) {
            let (lines, last) = (exported.lines, exported.last);
            let text = format!("the export has {lines} lines, the last of {last}");
            return Err(BenchError::Wrong(text));
        }
        self.exported.push(per_second(exported.lines, seconds));
        self.megabytes.push(float(exported.bytes) / 1e6 / seconds);
        self.grown.push(float(grown) / MEBIBYTE);
        Ok(true)
    }

    async fn copy(&mut self, subject: &Subject, clock: &Clock) -> Result<(), BenchError> {
        let org = OrgId::from_uuid(subject.org.id);
        let copied = copy_out(&subject.url, Some(org), clock).await?;
        if copied.rows != subject.events {
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
