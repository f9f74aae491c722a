//! What a coordinator does for others: it hears acknowledgements, deletes the rows of silent
//! replicas (GC), and settles denials that nobody else does (SWEEP).

use std::time::Duration;

use async_nats::Client;
use domain::ids::GlobalPosition;
use futures_util::StreamExt;
use metrics::counter;
use runtime::telemetry::chain;

use super::tell::denies;
use super::{Coordinator, LOOK_DEADLINE};
use crate::bus::{MacKey, News, ack_subject};
use crate::core::silence::Silence;
use crate::core::sweep::Sweep;
use crate::follow::listen;
use crate::metrics as names;
use crate::store::{self, Registered, StoreError};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait before NATS is asked for acknowledgements again.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(1);
/// Auth events of one read.
const PAGE: u16 = 500;

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
        while after < registered.auth_position {
            let events = match self.0.log.read_auth(after, PAGE).await {
                Ok(events) => events,
                Err(error) => {
                    return tracing::debug!(error = %chain(&error), "no look for denials");
                }
            };
            let Some(last) = events.last().map(|event| event.position) else {
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
        match self.settle(due).await {
            Ok(_) => counter!(names::SWEPT).increment(1),
            Err(error) => tracing::warn!(error = %chain(&error), "the denial is not settled"),
        }
    }
}
