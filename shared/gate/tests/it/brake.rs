//! Guessing: what it costs, and whom it leaves alone.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use domain::credential::{CredentialKind, CredentialSecret};
use domain::event::{OrgReinstated, OrgSuspended};
use futures_util::{StreamExt, stream};
use gate::{Denial, Gate, Limiter, VerifyConfig};
use http::HeaderMap;
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::Lifecycle;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use testkit::{TestDatabase, eventually, proven};

use crate::support::{
    Command, Key, KeySpec, PEER, Replica, SOON, bearer, cached, patiently, patiently_from,
};

/// Half of them have the right checksum; `TGA_GUESSES` names another number.
const GUESSES: usize = 100_000;
/// A real key is used once in so many guesses.
const REAL_EVERY: usize = 1_000;
/// Guesses at once.
const AT_ONCE: usize = 32;
/// Look-ups of one source that may fail at once, and how often one more may.
const BURST: u64 = 20;
const ONE_MORE_EVERY: Duration = Duration::from_secs(2);
/// So long what was refused is surely remembered.
const TOLD_FOR: Duration = Duration::from_secs(50);
const ASKING: &str = "gate under test";
/// Somebody else.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9));

fn guesses() -> usize {
    let named = std::env::var("TGA_GUESSES").ok();
    named.map_or(GUESSES, |named| named.parse().unwrap())
}

/// None was accepted, or the test would not have come so far; of all these look-ups only `real` were
/// for keys that there are.
fn on_record(look_ups: u64, real: u64) {
    proven(&[
        ("guesses", guesses() as u64),
        ("guesses_accepted", 0),
        ("database_look_ups", look_ups - real),
    ]);
}

/// As long as a key and of its digits, and no more than that.
fn random() -> HeaderMap {
    let random: [u8; 32] = Entropy::os().bytes();
    bearer(&format!("tga_{}", runtime::files::hex(&random)))
}

/// Well-formed, with the right checksum, and nobody's.
fn unknown() -> HeaderMap {
    let random = Entropy::os().bytes();
    let secret = CredentialSecret::generate(CredentialKind::ApiKey, &random);
    bearer(secret.reveal())
}

/// Well-formed but for the checksum.
fn miswritten() -> HeaderMap {
    let random = Entropy::os().bytes();
    let secret = CredentialSecret::generate(CredentialKind::ApiKey, &random);
    let text = secret.reveal();
    let last = if text.ends_with('0') { "1" } else { "0" };
    bearer(&format!("{}{last}", &text[..text.len() - 1]))
}

/// A pool whose sessions count how often they ask about a credential.
async fn counting(database: &TestDatabase) -> PgPool {
    // Run at run time, as the next ones: a test's own setting and looks.
    sqlx::query(
        "do $$ begin
             execute format('alter database %I set track_functions = ''all''', current_database());
         end $$",
    )
    .execute(database.pool())
    .await
    .unwrap();
    let options = database.options().clone().application_name(ASKING);
    PgPoolOptions::new().connect_lazy_with(options)
}

/// How often the primary was asked about a credential, once all who asked are gone.
async fn look_ups(database: &TestDatabase, asked_with: PgPool) -> u64 {
    asked_with.close().await;
    eventually(SOON, "its sessions have ended", async || {
        let others: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and application_name = $1",
        )
        .bind(ASKING)
        .fetch_one(database.pool())
        .await
        .unwrap();
        others == 0
    })
    .await;
    let calls: Option<i64> = sqlx::query_scalar(
        "select calls from pg_stat_user_functions
         where schemaname = 'gate' and funcname = 'verify'",
    )
    .fetch_optional(database.pool())
    .await
    .unwrap();
    u64::try_from(calls.unwrap_or(0)).unwrap()
}

/// Guesses from one address while a key is used from there, and says how long that took. Nothing
/// is accepted but the key, whose every request is.
async fn guess_beside(gate: &Gate, key: &Key) -> Duration {
    let clock = Clock::system();
    let began = clock.monotonic();
    stream::iter(0..guesses())
        .for_each_concurrent(AT_ONCE, async |number| {
            if number % 2 == 0 {
                let denial = gate.authorize(&random(), PEER).await.unwrap_err();
                assert_eq!(denial, Denial::Invalid);
            } else {
                let denial = gate.authorize(&unknown(), PEER).await.unwrap_err();
                let expected = [Denial::Invalid, Denial::VerificationUnavailable];
                assert!(expected.contains(&denial), "{denial}");
            }
            if number % REAL_EVERY == 0 {
                patiently(gate, &key.headers).await.unwrap();
            }
        })
        .await;
    clock.monotonic().saturating_since(began)
}

/// So many look-ups may fail in that time, those at once before the first has failed included.
fn most(took: Duration) -> u64 {
    BURST + AT_ONCE as u64 + u64::try_from(took.as_nanos() / ONE_MORE_EVERY.as_nanos()).unwrap()
}

fn fast() -> KeySpec {
    KeySpec {
        rate: 1_000_000,
        ..KeySpec::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_looks_few_guesses_up_and_locks_no_key_out() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let org = command.org().await;
    let key = command.key_with(org, fast()).await;
    let pool = counting(&database).await;
    let replica = Replica::start(pool.clone(), None).await;
    cached(&replica, &key).await;

    let took = guess_beside(&replica.gate, &key).await;
    // A key that no cache knows, from an address that has not failed.
    let new = command.key(org).await;
    patiently_from(&replica.gate, &new.headers, ELSEWHERE)
        .await
        .unwrap();
    replica.stop().await;
    let look_ups = look_ups(&database, pool).await;
    // More if the machine was too busy to answer in time.
    assert!((2..=most(took) + 10).contains(&look_ups), "{look_ups}");
    on_record(look_ups, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_service_looks_few_guesses_up_and_locks_no_key_out() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let org = command.org().await;
    let [key, ended, never_used] = [
        command.key_with(org, fast()).await,
        command.key(org).await,
        command.key(org).await,
    ];
    let lifecycle = Lifecycle::new(Clock::system());
    let pool = counting(&database).await;
    let limiter = Limiter::start(pool.clone(), Clock::system(), &lifecycle.handle());
    let verify = VerifyConfig::default();
    let gate = Gate::verify_always(limiter, pool.clone(), &command.coordinator, verify);
    patiently(&gate, &key.headers).await.unwrap();
    command.revoke(&ended).await;
    let denial = patiently(&gate, &ended.headers).await.unwrap_err();
    assert_eq!(denial, Denial::Invalid);

    let took = guess_beside(&gate, &key).await;
    if took >= TOLD_FOR {
        let denial = patiently(&gate, &ended.headers).await.unwrap_err();
        assert_eq!(denial, Denial::Invalid);
    }
    // What is known to be ended is still called so, without a look-up.
    let denial = gate.authorize(&ended.headers, PEER).await.unwrap_err();
    assert_eq!(denial, Denial::Invalid);
    patiently_from(&gate, &never_used.headers, ELSEWHERE)
        .await
        .unwrap();
    drop((gate, lifecycle));
    let look_ups = look_ups(&database, pool).await;
    let real = u64::try_from(guesses() / REAL_EVERY).unwrap() + 3;
    // More if the machine was too busy to answer in time.
    let expected = real + 1..=real + most(took) + 10;
    assert!(expected.contains(&look_ups), "{look_ups}");
    on_record(look_ups, real);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_checksum_costs_no_look_up_and_counts_for_nothing() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let pool = counting(&database).await;
    let replica = Replica::start(pool.clone(), None).await;
    for _ in 0..1_000 {
        let denial = replica.gate.authorize(&miswritten(), PEER).await;
        assert_eq!(denial.unwrap_err(), Denial::Invalid);
    }
    let new = command.key(command.org().await).await;
    replica.ask(&new).await.unwrap();
    replica.stop().await;
    let look_ups = look_ups(&database, pool).await;
    assert!((1..5).contains(&look_ups), "{look_ups}");
}

/// Its client goes on as if nothing had happened; others need the primary too.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_suspended_org_costs_few_look_ups_and_works_once_it_may() {
    const CALLS: usize = 2_000;
    const AT_ONCE: u64 = 20;
    const ONE_MORE_EVERY: Duration = Duration::from_millis(20);
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let org = command.org().await;
    let key = command.key_with(org, fast()).await;
    let lifecycle = Lifecycle::new(Clock::system());
    let pool = counting(&database).await;
    let limiter = Limiter::start(pool.clone(), Clock::system(), &lifecycle.handle());
    let verify = VerifyConfig::default();
    let gate = Gate::verify_always(limiter, pool.clone(), &command.coordinator, verify);
    patiently(&gate, &key.headers).await.unwrap();
    command.enforce(org, OrgSuspended { reason: None }).await;
    let denial = patiently(&gate, &key.headers).await.unwrap_err();
    assert_eq!(denial, Denial::OrgSuspended);
    let clock = Clock::system();
    let began = clock.monotonic();
    let mut refused = 0;
    for _ in 0..CALLS {
        match gate.authorize(&key.headers, PEER).await.unwrap_err() {
            Denial::OrgSuspended => refused += 1,
            denial => assert_eq!(denial, Denial::VerificationUnavailable),
        }
    }
    let took = clock.monotonic().saturating_since(began);
    let more = u64::try_from(took.as_nanos() / ONE_MORE_EVERY.as_nanos()).unwrap();
    assert!(
        (1..=AT_ONCE + more).contains(&refused),
        "{refused} in {took:?}"
    );
    command.enforce(org, OrgReinstated {}).await;
    patiently(&gate, &key.headers).await.unwrap();
    drop((gate, lifecycle));
    // Those that came too late for an answer are looked up as well, and those of this test's patience.
    let look_ups = look_ups(&database, pool).await;
    assert!(look_ups >= refused + 3, "{look_ups}");
    assert!(look_ups < CALLS as u64, "{look_ups}");
}
