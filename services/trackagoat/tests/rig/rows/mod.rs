//! One function for each row of the matrix (faults.md 3).

mod certificates;
pub mod clocks;
mod commands;
mod denials;
pub mod faults;
mod fleet;
mod floods;
mod half_open;
mod handler;
mod ingest;
mod links;
mod loads;
pub mod memory;
mod messages;
mod nats_disk;
mod overrun;
pub mod pairs;
mod partitions;
mod play;
mod primary;
mod quotas;
mod replicas;
pub mod restore;
mod scenes;
mod soak;
mod storage;
mod upgrade;

use std::time::Duration;

use api::v1::{ReplicaState, ReplicaWait};
use futures_util::future::LocalBoxFuture;
use runtime::clock::Clock;
use sqlx::{Connection, PgConnection};
use testkit::eventually;
use tokio::task::JoinHandle;
use uuid::Uuid;

use self::faults::Deliberate;
use self::pairs::Fault;
use crate::limits::{BOUND, QUERIES, RENEWAL, SOON};
use crate::rig::Rig;
use crate::seen::Revoked;
use crate::setup::DATABASE;

/// The query services.
const REPLICAS: [&str; QUERIES] = ["q1", "q2", "q3"];

/// What only the rig sees, and must have happened.
pub fn own_counters(deep: bool) -> &'static [&'static str] {
    let brief = OWN_COUNTERS.len() - 1;
    if deep {
        OWN_COUNTERS
    } else {
        &OWN_COUNTERS[..brief]
    }
}

const OWN_COUNTERS: &[&str] = &[
    "barrier ended by a renewal's position",
    "joined during a revocation",
    "retried after a crash",
    "outcome of a commit unknown",
    "forged and repeated messages",
    // Of a deep run alone.
    "epoch changed",
];

/// What a row cannot be run without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    Namespaces,
    FakeTime,
    /// Both.
    TurnedAndCut,
    Groups,
    /// One that can fail.
    Disk,
    BaseBackup,
    /// Groups that limit memory.
    Memory,
    /// A binary that can be asked for more than a service does.
    Drill,
    /// A machine that can be paused with all that runs in it.
    Machine,
    /// Something that real processes do not have, for this reason.
    Elsewhere(&'static str),
    /// A binary that was built with deliberate faults, and all else that its scenes take.
    Mutants,
}

/// A row.
pub struct Row {
    pub name: String,
    pub about: &'static str,
    /// All of it.
    pub needs: Vec<Needs>,
    body: Body,
}

#[derive(Clone, Copy)]
enum Body {
    One(Run),
    Pair(Fault, Fault),
    Deliberate(Deliberate),
}

type Run = for<'a> fn(&'a mut Rig) -> LocalBoxFuture<'a, ()>;

impl Row {
    /// Whether it leaves behind what other rows would meet.
    fn is_last(&self) -> bool {
        matches!(self.body, Body::Deliberate(fault) if fault.is_last())
    }

    /// Whether it is there to show a deliberate fault.
    pub fn must_be_seen(&self) -> bool {
        matches!(self.body, Body::Deliberate(fault) if fault.must_be_seen())
    }

    pub async fn run(&self, rig: &mut Rig) {
        match self.body {
            Body::One(run) => run(rig).await,
            Body::Pair(first, second) => pairs::run(rig, first, second).await,
            Body::Deliberate(fault) => faults::run(rig, fault).await,
        }
    }
}

macro_rules! rows {
    ($($name:literal $needs:ident $run:path, $about:literal;)+) => {
        vec![$(Row {
            name: $name.to_owned(),
            about: $about,
            needs: vec![Needs::$needs],
            body: Body::One(|rig| Box::pin($run(rig))),
        }),+]
    };
}

/// The rows of a run, in their order.
pub fn all(deep: bool) -> Vec<Row> {
    let mut rows = rows! {
        "0" Nothing replicas::healthy, "no fault";
        "0b" Nothing denials::in_health, "rights that end otherwise than with their key";
        "1" Nothing replicas::killed, "replica killed";
        "2" Nothing replicas::stopped, "replica stopped, then continued";
        "6" Nothing commands::killed_before_it_told, "command killed after commit, before publish";
        "7" Nothing commands::killed_in_its_barrier, "command killed during the barrier";
        "9" Nothing commands::answer_to_commit_lost, "answer to COMMIT lost";
        "10" Namespaces partitions::from_postgres, "replica cut off from Postgres";
        "11" Namespaces partitions::from_nats, "replica cut off from NATS";
        "12" Namespaces partitions::from_both, "replica cut off from both";
        "13" Namespaces partitions::one_way, "one-way drops";
        "17" Nothing messages::late, "delay and jitter on the way to both servers";
        "17b" Nothing loads::overtaken, "a load that a change overtakes";
        "20" Nothing primary::restarted, "Postgres restarted, fast and immediate";
        "21" Nothing primary::killed, "Postgres backend, postmaster killed";
        "22" Nothing primary::stopped, "Postgres stopped";
        "28" Nothing messages::nats_lost, "NATS killed, stopped, its store wiped";
        "30" Nothing messages::forged, "messages forged, repeated, reordered";
        "33" BaseBackup restore::to_before_a_revoke, "restore to before a revoke, from a base backup and archived WAL";
        "34" FakeTime clocks::within_bound, "replica clocks within the bound";
        "35" TurnedAndCut clocks::out_of_bound, "control: replica clock out of bound";
        "39" Nothing fleet::join_storm, "replicas join and leave";
        "40" Nothing fleet::twins, "one name twice, one of them paused";
    };
    if deep {
        rows.extend(rows! {
            "0c" Namespaces denials::amid_faults, "the same, a replica stopped, cut off; NATS killed";
            "0d" Nothing denials::end_comes, "an expiry that was brought forward comes";
            "0e" Nothing quotas::in_health, "window and day across replicas";
            "0f" Namespaces quotas::amid_faults, "the same, one killed, then all cut off from each other";
            "3" Groups replicas::frozen, "replica frozen";
            "4" Groups replicas::starved, "replica starved of processor time";
            "8" Nothing commands::stopped_in_its_barrier, "command stopped during the barrier";
            "14" Namespaces links::command_cut_off, "command cut off from NATS, from Postgres";
            "15" Namespaces links::flapping, "flapping link; all links clogged in turn";
            "16" Namespaces links::lossy, "loss of 1, 10, 30 %";
            "18" Namespaces links::narrow, "64 kbit/s";
            "5" Drill handler::stopped_inside, "stopped inside the handler";
            "19" Namespaces half_open::half_open, "half-open connections";
            "26" Nothing primary::without_connections, "connections exhausted";
            "27" Nothing primary::head_lock_held, "head lock held";
            "31" Nothing overrun::slow_consumer, "slow consumer";
            "33b" Nothing primary::another_epoch, "another life of the log, without a restore";
            "36" TurnedAndCut clocks::fast_coordinator, "coordinator clock fast; control: far too fast";
            "37" FakeTime clocks::wall_clocks, "wall clocks an hour off";
            "38" Namespaces clocks::other_origins, "other clock origins";
            "42" Nothing fleet::cold_start, "cold start of all";
            "43" Namespaces fleet::stampede, "all replicas fenced, and back";
            "44" Memory memory::exhausted, "memory exhausted";
            "45" Nothing replicas::without_descriptors, "descriptors exhausted";
            "46" Nothing floods::hostile, "slow heads, HTTP/2 floods";
            "47" Namespaces certificates::rotated, "certificates expire and rotate";
            "49" Machine unreachable, "a virtual machine paused";
            "50" Nothing primary::migrated, "schema migration under load";
            "51" Nothing ingest::bulk, "head lock contended by bulk ingest";
            "52" Nothing primary::commit_stalls, "a commit that stalls";
            "23" Disk storage::power_lost, "power loss under Postgres; controls: fsync off, nobody waits for the log";
            "24" Disk storage::full, "disk full: data, then WAL";
            "25" Disk storage::failing, "EIO and ENOSPC on write and sync";
            "29" Disk nats_disk::ruined, "NATS: power loss, truncated block, flipped bit";
        });
        rows.extend(all_pairs());
        rows.extend(rows! {
            "48" Nothing soak::mixed, "random faults, alone and together";
            "41" Drill upgrade::rolled, "rolling upgrade, a new deny event";
        });
        // Behind everything else, since what it allows stays allowed.
        rows.extend(rows! {
            "53" Nothing fleet::lease_terms, "leases of 1, 2 and 5 s";
        });
    }
    // Behind everything else: after it, replicas that ran before serve by VERIFY alone.
    rows.extend(rows! {
        "32" Nothing messages::unknown_event, "unknown auth event";
    });
    rows
}

fn all_pairs() -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, (first, number)) in Fault::ALL.into_iter().enumerate() {
        for (second, other) in Fault::ALL.into_iter().skip(index + 1) {
            rows.push(Row {
                name: format!("{number}+{other}"),
                about: "two faults at once",
                needs: vec![first.needs(), second.needs()],
                body: Body::Pair(first, second),
            });
        }
    }
    rows
}

/// What a round's revocations came to; a revocation that could not be had ends the row.
async fn done(revoking: JoinHandle<Vec<Revoked>>) -> Vec<Revoked> {
    match revoking.await {
        Ok(revoked) => revoked,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// How many of these revocations are in the log, which is asked until it answers.
async fn in_log(rig: &Rig, revoked: &[Revoked]) -> usize {
    let subjects: Vec<_> = revoked
        .iter()
        .map(|one| format!("keys/{}", one.key))
        .collect();
    let count = "select count(*) from log.events where type = 'key.revoked' and subject = any($1)";
    let url = rig.postgres.url(DATABASE);
    let count: i64 = eventually(SOON, "the log answers", async || {
        // Connections of the pool may have ended with a former Postgres.
        let mut connection = PgConnection::connect(&url).await?;
        let count = sqlx::query_scalar(count).bind(&subjects);
        count.fetch_one(&mut connection).await
    })
    .await;
    usize::try_from(count).expect("a count")
}

/// A row that no machine can run, as what it needs says.
async fn unreachable(rig: &mut Rig) {
    rig.found.problems.push("it cannot be run".to_owned());
}

/// A fault that lasts.
async fn lasts(duration: Duration) {
    Clock::system().sleep(duration).await;
}

/// How a barrier says that it ended for one replica; none if it did not wait for it.
fn wait_for(revoked: &Revoked, replica: Uuid) -> Option<&ReplicaWait> {
    let barrier = revoked.receipt.barrier.as_ref()?;
    let mut replicas = barrier.replicas.iter();
    replicas.find(|one| one.incarnation.as_uuid() == replica)
}

/// Expects that every barrier ended in that way for the replica.
fn expect_state(rig: &mut Rig, revoked: &[Revoked], replica: Uuid, states: &[ReplicaState]) {
    for one in revoked {
        let state = wait_for(one, replica).map(|wait| wait.state);
        let is_so = state.is_some_and(|state| states.contains(&state));
        rig.found.expect(is_so, || {
            format!(
                "the barrier of {} says {state:?} of the replica, not {states:?}",
                one.key
            )
        });
    }
}

/// Expects that nobody took a silent replica for one that had applied: a barrier ends when its lease
/// has run out, or when its row has been collected, which is no sooner. `since` is when it fell
/// silent; its last renewal may have been a period earlier.
fn expect_waited(rig: &mut Rig, revoked: &[Revoked], silent: Uuid, since: u64) {
    let collected = since + nanos(BOUND) - nanos(RENEWAL);
    for one in revoked {
        let state = wait_for(one, silent).map(|wait| wait.state);
        let is_right = match state {
            Some(ReplicaState::Expired) => one.waited() >= BOUND,
            Some(ReplicaState::Left) | None => one.returned >= collected,
            Some(ReplicaState::Acked) => false,
        };
        rig.found.expect(is_right, || {
            let waited = one.waited().as_millis();
            format!("a silent replica is {state:?} after a wait of {waited} ms")
        });
    }
}

/// The one lease of a replica.
async fn lease(rig: &Rig, replica: &str) -> Uuid {
    let all = rig.incarnations(replica).await;
    assert!(all.len() == 1, "{replica} has {} leases", all.len());
    all[0]
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
