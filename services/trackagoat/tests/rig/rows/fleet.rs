//! Rows 39 and 40: who comes, goes, and is there twice.

use std::time::Duration;

use api::v1::ReplicaState;
use testkit::eventually;

use super::{done, expect_state, expect_waited, lasts, lease};
use crate::client::now;
use crate::limits::SOON;
use crate::net::{Rule, Way};
use crate::process::Service;
use crate::rig::{Rig, target};

/// Replicas that join at once.
const STORM: usize = 4;

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
