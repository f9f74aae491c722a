//! Row 13 of the pitfalls: what a request found on the primary before a key was changed is not kept
//! once that is known.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use testkit::history::Outcome;
use testkit::{Direction, Proxy, eventually};

use super::lasts;
use crate::client::{Key, answer};
use crate::limits::SOON;
use crate::process::Service;
use crate::rig::{Rig, target};

/// How often it is tried: a request waits for the primary for 250 ms, and a change may take longer.
const TRIES: u32 = 12;
/// What a replica takes to hear of a change.
const HEARD_WITHIN: Duration = Duration::from_millis(15);
const DISCARDED: &str = "tga_gate_discarded_total{reason=\"stale\"";

/// A key is changed while a request that asked for it waits for the answer; then it is revoked.
pub async fn overtaken(rig: &mut Rig) {
    let proxy = Proxy::between(rig.net.hub(), rig.postgres.address()).await;
    let mut recipe = rig.recipe("query", rig.net.place("x1"));
    recipe.lead("TGA_DATABASE_URL", &proxy);
    let replica = rig.extra(recipe).await;
    let mut tries = 0;
    let mut is_discarded = false;
    while !is_discarded && tries < TRIES {
        tries += 1;
        is_discarded = overtake(rig, &replica, &proxy).await;
    }
    rig.found.note(format!(
        "a stale load was discarded in try {tries}: {is_discarded}"
    ));
    rig.found.expect_speed(is_discarded, || {
        "no load was overtaken by a change".to_owned()
    });
    rig.dismiss(replica).await;
}

async fn overtake(rig: &mut Rig, replica: &Service, proxy: &Proxy) -> bool {
    rig.count(replica).await;
    let before = rig.counters.sum(DISCARDED);
    let key = rig.key().await;
    let there = target(replica);
    let mut row = proxy.hold(Direction::ToClient, key.id.as_bytes());
    let (asks, asked) = (key.clone(), there.clone());
    let changes = async {
        row.caught().await;
        change(rig, &key, Method::PATCH).await;
        lasts(HEARD_WITHIN).await;
        row.release();
    };
    let (_, ()) = tokio::join!(asks.ask(&asked), changes);
    change(rig, &key, Method::DELETE).await;
    let late = key.ask(&there).await;
    rig.found.expect(late.outcome() != Outcome::Accepted, || {
        format!(
            "S1: a key was accepted after it was revoked: {}",
            late.told()
        )
    });
    rig.count(replica).await;
    rig.counters.sum(DISCARDED) > before
}

async fn change(rig: &Rig, key: &Key, method: Method) {
    let (command, path) = (rig.target("c1"), format!("/api-keys/{}", key.id));
    eventually(SOON, "a key is changed", async || {
        let request = rig.admin.request(&command, method.clone(), &path);
        let request = match method {
            Method::PATCH => request.json(&json!({"name": "renamed"})),
            _ => request,
        };
        let changed = answer(request).await;
        let is_changed = changed.is(StatusCode::OK);
        is_changed.then_some(()).ok_or(changed.told())
    })
    .await;
}
