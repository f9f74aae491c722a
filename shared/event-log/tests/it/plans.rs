//! Rule 29: each hot query reads by an index, whatever the size of the tables; and full partitions
//! are folded.

use event_log::Sweeper;
use sqlx::PgPool;
use testkit::postgres;

use crate::support::{Process, SOON, append, event, org, request, version};

/// The nodes of a plan that read a whole table.
async fn scans(pool: &PgPool, query: &str) -> Vec<String> {
    let mut connection = pool.acquire().await.unwrap();
    // The queries are literals of this module.
    let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("explain {query}")))
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    // The partition that lies ahead is empty, and of requests for seals there are a thousand at most:
    // reading all of it costs nothing.
    let is_small = |line: &str| {
        ["events_000001", "seal_requests"]
            .iter()
            .any(|name| line.contains(name))
    };
    plan.into_iter()
        .filter(|line| line.contains("Seq Scan") && !is_small(line))
        .collect()
}

#[tokio::test]
async fn no_hot_query_reads_a_whole_table() {
    let db = postgres().await;
    let pool = db.pool();
    let seed = [
        "insert into log.events select n, n, null, now(), 0, 1, gen_random_uuid(), gen_random_uuid(),
             't', 's', 'system', 'c', '', '', null, '{}' from generate_series(1, 20000) n",
        "insert into log.streams select gen_random_uuid(), 0, 1, '' from generate_series(1, 20000)",
        "insert into log.idempotency select gen_random_uuid(), 'k', '', '', 1, '', 1, 1, now()
         from generate_series(1, 20000)",
        "insert into log.reading_keys select gen_random_uuid(), 1, gen_random_uuid(), now(), 1, 1, ''
         from generate_series(1, 20000)",
        "insert into gate.credentials select sha256(n::text::bytea), gen_random_uuid(), gen_random_uuid(),
             1, 1, 3, false, gen_random_uuid(), false, 60, null, null, null, 1
         from generate_series(1, 20000) n",
        "insert into log.checkpoints select gen_random_uuid(), n, sha256(''), now(), '', ''
         from generate_series(1, 20000) n",
        "insert into log.seals select gen_random_uuid(), gen_random_uuid(), 1, now(), now(), '', ''
         from generate_series(1, 20000)",
        "insert into log.seal_requests select gen_random_uuid(), now() from generate_series(1, 1000)",
        "insert into log.archived select n, n, gen_random_uuid(), '', sha256(''), sha256(''), sha256(''), 0, '{}', now()
         from generate_series(1, 20000) n",
        "analyze",
    ];
    for statement in seed {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    let some = "'0192f0c1-2b7e-7c00-8000-00000000abcd'::uuid";
    for query in [
        "select data from log.events where position > 500 and position <= 1500 order by position".to_owned(),
        format!("select data from log.events where org_id = {some} and stream = 0 and version > 3 and version <= 9 order by version"),
        "select data from log.events where auth_prev is not null and position > 5 order by position limit 10".to_owned(),
        format!("select version from log.streams where org_id = {some} and stream = 0"),
        format!("select answer from log.idempotency where org_id = {some} and key = 'k'"),
        "select key from log.idempotency where recorded_at <= now() - interval '1 day' order by recorded_at limit 1000".to_owned(),
        format!("select position from log.reading_keys where org_id = {some} and kind = 1 and subject = {some} and (carries & 1 <> 0 or former[1] is not null) order by observed_at desc limit 1"),
        "select id from gate.credentials where hash = '\\x00'".to_owned(),
        format!("select status from gate.credentials where id = any(array[{some}])"),
        format!("select note from log.checkpoints order by tree_size desc, epoch <> {some} limit 1"),
        format!("select exists (select from log.checkpoints where tree_size = 5 and epoch = {some} and root <> '\\x00')"),
        "select r.org_id from log.seal_requests r where not exists (select from log.seals s
             where s.org_id = r.org_id and s.signed_at > now() - interval '3 s' and s.signed_at <= now())
         order by r.asked_at limit 64".to_owned(),
        "select a.first, (select max(upto) from log.archived) from log.archived a
         where a.upto >= 700 order by a.upto limit 1".to_owned(),
        format!("update gate.credentials set owner_banned = true where org_id = {some} and owner_id = {some}"),
    ] {
        assert_eq!(scans(pool, &query).await, Vec::<String>::new(), "{query}");
    }
}

#[tokio::test]
async fn the_indexes_that_are_relied_on_are_there() {
    let db = postgres().await;
    let unique: Vec<String> = sqlx::query_scalar(
        "select regexp_replace(indexdef, '.* USING ', '') from pg_indexes
         where schemaname = 'log' and tablename = 'events_000001' and indexdef like 'CREATE UNIQUE%'
         order by 1",
    )
    .fetch_all(db.pool())
    .await
    .unwrap();
    assert_eq!(
        unique,
        [
            "btree (\"position\")",
            "btree (event_id)",
            "btree (org_id, stream, version)"
        ]
    );
}

/// A full partition is folded into `log.streams`, and its streams go on from there.
#[tokio::test]
async fn a_stream_goes_on_in_the_next_partition() {
    let db = postgres().await;
    let one = org();
    {
        let process = Process::start(db.pool().clone());
        append(&process.log, one, vec![event(), event()]).await;
        process.stop().await;
    }
    // As if ten million events had been appended: the head is at the end of the partition.
    sqlx::query("update log.head set position = 9999999")
        .execute(db.pool())
        .await
        .unwrap();
    let process = Process::start(db.pool().clone());
    let across = append(&process.log, one, vec![event(), event(), event()]).await;
    assert_eq!(across.first.get(), 10_000_000);
    assert_eq!(across.version, Some(version(5)));
    // Once the caller was answered.
    testkit::eventually(SOON, "the next partition lies ahead", async || {
        let partitions: i64 = sqlx::query_scalar(
            "select count(*) from pg_inherits where inhparent = 'log.events'::regclass",
        )
        .fetch_one(db.pool())
        .await
        .unwrap();
        partitions == 3
    })
    .await;

    // Folding ten million empty positions step by step would take long: it is nearly done.
    sqlx::query("update log.folded set progress = 9990000")
        .execute(db.pool())
        .await
        .unwrap();
    Sweeper::new(process.log.clone()).fold().await.unwrap();
    let folded: i64 = sqlx::query_scalar("select position from log.folded")
        .fetch_one(db.pool())
        .await
        .unwrap();
    assert_eq!(folded, 10_000_000);
    let of_stream: i64 = sqlx::query_scalar("select version from log.streams where org_id = $1")
        .bind(one.as_uuid())
        .fetch_one(db.pool())
        .await
        .unwrap();
    assert_eq!(of_stream, 3);

    // Who knows nothing of the streams finds both ends: the folded and the newer one.
    let fresh = Process::start(db.pool().clone());
    let next = append(&fresh.log, one, vec![event()]).await;
    assert_eq!(next.version, Some(version(6)));
    let stale = fresh.log.append(event_log::AppendRequest {
        expected: Some(version(3)),
        ..request(one, vec![event()])
    });
    assert!(stale.await.is_err());
}
