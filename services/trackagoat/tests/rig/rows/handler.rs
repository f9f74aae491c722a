//! Row 5: a process that stands still inside a request. Needs a binary that was built to be asked for it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use testkit::eventually;
use testkit::history::Outcome;

use super::{done, expect_waited, faults, lasts, lease};
use crate::client::now;
use crate::limits::SOON;
use crate::process::Service;
use crate::rig::Rig;

/// Where a request can be stopped (`gate::drill`), and whether it may still be let in once it goes on:
/// it began before the revocation.
const POINTS: [(&str, bool); 4] = [
    ("deadlines-loaded", false),
    ("cache-read", false),
    ("clocks-read", true),
    ("decided", true),
];
/// How long requests come in after the revocation has returned, to a process that stands still.
const BACKLOG: Duration = Duration::from_millis(300);

/// Row 5.
pub async fn stopped_inside(rig: &mut Rig) {
    let stops = rig.folder.path().join("stops");
    fs::create_dir_all(&stops).expect("the folder takes one more");
    let mut recipe = rig.recipe("query", rig.net.place("x1"));
    recipe.binary = faults::binary();
    let folder = ("TGA_RIG_STOPS", stops.display().to_string());
    recipe.variables.push(folder);
    let replica = rig.extra(recipe).await;
    for (point, may_accept) in POINTS {
        rig.calm_but(1).await;
        stopped_at(rig, &replica, &stops, point, may_accept).await;
    }
    rig.dismiss(replica).await;
}

async fn stopped_at(rig: &mut Rig, replica: &Service, stops: &Path, point: &str, may_accept: bool) {
    let own = lease(rig, "x1").await;
    let watch = rig.round_with(&[replica]).await;
    let victim = watch.victims()[0].clone();
    let asked = stops.join(format!("{point}-{}", victim.hash()));
    fs::write(&asked, "").expect("the folder takes a file");
    let what = format!("a request stands at {point}");
    eventually(SOON, &what, async || replica.is_stopped().then_some(())).await;
    let stopped = now();
    fs::write(asked.with_extension("seen"), "").expect("the folder takes a file");
    let revoked = done(watch.revoke()).await;
    lasts(BACKLOG).await;
    let went_on = now();
    replica.go_on();
    let seen = rig.judged(watch, &[&replica.name]).await;
    expect_waited(rig, &revoked, own, stopped);

    // That one, and who came behind it.
    let across = seen.requests.iter().filter(|(name, key, request)| {
        *name == replica.name
            && *key == victim.id
            && request.begun < stopped
            && request.ended > went_on
    });
    let outcomes: Vec<_> = across.map(|(_, _, request)| request.outcome).collect();
    let wanted = |outcome: &Outcome| (*outcome == Outcome::Accepted) == may_accept;
    rig.found.expect(outcomes.iter().any(wanted), || {
        format!("{point}: the request that stood there came to {outcomes:?}")
    });
    let refused = outcomes.iter().filter(|one| **one == Outcome::Refused);
    rig.found.note(format!(
        "{point}: {} requests with the key were under way, {} of them were then refused",
        outcomes.len(),
        refused.count()
    ));
}
