//! Everything that changes who may call, on two replicas.

use domain::event::{
    KeyChanged, KeyRotated, MemberBanned, MemberUnbanned, OrgReinstated, OrgSuspended,
};
use domain::ids::{KeyId, UserId};
use domain::plan::LimitKey;
use domain::scope::{Scope, Scopes};
use domain::time::Timestamp;
use gate::{Denial, Policy, Principal, State};
use runtime::entropy::Entropy;
use testkit::eventually;

use crate::support::{Command, Key, KeySpec, Replica, SOON, limit, unchanged};

async fn two_replicas() -> (Command, [Replica; 2], testkit::TestNats) {
    let database = testkit::postgres().await;
    let nats = testkit::nats().await;
    let command = Command::start(database.pool().clone(), Some(nats.client().await));
    let query = database.pool_as("tga_query");
    let replicas = [
        Replica::start(query.clone(), Some(nats.client().await)).await,
        Replica::start(query, Some(nats.client().await)).await,
    ];
    (command, replicas, nats)
}

async fn refused_everywhere(replicas: &[Replica], key: &Key, denial: Denial) {
    for replica in replicas {
        assert_eq!(replica.ask(key).await.unwrap_err(), denial);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_key_is_accepted_and_a_revoked_one_is_not() {
    let (command, replicas, _nats) = two_replicas().await;
    let org = command.org().await;
    for _ in 0..20 {
        let key = command.key(org).await;
        for replica in &replicas {
            let admission = replica.ask(&key).await.unwrap();
            let Principal::Key { id, org: of, .. } = admission.principal else {
                panic!("a key")
            };
            assert_eq!((id, of), (key.id, org));
        }
        let receipt = command.revoke(&key).await;
        refused_everywhere(&replicas, &key, Denial::Invalid).await;
        assert_eq!(receipt.barrier.count(State::Acked), 2);
        assert_eq!(receipt.barrier.bound.as_millis(), 2_475);
        assert!(receipt.barrier.waited < receipt.barrier.bound);
        let again = command.settle(receipt.position).await;
        assert_eq!(again.barrier.count(State::Acked), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_away_is_gone_with_the_receipt() {
    let (command, replicas, _nats) = two_replicas().await;
    let org = command.org().await;
    let key = command.key(org).await;
    for replica in &replicas {
        let admission = replica.ask(&key).await.unwrap();
        assert!(admission.require(Scope::Write).is_ok());
        let lacking = admission.require(Scope::Keys).unwrap_err();
        assert_eq!(lacking.granted, Scopes::DEFAULT);
    }
    let narrowed = KeyChanged {
        scopes: Some(Scopes::NONE.with(Scope::Read)),
        ip_allowlist: Some(Some(vec!["192.0.2.0/24".parse().unwrap()])),
        ..unchanged(key.id)
    };
    command.enforce(org, narrowed).await;
    for replica in &replicas {
        let admission = replica.ask(&key).await.unwrap();
        assert!(admission.require(Scope::Write).is_err());
    }
    let elsewhere = KeyChanged {
        ip_allowlist: Some(Some(vec!["198.51.100.0/24".parse().unwrap()])),
        ..unchanged(key.id)
    };
    command.enforce(org, elsewhere).await;
    refused_everywhere(&replicas, &key, Denial::AddressNotAllowed).await;
    let past = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    let rotated = KeyRotated {
        key_id: key.id,
        new_key_id: KeyId::from_uuid(Entropy::os().uuid_v4()),
        ends_at: past,
    };
    command.enforce(org, rotated).await;
    refused_everywhere(&replicas, &key, Denial::Invalid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_org_and_a_banned_person_are_told_so_until_it_is_lifted() {
    let (command, replicas, _nats) = two_replicas().await;
    let org = command.org().await;
    let owned = KeySpec {
        change: |key| key.owner_id = Some(UserId::from_uuid(uuid::Uuid::from_u128(7))),
        ..KeySpec::default()
    };
    let key = command.key_with(org, owned).await;
    let other = command.key(org).await;
    for replica in &replicas {
        replica.ask(&key).await.unwrap();
        replica.ask(&other).await.unwrap();
    }
    let user_id = UserId::from_uuid(uuid::Uuid::from_u128(7));
    command
        .enforce(
            org,
            MemberBanned {
                user_id,
                reason: None,
            },
        )
        .await;
    refused_everywhere(&replicas, &key, Denial::UserSuspended).await;
    command.enforce(org, OrgSuspended { reason: None }).await;
    refused_everywhere(&replicas, &key, Denial::OrgSuspended).await;
    refused_everywhere(&replicas, &other, Denial::OrgSuspended).await;
    command.enforce(org, MemberUnbanned { user_id }).await;
    command.enforce(org, OrgReinstated {}).await;
    for replica in &replicas {
        replica.ask(&key).await.unwrap();
        replica.ask(&other).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lowered_limits_hold_at_once() {
    let (command, replicas, _nats) = two_replicas().await;
    let org = command.org().await;
    let key = command.key(org).await;
    let replica = &replicas[0];
    // Fetches the org's quota, so that no later request has to wait for it.
    replica.ask(&command.key(org).await).await.unwrap();
    for _ in 0..10 {
        replica.ask(&key).await.unwrap();
    }
    let lowered = limit(LimitKey::MaxRequestsPerMinutePerKey, 5);
    command.enforce(org, lowered).await;
    let Err(Denial::RateLimited(limited)) = replica.ask(&key).await else {
        panic!("ten of five are used up")
    };
    assert_eq!((limited.policy, limited.limit), (Policy::KeyMinute, 5));
    assert!(limited.retry_after_seconds > 50);
    let raised = limit(LimitKey::MaxRequestsPerMinutePerKey, 60);
    command.enforce(org, raised).await;
    let left = replica.ask(&key).await.unwrap().rate.minute.remaining;
    assert_eq!(left, 49);
    command
        .enforce(org, limit(LimitKey::MaxApiRequestsPerDay, 3))
        .await;
    let Err(Denial::RateLimited(limited)) = replica.ask(&key).await else {
        panic!("more than three are used up")
    };
    assert_eq!((limited.policy, limited.limit), (Policy::OrgDay, 3));
    command
        .enforce(org, limit(LimitKey::MaxApiRequestsPerDay, 0))
        .await;
    let Err(Denial::RateLimited(limited)) = replica.ask(&key).await else {
        panic!("none are allowed")
    };
    assert_eq!((limited.policy, limited.limit), (Policy::OrgDay, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_ends_soon_says_so_and_then_ends() {
    let (command, replicas, _nats) = two_replicas().await;
    let org = command.org().await;
    let key = command.key(org).await;
    assert_eq!(replicas[0].ask(&key).await.unwrap().key_expires_at, None);
    let now = runtime::clock::Clock::system().now();
    let ends_at = Timestamp::from_datetime(now + chrono::TimeDelta::milliseconds(1_500));
    let expires = KeyChanged {
        expires_at: Some(Some(ends_at)),
        ..unchanged(key.id)
    };
    command.enforce(org, expires).await;
    let told = replicas[0].ask(&key).await.unwrap().key_expires_at;
    assert_eq!(told, Some(ends_at));
    eventually(SOON, "it ends by itself", async || {
        replicas[0].ask(&key).await.err() == Some(Denial::Invalid)
    })
    .await;
}
