//! Rows 0 to 4 and 45: replicas that run, die, stand still, starve, and run out of descriptors.

use std::time::Duration;

use api::v1::ReplicaState;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use testkit::eventually;
use tokio::net::TcpStream;

use super::partitions::recovers;
use super::{done, expect_state, expect_waited, lasts, lease};
use crate::cgroup::{Effect, Group};
use crate::client::now;
use crate::limits::SOON;
use crate::rig::Rig;
use crate::seen::Revoked;

/// A replica that is stopped for less than its lease.
const SHORT_STOP: Duration = Duration::from_millis(300);
/// Of a replica that died so long ago the row is collected before its lease would have run out.
const MOSTLY_SILENT: Duration = Duration::from_millis(2_100);
/// Descriptors of a process that has enough of them, and of one that has not.
const MANY_DESCRIPTORS: u64 = 4_096;
const FEW_DESCRIPTORS: u64 = 96;
/// What a revocation may take where nobody is waited for.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Row 0: the control run. Whoever fails here has no fault to blame.
pub async fn healthy(rig: &mut Rig) {
    for _ in 0..2 {
        let watch = rig.round().await;
        let revoked = done(watch.revoke()).await;
        for one in &revoked {
            let barrier = one.receipt.barrier.clone();
            let acked = barrier.map_or(0, |barrier| barrier.acked);
            rig.found
                .expect(acked == 3, || format!("{acked} of 3 replicas acknowledged"));
        }
        rig.end(watch, &[]).await;
        at_once(rig, &revoked);
    }
}

/// Row 1: killed while keys are revoked; then so long before that its row is collected meanwhile.
pub async fn killed(rig: &mut Rig) {
    let dead = lease(rig, "q3").await;
    let watch = rig.round().await;
    let revoking = watch.revoke();
    rig.service("q3").kill();
    done(revoking).await;
    rig.end(watch, &["q3"]).await;
    // Its row stands for a while: then nobody waits for it any more.
    eventually(SOON, "the row of the dead is collected", async || {
        (!rig.leases().await.contains_key(&dead)).then_some(())
    })
    .await;
    let watch = rig.round_without("q3").await;
    let revoked = done(watch.revoke()).await;
    rig.end(watch, &["q3"]).await;
    at_once(rig, &revoked);

    rig.mend().await;
    let dead = lease(rig, "q3").await;
    let watch = rig.round_without("q3").await;
    let since = now();
    rig.service("q3").kill();
    lasts(MOSTLY_SILENT).await;
    let revoked = done(watch.revoke()).await;
    rig.end(watch, &["q3"]).await;
    expect_waited(rig, &revoked, dead, since);
}

/// Row 2: once for longer than its lease, with requests in its backlog, and once for less.
pub async fn stopped(rig: &mut Rig) {
    let stopped = lease(rig, "q3").await;
    let watch = rig.round().await;
    let since = now();
    rig.service("q3").stop();
    let revoked = done(watch.revoke()).await;
    lasts(SHORT_STOP).await;
    rig.service("q3").go_on();
    rig.end(watch, &["q3"]).await;
    expect_waited(rig, &revoked, stopped, since);

    rig.mend().await;
    let stopped = lease(rig, "q3").await;
    let watch = rig.round().await;
    rig.service("q3").stop();
    let revoking = watch.revoke();
    lasts(SHORT_STOP).await;
    rig.service("q3").go_on();
    let revoked = done(revoking).await;
    rig.end(watch, &["q3"]).await;
    expect_state(rig, &revoked, stopped, &[ReplicaState::Acked]);
}

/// Row 3.
pub async fn frozen(rig: &mut Rig) {
    let frozen = lease(rig, "q3").await;
    let watch = rig.round().await;
    let since = now();
    let group = Group::around(rig.service("q3"), Effect::Frozen);
    let revoked = done(watch.revoke()).await;
    lasts(SHORT_STOP).await;
    drop(group);
    rig.end(watch, &["q3"]).await;
    expect_waited(rig, &revoked, frozen, since);
}

/// Row 4: it gets so little time that it renews late or never.
pub async fn starved(rig: &mut Rig) {
    let watch = rig.round().await;
    let group = Group::around(rig.service("q3"), Effect::Starved);
    lasts(Duration::from_secs(3)).await;
    done(watch.revoke()).await;
    lasts(SHORT_STOP).await;
    drop(group);
    recovers(rig, "q3").await;
    rig.end(watch, &["q3"]).await;
}

/// Row 45: so many callers that no descriptor is left; the listener survives.
pub async fn without_descriptors(rig: &mut Rig) {
    let watch = rig.round().await;
    let target = rig.target("q3");
    limit_descriptors(rig, FEW_DESCRIPTORS);
    let address = target.url.address();
    let mut crowd = Vec::new();
    for _ in 0..2 * FEW_DESCRIPTORS {
        crowd.extend(TcpStream::connect(address).await.ok());
    }
    done(watch.revoke()).await;
    drop(crowd);
    limit_descriptors(rig, MANY_DESCRIPTORS);
    recovers(rig, "q3").await;
    rig.end(watch, &["q3"]).await;
}

fn limit_descriptors(rig: &mut Rig, most: u64) {
    let pid = i32::try_from(rig.service("q3").pid())
        .ok()
        .and_then(Pid::from_raw);
    let limits = Rlimit {
        current: Some(most),
        maximum: Some(MANY_DESCRIPTORS),
    };
    prlimit(pid, Resource::Nofile, limits).expect("the process is ours");
}

/// Nobody was waited for.
fn at_once(rig: &mut Rig, revoked: &[Revoked]) {
    for one in revoked {
        let waited = one.waited();
        rig.found.expect_speed(waited <= AT_ONCE, || {
            format!("a revocation waited {} ms for nobody", waited.as_millis())
        });
    }
}
