//! `gate`: what a decision about a request costs, alone and as a part of a read; and whether the
//! time of a refusal says why.

mod alike;
mod beside;
mod decide;
mod people;

use serde_json::json;

use self::alike::Alike;
use self::beside::Beside;
use super::aim::{Aim, Report};
use super::conditions;
use super::error::BenchError;
use super::folder::Database;
use super::{Options, Setting};

const THROUGHPUT: &str =
    "GET /projects with allow-list, ordinary window, gossip and lease, beside without";
const TOLD_APART: &str = "refusals of expired, revoked and unknown keys: difference in time";

const AIMS: &[Aim] = &[
    Aim::at_least(THROUGHPUT, "of it", 0.97),
    Aim::at_most(TOLD_APART, "%", 5.0),
];

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let mut report = Report::new("gate", AIMS);
    let Setting {
        folder,
        clock,
        entropy,
    } = setting;
    // Four gates, each with its pools.
    let settings = vec![("max_connections", 400.to_string())];
    let mut database = Database::start_with(folder, settings, clock, entropy).await?;
    let settings = conditions::postgres_settings(&mut database.connect().await?).await?;
    report.condition("postgres", settings);

    options.say("gate: decisions, one after another");
    let lease_nanos =
        decide::measure(&database.ours().await?, options, setting, &mut report).await?;

    let nats = folder.nats(clock, entropy).await?;
    let beside = Beside {
        plain: database.ours().await?,
        full: database.ours().await?,
        nats: nats.url(),
    };
    let compared = beside.measure(options, setting).await?;
    let lease = lease_nanos / (compared.plain.cpu_micros.median() * 1e3);
    let with_all = compared.throughput.median() * (1.0 - lease);
    report.reached(THROUGHPUT, with_all);
    report.ratio(
        "GET /projects: throughput, with allow-list, ordinary window and gossip / without",
        compared.throughput.median(),
    );
    report.ratio(
        "GET /projects: processor time a request, the same",
        compared.full.cpu_micros.median() / compared.plain.cpu_micros.median(),
    );
    report.ratio("the lease's part of a request's processor time", lease);
    let refused = compared.full.refused + compared.plain.refused;
    if refused > 0 {
        report.not_done(format!("{refused} reads were not answered 200"));
    }
    let reads = json!({
        "with": compared.full.to_json(),
        "without": compared.plain.to_json(),
        "throughput_with / without, each pair": compared.throughput.to_json(),
    });
    report.result("reads", reads);

    let alike = Alike::measure(&database.ours().await?, options, setting).await?;
    report.reached(TOLD_APART, alike.told_apart_percent());
    report.result("refusals_over_http", alike.to_json());
    nats.shut_down().await.map_err(BenchError::Server)?;
    database.shut_down().await?;
    for text in [
        "a lease cannot be switched off: its part is the time of two clock readings and the comparison, taken from what the \
         rest reaches",
        "'without' has no NATS, keys without an allow-list and a window that refuses nothing; 'with' has NATS, a list of \
         eight ranges of which the last fits, 6,000 requests a minute a key, and a peer that answers reads and gossips; \
         that peer works beside both",
        "the load generator shares the cores with the services, and TLS is not on",
    ] {
        report.not_done(text);
    }
    Ok(report)
}
