//! Denials are answered once every replica knows of them (revocation.md).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use domain::org::Command;
use domain::plan::Plan;
use domain::scope::Scopes;
use gate::{Admission, Denial, Gate, Limiter, ReplicaConfig, ReplicaParts, VerifyConfig};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::Lifecycle;
use serde_json::{Value, json};
use testkit::eventually;

use crate::support::TestApp;

const SOON: Duration = Duration::from_secs(20);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// A query service's gate.
struct Replica {
    gate: Gate,
    _lifecycle: Lifecycle,
}

impl Replica {
    async fn start(app: &TestApp, nats: async_nats::Client) -> Self {
        let clock = Clock::system();
        let lifecycle = Lifecycle::new(clock.clone());
        let tasks = lifecycle.handle();
        let primary = app.pool().clone();
        let limiter = Limiter::start(primary.clone(), clock, &tasks);
        let parts = ReplicaParts {
            primary,
            log: app.service.log().clone(),
            nats: Some(nats),
            entropy: Entropy::os(),
        };
        let config = ReplicaConfig::new("test");
        let gate = Gate::cached(limiter, parts, VerifyConfig::default(), &config, &tasks);
        let mut ready = gate.ready();
        ready.wait_for(|ready| *ready).await.unwrap();
        Self {
            gate,
            _lifecycle: lifecycle,
        }
    }

    async fn ask(&self, secret: &str) -> Result<Admission, Denial> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::try_from(format!("Bearer {secret}")).unwrap();
        headers.insert(AUTHORIZATION, value);
        self.gate.authorize(&headers, PEER).await
    }
}

#[tokio::test]
async fn a_denial_is_answered_once_every_replica_acknowledged_it() {
    let nats = testkit::nats().await;
    let app = TestApp::mirrored(&nats).await;
    let org = app.org().await;
    let replicas = [
        Replica::start(&app, nats.client().await).await,
        Replica::start(&app, nats.client().await).await,
    ];
    for round in 0..5 {
        let (id, secret) = app.key(org.id, Scopes::DEFAULT).await;
        for replica in &replicas {
            eventually(SOON, "the replica knows the key", async || {
                replica.ask(&secret).await
            })
            .await;
        }
        let path = format!("/api-keys/{id}");
        if round % 2 == 0 {
            let narrowed = app.patch(&org, &path, json!({"scopes": ["read"]})).await;
            let barrier = &narrowed.data(200)["receipt"]["barrier"];
            assert_eq!(barrier["acked"], 2);
            for replica in &replicas {
                let scopes = replica.ask(&secret).await.unwrap().principal.scopes();
                assert_eq!(scopes.iter().count(), 1);
            }
        }
        let revoked = app.delete(&org, &path).await;
        let receipt = revoked.data(200);
        for replica in &replicas {
            assert_eq!(replica.ask(&secret).await.err(), Some(Denial::Invalid));
        }
        let barrier = &receipt["barrier"];
        assert_eq!(
            (&barrier["acked"], &barrier["lease_expired"]),
            (&json!(2), &json!(0))
        );
        assert_eq!(barrier["bound_ms"], 2_475);
        assert!(barrier["waited_ms"].as_u64().unwrap() < 2_475, "{barrier}");
        assert_eq!(barrier["replicas"].as_array().unwrap().len(), 2);
        assert_eq!(barrier["replicas"][0]["state"], "acked");
    }
}

#[tokio::test]
async fn what_the_operator_takes_away_is_waited_for_too() {
    let nats = testkit::nats().await;
    let app = TestApp::mirrored(&nats).await;
    let org = app.org().await;
    let replica = Replica::start(&app, nats.client().await).await;
    eventually(SOON, "the replica answers", async || {
        replica.ask(&org.secret).await
    })
    .await;
    app.operate(org.id, Command::Suspend { reason: None }).await;
    assert_eq!(
        replica.ask(&org.secret).await.err(),
        Some(Denial::OrgSuspended)
    );
    app.operate(org.id, Command::Suspend { reason: None }).await;
    app.operate(org.id, Command::Reinstate).await;
    eventually(SOON, "the org is back", async || {
        replica.ask(&org.secret).await
    })
    .await;
    app.operate(org.id, Command::SetPlan { plan: Plan::Free })
        .await;
}

#[tokio::test]
async fn a_dead_replica_is_waited_for_no_longer_than_its_lease() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (id, _) = app.key(org.id, Scopes::DEFAULT).await;
    app.db_execute(
        "insert into gate.leases (incarnation, replica, lease_ms, applied_position, epoch, ack_key)
         select gen_random_uuid(), 'dead', 500, 0, epoch, '' from log.head",
    )
    .await;
    let answer = app.delete(&org, &format!("/api-keys/{id}")).await;
    let barrier = &answer.data(200)["barrier"];
    assert_eq!(
        (&barrier["acked"], &barrier["lease_expired"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(barrier["replicas"][0]["state"], "expired");
    assert!(barrier["waited_ms"].as_u64() >= barrier["bound_ms"].as_u64());
    // W = D (1 + 0.1) / (1 - 0.1) + 30 ms
    assert!((641..=642).contains(&barrier["bound_ms"].as_u64().unwrap()));
}

#[tokio::test]
async fn a_denial_that_nobody_waits_for_settles_all_the_same() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (id, _) = app.key(org.id, Scopes::DEFAULT).await;
    let ask = app.request(&Method::DELETE, &format!("/api-keys/{id}"));
    let ask = ask.header(api::header::PREFER, "respond-async");
    let answer = ask.with_key(&org.secret).send().await;
    assert_eq!(answer.data(202)["barrier"], Value::Null);
    let position = i64::try_from(answer.position()).unwrap();
    eventually(SOON, "the denial is settled", async || {
        app.db_count("select settled from gate.head").await >= position
    })
    .await;
}
