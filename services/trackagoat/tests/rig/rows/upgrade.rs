//! Row 41: a new kind of denial, and replicas of a build that does not know it.

use testkit::eventually;

use super::commands::refuses;
use super::{REPLICAS, done, faults, lasts};
use crate::counters::{metrics, value};
use crate::limits::{CALM_WITHIN, RENEWAL, SOON};
use crate::rig::Rig;

/// What the old build takes for an event of a later one.
const FORGOTTEN: (&str, &str) = ("TGA_RIG_FORGOTTEN_EVENT", "key.revoked");
const FROM_CACHE: &str = "tga_gate_decisions_total{outcome=\"admitted_from_cache\"";

/// Row 41: the command services are new, every replica is old; then one after the other is replaced.
pub async fn rolled(rig: &mut Rig) {
    for name in REPLICAS {
        age(rig, name).await;
    }
    rig.calm_but(0).await;
    let watch = rig.round().await;
    done(watch.revoke()).await;
    eventually(SOON, "every old replica gives up its lease", async || {
        let leases = rig.leases().await.len();
        (leases == 0)
            .then_some(())
            .ok_or(format!("{leases} leases"))
    })
    .await;
    for name in REPLICAS {
        for key in watch.victims() {
            refuses(&rig.target(name), key).await;
        }
    }
    let before = from_cache(rig).await;
    lasts(RENEWAL).await;
    let after = from_cache(rig).await;
    rig.found.expect(before == after, || {
        format!("old replicas decided {before:?}, then {after:?} by themselves: VERIFY alone may")
    });
    rig.end(watch, &[]).await;

    for (replaced, name) in REPLICAS.into_iter().enumerate() {
        let watch = rig.round().await;
        let revoking = watch.revoke();
        renew(rig, name).await;
        done(revoking).await;
        leased(rig, replaced + 1).await;
        rig.end(watch, &[name]).await;
    }
    let watch = rig.round().await;
    let revoked = done(watch.revoke()).await;
    for one in &revoked {
        let acked = one.receipt.barrier.as_ref().map_or(0, |all| all.acked);
        rig.found.expect(acked == 3, || {
            format!("{acked} of 3 new replicas acknowledged")
        });
    }
    rig.end(watch, &[]).await;
}

/// Puts a replica of the old build in the place of one.
async fn age(rig: &mut Rig, name: &str) {
    let service = rig.service(name);
    service.recipe.binary = faults::binary();
    let (variable, event) = FORGOTTEN;
    service.recipe.variables.push((variable, event.to_owned()));
    service.terminate();
    service.ended().await;
    service.restart().await;
}

/// Puts one of the new build there again.
async fn renew(rig: &mut Rig, name: &str) {
    let service = rig.service(name);
    service.recipe.binary = None;
    service
        .recipe
        .variables
        .retain(|(name, _)| *name != FORGOTTEN.0);
    service.terminate();
    service.ended().await;
    service.restart().await;
}

async fn leased(rig: &Rig, wanted: usize) {
    let what = format!("{wanted} replicas have a lease");
    eventually(CALM_WITHIN, &what, async || {
        let leases = rig.leases().await.len();
        (leases == wanted)
            .then_some(())
            .ok_or(format!("{leases} leases"))
    })
    .await;
}

/// How many requests each let in from its cache.
async fn from_cache(rig: &mut Rig) -> Vec<u64> {
    let mut counts = Vec::new();
    for name in REPLICAS {
        counts.push(value(&metrics(rig, name).await, FROM_CACHE));
    }
    counts
}
