//! Deliberate faults (`gate::core::mutant`) in real processes: each must be seen to break S1 or S2
//! in its scene, and the scene must hold without it.

use std::env;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::FutureExt;
use gate::core::mutant::Mutant;
use testkit::history::{Outcome, Violation};
use uuid::Uuid;

use super::scenes::Scene;
use super::{Body, Needs, Row, unreachable};
use crate::rig::Rig;
use crate::seen::Seen;

/// Names a binary with the feature `mutants`.
const BINARY: &str = "TGA_RIG_MUTANT_BINARY";
/// How often a scene is played until it shows its fault: moments are real, and may be missed.
const TRIES: usize = 6;

/// A fault, or none, and where it must be seen.
#[derive(Debug, Clone, Copy)]
pub struct Deliberate {
    fault: Option<Mutant>,
    scene: Scene,
}

impl Deliberate {
    pub fn is_last(self) -> bool {
        self.scene.is_last()
    }

    pub fn must_be_seen(self) -> bool {
        self.fault.is_some()
    }
}

/// The binary that may have faults.
pub fn binary() -> Option<PathBuf> {
    env::var_os(BINARY).map(PathBuf::from)
}

/// Why there is none.
pub fn missing() -> Option<String> {
    let none = || format!("no binary with the feature `mutants` is named by {BINARY}");
    binary().is_none().then(none)
}

/// Every scene without a fault, then every fault in its scene.
pub fn all() -> Vec<Row> {
    let clean = Scene::ALL.into_iter().map(|scene| Row {
        name: format!("{scene:?}"),
        about: "no fault",
        needs: vec![Needs::Mutants],
        body: Body::Deliberate(Deliberate { fault: None, scene }),
    });
    let mut rows: Vec<Row> = clean.chain(Mutant::ALL.into_iter().map(faulty)).collect();
    rows.sort_by_key(Row::is_last);
    rows
}

fn faulty(fault: Mutant) -> Row {
    let (needs, body) = match scene_of(fault) {
        Ok(scene) => {
            let fault = Some(fault);
            (
                Needs::Mutants,
                Body::Deliberate(Deliberate { fault, scene }),
            )
        }
        Err(reason) => (
            Needs::Elsewhere(reason),
            Body::One(|rig| Box::pin(unreachable(rig))),
        ),
    };
    Row {
        name: fault.name().to_owned(),
        about: "must be seen",
        needs: vec![needs],
        body,
    }
}

/// Where a fault shows itself to clients, or why real processes cannot show it.
const fn scene_of(fault: Mutant) -> Result<Scene, &'static str> {
    match fault {
        Mutant::GcByWallClock => Ok(Scene::CutOff),
        Mutant::TimerFlag => Ok(Scene::Stopped),
        Mutant::ShortWait => Ok(Scene::LongLease),
        Mutant::LeaseFromReceive => Ok(Scene::AnswersLate),
        Mutant::NoCatchUp => Ok(Scene::Deaf),
        Mutant::JoinOneSnapshot => Ok(Scene::Rejoins),
        Mutant::LookupThenDeadline => Ok(Scene::ComesBack),
        Mutant::AckBeforeApply => Ok(Scene::ToldOnce),
        Mutant::SameIdReplaces => Ok(Scene::Twins),
        Mutant::RetryReturnsEarly => Ok(Scene::Retried),
        Mutant::StaleInsert => Ok(Scene::Overtaken),
        Mutant::JoinedLoad => Ok(Scene::WithoutLease),
        Mutant::WatermarkNoGuard => Ok(Scene::Unused),
        Mutant::HoldShort | Mutant::NoHold => Ok(Scene::Told),
        Mutant::LeaveRowFirst => {
            Err("a process answers its last request before it leaves, so nobody can ask in between")
        }
        Mutant::CollectUnforgotten | Mutant::CollectEarly | Mutant::CollectThenInsert => {
            Err("nothing is collected before 10,000 tombstones stand, and then once a minute")
        }
        Mutant::AsyncLease
        | Mutant::ClocksZeroed
        | Mutant::StreamContiguity
        | Mutant::StandbyVerify
        | Mutant::CommandCache
        | Mutant::EventTimestamp
        | Mutant::SharedDurable => {
            Err("it is one of the simulator's, of a Postgres, a stream or clocks that are not here")
        }
    }
}

/// Plays the scene until the fault is seen, or once without one.
pub async fn run(rig: &mut Rig, deliberate: Deliberate) {
    let scene = deliberate.scene;
    let Some(fault) = deliberate.fault else {
        let seen = scene.play(rig, None).await;
        let broken = broken(&seen);
        return rig.found.expect(broken.is_none(), || {
            format!("the scene breaks without a fault: {broken:?}")
        });
    };
    let mut missed_by = Vec::new();
    for _ in 0..TRIES {
        let play = AssertUnwindSafe(scene.play(rig, Some(fault)));
        if let Ok(seen) = play.catch_unwind().await {
            missed_by.extend(margin(&seen));
            if let Some((key, violation)) = broken(&seen) {
                return rig.found.note(format!("seen of {key}: {violation}"));
            }
        } else {
            rig.found.note("a scene could not be played to its end");
        }
        Scene::clear(rig).await;
    }
    rig.found.problems.push(format!(
        "not seen in {TRIES} tries; the last acceptance began {missed_by:?} before a return"
    ));
}

/// The first violation of S1 or S2.
fn broken(seen: &Seen) -> Option<(Uuid, Violation)> {
    let mut violations = seen.histories.violations().into_iter();
    violations.find(|(_, violation)| !matches!(violation, Violation::RefusedTooEarly { .. }))
}

/// How long before a revocation returned the last acceptance of its key began, at the least.
fn margin(seen: &Seen) -> Option<Duration> {
    let margins = seen.revoked.iter().filter_map(|revoked| {
        let requests = seen.requests.iter().filter(|(_, key, request)| {
            *key == revoked.key && request.outcome == Outcome::Accepted
        });
        let last = requests.map(|(_, _, request)| request.begun).max()?;
        Some(Duration::from_nanos(revoked.returned.saturating_sub(last)))
    });
    margins.min()
}
