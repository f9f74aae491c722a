//! What is remembered of requests.

use sqlx::PgPool;
use testkit::eventually;

use crate::support::{Command, Key, KeySpec, Replica, SOON};

async fn counts(pool: &PgPool, key: &Key) -> Option<(i64, i64)> {
    // Run at run time: a test's own look at one table.
    sqlx::query_as(
        "select sum(requests)::bigint, sum(refused)::bigint from gate.usage
         where credential_id = $1 and last_used_at > now() - interval '1 minute'
         having count(*) > 0",
    )
    .bind(key.id.as_uuid())
    .fetch_optional(pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_use_is_stored_at_once_and_the_rest_when_the_process_stops() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let org = command.org().await;
    let spec = KeySpec {
        rate: 5,
        ..KeySpec::default()
    };
    let key = command.key_with(org, spec).await;
    let unused = command.key(org).await;
    let other = command.key(org).await;
    let replica = Replica::start(database.pool_as("tga_query"), None).await;
    // Fetches the org's quota, so that no later request has to wait for it.
    replica.ask(&other).await.unwrap();
    replica.ask(&key).await.unwrap();
    eventually(SOON, "the first use is stored", async || {
        counts(database.pool(), &key).await
    })
    .await;
    for _ in 0..6 {
        let _ = replica.ask(&key).await;
    }
    replica.stop().await;
    assert_eq!(counts(database.pool(), &key).await, Some((5, 2)));
    assert_eq!(counts(database.pool(), &unused).await, None);
}

/// Of what is older than anybody may ask for, the times of last use stay.
#[tokio::test(flavor = "multi_thread")]
async fn old_counts_are_dropped_but_the_newest_of_each_credential_and_scope() {
    let database = testkit::postgres().await;
    // Run at run time: a test's own rows.
    let superuser = database.pool();
    for statement in [
        "insert into gate.usage (credential_id, day, org_id, requests, refused, last_used_at)
         select id, day::date, gen_random_uuid(), 1, 0, day::date
         from (values
            ('00000000-0000-0000-0000-000000000001'::uuid, '2026-01-01'),
            ('00000000-0000-0000-0000-000000000001', '2026-01-02'),
            ('00000000-0000-0000-0000-000000000001', '2026-06-01'),
            ('00000000-0000-0000-0000-000000000002', '2026-01-01'),
            ('00000000-0000-0000-0000-000000000002', '2026-01-02')) as used (id, day)",
        "insert into gate.usage_by_route
         select gen_random_uuid(), '2026-01-01', 'GET', '/projects', 'read', 1, '2026-01-01'",
        "insert into gate.usage_by_route
         select credential_id, more.day, more.method, more.route, more.scope, 1, more.day
         from gate.usage_by_route, (values
            ('2026-01-02'::date, 'GET', '/creators', 'read'),
            ('2026-01-01', 'POST', '/projects', 'write'),
            ('2026-01-01', 'GET', '/orgs', null),
            ('2026-06-01', 'GET', '/orgs', null)) as more (day, method, route, scope)",
        "insert into gate.quota
         select gen_random_uuid(), day::date, 5
         from unnest(array['2026-01-01', '2026-01-02', '2026-06-01', '2999-01-01']) as handed_out (day)",
    ] {
        sqlx::query(statement).execute(superuser).await.unwrap();
    }
    let prune = async || -> i64 {
        sqlx::query_scalar(
            "select gate.prune_usage('2026-05-01', 1) + gate.prune_quota('2026-05-01', 1)",
        )
        .fetch_one(&database.pool_as("tga_query"))
        .await
        .unwrap()
    };
    let mut dropped = Vec::new();
    while dropped.last() != Some(&0) {
        dropped.push(prune().await);
    }
    assert!(
        dropped.len() > 2,
        "at most one of each at a time: {dropped:?}"
    );
    let left: Vec<(String, i64)> = sqlx::query_as(
        "select 'day ' || day, count(*) from gate.usage group by day
         union all select method || ' ' || route || ' ' || day, count(*) from gate.usage_by_route
         group by method, route, day
         union all select 'quota ' || day, count(*) from gate.quota group by day",
    )
    .fetch_all(superuser)
    .await
    .unwrap();
    // What of today and later was handed out stays, whatever is asked for.
    let all: i64 = sqlx::query_scalar("select gate.prune_quota('3000-01-01', 1000)")
        .fetch_one(&database.pool_as("tga_query"))
        .await
        .unwrap();
    let quotas: Vec<String> = sqlx::query_scalar("select day::text from gate.quota")
        .fetch_all(superuser)
        .await
        .unwrap();
    assert_eq!(all, 1);
    assert_eq!(quotas, ["2999-01-01"]);
    let mut left: Vec<_> = left.iter().map(|(what, n)| (what.as_str(), *n)).collect();
    left.sort_unstable();
    assert_eq!(
        left,
        [
            ("GET /creators 2026-01-02", 1),
            ("GET /orgs 2026-06-01", 1),
            ("POST /projects 2026-01-01", 1),
            ("day 2026-01-02", 1),
            ("day 2026-06-01", 1),
            ("quota 2026-06-01", 1),
            ("quota 2999-01-01", 1),
        ]
    );
}
