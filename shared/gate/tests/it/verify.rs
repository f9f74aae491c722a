//! What asks the primary, and what does not.

use domain::credential::{CredentialKind, CredentialSecret};
use domain::event::KeyChanged;
use gate::{Denial, Gate, Limiter, VerifyConfig};
use http::{HeaderMap, HeaderValue};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::Lifecycle;
use testkit::Proxy;

use crate::support::{
    Command, KeySpec, PEER, Replica, bearer, cached, patiently, proxied, unchanged,
};

fn unknown_token() -> String {
    let random = Entropy::os().bytes();
    let secret = CredentialSecret::generate(CredentialKind::ApiKey, &random);
    secret.reveal().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn loaded_keys_and_junk_cost_no_statement() {
    let database = testkit::postgres().await;
    let proxy = Proxy::to(database.options().get_port()).await;
    let command = Command::start(database.pool().clone(), None);
    let org = command.org().await;
    let keys = [command.key(org).await, command.key(org).await];
    let suspended = command.org().await;
    let dormant = command.key(suspended).await;
    let reason = domain::event::OrgSuspended { reason: None };
    command.append(suspended, vec![reason.into()]).await;

    let replica = Replica::start(proxied(database.options(), proxy.port()), None).await;
    let unknown = bearer(&unknown_token());
    let answer = patiently(&replica.gate, &unknown).await;
    assert_eq!(answer.unwrap_err(), Denial::Invalid);
    // One statement of the day's quota is needed; it is fetched while Postgres is there.
    replica.ask(&keys[0]).await.unwrap();
    // The refusal reaches the apply task after the answer was given.
    cached(&replica, &keys[0]).await;

    proxy.cut();
    for key in &keys {
        replica.ask_once(key).await.unwrap();
    }
    assert_eq!(
        replica.gate.authorize(&unknown, PEER).await.unwrap_err(),
        Denial::Invalid
    );
    let never_seen = bearer(&unknown_token());
    let answer = replica.gate.authorize(&never_seen, PEER).await;
    assert_eq!(answer.unwrap_err(), Denial::VerificationUnavailable);
    assert_eq!(
        replica.ask_once(&dormant).await.unwrap_err(),
        Denial::VerificationUnavailable
    );

    let mut wrong_checksum = unknown_token();
    let last = if wrong_checksum.ends_with('0') {
        "1"
    } else {
        "0"
    };
    wrong_checksum.replace_range(67.., last);
    for junk in [wrong_checksum.as_str(), "tga_", "x"] {
        let answer = replica.gate.authorize(&bearer(junk), PEER).await;
        assert_eq!(answer.unwrap_err(), Denial::Invalid, "{junk}");
    }
    let nothing = replica.gate.authorize(&HeaderMap::new(), PEER).await;
    assert_eq!(nothing.unwrap_err(), Denial::Missing);
    let mut two = keys[0].headers.clone();
    two.append("authorization", HeaderValue::from_static("Bearer x"));
    let answer = replica.gate.authorize(&two, PEER).await;
    assert_eq!(answer.unwrap_err(), Denial::TwoCredentials);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_service_asks_the_primary_about_every_request() {
    let database = testkit::postgres().await;
    let proxy = Proxy::to(database.options().get_port()).await;
    let command = Command::start(database.pool().clone(), None);
    let org = command.org().await;
    let key = command.key(org).await;

    let gate = command.gate(proxied(database.options(), proxy.port()));
    assert!(*gate.ready().borrow());
    let first = patiently(&gate, &key.headers).await.unwrap();
    let second = patiently(&gate, &key.headers).await.unwrap();
    assert!(first.rate.minute.remaining > second.rate.minute.remaining);

    command
        .append(org, vec![crate::support::revoked(key.id).into()])
        .await;
    // No barrier: the commit is enough.
    let answer = patiently(&gate, &key.headers).await;
    assert_eq!(answer.unwrap_err(), Denial::Invalid);
    proxy.cut();
    let answer = gate.authorize(&key.headers, PEER).await;
    assert_eq!(answer.unwrap_err(), Denial::VerificationUnavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_places_nobody_waits_for_the_primary() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let pool = database.pool_as("tga_query");
    let lifecycle = Lifecycle::new(Clock::system());
    let limiter = Limiter::start(pool.clone(), Clock::system(), &lifecycle.handle());
    let gate = Gate::verify_always(
        limiter,
        pool,
        &command.coordinator,
        VerifyConfig { places: 0 },
    );
    let answer = gate.authorize(&bearer(&unknown_token()), PEER).await;
    assert_eq!(answer.unwrap_err(), Denial::VerificationUnavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_key_is_never_answered_from_the_cache() {
    let database = testkit::postgres().await;
    let proxy = Proxy::to(database.options().get_port()).await;
    let command = Command::start(database.pool().clone(), None);
    let org = command.org().await;
    let plain = command.key(org).await;
    let born_strict = KeySpec {
        change: |key| key.strict = true,
        ..KeySpec::default()
    };
    let born_strict = command.key_with(org, born_strict).await;
    let made_strict = command.key(org).await;
    let replica = Replica::start(proxied(database.options(), proxy.port()), None).await;
    for key in [&plain, &born_strict, &made_strict] {
        cached(&replica, key).await;
    }
    let strict = KeyChanged {
        strict: Some(true),
        ..unchanged(made_strict.id)
    };
    command.enforce(org, strict).await;
    for key in [&plain, &born_strict, &made_strict] {
        cached(&replica, key).await;
    }

    proxy.cut();
    replica.ask_once(&plain).await.unwrap();
    for key in [&born_strict, &made_strict] {
        let answer = replica.ask_once(key).await;
        assert_eq!(answer.unwrap_err(), Denial::VerificationUnavailable);
    }
    let strictly = replica.gate.authorize_strictly(&plain.headers, PEER).await;
    assert_eq!(strictly.unwrap_err(), Denial::VerificationUnavailable);
    proxy.heal();
    replica.ask(&born_strict).await.unwrap();
    command.revoke(&born_strict).await;
    let answer = replica.ask(&born_strict).await;
    assert_eq!(answer.unwrap_err(), Denial::Invalid);
}
