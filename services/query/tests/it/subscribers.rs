//! Who is let in to read events over NATS, and what they read.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::{ConnectErrorKind, ConnectOptions};
use chrono::TimeDelta;
use domain::event::{Event, KeyCreated, KeyRevoked, OrgSuspended, RevocationReason, Role};
use domain::ids::GlobalPosition;
use domain::limits::{
    SUBSCRIBER_ACK_SECONDS, SUBSCRIBER_BATCH, SUBSCRIBER_IDLE_HOURS, SUBSCRIBER_UNACKNOWLEDGED,
    SUBSCRIBER_WAITING,
};
use domain::scope::{Scope, Scopes};
use event_log::STREAM_NAME;
use serde_json::Value;
use testkit::eventually;

use crate::subscriber::{Scene, positions};
use crate::support::{Database, Org, PATIENCE, World, metric};

const UNKNOWN: &str = "tga_0123456789abcdef0123456789abcdef0123456789abcdef012345671c637e5a";

/// A key of the org as this says, and what made it.
async fn key_with(scene: &Scene, org: &Org, with: impl FnOnce(KeyCreated) -> KeyCreated) -> String {
    let (_, secret, event) = scene.world.new_key(Scopes::ORG_ADMIN, 1_000_000);
    let Event::KeyCreated(created) = event else {
        panic!("no key was made");
    };
    let created = with(created).into();
    scene.world.append(org, vec![created]).await;
    secret
}

#[tokio::test]
async fn a_key_reads_the_events_of_its_org_at_the_positions_of_the_log() {
    let scene = Scene::start().await;
    let (one, other) = (scene.org().await, scene.org().await);
    for round in 0..3 {
        scene.world.project(&one, &format!("P {round}")).await;
        scene.world.project(&other, &format!("P {round}")).await;
    }
    let subscriber = scene.subscriber(&one).await;
    let read = subscriber.read(7).await;
    let log = scene.world.log.read(GlobalPosition::ZERO, 1_000);
    let log = log.await.unwrap();
    let own: Vec<u64> = log
        .iter()
        .filter(|event| event.org_id == one.id)
        .map(|event| event.position.get())
        .collect();
    assert_eq!(positions(&read), own);
    let source = format!("/orgs/{}", one.id);
    for (n, message) in read.iter().enumerate() {
        let event: Value = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(event["source"], source);
        assert_eq!(event["streamversion"], (n + 1).to_string());
    }
    // What happens meanwhile comes as it happens.
    let next = scene.world.project(&one, "Next").await;
    let read = subscriber.read(1).await;
    let event: Value = serde_json::from_slice(&read[0].payload).unwrap();
    assert_eq!(event["subject"], format!("projects/{next}"));
}

#[tokio::test]
async fn a_key_may_come_as_a_password_of_anybody() {
    let scene = Scene::start().await;
    let org = scene.org().await;
    eventually(PATIENCE, "it is let in", async || {
        let options = ConnectOptions::with_user_and_password("anybody".to_owned(), org.key.clone());
        options.connect(scene.nats.open_url()).await.map(drop)
    })
    .await;
    // Nobody is who logs in there with a password of their own.
    let options = ConnectOptions::with_user_and_password("replica".to_owned(), org.key.clone());
    let refused = options.connect(scene.nats.open_url()).await.unwrap_err();
    assert_eq!(refused.kind(), ConnectErrorKind::AuthorizationViolation);
}

#[tokio::test]
async fn who_may_not_call_may_not_subscribe() {
    let scene = Scene::start().await;
    let org = scene.org().await;
    let anonymous = ConnectOptions::new().connect(scene.nats.open_url()).await;
    let refused = anonymous.unwrap_err().kind();
    assert_eq!(refused, ConnectErrorKind::AuthorizationViolation);
    for token in ["x", UNKNOWN, &UNKNOWN.to_uppercase(), "tga_ \r\n"] {
        scene.is_refused(token).await;
    }
    let most = Scopes::from_iter([Scope::Read, Scope::Write, Scope::Keys, Scope::Ingest]);
    let narrow = key_with(&scene, &org, |key| KeyCreated {
        scopes: most,
        ..key
    })
    .await;
    scene.is_refused(&narrow).await;
    let elsewhere = Some(vec!["203.0.113.0/24".parse().unwrap()]);
    let elsewhere = key_with(&scene, &org, |key| KeyCreated {
        ip_allowlist: elsewhere,
        ..key
    })
    .await;
    scene.is_refused(&elsewhere).await;
    let over = Some(scene.world.now().minus(TimeDelta::seconds(1)));
    let over = key_with(&scene, &org, |key| KeyCreated {
        expires_at: over,
        ..key
    })
    .await;
    scene.is_refused(&over).await;
    let admin = scene.world.person(&org, Role::Admin, "Ada").await;
    scene.is_refused(&admin.secret).await;
    let (id, revoked, event) = scene.world.new_key(Scopes::ORG_ADMIN, 1_000_000);
    let reason = RevocationReason::Requested;
    let ended = KeyRevoked { key_id: id, reason };
    scene.world.append(&org, vec![event, ended.into()]).await;
    scene.is_refused(&revoked).await;
    // None of these was refused because nobody is.
    scene.is_let_in(&org.key).await;
    let suspended = OrgSuspended { reason: None };
    scene.world.append(&org, vec![suspended.into()]).await;
    scene.is_refused(&org.key).await;
}

#[tokio::test]
async fn a_connection_is_a_request_of_the_keys_window() {
    let scene = Scene::start().await;
    let org = scene.org().await;
    let key = key_with(&scene, &org, |key| KeyCreated {
        rate_limit_per_minute: 3,
        ..key
    })
    .await;
    let mut let_in = 0;
    for _ in 0..6 {
        let_in += u32::from(scene.try_token(&key).await.is_ok());
    }
    // On a busy machine one may be counted and yet not let in.
    assert!((1..=3).contains(&let_in), "{let_in}");
}

#[tokio::test]
async fn two_keys_of_an_org_do_not_take_each_others_events() {
    let scene = Scene::start().await;
    let org = scene.org().await;
    let (key_id, key, event) = scene.world.new_key(Scopes::ORG_ADMIN, 1_000_000);
    scene.world.append(&org, vec![event]).await;
    let one = scene.subscriber(&org).await;
    let other = scene.connect(org.id, key_id, &key).await;
    let first = positions(&one.read(5).await);
    assert_eq!(positions(&other.read(5).await), first);
}

#[tokio::test]
async fn nobody_is_let_in_while_nobody_can_say_who_may_be() {
    let mut scene = Scene::start().await;
    let org = scene.org().await;
    scene.is_let_in(&org.key).await;
    scene.stop_replica().await;
    assert!(scene.try_token(&org.key).await.is_err());
    let _again = scene.world.replica_for_subscribers(&scene.nats).await;
    scene.is_let_in(&org.key).await;
}

#[tokio::test]
async fn without_the_primary_nobody_unknown_is_let_in() {
    let server = testkit::private_postgres().await;
    let world = World::start_on(Database::Own(Box::new(server))).await;
    let mut scene = Scene::start_on(world).await;
    let org = scene.org().await;
    scene.world.database.server().stop().await;
    eventually(PATIENCE, "the lease runs out", async || {
        scene.try_token(&org.key).await.is_err()
    })
    .await;
    scene.world.database.server().start().await;
    scene.is_let_in(&org.key).await;
}

/// Durables end with the server, events do not.
#[tokio::test]
async fn a_subscriber_outlives_nats_and_is_told_everything_again() {
    let mut scene = Scene::start().await;
    let org = scene.org().await;
    let mut subscriber = scene.subscriber(&org).await;
    let before = positions(&subscriber.read(4).await);
    scene.nats.restart().await;
    subscriber.ended().await;
    scene.world.project(&org, "Meanwhile").await;
    let after = positions(&subscriber.read(5).await);
    assert_eq!(after[..4], before);
    assert!(after[4] > before[3], "{after:?} after {before:?}");
}

/// As earlier versions of the service kept them.
#[tokio::test]
async fn a_durable_that_was_kept_on_the_disk_is_made_anew() {
    let scene = Scene::start().await;
    let org = scene.org().await;
    let context = scene.nats.jetstream().await;
    let name = format!("{}-{}", org.id, org.key_id);
    let on_disk = pull::Config {
        name: Some(name.clone()),
        durable_name: Some(name),
        description: Some("Events of one org, for one API key".to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: Duration::from_secs(SUBSCRIBER_ACK_SECONDS),
        filter_subject: event_log::subject_of_org(org.id),
        max_ack_pending: SUBSCRIBER_UNACKNOWLEDGED,
        max_waiting: SUBSCRIBER_WAITING,
        max_batch: SUBSCRIBER_BATCH,
        inactive_threshold: Duration::from_hours(SUBSCRIBER_IDLE_HOURS),
        ..pull::Config::default()
    };
    let made = context.create_consumer_on_stream(on_disk, STREAM_NAME);
    made.await.unwrap();
    let subscriber = scene.subscriber(&org).await;
    assert_eq!(subscriber.read(4).await.len(), 4);
    let described = subscriber.described().await;
    assert!(described.cached_info().config.memory_storage);
}

/// The stream is another one then, and has no durables. Whoever is connected need not notice.
#[tokio::test]
async fn a_stream_that_is_made_anew_gets_its_durables_back() {
    let scene = Scene::start().await;
    let org = scene.org().await;
    let mut subscriber = scene.subscriber(&org).await;
    let before = positions(&subscriber.read(4).await);
    let context = scene.nats.jetstream().await;
    context.delete_stream(STREAM_NAME).await.unwrap();
    scene.world.project(&org, "Meanwhile").await;
    let after = positions(&subscriber.read(5).await);
    assert_eq!(after[..4], before, "it begins again at the beginning");
    assert!(subscriber.was_never_ended());
}

#[tokio::test]
async fn a_stream_that_nats_lost_comes_back_with_its_durables() {
    let mut scene = Scene::start().await;
    let org = scene.org().await;
    let mut subscriber = scene.subscriber(&org).await;
    let before = positions(&subscriber.read(4).await);
    scene.nats.wipe().await;
    subscriber.ended().await;
    let after = positions(&subscriber.read(4).await);
    assert_eq!(after, before);
}

#[tokio::test]
async fn what_is_said_of_subscribers_is_counted() {
    let scene = Scene::start().await;
    let org = scene.org().await;
    let counted = |outcome: &str| {
        metric(&format!(
            "tga_subscriber_connects_total{{outcome=\"{outcome}\"}}"
        ))
    };
    let (admitted, refused) = (counted("admitted"), counted("refused"));
    let _subscriber = scene.subscriber(&org).await;
    scene.is_refused(UNKNOWN).await;
    assert!(counted("admitted") > admitted && counted("refused") > refused);
    eventually(PATIENCE, "the connection is listed", async || {
        metric("tga_subscribers ") >= 1.0
    })
    .await;
}
