//! The day's quota across processes.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::ids::OrgId;
use domain::plan::LimitKey;
use gate::{Denial, Policy};
use sqlx::PgPool;
use testkit::Proxy;

use crate::support::{Command, KeySpec, Replica, limit, proxied};

/// What Postgres has handed out today.
async fn reserved(pool: &PgPool, org: OrgId) -> i64 {
    // Run at run time: a test's own look at one table.
    sqlx::query_scalar(
        "select coalesce(sum(reserved), 0)::bigint from gate.quota where org_id = $1",
    )
    .bind(org.as_uuid())
    .fetch_one(pool)
    .await
    .unwrap()
}

fn fast() -> KeySpec {
    KeySpec {
        rate: 1_000_000,
        ..KeySpec::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_and_a_crash_never_admit_more_than_the_limit() {
    const LIMIT: u64 = 2_000;
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let org = command.org_with_day(LIMIT).await;
    command
        .append(
            org,
            vec![limit(LimitKey::MaxRequestsPerMinutePerKey, 1_000_000)],
        )
        .await;
    let key = command.key_with(org, fast()).await;
    let query = database.pool_as("tga_query");
    let mut replicas = Vec::new();
    for _ in 0..4 {
        replicas.push(Replica::start(query.clone(), None).await);
    }
    let admitted = AtomicU64::new(0);
    let ask = async |replica: &Replica, times: u64| {
        for _ in 0..times {
            match replica.ask(&key).await {
                Ok(_) => drop(admitted.fetch_add(1, Ordering::Relaxed)),
                Err(Denial::RateLimited(limited)) => assert_eq!(limited.policy, Policy::OrgDay),
                Err(denial) => panic!("{denial}"),
            }
        }
    };
    // One of them dies with what it holds.
    ask(&replicas[3], 300).await;
    replicas[3].kill();
    let lost = LIMIT / 32;
    tokio::join!(
        ask(&replicas[0], 900),
        ask(&replicas[1], 900),
        ask(&replicas[2], 900),
    );
    let admitted = admitted.load(Ordering::Relaxed);
    assert!(admitted <= LIMIT, "{admitted}");
    // Beside the dead one's block and one that a busy Postgres granted too late, the others may each
    // hold one request back.
    assert!(admitted >= LIMIT - 2 * lost - 3, "{admitted}");
    let granted = u64::try_from(reserved(database.pool(), org).await).unwrap();
    assert!((admitted..=LIMIT).contains(&granted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_day_is_429_with_its_numbers_and_a_stop_gives_the_rest_back() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let org = command.org_with_day(10).await;
    let key = command.key(org).await;
    let replica = Replica::start(database.pool_as("tga_query"), None).await;
    for left in (5..10).rev() {
        let rate = replica.ask(&key).await.unwrap().rate;
        let day = rate.day.unwrap();
        assert_eq!((day.limit, day.remaining), (10, left));
        assert!((1..=86_400).contains(&day.reset_seconds));
        assert_eq!(rate.standings().count(), 2);
    }
    replica.stop().await;
    assert_eq!(reserved(database.pool(), org).await, 5);

    let replica = Replica::start(database.pool_as("tga_query"), None).await;
    let mut left = 0;
    for _ in 0..5 {
        left = replica.ask(&key).await.unwrap().rate.minute.remaining;
    }
    let Err(Denial::RateLimited(limited)) = replica.ask(&key).await else {
        panic!("ten of ten are used up")
    };
    assert_eq!((limited.policy, limited.limit), (Policy::OrgDay, 10));
    assert!(limited.retry_after_seconds >= 1);
    assert_eq!(limited.rate.day.unwrap().remaining, 0);
    // The window took its place.
    assert_eq!(limited.rate.minute.remaining, left - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_postgres_away_only_the_block_in_hand_is_used() {
    let database = testkit::postgres().await;
    let proxy = Proxy::to(database.options().get_port()).await;
    let command = Command::start(database.pool().clone(), None);
    let org = command.org().await;
    let key = command.key_with(org, fast()).await;
    let replica = Replica::start(proxied(database.options(), proxy.port()), None).await;
    replica.ask(&key).await.unwrap();
    proxy.cut();
    let mut served = 1;
    let denial = loop {
        match replica.ask_once(&key).await {
            Ok(_) => served += 1,
            Err(denial) => break denial,
        }
    };
    assert_eq!(denial, Denial::VerificationUnavailable);
    assert!((8..2_000).contains(&served), "{served}");
    proxy.heal();
    replica.ask(&key).await.unwrap();
}
