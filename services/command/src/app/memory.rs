//! Orgs in memory, kept up to the log.

use std::sync::Arc;
use std::time::Duration;

use domain::event::Event;
use domain::ids::{OrgId, StreamVersion};
use domain::org::{Caller, Recorded, evolve};
use event_log::{Appended, NotCommitted};
use tokio::sync::MutexGuard;

use super::commander::Inner;
use super::error::CommandError;
use super::orgs::{Evicted, Org, weight_of};
use super::{load, snapshots};

/// How long a command waits for those before it. Beyond, the log is in trouble: each of them may
/// take as long as an append may.
const TURN: Duration = Duration::from_secs(5);

impl Inner {
    /// The org, empty if it was not in memory.
    pub(super) fn org(&self, id: OrgId) -> Arc<Org> {
        let (org, evicted) = self.orgs.get(id);
        discard(evicted);
        org
    }

    /// The right to decide next for an org.
    pub(super) async fn turn<'a>(&self, org: &'a Org) -> Result<MutexGuard<'a, ()>, CommandError> {
        let turn = self.clock.timeout(TURN, org.turn.lock()).await;
        turn.map_err(|_| CommandError::NotCommitted(Arc::new(NotCommitted::Overloaded)))
    }

    /// Brings the state up to the log unless it was read before.
    pub(super) async fn load(&self, org: &Org) -> Result<(), CommandError> {
        if !org.state.read().await.is_loaded {
            self.catch_up(org).await?;
        }
        Ok(())
    }

    /// Brings the state up to the log; says whether it has moved.
    pub(super) async fn catch_up(&self, org: &Org) -> Result<bool, CommandError> {
        let was_loaded = org.state.read().await.is_loaded;
        let moved = load::catch_up(&self.log, org).await?;
        if !was_loaded {
            self.weigh(org).await;
        }
        if moved {
            self.ask_for_snapshot(org).await;
        }
        Ok(moved)
    }

    /// Folds what was just appended at `version`, unless somebody read it from the log meanwhile.
    pub(super) async fn fold(
        &self,
        org: &Org,
        caller: Caller,
        version: StreamVersion,
        decisions: &[Event],
        appended: &Appended,
    ) {
        if decisions.is_empty() {
            return;
        }
        {
            let mut folded = org.state.write().await;
            for (event, index) in decisions.iter().zip(0_u64..) {
                if version.plus(index).get() == folded.state.events {
                    let recorded = Recorded {
                        event,
                        at: appended.recorded_at,
                        actor: caller.actor(),
                        position: appended.first.plus(index),
                    };
                    evolve(&mut folded.state, &recorded);
                }
            }
        }
        self.ask_for_snapshot(org).await;
    }

    async fn ask_for_snapshot(&self, org: &Org) {
        let is_due = {
            let folded = org.state.read().await;
            folded.is_loaded && snapshots::is_due(folded.state.events, folded.snapshot_at)
        };
        // A full queue: the next event asks again.
        if is_due && self.snapshots.try_send(org.id).is_ok() {
            let mut folded = org.state.write().await;
            folded.snapshot_at = folded.state.events;
            drop(folded);
            self.weigh(org).await;
        }
    }

    /// Weighs an org after it was loaded or has grown.
    async fn weigh(&self, org: &Org) {
        let folded = Arc::clone(&org.state).read_owned().await;
        let weighed = tokio::task::spawn_blocking(move || weight_of(&folded.state)).await;
        if let Ok(weight) = weighed {
            discard(self.orgs.weigh(org, weight));
        }
    }
}

/// Freeing a large state takes long enough to be done beside the executor.
fn discard(evicted: Evicted) {
    if !evicted.is_empty() {
        tokio::task::spawn_blocking(move || drop(evicted));
    }
}
