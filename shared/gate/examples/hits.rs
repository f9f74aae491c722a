//! How long a decision from the cache takes, how long a start, and how much memory a key.
//!
//! `cargo run --release -p gate --example hits -- [keys]`
#![expect(clippy::unwrap_used, reason = "a measurement")]
#![expect(clippy::print_stdout, reason = "its output")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use domain::credential::{CredentialKind, CredentialSecret};
use event_log::{Config, EventLog};
use gate::{Denial, Gate, Limiter, ReplicaConfig, ReplicaParts, VerifyConfig};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy};
use sqlx::PgPool;
use uuid::Uuid;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const BATCH: usize = 20_000;
const REQUESTS: usize = 3_000_000;
/// Keys whose requests are measured; each is used before, so that its window is there.
const USED: usize = 10_000;
/// Few enough to stay near the processor, many enough for their windows to last.
const FEW: usize = 3_000;

fn main() {
    let keys = std::env::args()
        .nth(1)
        .map_or(1_000_000, |text| text.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(keys));
}

async fn measure(keys: usize) {
    let database = testkit::postgres().await;
    let clock = Clock::system();
    let requests = fill(database.pool(), keys).await;
    println!("keys: {keys}");

    let lifecycle = Lifecycle::new(clock.clone());
    let tasks = lifecycle.handle();
    let before = resident();
    let began = clock.monotonic();
    let pool = database.pool_as("tga_query");
    let entropy = Entropy::os();
    let (log, _) = EventLog::new(
        pool.clone(),
        clock.clone(),
        entropy.clone(),
        Config::default(),
    );
    let limiter = Limiter::start(pool.clone(), clock.clone(), &tasks);
    let parts = ReplicaParts {
        primary: pool,
        log,
        nats: None,
        entropy,
    };
    let config = ReplicaConfig::new("hits");
    let gate = Gate::cached(limiter, parts, VerifyConfig::default(), &config, &tasks);
    gate.ready().wait_for(|ready| *ready).await.unwrap();
    let took = clock.monotonic().saturating_since(began);
    println!("seconds from start to ready: {:.2}", took.as_secs_f64());
    let per_key = (resident() - before) as f64 / keys as f64;
    println!("resident bytes per key: {per_key:.0}");

    for headers in &requests {
        authorize(&gate, headers, &clock).await;
    }
    let per_used = (resident() - before) as f64 - per_key * keys as f64;
    println!("more for each key in use: {:.0}", per_used / USED as f64);
    // Once without a look at the clock: the blocks of quota grow with the rate.
    hit(&gate, &requests, &clock, 2).await;
    for (threads, used) in [(1, USED), (2, USED), (1, FEW), (2, FEW)] {
        let some = &requests[..used.min(requests.len())];
        let each = hit(&gate, some, &clock, threads).await;
        println!(
            "{threads} threads, {used} keys: {} ns a decision each, {} ns of processor time",
            each.wall.as_nanos(),
            each.processor.as_nanos()
        );
    }
    lifecycle.shutdown(ShutdownPolicy::default()).await;
}

struct Each {
    wall: Duration,
    /// Of the whole process: what counts on a machine that does other things besides.
    processor: Duration,
}

async fn hit(gate: &Gate, requests: &[HeaderMap], clock: &Clock, threads: usize) -> Each {
    let (began, used) = (clock.monotonic(), processor_time());
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..threads {
        let gate = gate.clone();
        let requests = requests.to_vec();
        let clock = clock.clone();
        workers.spawn(async move {
            for index in 0..REQUESTS {
                let headers = &requests[(index * 7 + worker * 31) % requests.len()];
                authorize(&gate, headers, &clock).await;
            }
        });
    }
    workers.join_all().await;
    let each = u32::try_from(REQUESTS).unwrap();
    Each {
        wall: clock.monotonic().saturating_since(began) / each,
        processor: processor_time().saturating_sub(used) / each / u32::try_from(threads).unwrap(),
    }
}

/// While the blocks of quota grow, Postgres may be too busy.
async fn authorize(gate: &Gate, headers: &HeaderMap, clock: &Clock) {
    while let Err(denial) = gate.authorize(headers, PEER).await {
        assert_eq!(denial, Denial::VerificationUnavailable);
        clock.sleep(Duration::from_millis(100)).await;
    }
}

/// Orgs of 1,000 keys each; gives back requests of some of the keys.
async fn fill(pool: &PgPool, keys: usize) -> Vec<HeaderMap> {
    let entropy = Entropy::os();
    let mut requests = Vec::new();
    for start in (0..keys).step_by(BATCH) {
        let mut hashes = Vec::new();
        let (mut ids, mut orgs) = (Vec::new(), Vec::new());
        for index in start..keys.min(start + BATCH) {
            let random = entropy.bytes();
            let secret = CredentialSecret::generate(CredentialKind::ApiKey, &random);
            hashes.push(secret.hash().as_bytes().to_vec());
            ids.push(entropy.uuid_v4());
            orgs.push(Uuid::from_u128(index as u128 / 1_000 + 1));
            if index % (keys / USED).max(1) == 0 {
                let mut headers = HeaderMap::new();
                let value = format!("Bearer {}", secret.reveal());
                headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
                requests.push(headers);
            }
        }
        // Run at run time: no production code writes rows without events.
        sqlx::query(
            "insert into gate.orgs (org_id, plan, requests_per_day, requests_per_minute_per_key,
                 suspended, position)
             select distinct o, 'ultra', 100000000, 10000000, false, 0 from unnest($1::uuid[]) o
             on conflict do nothing",
        )
        .bind(&orgs)
        .execute(pool)
        .await
        .unwrap();
        sqlx::query(
            "insert into gate.credentials (hash, id, org_id, kind, status, scopes, strict,
                 owner_banned, rate_limit_per_minute, position)
             select h, i, o, 1, 1, 3, false, false, 6000, 0
             from unnest($1::bytea[], $2::uuid[], $3::uuid[]) as made (h, i, o)",
        )
        .bind(&hashes)
        .bind(&ids)
        .bind(&orgs)
        .execute(pool)
        .await
        .unwrap();
    }
    requests
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

/// Processor time of this process, to 10 ms.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|text| text.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}
