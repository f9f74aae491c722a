//! The bad day, a row of `faults.md` at a time.

use std::time::Duration;

use chrono::DateTime;
use domain::ids::OrgId;
use gate::{Denial, Denials, ReplicaConfig, State};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use sqlx::PgPool;
use testkit::{Direction, Proxy, eventually};

use crate::support::{
    Command, KeySpec, Replica, SOON, cached, config, proxied, revoked, short_lease,
};

/// How finely a clock that is moved by hand goes on.
const TICK: Duration = Duration::from_millis(10);

async fn leases(pool: &PgPool) -> i64 {
    // Run at run time: a test's own look at one table.
    sqlx::query_scalar("select count(*) from gate.leases")
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Row 1.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replica_is_waited_for_until_its_lease_has_run_out() {
    let database = testkit::postgres().await;
    let nats = testkit::nats().await;
    let command = Command::start(database.pool().clone(), Some(nats.client().await));
    let query = database.pool_as("tga_query");
    let alive = Replica::start(query.clone(), Some(nats.client().await)).await;
    let client = Some(nats.client().await);
    let killed = Replica::launch(query, client, Clock::system(), &short_lease());
    killed.ready().await;
    let key = command.key(command.org().await).await;
    alive.ask(&key).await.unwrap();
    killed.kill();
    let receipt = command.revoke(&key).await;
    assert_eq!(alive.ask(&key).await.unwrap_err(), Denial::Invalid);
    assert_eq!(receipt.barrier.count(State::Acked), 1);
    assert_eq!(receipt.barrier.replicas.len(), 2);
    // The longest lease of the set counts: that of the other one. The row may be collected first.
    assert_eq!(receipt.barrier.bound.as_millis(), 2_475);
    assert!(receipt.barrier.waited < receipt.barrier.bound + Duration::from_millis(500));
    // Nobody waits for it for ever.
    eventually(SOON, "its row is collected", async || {
        leases(database.pool()).await == 1
    })
    .await;
    let again = command.settle(receipt.position).await;
    assert_eq!(again.barrier.replicas.len(), 1);
}

/// Row 2: stopped, and continued after the revoke returned.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_replica_does_not_trust_its_cache_when_it_goes_on() {
    let database = testkit::postgres().await;
    let proxy = Proxy::to(database.options().get_port()).await;
    let command = Command::start(database.pool().clone(), None);
    let key = command.key(command.org().await).await;
    let (clock, hands) = Clock::manual(DateTime::UNIX_EPOCH);
    let began = Clock::system().monotonic();
    let pool = proxied(database.options(), proxy.port());
    let stopped = Replica::launch(pool, None, clock, &short_lease());
    // What failed is tried again by these clocks.
    let time_goes_on = async {
        let system = Clock::system();
        loop {
            system.sleep(TICK).await;
            hands.advance(TICK);
        }
    };
    tokio::select! {
        () = stopped.ready() => {}
        () = time_goes_on => unreachable!("it does not end"),
    }
    cached(&stopped, &key).await;

    // Nothing reaches it, as if it stood still; its clocks go on.
    proxy.stall(Direction::ToClient);
    let receipt = command.revoke(&key).await;
    assert_eq!(receipt.barrier.count(State::Acked), 0);
    hands.advance(Clock::system().monotonic().saturating_since(began));
    proxy.cut_connections();
    proxy.heal();
    assert_eq!(stopped.ask(&key).await.unwrap_err(), Denial::Invalid);
}

/// Acknowledgements of others, one after the other, keep nobody from looking at the rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_acknowledgements_does_not_hide_the_renewals() {
    let database = testkit::postgres().await;
    let nats = testkit::nats().await;
    let command = Command::start(database.pool().clone(), Some(nats.client().await));
    let key = command.key(command.org().await).await;
    let silent = Replica::start(database.pool_as("tga_query"), None).await;
    silent.ask(&key).await.unwrap();
    let client = nats.client().await;
    let clock = Clock::system();
    let chatter = async {
        loop {
            let other = Entropy::os().uuid_v4();
            let ack = format!(r#"{{"epoch":"{other}","incarnation":"{other}","applied":1}}"#);
            let subject = format!("tga.gate.ack.{other}");
            client.publish(subject, ack.into()).await.unwrap();
            client.flush().await.unwrap();
            clock.sleep(Duration::from_millis(5)).await;
        }
    };
    let receipt = tokio::select! {
        receipt = command.revoke(&key) => receipt,
        () = chatter => unreachable!("it does not end"),
    };
    assert_eq!(receipt.barrier.count(State::Acked), 1, "{receipt:?}");
}

/// Registrations and settlements are durable before they count, and no plan of theirs is compiled,
/// also where that is not the default.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_durable_before_they_are_used_and_wait_for_no_compiler() {
    let database = testkit::postgres().await;
    for statement in [
        "create table public.seen (what text, synchronous_commit text, jit text)",
        "grant all on public.seen to public",
        "create function public.see() returns trigger language plpgsql as $$
         begin
             insert into public.seen
             values (tg_table_name, current_setting('synchronous_commit'), current_setting('jit'));
             return null;
         end $$",
        "create trigger seen after insert or update or delete on gate.leases
         for each statement execute function public.see()",
        "create trigger seen after update on gate.head
         for each statement execute function public.see()",
    ] {
        sqlx::query(statement)
            .execute(database.pool())
            .await
            .unwrap();
    }
    let relaxed = database.options().clone();
    let relaxed = relaxed.options([("synchronous_commit", "off"), ("jit", "on")]);
    let pool = || {
        let options = sqlx::postgres::PgPoolOptions::new();
        options.connect_lazy_with(relaxed.clone())
    };
    let command = Command::start(pool(), None);
    let replica = Replica::start(pool(), None).await;
    let key = command.key(command.org().await).await;
    command.revoke(&key).await;
    replica.stop().await;
    let seen = async || -> Vec<(String, String, String)> {
        let seen = "delete from public.seen returning what, synchronous_commit, jit";
        let seen = format!("with seen as ({seen}) select distinct * from seen order by 1");
        let seen = sqlx::query_as(sqlx::AssertSqlSafe(seen));
        seen.fetch_all(database.pool()).await.unwrap()
    };
    // The settlement may be noted after the call has returned.
    eventually(SOON, "the settlement is noted", async || {
        let noted = sqlx::query("select from public.seen where what = 'head'");
        noted.fetch_optional(database.pool()).await.unwrap()
    })
    .await;
    let settings = |what: &str| (what.to_owned(), "on".to_owned(), "off".to_owned());
    assert_eq!(seen().await, [settings("head"), settings("leases")]);
    let mut connection = pool().acquire().await.unwrap();
    gate::allow_lease(&mut connection, Duration::from_secs(3))
        .await
        .unwrap();
    let allowed = seen().await;
    let is_durable = |(what, how, _): &(String, String, String)| what == "head" && how == "on";
    assert!(
        !allowed.is_empty() && allowed.iter().all(is_durable),
        "{allowed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_lease_must_be_allowed_first() {
    let database = testkit::postgres().await;
    let query = || database.pool_as("tga_query");
    let long = ReplicaConfig {
        term: Duration::from_secs(5),
        ..config()
    };
    let refused = Replica::launch(query(), None, Clock::system(), &long);
    refused.ready().await;
    assert_eq!(leases(database.pool()).await, 0);
    // Shorter terms than are allowed already take nothing away.
    let mut owner = database.pool().acquire().await.unwrap();
    for seconds in [5, 1] {
        let term = Duration::from_secs(seconds);
        gate::allow_lease(&mut owner, term).await.unwrap();
    }
    let allowed = Replica::launch(query(), None, Clock::system(), &long);
    allowed.ready().await;
    assert!(leases(database.pool()).await >= 1);
}

/// A machine that was suspended: only boottime went on.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_replica_is_fenced_though_its_raw_clock_stood_still() {
    let database = testkit::postgres().await;
    let proxy = Proxy::to(database.options().get_port()).await;
    let command = Command::start(database.pool().clone(), None);
    let key = command.key(command.org().await).await;
    let (clock, hands) = Clock::manual(DateTime::UNIX_EPOCH);
    let pool = proxied(database.options(), proxy.port());
    let replica = Replica::launch(pool, None, clock, &config());
    replica.ready().await;
    cached(&replica, &key).await;
    proxy.cut();
    replica.ask_once(&key).await.unwrap();
    hands.suspend(Duration::from_secs(2));
    let answer = replica.ask_once(&key).await;
    assert_eq!(answer.unwrap_err(), Denial::VerificationUnavailable);
}

/// Rows 10 and 22.
#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_the_cache_serves_as_long_as_the_lease_and_then_nobody() {
    let database = testkit::postgres().await;
    let proxy = Proxy::to(database.options().get_port()).await;
    let command = Command::start(database.pool().clone(), None);
    let spec = KeySpec {
        rate: 10_000,
        ..KeySpec::default()
    };
    let key = command.key_with(command.org().await, spec).await;
    let replica = Replica::start(proxied(database.options(), proxy.port()), None).await;
    // As many as are asked below: the quota in hand follows the rate.
    for _ in 0..100 {
        cached(&replica, &key).await;
    }
    let clock = Clock::system();
    proxy.cut();
    let cut = clock.monotonic();
    replica.ask_once(&key).await.unwrap();
    let denial = eventually(SOON, "the lease ends", async || {
        replica.ask_once(&key).await.err()
    })
    .await;
    let served = clock.monotonic().saturating_since(cut);
    assert_eq!(denial, Denial::VerificationUnavailable);
    assert!(served < Duration::from_secs(3), "{served:?}");
    assert!(served > Duration::from_secs(1), "{served:?}");
    proxy.heal();
    replica.ask(&key).await.unwrap();
    command.revoke(&key).await;
    assert_eq!(replica.ask(&key).await.unwrap_err(), Denial::Invalid);
}

/// Row 11: NATS is away, renewals carry what was applied.
#[tokio::test(flavor = "multi_thread")]
async fn without_nats_a_revoke_returns_with_the_next_renewal() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let query = database.pool_as("tga_query");
    let replicas = [
        Replica::start(query.clone(), None).await,
        Replica::start(query, None).await,
    ];
    let key = command.key(command.org().await).await;
    for replica in &replicas {
        replica.ask(&key).await.unwrap();
    }
    let receipt = command.revoke(&key).await;
    for replica in &replicas {
        assert_eq!(replica.ask(&key).await.unwrap_err(), Denial::Invalid);
    }
    assert_eq!(receipt.barrier.count(State::Acked), 2);
    assert!(receipt.barrier.waited < Duration::from_millis(1_500));
}

/// Row 28.
#[tokio::test(flavor = "multi_thread")]
async fn nats_may_go_and_come_back() {
    let database = testkit::postgres().await;
    let mut nats = testkit::nats().await;
    let command = Command::start(database.pool().clone(), Some(nats.client().await));
    let client = Some(nats.client().await);
    let replica = Replica::start(database.pool_as("tga_query"), client).await;
    let org = command.org().await;
    for wiped in [false, true] {
        let key = command.key(org).await;
        replica.ask(&key).await.unwrap();
        nats.kill().await;
        let receipt = command.revoke(&key).await;
        assert_eq!(replica.ask(&key).await.unwrap_err(), Denial::Invalid);
        assert_eq!(receipt.barrier.count(State::Acked), 1);
        if wiped {
            nats.wipe().await;
        } else {
            nats.start().await;
        }
        let key = command.key(org).await;
        replica.ask(&key).await.unwrap();
        command.revoke(&key).await;
        assert_eq!(replica.ask(&key).await.unwrap_err(), Denial::Invalid);
    }
}

/// R5.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_leaves_is_not_waited_for() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let replica = Replica::start(database.pool_as("tga_query"), None).await;
    let key = command.key(command.org().await).await;
    assert_eq!(leases(database.pool()).await, 1);
    replica.stop().await;
    assert_eq!(leases(database.pool()).await, 0);
    let receipt = command.revoke(&key).await;
    assert!(receipt.barrier.replicas.is_empty());
}

/// Row 32.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_newer_build_ends_the_lease_and_every_request_is_verified() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let org = command.org().await;
    let key = command.key(org).await;
    let replica = Replica::start(database.pool_as("tga_query"), None).await;
    replica.ask(&key).await.unwrap();
    command.stop().await;
    append_unknown(database.pool(), org).await;
    eventually(SOON, "it gives up its row", async || {
        leases(database.pool()).await == 0
    })
    .await;

    let command = Command::start(database.pool().clone(), None);
    replica.ask(&key).await.unwrap();
    let receipt = command.revoke(&key).await;
    assert!(receipt.barrier.replicas.is_empty());
    assert_eq!(replica.ask(&key).await.unwrap_err(), Denial::Invalid);
    // A replica that starts now loads what the primary knows and works as ever.
    let newer = Replica::start(database.pool_as("tga_query"), None).await;
    assert_eq!(newer.ask(&key).await.unwrap_err(), Denial::Invalid);
}

/// An auth event whose type this build does not know, as a newer one would append it.
async fn append_unknown(pool: &PgPool, org: OrgId) {
    let mut transaction = pool.begin().await.unwrap();
    // Run at run time: no production code appends like this.
    sqlx::query(
        "with head as (select * from log.head for update), last as (
             select version, hash from log.events where org_id = $1 and stream = 0
             order by position desc limit 1
         ), event as (
             insert into log.events (position, version, auth_prev, recorded_at, stream,
                 schema_version, event_id, org_id, type, subject, actor, correlation_id,
                 prev_hash, hash, data)
             select h.position + 1, l.version + 1, h.auth_position, h.recorded_at, 0, 1,
                 gen_random_uuid(), $1, 'key.frozen', 'keys/x', 'system', 'test',
                 l.hash, l.hash, '{}'
             from head h, last l returning position
         )
         update log.head set position = (select position from event),
             auth_position = (select position from event)",
    )
    .bind(org.as_uuid())
    .execute(&mut *transaction)
    .await
    .unwrap();
    transaction.commit().await.unwrap();
}

/// Row 33, as far as the gate sees it: the log begins a new epoch.
#[tokio::test(flavor = "multi_thread")]
async fn another_epoch_drops_everything_and_loads_again() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let org = command.org().await;
    let key = command.key(org).await;
    let replica = Replica::start(database.pool_as("tga_query"), None).await;
    cached(&replica, &key).await;
    command.stop().await;
    // Run at run time: a restore in one statement, with the key's end in it.
    for statement in [
        "update gate.credentials set status = 3",
        "update log.head set epoch = gen_random_uuid()",
    ] {
        sqlx::query(statement)
            .execute(database.pool())
            .await
            .unwrap();
    }
    eventually(SOON, "the key is refused", async || {
        replica.ask(&key).await.err() == Some(Denial::Invalid)
    })
    .await;
    eventually(SOON, "the new row alone", async || {
        let query = "select bool_and(l.epoch = h.epoch) from gate.leases l cross join log.head h";
        let alone: Option<bool> = sqlx::query_scalar(query)
            .fetch_one(database.pool())
            .await
            .unwrap();
        alone == Some(true)
    })
    .await;
    let command = Command::start(database.pool().clone(), None);
    let other = command.key(org).await;
    replica.ask(&other).await.unwrap();
    let receipt = command.revoke(&other).await;
    assert_eq!(replica.ask(&other).await.unwrap_err(), Denial::Invalid);
    assert_eq!(
        receipt.barrier.count(State::Acked),
        1,
        "{:?}",
        receipt.barrier
    );
}

/// Row 53.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_above_the_maximum_is_refused_and_every_request_verified() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let key = command.key(command.org().await).await;
    let long = ReplicaConfig {
        term: Duration::from_millis(2_001),
        ..config()
    };
    let replica = Replica::launch(database.pool_as("tga_query"), None, Clock::system(), &long);
    replica.ready().await;
    assert_eq!(leases(database.pool()).await, 0);
    replica.ask(&key).await.unwrap();
    command.append(key.org, vec![revoked(key.id).into()]).await;
    assert_eq!(replica.ask(&key).await.unwrap_err(), Denial::Invalid);
}

/// A primary at a distance: connecting takes several times as long as a statement.
#[tokio::test(flavor = "multi_thread")]
async fn a_distant_primary_keeps_no_barrier_from_ending() {
    let database = testkit::postgres().await;
    let proxy = Proxy::to(database.options().get_port()).await;
    let near = Command::start(database.pool().clone(), None);
    let key = near.key(near.org().await).await;
    let position = near.append(key.org, vec![revoked(key.id).into()]).await;
    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.delay(direction, Duration::from_millis(40));
    }
    let far = Command::start(proxied(database.options(), proxy.port()), None);
    let denials = Denials {
        first: position,
        last: position,
    };
    let epoch = near.log.head().await.unwrap().epoch;
    far.coordinator.settle(epoch, denials).await.unwrap();
}
