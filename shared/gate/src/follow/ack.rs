//! Acknowledgements: up to where a replica has applied every auth event (pitfall 8).

use async_nats::Client;
use runtime::lifecycle::{TaskKind, Tasks};
use tokio::sync::watch;

use crate::bus::{self, Ack, MacKey};

/// The newest acknowledgement, and the key of the row it stands for.
pub type Newest = Option<(Ack, MacKey)>;

/// Starts the task that publishes; it is told the newest and may leave out what that covers.
pub fn start(nats: Option<Client>, tasks: &Tasks) -> watch::Sender<Newest> {
    let (sender, receiver) = watch::channel(None);
    if let Some(nats) = nats {
        tasks.spawn(TaskKind::Disposable, "gate acks", publish(nats, receiver));
    }
    sender
}

async fn publish(nats: Client, mut acks: watch::Receiver<Newest>) {
    while acks.changed().await.is_ok() {
        let newest = acks.borrow_and_update().clone();
        if let Some((ack, key)) = newest {
            bus::acknowledge(&nats, &key, &ack).await;
        }
    }
}
