//! What the mirrors publish, as it is published. A plain subscription: the feed itself notices what
//! is missing, so it needs no consumer's state on the server.

use async_nats::Subscriber;
use domain::ids::{GlobalPosition, LogEpoch};
use futures_util::{FutureExt, StreamExt};
use runtime::clock::Clock;

use crate::mirror::{ALL_SUBJECTS, Received};
use crate::stored::StoredEvent;

/// How long NATS may take to take a subscription.
const OPEN: std::time::Duration = std::time::Duration::from_secs(1);

#[derive(Debug)]
pub struct Live {
    messages: Subscriber,
    /// Something came that does not follow, and was dropped: only the log knows what is between.
    gap: bool,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// Events that follow the last.
    Events(Vec<StoredEvent>),
    /// Something is missing.
    Gap,
    /// Nothing came for a while.
    Silence,
}

/// A message does not follow, or cannot be read.
struct Missing;

impl Live {
    pub async fn open(client: &async_nats::Client, clock: &Clock) -> Option<Self> {
        let subscribed = clock.timeout(OPEN, client.subscribe(ALL_SUBJECTS)).await;
        let messages = subscribed.ok()?.ok()?;
        Some(Self {
            messages,
            gap: false,
        })
    }

    /// The events that follow `last`, as many as are there already; none if the subscription is
    /// over. Dropping the future loses nothing.
    pub async fn next(
        &mut self,
        last: GlobalPosition,
        epoch: Option<LogEpoch>,
        limit: usize,
    ) -> Option<Next> {
        let mut events = Vec::new();
        let mut last = last;
        while !self.gap {
            // Waits for the first only; after it there is no point at which it could be dropped.
            let message = if events.is_empty() {
                self.messages.next().await?
            } else if let Some(message) = self.messages.next().now_or_never().flatten() {
                message
            } else {
                break;
            };
            match hear(&message, last, epoch) {
                Ok(Some(event)) => {
                    last = event.position;
                    events.push(event);
                }
                Ok(None) => {}
                Err(Missing) => self.gap = true,
            }
            if events.len() >= limit {
                break;
            }
        }
        if !events.is_empty() {
            return Some(Next::Events(events));
        }
        self.gap = false;
        Some(Next::Gap)
    }
}

/// The event of a message, unless it is known already.
fn hear(
    message: &async_nats::Message,
    last: GlobalPosition,
    epoch: Option<LogEpoch>,
) -> Result<Option<StoredEvent>, Missing> {
    match Received::position(message) {
        Some(position) if position <= last => return Ok(None),
        Some(position) if position == last.next() => {}
        _ => return Err(Missing),
    }
    match Received::parse(message) {
        Some(received) if Some(received.epoch) == epoch => Ok(Some(received.event)),
        _ => Err(Missing),
    }
}
