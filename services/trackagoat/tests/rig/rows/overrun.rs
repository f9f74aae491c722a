//! Row 31: a replica that does not take what it is sent, until NATS sends it no more.

use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use runtime::nats::NatsUrl;
use serde_json::Value;
use testkit::eventually;

use super::messages::{nats_client, shown_as_revoked};
use super::{done, expect_waited, lasts, lease};
use crate::client::now;
use crate::counters::{metrics, value};
use crate::limits::SOON;
use crate::rig::Rig;

/// What NATS keeps for a connection that does not take it; the rest is lost, and the connection with it.
const PENDING: &str = "max_pending: 1048576\n";
/// Messages that say nothing, on what every replica hears.
const NOISE_SUBJECT: &str = "tga.gate.auth";
const NOISE_BYTES: usize = 8 * 1024;
/// So many at once, so that those who take them keep up.
const NOISE_AT_ONCE: usize = 10;
const NOISE_PAUSE: Duration = Duration::from_millis(5);
const APPLIED: &str = "tga_gate_applied_position";
const LEASED: &str = "tga_gate_leased";
/// The ways in which a replica learns that it was not told.
const FOUND: [(&str, &str); 4] = [
    (
        "events whose predecessor it had not",
        "tga_gate_catch_ups_total{reason=\"gap\"",
    ),
    (
        "renewals that saw a newer head",
        "tga_gate_renewals_total{outcome=\"behind\"",
    ),
    ("gaps in the stream of the log", "tga_log_feed_gaps_total"),
    (
        "events that it read in the log after a silence",
        "tga_log_feed_events_total{source=\"log\"",
    ),
];
/// How long it stands still for.
const SHORT: Duration = Duration::from_millis(300);

/// Row 31.
pub async fn slow_consumer(rig: &mut Rig) {
    limit(rig, PENDING).await;
    rig.mend().await;
    let silent = lease(rig, "q3").await;
    let before = metrics(rig, "q3").await;
    let watch = rig.round().await;
    let since = now();
    rig.service("q3").stop();
    let dropped = drown(rig).await;
    let revoked = done(watch.revoke()).await;
    lasts(SHORT).await;
    rig.service("q3").go_on();
    let keys: Vec<_> = revoked.iter().map(|one| one.key).collect();
    expect_waited(rig, &revoked, silent, since);
    // S4, and that it found the gap: NATS had given it up before these were told, and never tells them again.
    for key in &keys {
        shown_as_revoked(rig, "q3", *key).await;
    }
    let positions = revoked.iter().map(|one| one.receipt.position.get());
    let newest = positions.max().unwrap_or_default();
    let after = eventually(SOON, "it has applied what it was not told", async || {
        let text = metrics(rig, "q3").await;
        let (applied, leased) = (value(&text, APPLIED), value(&text, LEASED));
        let is_well = applied >= newest && leased == 1;
        is_well
            .then_some(text)
            .ok_or(format!("{applied} of {newest}, {leased} leases"))
    })
    .await;
    rig.end(watch, &["q3"]).await;
    let found = FOUND.map(|(how, series)| {
        let times = value(&after, series).saturating_sub(value(&before, series));
        (times, format!("{times} {how}"))
    });
    let times: u64 = found.iter().map(|(times, _)| times).sum();
    rig.found.expect(times > 0, || {
        "nothing that counts gaps found what NATS did not tell".to_owned()
    });
    rig.found.note(format!(
        "NATS gave up {dropped} connections; what was missing was found by {}",
        found.map(|(_, text)| text).join(", ")
    ));
    limit(rig, "").await;
}

/// Starts NATS again with these lines in its configuration.
async fn limit(rig: &mut Rig, lines: &'static str) {
    rig.nats
        .act(async move |server| {
            server.stop().await?;
            server.configure(lines);
            server.start().await
        })
        .await;
}

/// Sends until NATS has given up somebody who does not take it; says how many those are.
async fn drown(rig: &mut Rig) -> u64 {
    let client = nats_client(rig).await;
    let noise = Bytes::from(vec![b'x'; NOISE_BYTES]);
    let url = rig.nats.get().system_url();
    let url: NatsUrl = url.parse().expect("the launcher writes URLs");
    let system = url.connect().await.expect("NATS takes connections");
    let first = eventually(SOON, "NATS says whom it gave up", async || {
        given_up(&system).await
    })
    .await;
    eventually(SOON, "NATS gives up who does not listen", async || {
        for _ in 0..NOISE_AT_ONCE {
            let _ = client.publish(NOISE_SUBJECT, noise.clone()).await;
        }
        let _ = client.flush().await;
        lasts(NOISE_PAUSE).await;
        let now = given_up(&system).await;
        now.filter(|now| *now > first)
            .map(|now| now - first)
            .ok_or(format!("{now:?}"))
    })
    .await
}

/// How many connections NATS has given up since it began, for not taking what they were sent.
async fn given_up(system: &Client) -> Option<u64> {
    let asked = system.request("$SYS.REQ.SERVER.PING", Bytes::new()).await;
    let answer = asked
        .ok()
        .and_then(|answer| serde_json::from_slice::<Value>(&answer.payload).ok());
    answer?["statsz"]["slow_consumers"].as_u64()
}
