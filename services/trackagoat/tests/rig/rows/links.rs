//! Rows 14 to 16, 18: command services that are cut off, and links that are bad, not gone.

use std::time::Duration;

use super::partitions::{Peer, cut, recovers};
use super::{REPLICAS, done, lasts};
use crate::judge::POSTGRES;
use crate::limits::BY_RENEWALS;
use crate::net::Way;
use crate::rig::Rig;

const BOTH: [Peer; 2] = [Peer::Postgres, Peer::Nats];
/// How long a flapping link stays as it is, in turn.
const FLAPS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(500),
    Duration::from_millis(120),
    Duration::from_millis(300),
];
/// Of a hundred packets so many are lost.
const LOSSES: [u8; 3] = [1, 10, 30];
const NARROW: &str = "64kbit";

/// Row 14: without NATS it goes by renewals; without Postgres it says that it does not know.
pub async fn command_cut_off(rig: &mut Rig) {
    let watch = rig.round().await;
    cut(rig, "c2", &[Peer::Nats], Way::Both, 100);
    let c2 = rig.target("c2");
    let revoked = done(watch.revoke_at(std::slice::from_ref(&c2))).await;
    rig.service("c2").recipe.place.heal();
    rig.end(watch, &[]).await;
    for one in &revoked {
        let waited = one.waited();
        rig.found.expect_speed(waited <= BY_RENEWALS, || {
            format!("through renewals it took {} ms", waited.as_millis())
        });
    }

    rig.mend().await;
    let watch = rig.round().await;
    cut(rig, "c2", &[Peer::Postgres], Way::Both, 100);
    let revoked = done(watch.revoke_at(&[c2, rig.target("c1")])).await;
    rig.service("c2").recipe.place.heal();
    rig.end(watch, &[]).await;
    rig.found
        .expect(revoked.iter().all(|one| one.failed > 0), || {
            "a command service without Postgres said that it had revoked".to_owned()
        });
}

/// Row 15: one link flaps; then all are clogged one by one, and cleared in another order.
pub async fn flapping(rig: &mut Rig) {
    let watch = rig.round().await;
    let revoking = watch.revoke();
    for (turn, flap) in FLAPS.iter().cycle().take(3 * FLAPS.len()).enumerate() {
        if turn % 2 == 0 {
            cut(rig, "q3", &BOTH, Way::Both, 100);
        } else {
            rig.service("q3").recipe.place.heal();
        }
        lasts(*flap).await;
    }
    rig.service("q3").recipe.place.heal();
    done(revoking).await;
    recovers(rig, "q3").await;
    rig.end(watch, &["q3"]).await;

    rig.mend().await;
    let watch = rig.round().await;
    let revoking = watch.revoke();
    for name in ["q1", "c1", "q3", "q2", "c2"] {
        cut(rig, name, &BOTH, Way::Both, 100);
        lasts(FLAPS[0]).await;
    }
    for name in ["q2", "c1", "q3", "c2", "q1"] {
        rig.service(name).recipe.place.heal();
        lasts(FLAPS[2]).await;
    }
    done(revoking).await;
    for name in REPLICAS {
        recovers(rig, name).await;
    }
    rig.end(watch, &["q1", "q2", "q3", POSTGRES]).await;
}

/// Row 16.
pub async fn lossy(rig: &mut Rig) {
    for percent in LOSSES {
        let watch = rig.round().await;
        cut(rig, "q3", &BOTH, Way::Both, percent);
        cut(rig, "c2", &BOTH, Way::Both, percent);
        done(watch.revoke()).await;
        rig.service("q3").recipe.place.heal();
        rig.service("c2").recipe.place.heal();
        rig.end(watch, &["q3", POSTGRES]).await;
        rig.mend().await;
    }
}

/// Row 18.
pub async fn narrow(rig: &mut Rig) {
    let watch = rig.round().await;
    let place = rig.service("q3").recipe.place.clone();
    if let Err(reason) = place.narrow(Some(NARROW)) {
        return rig
            .found
            .note(format!("links cannot be narrowed here: {reason}"));
    }
    done(watch.revoke()).await;
    place.narrow(None).expect("what was set can be taken away");
    recovers(rig, "q3").await;
    rig.end(watch, &["q3"]).await;
}
