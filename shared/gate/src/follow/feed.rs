//! Auth events out of the feed of the log.

use std::time::Duration;

use domain::ids::{GlobalPosition, LogEpoch};
use event_log::{EventLog, FeedConfig, FeedError, StoredEvent};
use runtime::clock::Clock;
use runtime::lifecycle::{TaskKind, Tasks};
use runtime::telemetry::chain;
use tokio::sync::mpsc;

use crate::core::auth::{AuthEvent, Change, change};
use crate::drill;

/// Batches that wait for the apply task.
pub const BATCHES: usize = 64;
/// How long to wait after the log could not be read.
const AGAIN: Duration = Duration::from_millis(100);

/// What the apply task hears.
#[derive(Debug)]
pub enum Heard {
    /// Auth events, in the order of the log.
    Events(Vec<AuthEvent>),
    /// The log is another one, or so far ahead that what is next is archived: nothing more comes.
    OtherLog,
}

/// Follows the log from `after` on, until nobody takes what it hears.
pub fn start(
    log: &EventLog,
    nats: Option<async_nats::Client>,
    after: GlobalPosition,
    epoch: LogEpoch,
    sender: mpsc::Sender<Heard>,
    clock: Clock,
    tasks: &Tasks,
) {
    let config = FeedConfig {
        nats,
        epoch: Some(epoch),
    };
    let mut feed = log.subscribe(after, config);
    tasks.spawn(TaskKind::Disposable, "gate feed", async move {
        loop {
            let batch = tokio::select! {
                batch = feed.next_batch() => batch,
                () = sender.closed() => return,
            };
            let heard = match batch {
                Ok(events) => {
                    let events: Vec<_> = events.iter().filter_map(auth_event).collect();
                    if events.is_empty() {
                        continue;
                    }
                    Heard::Events(events)
                }
                Err(FeedError::Log(error)) => {
                    tracing::debug!(error = %chain(&error), "the feed pauses");
                    clock.sleep(AGAIN).await;
                    continue;
                }
                Err(
                    FeedError::EpochChanged { .. }
                    | FeedError::Ahead { .. }
                    | FeedError::Archived { .. },
                ) => Heard::OtherLog,
            };
            let is_last = matches!(heard, Heard::OtherLog);
            if sender.send(heard).await.is_err() || is_last {
                return;
            }
        }
    });
}

/// An event that changes who may call, as far as this build understands it.
pub fn auth_event(event: &StoredEvent) -> Option<AuthEvent> {
    let previous = event.auth_prev?;
    Some(AuthEvent {
        position: event.position,
        previous,
        change: match event.decode() {
            Ok(_) if drill::is_forgotten(&event.type_name) => Change::Unknown,
            Ok(recorded) => change(recorded.org_id, &recorded.event),
            Err(error) => {
                tracing::error!(
                    event.position = event.position.get(),
                    error = %chain(&error),
                    "an auth event is not understood: this replica gives up its lease"
                );
                Change::Unknown
            }
        },
    })
}
