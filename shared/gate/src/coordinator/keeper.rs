//! What a coordinator does for others: it hears acknowledgements, deletes the rows of silent
//! replicas (GC), settles denials that nobody else does (SWEEP), and writes those into the ledger that
//! nobody else did.

use std::time::Duration;

use async_nats::Client;
use domain::ids::{GlobalPosition, LogEpoch};
use event_log::StoredEvent;
use futures_util::StreamExt;
use metrics::counter;
use runtime::telemetry::chain;

use super::tell::denies;
use super::{Coordinator, LOOK_DEADLINE, PAGE};
use crate::bus::{MacKey, News, ack_subject};
use crate::core::silence::Silence;
use crate::core::sweep::Sweep;
use crate::follow::listen;
use crate::ledger::Ledger;
use crate::metrics as names;
use crate::store::{self, Registered, StoreError};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait before NATS is asked for acknowledgements again.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(1);
/// Pages that one look goes through for denials that nobody settled; a log in which nothing was ever
/// denied takes many looks of a new process.
const SWEEP_PAGES: usize = 40;
/// Pages that one look goes through for the ledger; a log that had none before takes many looks.
const COPY_PAGES: usize = 8;

impl Coordinator {
    pub(super) async fn hear(self, nats: Client) {
        loop {
            match nats.subscribe(ack_subject('*')).await {
                Ok(mut messages) => {
                    while let Some(message) = messages.next().await {
                        self.0.acks.take(message);
                    }
                }
                Err(error) => tracing::warn!(error = %chain(&error), "no acknowledgements"),
            }
            self.0.clock.sleep(SUBSCRIBE_AGAIN).await;
        }
    }

    /// Settlements of other command services.
    pub(super) async fn hear_settlements(self, nats: Client) {
        loop {
            match self.bus_key().await {
                Ok(key) => {
                    let mut messages = listen(&nats, &self.0.clock).await;
                    while let Some(message) = messages.next().await {
                        if let Some(News::Settled(settled)) = News::read(&message, &key) {
                            self.0.hold.settle(settled.epoch, settled.position);
                        }
                    }
                }
                Err(error) => tracing::debug!(error = %chain(&error), "no key of the bus"),
            }
            self.0.clock.sleep(SUBSCRIBE_AGAIN).await;
        }
    }

    async fn bus_key(&self) -> Result<MacKey, StoreError> {
        let read = async {
            let mut connection = self.connection().await?;
            store::bus_key(&mut connection).await
        };
        self.0.clock.timeout(LOOK_DEADLINE, read).await?
    }

    pub(super) async fn keep(self) {
        let (mut silence, mut sweep) = (Silence::default(), Sweep::default());
        loop {
            self.0.clock.sleep(LOOK).await;
            let Ok(registered) = self.read_rows().await else {
                continue;
            };
            self.collect(&mut silence, &registered).await;
            self.sweep(&mut sweep, &registered).await;
        }
    }

    /// Beside the others, which must not wait for the ledger's disk.
    pub(super) async fn keep_copies(self) {
        loop {
            self.0.clock.sleep(LOOK).await;
            if let Ok(registered) = self.read_rows().await {
                self.copy_missing(&registered).await;
            }
        }
    }

    /// GC: nobody waits twice for a replica that is gone.
    async fn collect(&self, silence: &mut Silence, registered: &Registered) {
        for silent in silence.observe(&registered.rows, self.wait_point()) {
            let collect = async {
                let mut connection = self.connection().await?;
                store::collect(&mut connection, &silent).await
            };
            let collected = self.0.clock.timeout(LOOK_DEADLINE, collect).await;
            match collected.map_err(StoreError::from).flatten() {
                Ok(true) => {
                    counter!(names::COLLECTED).increment(1);
                    tracing::info!(
                        lease.incarnation = %silent.incarnation,
                        "the lease of a silent replica was deleted"
                    );
                }
                Ok(false) => {}
                Err(error) => tracing::debug!(error = %chain(&error), "no lease deleted"),
            }
        }
    }

    /// SWEEP: whoever committed a denial may have died before its barrier.
    async fn sweep(&self, sweep: &mut Sweep, registered: &Registered) {
        let now = self.wait_point();
        let mut after = sweep.settled(registered.epoch, registered.settled, now);
        for _ in 0..SWEEP_PAGES {
            if after >= registered.auth_position {
                break;
            }
            let Some((events, last)) = self.page(after).await else {
                break;
            };
            let denying = events.iter().filter(|event| denies(event));
            let denials: Vec<GlobalPosition> = denying.map(|event| event.position).collect();
            sweep.found(&denials, last, now);
            after = last;
        }
        let Some(due) = sweep.due(registered.longest_term, self.wait_point()) else {
            return;
        };
        tracing::warn!(
            event.position = due.last.get(),
            "a denial was not settled by whoever committed it: settling it"
        );
        match self.settle(registered.epoch, due).await {
            Ok(_) => counter!(names::SWEPT).increment(1),
            Err(error) => tracing::warn!(error = %chain(&error), "the denial is not settled"),
        }
    }

    /// The second copy of denials whose process died before it had written them. A settlement
    /// covers them as well as its own, so nothing else would ever look at them again.
    async fn copy_missing(&self, registered: &Registered) {
        let Some(ledger) = &self.0.ledger else {
            return;
        };
        let epoch = registered.epoch;
        let before = self.copies().copied(epoch, registered.copied);
        let mut copied = before;
        for _ in 0..COPY_PAGES {
            if copied >= registered.auth_position {
                break;
            }
            let Some(up_to) = self.copy_page(ledger, epoch, copied).await else {
                break;
            };
            copied = up_to;
        }
        if copied == before {
            return;
        }
        let note = async {
            let mut connection = self.connection().await?;
            store::note_copies(&mut connection, epoch, copied).await
        };
        let noted = self.0.clock.timeout(LOOK_DEADLINE, note).await;
        if let Err(error) = noted.map_err(StoreError::from).flatten() {
            // The next look writes them once more, and notes it.
            tracing::debug!(error = %chain(&error), "second copies were not noted");
        }
    }

    /// Writes what is missing of one page; says how far it went, nothing if it did not.
    async fn copy_page(
        &self,
        ledger: &Ledger,
        epoch: LogEpoch,
        after: GlobalPosition,
    ) -> Option<GlobalPosition> {
        let (events, last) = self.page(after).await?;
        let missing: Vec<_> = {
            let copies = self.copies();
            let missing = |event: &&_| denies(event) && copies.lacks(event.position);
            events.iter().filter(missing).collect()
        };
        self.copy(ledger, epoch, &missing).await.then_some(last)
    }

    /// The next auth events and the position of the last; nothing if there are none, or if they could
    /// not be read: there is another look soon.
    async fn page(&self, after: GlobalPosition) -> Option<(Vec<StoredEvent>, GlobalPosition)> {
        match self.0.log.read_auth(after, PAGE).await {
            Ok(events) => {
                let last = events.last()?.position;
                Some((events, last))
            }
            Err(error) => {
                tracing::debug!(error = %chain(&error), "no look for denials");
                None
            }
        }
    }
}
