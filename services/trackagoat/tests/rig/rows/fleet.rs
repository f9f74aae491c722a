//! Rows 39 and 40: who comes, goes, and is there twice.

use std::time::Duration;

use api::v1::ReplicaState;
use testkit::eventually;

use super::partitions::{Peer, cut, recovers};
use super::{REPLICAS, done, expect_state, expect_waited, lasts, lease, wait_for};
use crate::client::now;
use crate::limits::{RECOVERS_WITHIN, SOON};
use crate::net::{Rule, Way};
use crate::process::Service;
use crate::rig::{Rig, target};

/// Replicas that join at once.
const STORM: usize = 4;

const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(3);
/// W of a lease of 5 s.
const LONGEST_BOUND: Duration = Duration::from_millis(6_142);

/// Row 39: replicas join while a barrier waits, and leave while another does.
pub async fn join_storm(rig: &mut Rig) {
    lease(rig, "q3").await;
    let watch = rig.round().await;
    rig.service("q3").stop();
    let mut storm = Vec::new();
    for _ in 0..STORM {
        let recipe = rig.recipe("query", rig.net.place("x1"));
        let name = rig.fresh_name("x");
        storm.push(Service::spawn(&name, recipe, rig.folder.path()));
    }
    // Late enough that some are about to register.
    lasts(Duration::from_millis(300)).await;
    let revoking = watch.revoke();
    for joining in &mut storm {
        joining.ready().await;
        if !revoking.is_finished() {
            rig.counters.count("joined during a revocation");
        }
        watch.join(target(joining));
    }
    done(revoking).await;
    rig.service("q3").go_on();
    rig.end(watch, &["q3"]).await;

    rig.calm_but(STORM).await;
    let watch = rig.round().await;
    silence(rig, &storm[0]);
    for leaving in &storm {
        leaving.terminate();
    }
    done(watch.revoke()).await;
    rig.end(watch, &[]).await;
    storm[0].recipe.place.heal();
    for leaving in &mut storm {
        leaving.ended().await;
    }
}

/// Row 40: two processes of one name are two replicas.
pub async fn twins(rig: &mut Rig) {
    let first = lease(rig, "q3").await;
    let mut recipe = rig.recipe("query", rig.net.place("x2"));
    recipe.variables.push(("TGA_REPLICA_NAME", "q3".to_owned()));
    let twin = rig.extra(recipe).await;
    let both = eventually(SOON, "the twin has a lease", async || {
        let both = rig.incarnations("q3").await;
        (both.len() == 2).then_some(both)
    })
    .await;
    let paused: Vec<_> = both.into_iter().filter(|one| *one != first).collect();
    let watch = rig.round_with(&[&twin]).await;
    let since = now();
    twin.stop();
    let revoked = done(watch.revoke()).await;
    twin.go_on();
    lasts(Duration::from_millis(200)).await;
    rig.end(watch, &[&twin.name]).await;
    expect_state(rig, &revoked, first, &[ReplicaState::Acked]);
    expect_waited(rig, &revoked, paused[0], since);
    rig.dismiss(twin).await;
}

/// Acknowledgements do not arrive, so that only leaving can end the wait for those of this place.
fn silence(rig: &Rig, service: &Service) {
    if rig.net.missing.is_none() {
        let rule = Rule {
            peer: rig.net.place("nats").address,
            way: Way::Both,
            percent: 100,
        };
        let cut = service.recipe.place.lose(&[rule]);
        cut.expect("rules could be set when the rig began");
    }
}

/// Row 42: everything starts at once, under full load.
pub async fn cold_start(rig: &mut Rig) {
    let watch = rig.round().await;
    done(watch.revoke()).await;
    for service in &mut rig.services {
        service.kill();
    }
    rig.restart_all().await;
    let began = now();
    for name in REPLICAS {
        recovers(rig, name).await;
    }
    let took = Duration::from_nanos(now() - began);
    rig.end(watch, &REPLICAS).await;
    rig.found.note(format!(
        "all answer {} ms after the last was ready",
        took.as_millis()
    ));
}

/// Row 43: every replica is fenced, and everybody asks.
pub async fn stampede(rig: &mut Rig) {
    let watch = rig.round().await;
    for name in REPLICAS {
        cut(rig, name, &[Peer::Postgres], Way::Both, 100);
    }
    done(watch.revoke()).await;
    lasts(LONGER_THAN_A_LEASE).await;
    for name in REPLICAS {
        rig.service(name).recipe.place.heal();
    }
    let began = now();
    for name in REPLICAS {
        recovers(rig, name).await;
    }
    let took = Duration::from_nanos(now() - began);
    rig.end(watch, &REPLICAS).await;
    rig.found
        .note(format!("all back after {} ms", took.as_millis()));
    rig.found.expect_speed(took <= RECOVERS_WITHIN, || {
        format!("L2: all back after {} ms", took.as_millis())
    });
}

/// Row 53: leases of 1, 2 and 5 s; a barrier waits for the longest of those that it must wait for.
pub async fn lease_terms(rig: &mut Rig) {
    rig.allow_leases("5");
    let mut replicas = Vec::new();
    for (place, seconds) in [("x1", "1"), ("x2", "5")] {
        let mut recipe = rig.recipe("query", rig.net.place(place));
        recipe.variables.push(("TGA_LEASE", seconds.to_owned()));
        replicas.push(rig.extra(recipe).await);
    }
    let long = lease(rig, "x2").await;
    let watch = rig.round_with(&[&replicas[0], &replicas[1]]).await;
    replicas[1].stop();
    let revoked = done(watch.revoke()).await;
    replicas[1].go_on();
    let names: Vec<_> = replicas.iter().map(|one| one.name.as_str()).collect();
    rig.end(watch, &names).await;
    for one in &revoked {
        let is_long = wait_for(one, long).is_none_or(|wait| {
            wait.state != ReplicaState::Expired || one.waited() >= LONGEST_BOUND
        });
        rig.found.expect(is_long, || {
            format!("waited only {} ms", one.waited().as_millis())
        });
    }
    for replica in replicas {
        rig.dismiss(replica).await;
    }

    // Above what is allowed there is no lease, and none is needed.
    let mut recipe = rig.recipe("query", rig.net.place("x1"));
    recipe.variables.push(("TGA_LEASE", "30".to_owned()));
    let refused = rig.extra(recipe).await;
    let watch = rig.round_with(&[&refused]).await;
    let is_refused = rig.incarnations("x1").await.is_empty();
    rig.found
        .expect(is_refused, || "a lease of 30 s was granted".to_owned());
    done(watch.revoke()).await;
    rig.end(watch, &[&refused.name]).await;
    rig.dismiss(refused).await;
}
