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
