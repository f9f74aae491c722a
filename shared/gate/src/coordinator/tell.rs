//! B3: what was denied is told at once, and kept a second time.

use domain::ids::{GlobalPosition, LogEpoch};
use event_log::{ReadError, StoredEvent};
use runtime::lifecycle::TaskKind;
use runtime::telemetry::chain;
use tokio::sync::oneshot;

use super::{COPY_DEADLINE, Coordinator, PAGE, POLL, TELL_WITHIN};
use crate::bus::{self, MacKey};
use crate::core::clocks::WaitPoint;
use crate::core::sweep::Denials;
use crate::ledger::Ledger;
use crate::metrics as names;

impl Coordinator {
    /// Tells the auth events of `denials` on NATS and adds those that deny to the ledger, beside the
    /// barrier. What comes back says whether all are in the ledger.
    pub(super) fn tell(
        &self,
        denials: Denials,
        epoch: LogEpoch,
        key: MacKey,
        start: WaitPoint,
    ) -> oneshot::Receiver<bool> {
        let (copied, receiver) = oneshot::channel();
        let coordinator = self.clone();
        let tell = async move {
            let tell = coordinator.tell_patiently(denials, epoch, &key, start);
            let _ = copied.send(tell.await);
        };
        // Finished even if whoever asked for the denial has gone.
        self.0.tasks.spawn(TaskKind::Request, "denial told", tell);
        receiver
    }

    /// Again and again while the log cannot be read, for as long as the barrier has patience.
    async fn tell_patiently(
        &self,
        denials: Denials,
        epoch: LogEpoch,
        key: &MacKey,
        start: WaitPoint,
    ) -> bool {
        loop {
            let error = match self.tell_all(denials, epoch, key, start).await {
                Ok(is_copied) => return is_copied,
                Err(error) => error,
            };
            if start.elapsed(self.wait_point()) >= self.0.config.patience {
                tracing::warn!(error = %chain(&error), "a denial was not told");
                return false;
            }
            self.0.clock.sleep(POLL).await;
        }
    }

    async fn tell_all(
        &self,
        denials: Denials,
        epoch: LogEpoch,
        key: &MacKey,
        start: WaitPoint,
    ) -> Result<bool, ReadError> {
        let mut is_copied = self.0.ledger.is_some();
        // What another command took away is no copy of this one.
        let mut has_denied = false;
        let mut after = GlobalPosition::new(denials.first.get().saturating_sub(1));
        loop {
            let mut events = self.0.log.read_auth(after, PAGE).await?;
            let is_last = events.len() < usize::from(PAGE);
            events.retain(|event| event.position <= denials.last);
            let Some(last) = events.last() else {
                return Ok(is_copied && has_denied);
            };
            after = last.position;
            let publish = async {
                self.publish(key, epoch, &events).await;
                names::revocation("told", start.elapsed(self.wait_point()));
            };
            let denying: Vec<_> = events.iter().filter(|event| denies(event)).collect();
            has_denied |= !denying.is_empty();
            let copy = async {
                match &self.0.ledger {
                    Some(ledger) => {
                        let copy = self.copy(ledger, epoch, &denying);
                        let copied = self.0.clock.timeout(COPY_DEADLINE, copy).await;
                        copied.unwrap_or(false)
                    }
                    None => false,
                }
            };
            let ((), copied) = tokio::join!(publish, copy);
            is_copied &= copied;
            if is_last || after >= denials.last {
                return Ok(is_copied && has_denied);
            }
        }
    }
}

impl Coordinator {
    /// Tells all replicas of events. Those that it cannot tell in time hear of them by their renewals.
    async fn publish(&self, key: &MacKey, epoch: LogEpoch, events: &[StoredEvent]) {
        let Some(nats) = &self.0.nats else { return };
        let tell = async {
            for event in events {
                bus::tell(nats, key, epoch, event).await;
            }
        };
        if self.0.clock.timeout(TELL_WITHIN, tell).await.is_err() {
            tracing::debug!("NATS takes no messages");
        }
    }

    /// Writes denials into the ledger; returns once they are durable there, or cannot be.
    pub(super) async fn copy(
        &self,
        ledger: &Ledger,
        epoch: LogEpoch,
        denials: &[&StoredEvent],
    ) -> bool {
        if denials.is_empty() {
            return true;
        }
        let is_copied = ledger.add(epoch, denials).await;
        if is_copied {
            let positions = denials.iter().map(|denial| denial.position);
            self.copies().wrote(epoch, positions);
        }
        is_copied
    }
}

/// Whether an event takes something away. One that this build cannot read may.
pub(super) fn denies(event: &StoredEvent) -> bool {
    event
        .decode()
        .map_or(true, |recorded| recorded.event.denies())
}
