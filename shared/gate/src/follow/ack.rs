//! Acknowledgements: up to where a replica has applied every auth event (pitfall 8).

use async_nats::Client;
use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};
use runtime::lifecycle::{TaskKind, Tasks};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What goes to `tga.gate.ack.<incarnation>`. A MAC joins it with the bus keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckMessage {
    /// The log it follows.
    pub epoch: LogEpoch,
    /// Whose it is.
    pub incarnation: IncarnationId,
    /// The contiguous prefix that is applied.
    pub applied: GlobalPosition,
}

/// Where a replica publishes; `*` in place of the incarnation hears all of them.
pub fn subject(incarnation: impl std::fmt::Display) -> String {
    format!("tga.gate.ack.{incarnation}")
}

/// Starts the task that publishes; it is told the newest and may leave out what that covers.
pub fn start(nats: Option<Client>, tasks: &Tasks) -> watch::Sender<Option<AckMessage>> {
    let (sender, receiver) = watch::channel(None);
    if let Some(nats) = nats {
        tasks.spawn(TaskKind::Disposable, "gate acks", publish(nats, receiver));
    }
    sender
}

async fn publish(nats: Client, mut acks: watch::Receiver<Option<AckMessage>>) {
    while acks.changed().await.is_ok() {
        let Some(ack) = *acks.borrow_and_update() else {
            continue;
        };
        let payload = serde_json::to_vec(&ack).expect("ids and a number are JSON");
        let sent = nats.publish(subject(ack.incarnation), payload.into()).await;
        // Lost acks are made up for by the next renewal, which carries the position too.
        if let Err(error) = sent {
            tracing::debug!(%error, "an acknowledgement was not sent");
        }
    }
}
