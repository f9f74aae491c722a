//! Exports that are hardly read end, and their places are free.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use domain::limits::{EXPORT_PACE_BYTES, ORG_EXPORTS, UNTAKEN_SECONDS};
use http_body_util::BodyExt;
use runtime::clock::{Clock, ManualClock};
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind};

use crate::audit_export::{fill, has_place, open};
use crate::support::{Org, PATIENCE, Replica, World, metric};

const TICK: Duration = Duration::from_millis(10);

/// A replica whose time goes on as everyone's does, and which a test puts forward.
struct Ahead {
    replica: Replica,
    hand: ManualClock,
    lifecycle: Lifecycle,
    passing: Lifecycle,
}

impl Ahead {
    async fn start(world: &World) -> Self {
        let (clock, hand) = Clock::manual(world.clock.now());
        let passing = Lifecycle::new(world.clock.clone());
        let (tasks, ticking) = (passing.handle(), hand.clone());
        let pass = async move {
            while !tasks.is_stopping() {
                tasks.clock().sleep(TICK).await;
                ticking.advance(TICK);
            }
        };
        passing.handle().spawn(TaskKind::Disposable, "time", pass);
        let (replica, lifecycle) = world.replica_in(clock).await;
        Self {
            replica,
            hand,
            lifecycle,
            passing,
        }
    }

    async fn stop(self) {
        self.lifecycle.shutdown(ShutdownPolicy::default()).await;
        self.passing.shutdown(ShutdownPolicy::default()).await;
    }
}

fn ended(outcome: &str) -> f64 {
    metric(&format!("tga_query_exports_total{{outcome=\"{outcome}\"}}"))
}

/// So many events that an export of them is larger than what must be taken in a while.
async fn filled(world: &World) -> Org {
    let org = world.org().await;
    fill(world, &org, 4_000).await;
    org
}

/// The next part, or none at the end; broken off is an error.
async fn next(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    let frame = Clock::system().timeout(PATIENCE, body.frame()).await;
    let frame = frame.expect("something comes in time")?;
    Some(frame.map(|frame| frame.into_data().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_of_which_nothing_is_taken_end_within_a_minute() {
    let world = World::start().await;
    let org = filled(&world).await;
    let ahead = Ahead::start(&world).await;
    let mut unread = Vec::new();
    for _ in 0..ORG_EXPORTS {
        unread.push(open(&ahead.replica, &org.key, "").await.into_body());
    }
    let refused = ahead.replica.get(&org.key, "/audit/export").await;
    assert_eq!(refused.status, 429);
    let before = ended("untaken");
    ahead.hand.advance(Duration::from_secs(UNTAKEN_SECONDS));
    has_place(&ahead.replica, &org).await;
    for mut body in unread {
        assert!(next(&mut body).await.unwrap().is_err());
    }
    assert!(ended("untaken") - before > 3.5, "all four");
    ahead.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_taken_at_a_trickle_ends_too_and_is_gone_on_with() {
    let world = World::start().await;
    let org = filled(&world).await;
    let ahead = Ahead::start(&world).await;
    let mut body = open(&ahead.replica, &org.key, "").await.into_body();
    let before = ended("slow");
    let mut taken = Vec::new();
    // Each is asked for in time; together they are too few.
    let pause = Duration::from_secs(UNTAKEN_SECONDS - 10);
    while let Ok(part) = next(&mut body).await.expect("it never looks whole") {
        taken.extend(part);
        ahead.hand.advance(pause);
    }
    assert!(!taken.is_empty() && taken.len() < EXPORT_PACE_BYTES);
    assert!(ended("slow") - before > 0.5);
    let text = String::from_utf8(taken).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let rest = format!("?after_position={}", last["position"].as_str().unwrap());
    let rest = crate::audit_export::exported(&world.replica, &org.key, &rest).await;
    let all = crate::audit_export::exported(&world.replica, &org.key, "").await;
    let whole: Vec<_> = text.lines().map(str::to_owned).chain(rest).collect();
    assert_eq!(whole, all);
    ahead.stop().await;
}
