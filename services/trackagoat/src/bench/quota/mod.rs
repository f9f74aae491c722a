//! `quota`: what of an org's day three query services admit while they are killed and Postgres
//! stands still: never more than the limit, and how much less.

mod caller;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;
use uuid::Uuid;

use self::caller::Calls;
use super::aim::{Aim, Report, rounded};
use super::error::BenchError;
use super::fleet::{Fleet, Org};
use super::stats::float;
use super::{Options, Setting};

const AIMS: &[Aim] = &[
    Aim::at_most(OVER, "requests", 0.0),
    Aim::at_most(UNDER_IN_HEALTH, "of the limit", 0.001),
    Aim::at_most(UNDER_IN_ORDER, "of the limit", 0.001),
    Aim::at_most(UNDER_A_KILL, "of the limit", 1.0 / 32.0),
    Aim::at_most(UNDER_A_STALL, "of the limit", 3.0 / 32.0),
];
const OVER: &str = "admitted beyond the day's limit, under any fault";
const UNDER_IN_HEALTH: &str = "not admitted of the day, nothing went wrong";
const UNDER_IN_ORDER: &str = "not admitted of the day, each replica restarted in order";
const UNDER_A_KILL: &str = "not admitted of the day, for each kill -9 of a replica";
const UNDER_A_STALL: &str = "not admitted of the day, Postgres stood still for 2 s or was killed";

const REPLICAS: usize = 3;
const CONNECTIONS_EACH: usize = 6;
const STALL: Duration = Duration::from_secs(2);
/// How long a day of that size may take to be spent.
const SPENT_WITHIN: Duration = Duration::from_mins(4);
const LOOK: Duration = Duration::from_millis(2);

/// What happens while a day is used up; each at a quarter, half and three quarters of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// Replicas end in order, one after the other, and others take their place.
    Restart,
    /// Replicas are killed.
    Kill,
    /// Postgres stands still.
    Stall,
    /// Postgres is killed, and starts again.
    Crash,
    /// A replica is killed, Postgres stands still, then is killed.
    All,
}

impl Fault {
    const EACH: [Self; 6] = [
        Self::Nothing,
        Self::Restart,
        Self::Kill,
        Self::Stall,
        Self::Crash,
        Self::All,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Restart => "each replica restarted in order",
            Self::Kill => "each replica killed",
            Self::Stall => "Postgres stood still three times",
            Self::Crash => "Postgres killed three times",
            Self::All => "a replica killed, Postgres stood still, Postgres killed",
        }
    }

    /// The name of the aim that it is about, and what its figure is divided by.
    const fn aim(self) -> Option<(&'static str, u32)> {
        match self {
            Self::Nothing => Some((UNDER_IN_HEALTH, 1)),
            Self::Restart => Some((UNDER_IN_ORDER, 1)),
            Self::Kill => Some((UNDER_A_KILL, 3)),
            Self::Stall | Self::Crash => Some((UNDER_A_STALL, 3)),
            Self::All => None,
        }
    }
}

/// What became of one day.
#[derive(Clone, Copy, Debug)]
struct Spent {
    limit: u64,
    admitted: u64,
    unanswered: u64,
    unavailable: u64,
    /// What Postgres has handed out.
    reserved: u64,
}

impl Spent {
    fn under(&self) -> f64 {
        float(self.limit.saturating_sub(self.admitted)) / float(self.limit)
    }

    fn over(&self) -> u64 {
        self.admitted.max(self.reserved).saturating_sub(self.limit)
    }

    fn to_json(self) -> Value {
        json!({
            "limit": self.limit,
            "admitted": self.admitted,
            "not_admitted_of_the_limit": rounded(self.under()),
            "sent_and_never_answered": self.unanswered,
            "answered_503": self.unavailable,
            "handed_out_by_postgres": self.reserved,
        })
    }
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let mut report = Report::new("quota", AIMS);
    let limit = if options.quick { 2_000 } else { 20_000 };
    let repeats = if options.quick { 1 } else { 3 };
    let mut fleet = Fleet::of_none(setting).await?;
    let mut days = Vec::new();
    for _ in 0..repeats {
        for fault in Fault::EACH {
            let org = Org {
                requests_per_day: Some(limit),
                ..Org::new(setting)
            };
            let key = org.write(&fleet.url, 1, setting).await?.remove(0);
            days.push((fault, org.id, key));
        }
    }
    for _ in 0..REPLICAS {
        fleet.add(setting).await?;
    }
    let today = day(&fleet.url).await?;
    let mut found = Vec::new();
    for (number, (fault, org, key)) in days.into_iter().enumerate() {
        options.step(fault.name(), number / Fault::EACH.len(), repeats);
        let spent = spend(fault, limit, key, &mut fleet, setting).await?;
        let reserved = reserved(&fleet.url, org).await?;
        found.push((fault, Spent { reserved, ..spent }));
    }
    if day(&fleet.url).await? != today {
        report.not_done("midnight UTC passed meanwhile, and with it one of the days: run it again");
    }
    fleet.stop().await?;
    judge(&found, &mut report);
    report.condition("replicas", REPLICAS);
    report.condition("requests_a_day", limit);
    report.condition("connections", REPLICAS * CONNECTIONS_EACH);
    report.condition("repeats", repeats);
    report.not_done("requests that were sent and never answered may have been admitted: they count as not admitted");
    Ok(report)
}

/// Has a day used up while things go wrong.
async fn spend(
    fault: Fault,
    limit: u32,
    key: String,
    fleet: &mut Fleet,
    setting: &Setting,
) -> Result<Spent, BenchError> {
    let clock = &setting.clock;
    let calls = Arc::new(Calls::new(key, fleet.targets()?));
    let mut callers = JoinSet::new();
    for replica in (0..REPLICAS).cycle().take(REPLICAS * CONNECTIONS_EACH) {
        callers.spawn(Arc::clone(&calls).call(replica, clock.clone()));
    }
    let spending = async {
        for step in 0..3 {
            let from = u64::from(limit) * (step + 1) / 4;
            while calls.admitted.load(Ordering::Relaxed) < from {
                clock.sleep(LOOK).await;
            }
            go_wrong(fault, step, &calls, fleet, setting).await?;
        }
        calls.is_calm.store(true, Ordering::Relaxed);
        while let Some(joined) = callers.join_next().await {
            joined.map_err(|error| BenchError::Wrong(error.to_string()))??;
        }
        Ok::<_, BenchError>(())
    };
    let spent = clock.timeout(SPENT_WITHIN, spending).await;
    spent.map_err(|source| BenchError::Late {
        what: "the end of the day",
        source,
    })??;
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    Ok(Spent {
        limit: limit.into(),
        admitted: read(&calls.admitted),
        unanswered: read(&calls.unanswered),
        unavailable: read(&calls.unavailable),
        reserved: 0,
    })
}

async fn go_wrong(
    fault: Fault,
    step: u64,
    calls: &Calls,
    fleet: &mut Fleet,
    setting: &Setting,
) -> Result<(), BenchError> {
    let replica = usize::try_from(step).unwrap_or(0) % REPLICAS;
    match (fault, step) {
        (Fault::Nothing, _) => return Ok(()),
        (Fault::Restart, _) => fleet.restart(replica, setting).await?,
        (Fault::Kill, _) | (Fault::All, 0) => fleet.replace(replica, setting).await?,
        (Fault::Stall, _) | (Fault::All, 1) => {
            fleet.database.pause();
            setting.clock.sleep(STALL).await;
            fleet.database.resume();
            return Ok(());
        }
        (Fault::Crash | Fault::All, _) => return fleet.database.crash().await,
    }
    calls.move_to(replica, fleet.targets()?[replica]);
    Ok(())
}

fn judge(found: &[(Fault, Spent)], report: &mut Report) {
    let over = found.iter().map(|(_, spent)| spent.over()).max();
    report.reached(OVER, float(over.unwrap_or(0)));
    for aim in AIMS.iter().skip(1).map(Aim::name) {
        let of_it = found.iter().filter_map(|(fault, spent)| {
            let (_, divided) = fault.aim().filter(|(name, _)| *name == aim)?;
            Some(spent.under() / f64::from(divided))
        });
        report.reached(aim, of_it.fold(0.0, f64::max));
    }
    for fault in Fault::EACH {
        let days = found.iter().filter(|(other, _)| *other == fault);
        let days: Vec<_> = days.map(|(_, spent)| spent.to_json()).collect();
        report.result(fault.name(), days);
    }
}

/// What Postgres has handed out of the org's day.
async fn reserved(url: &str, org: Uuid) -> Result<u64, BenchError> {
    let mut connection = PgConnection::connect(url).await?;
    let reserved: i64 = sqlx::query_scalar(
        "select coalesce(sum(reserved), 0)::bigint from gate.quota where org_id = $1",
    )
    .bind(org)
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    u64::try_from(reserved).map_err(|_| BenchError::Wrong("less than nothing is reserved".into()))
}

/// The day as Postgres names it.
async fn day(url: &str) -> Result<String, BenchError> {
    let mut connection = PgConnection::connect(url).await?;
    let day = sqlx::query_scalar("select (clock_timestamp() at time zone 'UTC')::date::text")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_all_days_counts() {
        let spent = |admitted, reserved| Spent {
            limit: 1_000,
            admitted,
            unanswered: 0,
            unavailable: 0,
            reserved,
        };
        let found = [
            (Fault::Nothing, spent(1_000, 1_000)),
            (Fault::Restart, spent(999, 1_000)),
            (Fault::Kill, spent(970, 1_000)),
            (Fault::Kill, spent(940, 1_000)),
            (Fault::Stall, spent(1_000, 1_000)),
            (Fault::Crash, spent(1_000, 1_001)),
            (Fault::All, spent(1_000, 1_000)),
        ];
        let mut report = Report::new("quota", AIMS);
        judge(&found, &mut report);
        let json = report.to_json();
        let reached = |index: usize| json["aims"][index]["reached"].as_f64();
        let all = [0, 1, 2, 3, 4].map(reached);
        assert_eq!(all, [1.0, 0.0, 0.001, 0.02, 0.0].map(Some));
    }
}
