//! Rows 10 to 13: packets that do not arrive.

use std::time::Duration;

use api::v1::ReplicaState;
use reqwest::StatusCode;
use testkit::eventually;

use super::{done, expect_state, expect_waited, lease};
use crate::client::now;
use crate::limits::{BOUND, BY_RENEWALS, RECOVERS_WITHIN, SOON, TERM};
use crate::net::{Rule, Way};
use crate::rig::Rig;

/// By how much more than W a revocation may wait for a silent replica.
const TOLERANCE: f64 = 0.05;
/// What a replica may need beyond its term until it says that it knows nothing.
const FENCE_GRACE: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Postgres,
    Nats,
}

/// Drops packets between a service and servers.
pub fn cut(rig: &mut Rig, name: &str, peers: &[Peer], way: Way, percent: u8) {
    let (postgres, nats) = (rig.net.place("pg"), rig.net.place("nats"));
    let rule = |peer: &Peer| Rule {
        peer: match peer {
            Peer::Postgres => postgres.address,
            Peer::Nats => nats.address,
        },
        way,
        percent,
    };
    let rules: Vec<_> = peers.iter().map(rule).collect();
    let cut = rig.service(name).recipe.place.lose(&rules);
    cut.expect("rules could be set when the rig began");
}

/// Row 10: it acknowledges over NATS, is fenced after D, says 503, and is back soon after.
pub async fn from_postgres(rig: &mut Rig) {
    let lonely = lease(rig, "q3").await;
    let watch = rig.round().await;
    cut(rig, "q3", &[Peer::Postgres], Way::Both, 100);
    let began = now();
    let revoked = done(watch.revoke()).await;
    expect_state(rig, &revoked, lonely, &[ReplicaState::Acked]);
    let q3 = rig.target("q3");
    let control = rig.control.clone();
    eventually(SOON, "q3 is fenced", async || {
        let answer = control.ask_briefly(&q3).await;
        answer
            .is(StatusCode::SERVICE_UNAVAILABLE)
            .then_some(())
            .ok_or(answer.told())
    })
    .await;
    let fenced = Duration::from_nanos(now() - began);
    rig.service("q3").recipe.place.heal();
    let back = recovers(rig, "q3").await;
    rig.end(watch, &["q3"]).await;
    rig.found.note(format!(
        "fenced after {} ms, back after {} ms",
        fenced.as_millis(),
        back.as_millis()
    ));
    rig.found.expect_speed(fenced <= TERM + FENCE_GRACE, || {
        format!("it served for {} ms without Postgres", fenced.as_millis())
    });
    rig.found.expect_speed(back <= RECOVERS_WITHIN, || {
        format!("L2: back after {} ms", back.as_millis())
    });
}

/// Row 11: renewals say what it applied.
pub async fn from_nats(rig: &mut Rig) {
    let deaf = lease(rig, "q3").await;
    let watch = rig.round().await;
    cut(rig, "q3", &[Peer::Nats], Way::Both, 100);
    let revoked = done(watch.revoke()).await;
    rig.service("q3").recipe.place.heal();
    rig.end(watch, &[]).await;
    expect_state(rig, &revoked, deaf, &[ReplicaState::Acked]);
    for one in &revoked {
        rig.counters.count("barrier ended by a renewal's position");
        rig.found.expect_speed(one.waited() <= BY_RENEWALS, || {
            format!("through renewals it took {} ms", one.waited().as_millis())
        });
    }
}

/// Row 12: nobody can say what it does, so its lease must run out.
pub async fn from_both(rig: &mut Rig) {
    let lost = lease(rig, "q3").await;
    let watch = rig.round().await;
    let began = now();
    cut(rig, "q3", &[Peer::Postgres, Peer::Nats], Way::Both, 100);
    let revoked = done(watch.revoke()).await;
    rig.service("q3").recipe.place.heal();
    let back = recovers(rig, "q3").await;
    rig.end(watch, &["q3"]).await;
    rig.found
        .note(format!("back after {} ms", back.as_millis()));
    expect_waited(rig, &revoked, lost, began);
    for one in &revoked {
        let waited = one.waited();
        rig.found
            .expect_speed(waited <= BOUND.mul_f64(1.0 + TOLERANCE), || {
                format!("waited {} ms", waited.as_millis())
            });
    }
}

/// Row 13: a renewal arrives and its answer does not; then the other way round.
pub async fn one_way(rig: &mut Rig) {
    for way in [Way::In, Way::Out] {
        rig.mend().await;
        let watch = rig.round().await;
        cut(rig, "q3", &[Peer::Postgres, Peer::Nats], way, 100);
        done(watch.revoke()).await;
        rig.service("q3").recipe.place.heal();
        recovers(rig, "q3").await;
        rig.end(watch, &["q3"]).await;
    }
}

/// Waits until a replica answers again, and says how long that took.
pub async fn recovers(rig: &Rig, name: &str) -> Duration {
    let (target, control) = (rig.target(name), rig.control.clone());
    let began = now();
    eventually(SOON, "it is back", async || {
        let answer = control.ask_briefly(&target).await;
        answer.is(StatusCode::OK).then_some(()).ok_or(answer.told())
    })
    .await;
    Duration::from_nanos(now() - began)
}
