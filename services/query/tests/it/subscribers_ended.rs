//! How a connection over NATS ends with what its key may do.

use chrono::TimeDelta;
use domain::event::{
    Event, KeyChanged, KeyCreated, KeyRevoked, OrgReinstated, OrgSuspended, RevocationReason,
};
use domain::ids::KeyId;
use domain::scope::{Scope, Scopes};
use event_log::STREAM_NAME;
use testkit::eventually;

use crate::subscriber::{Scene, Subscriber};
use crate::support::{Org, PATIENCE};

fn revoked(key_id: KeyId) -> Event {
    let reason = RevocationReason::Requested;
    KeyRevoked { key_id, reason }.into()
}

fn changed(key_id: KeyId) -> KeyChanged {
    KeyChanged {
        key_id,
        name: None,
        scopes: None,
        expires_at: None,
        ip_allowlist: None,
        rate_limit_per_minute: None,
        strict: None,
        owner_id: None,
        narrowed: true,
    }
}

/// One more key of the org, connected.
async fn another(scene: &Scene, org: &Org) -> (KeyId, Subscriber) {
    let (key_id, key, event) = scene.world.new_key(Scopes::ORG_ADMIN, 1_000_000);
    scene.world.append(org, vec![event]).await;
    let subscriber = scene.connect(org.id, key_id, &key).await;
    (key_id, subscriber)
}

#[tokio::test]
async fn whatever_takes_the_trail_from_a_key_ends_its_connection_and_no_other() {
    let scene = Scene::start().await;
    let org = scene.org().await;
    let mut bystander = scene.subscriber(&org).await;
    let narrower = Scopes::from_iter([Scope::Read, Scope::Write]);
    let ends: [fn(&Scene, KeyId, Scopes) -> Event; 4] = [
        |_, key, _| revoked(key),
        |_, key, narrower| {
            let scopes = Some(narrower);
            KeyChanged {
                scopes,
                ..changed(key)
            }
            .into()
        },
        |_, key, _| {
            let elsewhere = vec!["203.0.113.0/24".parse().unwrap()];
            let ip_allowlist = Some(Some(elsewhere));
            KeyChanged {
                ip_allowlist,
                ..changed(key)
            }
            .into()
        },
        |scene, key, _| {
            let expires_at = Some(Some(scene.world.now().plus(TimeDelta::seconds(1))));
            KeyChanged {
                expires_at,
                ..changed(key)
            }
            .into()
        },
    ];
    for end in ends {
        let (key_id, mut subscriber) = another(&scene, &org).await;
        assert!(subscriber.was_never_ended());
        let event = end(&scene, key_id, narrower);
        scene.world.append(&org, vec![event]).await;
        subscriber.ended().await;
        assert!(bystander.was_never_ended());
    }
}

#[tokio::test]
async fn an_org_that_is_suspended_has_no_connections_until_it_is_reinstated() {
    let scene = Scene::start().await;
    let (org, other) = (scene.org().await, scene.org().await);
    let mut subscriber = scene.subscriber(&org).await;
    let mut bystander = scene.subscriber(&other).await;
    let suspended = OrgSuspended { reason: None };
    scene.world.append(&org, vec![suspended.into()]).await;
    subscriber.ended().await;
    scene.is_refused(&org.key).await;
    assert!(bystander.was_never_ended());
    let reinstated = OrgReinstated {};
    scene.world.append(&org, vec![reinstated.into()]).await;
    scene.is_let_in(&org.key).await;
}

/// By the server itself: nothing of ours runs then.
#[tokio::test]
async fn a_connection_ends_with_its_key_though_nobody_looks() {
    let mut scene = Scene::start().await;
    let org = scene.org().await;
    let (key_id, key, event) = scene.world.new_key(Scopes::ORG_ADMIN, 1_000_000);
    let Event::KeyCreated(created) = event else {
        panic!("no key was made");
    };
    let expires_at = Some(scene.world.now().plus(TimeDelta::seconds(3)));
    let created = KeyCreated {
        expires_at,
        ..created
    };
    scene.world.append(&org, vec![created.into()]).await;
    let mut subscriber = scene.connect(org.id, key_id, &key).await;
    scene.stop_replica().await;
    subscriber.ended().await;
}

#[tokio::test]
async fn who_let_a_connection_in_need_not_be_there_to_end_it() {
    let mut scene = Scene::start().await;
    let org = scene.org().await;
    let (key_id, mut subscriber) = another(&scene, &org).await;
    scene.stop_replica().await;
    scene.world.append(&org, vec![revoked(key_id)]).await;
    assert!(subscriber.was_never_ended());
    let _later = scene.world.replica_for_subscribers(&scene.nats).await;
    subscriber.ended().await;
}

#[tokio::test]
async fn the_durable_of_a_key_goes_with_it() {
    let scene = Scene::start().await;
    let org = scene.org().await;
    let (key_id, subscriber) = another(&scene, &org).await;
    let bystander = scene.subscriber(&org).await;
    let context = scene.nats.jetstream().await;
    let stream = context.get_stream(STREAM_NAME).await.unwrap();
    stream.consumer_info(subscriber.durable()).await.unwrap();
    scene.world.append(&org, vec![revoked(key_id)]).await;
    eventually(PATIENCE, "the durable is taken away", async || {
        stream.consumer_info(subscriber.durable()).await.is_err()
    })
    .await;
    stream.consumer_info(bystander.durable()).await.unwrap();
}
