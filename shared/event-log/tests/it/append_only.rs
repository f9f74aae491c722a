//! Rule 19: the database itself refuses to change the log, whoever asks.

use sqlx::{AssertSqlSafe, Connection, Executor, PgPool};
use testkit::postgres;

use crate::support::{Process, append, event, org};

const ROLES: [&str; 4] = ["tga_command", "tga_query", "tga_projector", "tga_owner"];

/// The SQLSTATE of a refusal, or that there was none.
async fn refusal(pool: &PgPool, statement: &'static str) -> String {
    match pool.execute(statement).await {
        Ok(_) => "accepted".to_owned(),
        Err(sqlx::Error::Database(error)) => error.code().unwrap_or_default().into_owned(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn nobody_changes_the_log() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    append(&process.log, org(), vec![event()]).await;
    let mut pools: Vec<_> = ROLES.iter().map(|role| (*role, db.pool_as(role))).collect();
    pools.push(("superuser", db.pool().clone()));
    for (role, pool) in pools {
        for statement in [
            "update log.events set actor = 'user:0'",
            "update log.events set actor = 'user:0' where false",
            "update log.events_000000 set actor = 'user:0'",
            "delete from log.events",
            "delete from log.events_000000",
            "truncate log.events",
            "truncate log.events_000000",
            "update log.archived set file = ''",
            "delete from log.archived",
            "truncate log.archived",
            "update log.merkle set hash = hash",
            "delete from log.merkle",
            "truncate log.merkle",
            "update log.checkpoints set note = ''",
            "delete from log.checkpoints",
            "update log.restorations set note = ''",
            "delete from log.restorations",
            "truncate log.restorations",
            "truncate log.checkpoints",
            "update log.settings set partition_size = 1",
            "delete from log.settings",
            "truncate log.settings",
            "insert into log.events select * from log.events on conflict (position) do update set actor = ''",
        ] {
            assert_eq!(
                refusal(&pool, statement).await,
                "42501",
                "{role}: {statement}"
            );
        }
    }
    assert_eq!(
        process
            .log
            .read(domain::ids::GlobalPosition::ZERO, 10)
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn the_trigger_stands_when_triggers_are_off() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    append(&process.log, org(), vec![event()]).await;
    for statement in ["delete from log.events", "delete from log.events_000000"] {
        let mut connection = db.pool().acquire().await.unwrap();
        connection
            .execute("set session_replication_role = replica")
            .await
            .unwrap();
        let refused = connection.execute(statement).await.unwrap_err();
        let code = refused
            .as_database_error()
            .unwrap()
            .code()
            .unwrap()
            .into_owned();
        assert_eq!(code, "42501", "{statement}");
        connection.detach();
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a list of statements by role")]
async fn each_role_does_its_own_and_no_more() {
    let db = postgres().await;
    let forbidden: [(&'static str, &[&'static str]); 3] = [
        (
            "tga_command",
            &[
                "insert into log.head select * from log.head",
                "delete from log.head",
                "delete from log.streams",
                "delete from log.reading_keys",
                "delete from auth.subject_keys",
                "delete from gate.credentials",
                "truncate gate.credentials",
                "insert into gate.leases values (gen_random_uuid(), '', 1, 0, 0, gen_random_uuid(), '')",
                "update gate.head set lease_max_ms = 1",
                "update auth.webhook_secrets set secret = ''",
                "delete from hooks.cursor",
                "truncate hooks.deliveries",
                "drop table log.events",
                "alter table log.events disable trigger append_only",
                "alter table log.events detach partition log.events_000000",
                "create table log.mine ()",
            ],
        ),
        (
            "tga_query",
            &[
                "select metadata from log.events",
                "select * from log.events",
                "insert into log.events (position) values (1)",
                "select log.ensure_partition(1)",
                "update log.head set position = 0",
                "select * from log.idempotency",
                "select * from log.snapshots",
                "select * from gate.credentials",
                "select hash from gate.credentials",
                "select * from gate.orgs",
                "update gate.leases set renew_seq = 0",
                "select * from gate.head",
                "delete from auth.subject_keys",
                "insert into auth.subject_keys values (gen_random_uuid(), gen_random_uuid(), '')",
                "select * from auth.webhook_secrets",
                "select * from hooks.deliveries",
                "select * from hooks.endpoints",
                "update hooks.cursor set position = 0",
            ],
        ),
        (
            "tga_projector",
            &[
                "update auth.subject_keys set key = null",
                "select metadata from log.events",
                "select gate.state()",
                "select * from gate.verify('')",
                "select * from gate.credentials",
                "update log.head set position = 0",
                "delete from auth.subject_keys",
                "select * from auth.webhook_secrets",
                "select * from hooks.deliveries",
            ],
        ),
    ];
    for (role, statements) in forbidden {
        let pool = db.pool_as(role);
        for statement in statements {
            assert_eq!(
                refusal(&pool, statement).await,
                "42501",
                "{role}: {statement}"
            );
        }
    }
    let allowed: [(&'static str, &[&'static str]); 3] = [
        (
            "tga_command",
            &[
                "select * from gate.leases",
                "update gate.head set settled = settled",
                "select log.ensure_partition(1)",
            ],
        ),
        (
            "tga_query",
            &[
                "select position, data from log.events",
                "select * from log.head",
                "select * from gate.state()",
                "select * from gate.usage",
            ],
        ),
        (
            "tga_projector",
            &[
                "select position, data from log.events",
                "select * from log.head",
                "select * from auth.subject_keys",
            ],
        ),
    ];
    for (role, statements) in allowed {
        let pool = db.pool_as(role);
        for statement in statements {
            assert_eq!(
                refusal(&pool, statement).await,
                "accepted",
                "{role}: {statement}"
            );
        }
    }
}

#[tokio::test]
async fn only_the_operator_archives_and_every_service_knows_what_is_archived() {
    let db = postgres().await;
    let forbidden = [
        "insert into log.archived select * from log.archived",
        "select log.resize_partitions(1)",
        "select log.make_partition('mine')",
        "select log.partition_name(1)",
        "select log.begin_kept(1, 1)",
        "select log.keep_decisions(1, 0, 1)",
        "select log.keep_positions(1, '{1}')",
        "select log.lacks_decisions(1)",
        "select log.put_away(null)",
        "select log.forget_put_away(1)",
    ];
    for role in ["tga_command", "tga_query", "tga_projector"] {
        let pool = db.pool_as(role);
        for statement in forbidden {
            let refused = refusal(&pool, statement).await;
            assert_eq!(refused, "42501", "{role}: {statement}");
        }
        let read = refusal(&pool, "select * from log.archived").await;
        assert_eq!(read, "accepted", "{role}");
        let appends = if role == "tga_command" {
            "accepted"
        } else {
            "42501"
        };
        for statement in ["select log.make_room(1)", "select * from log.settings"] {
            let answer = refusal(&pool, statement).await;
            assert_eq!(answer, appends, "{role}: {statement}");
        }
    }
}

#[tokio::test]
async fn only_who_signs_writes_what_is_signed_and_nobody_changes_it() {
    let db = postgres().await;
    for (role, statement, is_allowed) in [
        ("tga_command", "update log.merkle set hash = hash", false),
        ("tga_command", "delete from log.checkpoints", false),
        ("tga_command", "truncate log.checkpoints", false),
        ("tga_command", "delete from log.newest_checkpoint", false),
        ("tga_command", "delete from log.seals", false),
        (
            "tga_command",
            "insert into log.seal_requests values (gen_random_uuid(), now())",
            false,
        ),
        (
            "tga_command",
            "insert into log.merkle values (8, 0, sha256(''))",
            true,
        ),
        ("tga_command", "delete from log.seal_requests", true),
        ("tga_command", "select * from log.restorations", true),
        (
            "tga_command",
            "insert into log.restorations values (gen_random_uuid(), gen_random_uuid(), 0, 0, now())",
            false,
        ),
        ("tga_query", "select * from log.restorations", false),
        (
            "tga_query",
            "insert into log.merkle values (8, 1, sha256(''))",
            false,
        ),
        (
            "tga_query",
            "insert into log.checkpoints values (gen_random_uuid(), 0, sha256(''), now(), '', '')",
            false,
        ),
        (
            "tga_query",
            "update log.newest_checkpoint set note = ''",
            false,
        ),
        ("tga_query", "select * from log.seal_requests", false),
        (
            "tga_query",
            "insert into log.seal_requests values (gen_random_uuid(), now())",
            false,
        ),
        ("tga_query", "update log.seals set seal = ''", false),
        (
            "tga_query",
            "select * from log.merkle, log.checkpoints, log.newest_checkpoint, log.seals",
            true,
        ),
        ("tga_projector", "select * from log.checkpoints", false),
        (
            "tga_projector",
            "select log.request_seal(gen_random_uuid())",
            false,
        ),
    ] {
        let found = refusal(&db.pool_as(role), statement).await;
        let due = if is_allowed { "accepted" } else { "42501" };
        assert_eq!(found, due, "{role}: {statement}");
    }
}

#[tokio::test]
async fn no_function_of_ours_trusts_a_search_path() {
    let db = postgres().await;
    let open: Vec<String> = sqlx::query_scalar(
        "select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where n.nspname in ('log', 'gate', 'auth', 'hooks')
             and not coalesce(p.proconfig, '{}') @> array['search_path=pg_catalog, pg_temp']",
    )
    .fetch_all(db.pool())
    .await
    .unwrap();
    assert_eq!(open, Vec::<String>::new());
}

/// A type of that name would be found before Postgres's own by a function whose search path does not
/// end with `pg_temp`, and its check would run as the owner.
#[tokio::test]
async fn no_service_makes_types_that_functions_of_the_owner_could_meet() {
    let db = postgres().await;
    for role in ["tga_command", "tga_query", "tga_projector"] {
        let statement = "create domain pg_temp.text as pg_catalog.text";
        assert_eq!(
            refusal(&db.pool_as(role), statement).await,
            "42501",
            "{role}"
        );
    }
}

/// What is chosen for the log is one row, whoever adds to it.
#[tokio::test]
async fn there_is_one_row_of_settings() {
    let db = postgres().await;
    let insert = "insert into log.settings (partition_size) values (300)";
    assert_eq!(refusal(db.pool(), insert).await, "23505");
    let insert = "insert into log.settings (one, partition_size) values (false, 300)";
    assert_eq!(refusal(db.pool(), insert).await, "23514");
}

/// Also behind the millionth.
#[tokio::test]
async fn every_partition_has_a_name_of_its_own() {
    let db = postgres().await;
    for (position, due) in [
        (1_i64, "events_000000"),
        (10_000_001, "events_000001"),
        (10_000_000_000_000, "events_999999"),
        (10_000_000_000_001, "events_1000000"),
        (10_000_010_000_001, "events_1000001"),
    ] {
        let name = sqlx::query_scalar("select log.partition_name($1)").bind(position);
        let name: String = name.fetch_one(db.pool()).await.unwrap();
        assert_eq!(name, due);
    }
}

#[tokio::test]
async fn new_partitions_are_as_closed_as_the_first() {
    let db = postgres().await;
    let command = db.pool_as("tga_command");
    for _ in 0..2 {
        command
            .execute("select log.ensure_partition(25000001)")
            .await
            .unwrap();
    }
    for statement in [
        "delete from log.events_000002",
        "truncate log.events_000002",
    ] {
        assert_eq!(refusal(db.pool(), statement).await, "42501", "{statement}");
    }
    let indexes = |partition: &str| {
        let statement = format!(
            "select string_agg(regexp_replace(indexdef, 'events_\\d+', 'p', 'g'), '; ' order by indexdef)
             from pg_indexes where schemaname = 'log' and tablename = '{partition}'"
        );
        let pool = db.pool().clone();
        async move {
            // The name of a partition is a literal of this test.
            sqlx::query_scalar::<_, String>(AssertSqlSafe(statement))
                .fetch_one(&pool)
                .await
                .unwrap()
        }
    };
    assert_eq!(
        indexes("events_000002").await,
        indexes("events_000000").await
    );
}

/// Of a password only what it is checked against reaches the server; with it one may log in, with
/// another text not.
#[tokio::test]
async fn a_login_is_made_without_its_password_leaving_the_process() {
    let db = postgres().await;
    let mut owner = db.pool().acquire().await.unwrap();
    for password in ["first", "second"] {
        event_log::create_login(&mut owner, "tga_query", "tga_test_login", password)
            .await
            .unwrap();
        let kept: String = sqlx::query_scalar(
            "select rolpassword from pg_authid where rolname = 'tga_test_login'",
        )
        .fetch_one(&mut *owner)
        .await
        .unwrap();
        assert!(kept.starts_with("SCRAM-SHA-256$1:"), "{kept}");
        for (given, works) in [(password, true), ("other", false)] {
            let options = db
                .options()
                .clone()
                .username("tga_test_login")
                .password(given);
            let login = sqlx::PgConnection::connect_with(&options).await;
            assert_eq!(login.is_ok(), works, "{given} for {password}");
        }
    }
}
