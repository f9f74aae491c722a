//! Rows 6, 7 and 9: command services that die at the worst time, or do not hear what they did.

use std::time::Duration;

use testkit::history::Outcome;
use testkit::{Direction, Proxy, eventually};

use super::{REPLICAS, done, expect_waited, lasts, lease};
use crate::client::{Key, Target, now};
use crate::limits::{BOUND_GRACE, BY_RENEWALS, SOON};
use crate::process::Service;
use crate::rig::{Rig, target};
use crate::watch::Watch;

/// A process that stands still so long wakes up behind the end of its barrier.
const LONGER_THAN_A_BARRIER: Duration = Duration::from_secs(3);

/// A command service whose way to Postgres leads through a proxy.
async fn behind_a_proxy(rig: &mut Rig) -> (Service, Proxy) {
    let proxy = Proxy::between(rig.net.hub(), rig.postgres.address()).await;
    let mut recipe = rig.recipe("command", rig.net.place("x1"));
    recipe.lead("TGA_DATABASE_URL", &proxy);
    (rig.extra(recipe).await, proxy)
}

/// Row 6: the commit is done, its answer never reaches the process, and that is killed.
pub async fn killed_before_it_told(rig: &mut Rig) {
    let (mut doomed, proxy) = behind_a_proxy(rig).await;
    let watch = rig.round().await;
    let mut held = proxy.hold(Direction::ToClient, b"COMMIT");
    let trying = watch.begin_at(&target(&doomed));
    held.caught().await;
    doomed.kill();
    drop(proxy);
    let _ = trying.await;
    let committed = committed(rig, &watch).await;
    rig.found.expect(committed > 0, || {
        "nothing was committed before the kill".to_owned()
    });

    // Nobody tells the replicas but their renewals.
    let began = now();
    let denied = |key: &Key| key.clone();
    for key in watch.victims().iter().map(denied).collect::<Vec<_>>() {
        if rig.revocation(key.id).await.is_some() {
            denies(&rig.target("q1"), &key).await;
        }
    }
    let took = Duration::from_nanos(now() - began);
    rig.found.expect_speed(took <= BY_RENEWALS, || {
        format!(
            "replicas went on for {} ms without being told",
            took.as_millis()
        )
    });
    let revoked = done(watch.revoke()).await;
    rig.counters.count("retried after a crash");
    rig.end(watch, &[]).await;
    rig.found
        .expect(revoked.len() == 3, || "a retry did not return".to_owned());
}

/// Row 7: once it is tried again elsewhere, once nobody does and SWEEP must.
pub async fn killed_in_its_barrier(rig: &mut Rig) {
    let watch = in_a_barrier_that_lost_its_process(rig).await;
    done(watch.revoke_at(&[rig.target("c1")])).await;
    rig.counters.count("retried after a crash");
    rig.service("q3").go_on();
    rig.end(watch, &["q3"]).await;

    rig.mend().await;
    let watch = in_a_barrier_that_lost_its_process(rig).await;
    let mut newest = 0;
    for key in watch.victims() {
        newest = newest.max(rig.revocation(key.id).await.unwrap_or(i64::MAX));
    }
    eventually(SOON, "the denials are settled by another", async || {
        rig.settled().await.is_some_and(|settled| settled >= newest)
    })
    .await;
    rig.service("q3").go_on();
    for name in REPLICAS {
        for key in watch.victims() {
            refuses(&rig.target(name), key).await;
        }
    }
    rig.end(watch, &["q3"]).await;
}

/// Row 8: what it could say once it goes on, it must not have said before.
pub async fn stopped_in_its_barrier(rig: &mut Rig) {
    let silent = lease(rig, "q3").await;
    let watch = rig.round().await;
    let since = now();
    rig.service("q3").stop();
    watch.begin_at(&rig.target("c2"));
    all_committed(rig, &watch).await;
    rig.service("c2").stop();
    lasts(LONGER_THAN_A_BARRIER).await;
    rig.service("c2").go_on();
    let revoked = done(watch.revoke_at(&[rig.target("c2")])).await;
    rig.service("q3").go_on();
    rig.end(watch, &["q3", "c2"]).await;
    expect_waited(rig, &revoked, silent, since);
    // L1, but for the time in which it stood still.
    for one in &revoked {
        let bound = one.bound() + LONGER_THAN_A_BARRIER + BOUND_GRACE;
        let (took, waited) = (one.took(), one.waited());
        rig.found
            .expect_speed(took <= bound && waited <= bound, || {
                format!("L1: it took {took:?}, its barrier {waited:?}: {bound:?}")
            });
    }
}

/// Row 9.
pub async fn answer_to_commit_lost(rig: &mut Rig) {
    let (service, proxy) = behind_a_proxy(rig).await;
    let deaf = target(&service);
    let watch = rig.round().await;
    // The end of the text, since each transaction begins with "read committed".
    let cut = proxy.cut_after(Direction::ToServer, b"commit\0");
    let trying = watch.begin_at(&deaf);
    cut.await;
    rig.counters.count("outcome of a commit unknown");
    let _ = trying.await;
    let commands = [deaf, rig.target("c1")];
    let revoked = done(watch.revoke_at(&commands)).await;
    rig.end(watch, &[]).await;
    rig.found
        .expect(revoked.len() == 3, || "a retry did not return".to_owned());
    rig.dismiss(service).await;
    // That nothing stands twice in the log is judged of the whole of it.
}

/// A round in which every revocation is committed, waits for a replica that stands still, and has
/// lost its process.
async fn in_a_barrier_that_lost_its_process(rig: &mut Rig) -> Watch {
    lease(rig, "q3").await;
    let watch = rig.round().await;
    rig.service("q3").stop();
    let doomed = rig.target("c2");
    watch.begin_at(&doomed);
    all_committed(rig, &watch).await;
    rig.service("c2").kill();
    watch
}

async fn all_committed(rig: &Rig, watch: &Watch) {
    eventually(SOON, "the revocations are committed", async || {
        committed(rig, watch).await == watch.victims().len()
    })
    .await;
}

/// How many revocations of the round are committed.
pub async fn committed(rig: &Rig, watch: &Watch) -> usize {
    let mut count = 0;
    for key in watch.victims() {
        count += usize::from(rig.revocation(key.id).await.is_some());
    }
    count
}

/// Waits until the key is not accepted there.
async fn denies(target: &Target, key: &Key) {
    let what = format!("{} denies", target.name);
    eventually(SOON, &what, async || {
        let answer = key.ask_briefly(target).await;
        (answer.outcome() != Outcome::Accepted)
            .then_some(())
            .ok_or(answer.told())
    })
    .await;
}

/// Waits until the key is told there that it has ended.
pub async fn refuses(target: &Target, key: &Key) {
    let what = format!("{} refuses", target.name);
    eventually(SOON, &what, async || {
        let answer = key.ask_briefly(target).await;
        (answer.outcome() == Outcome::Refused)
            .then_some(())
            .ok_or(answer.told())
    })
    .await;
}
