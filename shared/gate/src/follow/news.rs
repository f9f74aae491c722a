//! What the command services tell at once, before the feed of the log brings it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use domain::ids::LogEpoch;
use futures_util::StreamExt;
use metrics::counter;
use runtime::clock::Clock;
use runtime::lifecycle::{TaskKind, Tasks};
use runtime::telemetry::chain;
use tokio::sync::mpsc;

use super::feed::{Heard, auth_event};
use crate::bus::{MacKey, NEWS, News};
use crate::hold::Hold;
use crate::metrics as names;

/// How long to wait before something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// For a replica: auth events of the log `epoch` go to the apply task, until nobody takes them.
pub fn start(
    nats: Client,
    key: MacKey,
    epoch: LogEpoch,
    hold: Arc<Hold>,
    sender: mpsc::Sender<Heard>,
    clock: Clock,
    tasks: &Tasks,
) {
    tasks.spawn(TaskKind::Disposable, "gate news", async move {
        let hear = async {
            loop {
                let mut all = listen(&nats, &clock).await;
                while let Some(message) = all.next().await {
                    match News::read(&message, &key) {
                        Some(News::Settled(settled)) => {
                            hold.settle(settled.epoch, settled.position);
                        }
                        Some(News::Auth { epoch: of, event }) if of == epoch => {
                            let Some(event) = auth_event(&event) else {
                                continue;
                            };
                            if sender.send(Heard::Events(vec![event])).await.is_err() {
                                return;
                            }
                        }
                        // Of another life of the log.
                        Some(News::Auth { .. }) => {}
                        None => counter!(names::NEWS_REFUSED).increment(1),
                    }
                }
            }
        };
        tokio::select! {
            () = hear => {}
            () = sender.closed() => {}
        }
    });
}

/// A subscription to what command services tell, as soon as there is one.
pub async fn listen(nats: &Client, clock: &Clock) -> async_nats::Subscriber {
    loop {
        match nats.subscribe(NEWS).await {
            Ok(subscriber) => return subscriber,
            Err(error) => tracing::debug!(error = %chain(&error), "no news of the gate"),
        }
        clock.sleep(AGAIN).await;
    }
}
