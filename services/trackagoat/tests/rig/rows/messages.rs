//! Rows 17, 28, 30 and 32: messages that are late, lost, forged, or from the future.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Message};
use event_log::STREAM_NAME;
use futures_util::StreamExt;
use reqwest::Method;
use runtime::nats::NatsUrl;
use serde_json::json;
use testkit::{Direction, Proxy, eventually};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::commands::refuses;
use super::{REPLICAS, done, expect_waited, lasts, lease};
use crate::client::{answer, now};
use crate::limits::{BY_RENEWALS, SOON};
use crate::rig::{Rig, target};

/// Milliseconds that bytes are under way to and from Postgres, and to and from NATS.
const DELAYS: [(u64, u64); 4] = [(1, 60), (40, 1), (120, 900), (600, 3_000)];
/// How often delays change while keys are revoked.
const JITTER: Duration = Duration::from_millis(60);
/// Messages that are kept to be sent again.
const KEPT: usize = 256;
/// For how long a server stands still.
const STOP: Duration = Duration::from_millis(1_500);

/// Row 17: a replica far away. Answers to its renewals come late, and its acknowledgements; what it
/// is told comes after what it reads, or before.
pub async fn late(rig: &mut Rig) {
    let postgres = Proxy::between(rig.net.hub(), rig.postgres.address()).await;
    let nats = Proxy::between(rig.net.hub(), rig.nats.address()).await;
    let mut recipe = rig.recipe("query", rig.net.place("x1"));
    recipe.lead("TGA_DATABASE_URL", &postgres);
    recipe.lead("TGA_PROJECTOR_DATABASE_URL", &postgres);
    recipe.lead("TGA_NATS_URL", &nats);
    let far = rig.extra(recipe).await;
    let set = |proxy: &Proxy, millis: u64| {
        proxy.delay(Direction::ToServer, Duration::from_millis(millis / 2));
        proxy.delay(
            Direction::ToClient,
            Duration::from_millis(millis - millis / 2),
        );
    };
    for (to_postgres, to_nats) in DELAYS {
        let watch = rig.round_with(&[&far]).await;
        set(&postgres, to_postgres);
        set(&nats, to_nats);
        let revoking = watch.revoke();
        lasts(JITTER).await;
        set(&postgres, to_postgres * 2);
        lasts(JITTER).await;
        set(&postgres, to_postgres);
        set(&nats, to_nats / 2);
        done(revoking).await;
        postgres.heal();
        nats.heal();
        rig.end(watch, &[&far.name]).await;
    }
    rig.dismiss(far).await;
}

/// Row 28.
pub async fn nats_lost(rig: &mut Rig) {
    let watch = rig.round().await;
    rig.nats.act(async |server| server.kill().await).await;
    let revoked = done(watch.revoke()).await;
    rig.nats.act(async |server| server.start().await).await;
    rig.end(watch, &[]).await;
    for one in &revoked {
        let waited = one.waited();
        rig.found.expect_speed(waited <= BY_RENEWALS, || {
            format!("without NATS a revocation waited {} ms", waited.as_millis())
        });
    }

    let watch = rig.round().await;
    rig.nats.get().pause();
    let revoking = watch.revoke();
    lasts(STOP).await;
    rig.nats.get().resume();
    done(revoking).await;
    rig.end(watch, &[]).await;

    let watch = rig.round().await;
    let revoking = watch.revoke();
    rig.nats
        .act(async |server| {
            server.kill().await?;
            server.wipe()?;
            server.start().await
        })
        .await;
    let revoked: Vec<_> = done(revoking).await.iter().map(|one| one.key).collect();
    rig.end(watch, &[]).await;
    // S4: what readers see, and the public face of the log, are made from Postgres.
    for name in REPLICAS {
        for key in &revoked {
            shown_as_revoked(rig, name, *key).await;
        }
    }
    rig.key().await;
    let jetstream = async_nats::jetstream::new(nats_client(rig).await);
    let log = rig.log();
    eventually(SOON, "the stream ends where the log does", async || {
        let head = log.head().await.map_err(|error| error.to_string())?;
        let stream = jetstream
            .get_stream(STREAM_NAME)
            .await
            .map_err(|error| error.to_string())?;
        let (last, head) = (
            stream.cached_info().state.last_sequence,
            head.position.get(),
        );
        (last == head)
            .then_some(())
            .ok_or(format!("{last} of {head}"))
    })
    .await;
}

/// Row 30: whoever may publish says all that is false, and repeats all that was true.
pub async fn forged(rig: &mut Rig) {
    let client = nats_client(rig).await;
    let mut heard = hear(&client).await;
    let watch = rig.round().await;
    done(watch.revoke()).await;
    rig.end(watch, &[]).await;
    let genuine = drain(&mut heard);
    rig.found
        .expect(!genuine.is_empty(), || "no message was heard".to_owned());

    let silent = lease(rig, "q3").await;
    let watch = rig.round().await;
    let epoch: Uuid = sqlx::query_scalar("select epoch from log.head")
        .fetch_one(&rig.pool)
        .await
        .expect("Postgres answers");
    let since = now();
    rig.service("q3").stop();
    let revoking = watch.revoke();
    while !revoking.is_finished() {
        forge(&client, epoch, silent, &genuine).await;
        rig.counters.count("forged and repeated messages");
        lasts(Duration::from_millis(50)).await;
    }
    let revoked = done(revoking).await;
    rig.service("q3").go_on();
    for name in REPLICAS {
        for key in watch.victims() {
            refuses(&rig.target(name), key).await;
        }
    }
    rig.end(watch, &["q3"]).await;
    expect_waited(rig, &revoked, silent, since);
}

/// Row 32: replicas that do not know what happened trust nothing they have, and do not crash.
pub async fn unknown_event(rig: &mut Rig) {
    append_unknown(rig).await;
    eventually(SOON, "every replica gives up its lease", async || {
        let leases = rig.leases().await.len();
        (leases == 0)
            .then_some(())
            .ok_or(format!("{leases} leases"))
    })
    .await;
    let watch = rig.round().await;
    let revoked = done(watch.revoke()).await;
    for one in &revoked {
        let barrier = one.receipt.barrier.as_ref();
        let waits_for_nobody = barrier.is_some_and(|barrier| barrier.replicas.is_empty());
        rig.found.expect(waits_for_nobody, || {
            "somebody without a lease was waited for".to_owned()
        });
    }
    for name in REPLICAS {
        for key in watch.victims() {
            refuses(&rig.target(name), key).await;
        }
        let lives = rig.service(name).lives();
        rig.found.expect(lives, || format!("{name} crashed"));
    }
    rig.end(watch, &[]).await;

    // One that starts now begins behind the event, and has a lease.
    let recipe = rig.recipe("query", rig.net.place("x1"));
    let newer = rig.extra(recipe).await;
    let watch = rig.round_with(&[&newer]).await;
    rig.found.expect(rig.leases().await.len() == 1, || {
        "a new replica has no lease".to_owned()
    });
    done(watch.revoke()).await;
    for key in watch.victims() {
        refuses(&target(&newer), key).await;
    }
    rig.end(watch, &[]).await;
    rig.dismiss(newer).await;
}

/// Waits until a replica shows that the key has ended.
pub async fn shown_as_revoked(rig: &Rig, name: &str, key: Uuid) {
    let (target, path) = (rig.target(name), format!("/api-keys/{key}"));
    let what = format!("{name} shows that a key has ended");
    eventually(SOON, &what, async || {
        let shown = answer(rig.admin.request(&target, Method::GET, &path)).await;
        let is_so = shown.body["data"]["status"] == "revoked";
        is_so.then_some(()).ok_or(shown.told())
    })
    .await;
}

pub async fn nats_client(rig: &Rig) -> Client {
    let url: NatsUrl = rig.nats.url().parse().expect("the launcher writes URLs");
    let what = "NATS takes a connection";
    eventually(SOON, what, async || {
        url.connect().await.map_err(|error| error.to_string())
    })
    .await
}

/// Everything that gates say to each other from now on.
async fn hear(client: &Client) -> mpsc::Receiver<Message> {
    let (sender, receiver) = mpsc::channel(KEPT);
    let mut messages = client.subscribe("tga.gate.>").await.expect("NATS is there");
    client.flush().await.expect("NATS is there");
    let hearing = async move {
        while let Some(message) = messages.next().await {
            // Beyond what is kept, or after the row, it is lost.
            if sender.try_send(message).is_err() {
                return;
            }
        }
    };
    tokio_util::task::TaskTracker::new().spawn(hearing);
    receiver
}

fn drain(heard: &mut mpsc::Receiver<Message>) -> Vec<Message> {
    std::iter::from_fn(|| heard.try_recv().ok()).collect()
}

/// Acknowledgements in the name of a replica that is silent, a settlement of all that will ever be,
/// a revocation of nothing in the place of the next; and everything that was said before, backwards
/// and twice.
async fn forge(client: &Client, epoch: Uuid, silent: Uuid, genuine: &[Message]) {
    let mut mac = HeaderMap::new();
    mac.insert(
        "Tga-Mac",
        "c3R1ZmYgdGhhdCBpcyBubyBNQUMgYXQgYWxsLCBmb3IgdGVzdHM=",
    );
    let ack = json!({"epoch": epoch, "incarnation": silent, "applied": 1_000_000});
    let settled = json!({"epoch": epoch, "position": 1_000_000});
    for (subject, body) in [
        (format!("tga.gate.ack.{silent}"), ack),
        ("tga.gate.settled".to_owned(), settled),
    ] {
        let payload = body.to_string();
        let _ = client
            .publish(subject.clone(), payload.clone().into())
            .await;
        let _ = client
            .publish_with_headers(subject, mac.clone(), payload.into())
            .await;
    }
    for message in genuine.iter().rev().flat_map(|message| [message, message]) {
        let (subject, headers) = (message.subject.clone(), message.headers.clone());
        let headers = headers.unwrap_or_default();
        let _ = client
            .publish_with_headers(subject, headers, message.payload.clone())
            .await;
    }
    for message in genuine
        .iter()
        .filter(|message| message.subject.as_str() == "tga.gate.auth")
    {
        let text =
            String::from_utf8_lossy(&message.payload).replace("\"previous\":", "\"previous\":1");
        let headers = message.headers.clone().unwrap_or_default();
        let subject = message.subject.clone();
        let _ = client
            .publish_with_headers(subject, headers, text.into())
            .await;
    }
    let _ = client.flush().await;
}

/// An auth event whose type this build does not know, in the org that nobody here asks for.
async fn append_unknown(rig: &Rig) {
    sqlx::query(
        "with head as (select * from log.head for update), last as (
             select org_id, version, hash from log.events
             where stream = 0 and org_id = (select org_id from log.events where position = 1)
             order by position desc limit 1
         ), event as (
             insert into log.events (position, version, auth_prev, recorded_at, stream,
                 schema_version, event_id, org_id, type, subject, actor, correlation_id,
                 prev_hash, hash, data)
             select h.position + 1, l.version + 1, h.auth_position, h.recorded_at, 0, 1,
                 gen_random_uuid(), l.org_id, 'key.frozen', 'keys/x', 'system', 'rig',
                 l.hash, l.hash, '{}'
             from head h, last l returning position
         )
         update log.head set position = (select position from event),
             auth_position = (select position from event)",
    )
    .execute(&rig.pool)
    .await
    .expect("a superuser may append");
}
