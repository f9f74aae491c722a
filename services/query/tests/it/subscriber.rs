//! What subscribes over NATS with an API key, and the surroundings it needs.

use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::{self, Message};
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event as Change};
use domain::ids::{KeyId, OrgId};
use futures_util::StreamExt;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy};
use testkit::{TestNats, eventually};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::support::{Org, PATIENCE, World};

/// A log that is mirrored, and one replica that lets subscribers in.
pub struct Scene {
    pub world: World,
    pub nats: TestNats,
    /// None once it has left.
    pub replica: Option<Lifecycle>,
}

/// A connection that was made with a key.
pub struct Subscriber {
    pub client: Client,
    org: OrgId,
    key: KeyId,
    changes: UnboundedReceiver<Change>,
}

impl Scene {
    pub async fn start() -> Self {
        Self::start_on(World::start().await).await
    }

    pub async fn start_on(world: World) -> Self {
        let nats = testkit::nats().await;
        world.mirror(&nats).await;
        let (_, replica) = world.replica_for_subscribers(&nats).await;
        Self {
            world,
            nats,
            replica: Some(replica),
        }
    }

    /// Stops the replica: nobody lets subscribers in then.
    pub async fn stop_replica(&mut self) {
        let replica = self.replica.take().unwrap();
        replica.shutdown(ShutdownPolicy::default()).await;
    }

    /// An org whose creation is on the stream already.
    pub async fn org(&self) -> Org {
        let org = self.world.org().await;
        self.mirrored().await;
        org
    }

    /// Waits until the stream has all of the log.
    pub async fn mirrored(&self) {
        let head = self.world.log.head().await.unwrap().position.get();
        let context = self.nats.jetstream().await;
        eventually(PATIENCE, "the stream has all of the log", async || {
            let stream = context.get_stream(event_log::STREAM_NAME).await;
            let stream = stream.map_err(|error| error.to_string())?;
            let last = stream.cached_info().state.last_sequence;
            if last == head {
                Ok(())
            } else {
                Err(format!("{last} of {head}"))
            }
        })
        .await;
    }

    /// Connects with an org's first key.
    pub async fn subscriber(&self, org: &Org) -> Subscriber {
        self.connect(org.id, org.key_id, &org.key).await
    }

    /// Connects with a key that must be let in.
    pub async fn connect(&self, org: OrgId, key: KeyId, secret: &str) -> Subscriber {
        let (sender, changes) = mpsc::unbounded_channel();
        let options = |sender: UnboundedSender<Change>| {
            ConnectOptions::with_token(secret.to_owned())
                .custom_inbox_prefix(format!("_INBOX_{org}"))
                .event_callback(move |change| {
                    let _ = sender.send(change);
                    async {}
                })
        };
        let client = eventually(PATIENCE, "it is let in", async || {
            let options = options(sender.clone());
            options.connect(self.nats.open_url()).await
        })
        .await;
        Subscriber {
            client,
            org,
            key,
            changes,
        }
    }

    /// What becomes of who presents this.
    pub async fn try_token(&self, secret: &str) -> Result<Client, ConnectError> {
        let options = ConnectOptions::with_token(secret.to_owned());
        options.connect(self.nats.open_url()).await
    }

    /// That who presents this is let in, though a busy machine may want a second try.
    pub async fn is_let_in(&self, secret: &str) {
        eventually(PATIENCE, "it is let in", async || {
            self.try_token(secret).await.map(drop)
        })
        .await;
    }

    /// That who presents this is not let in.
    pub async fn is_refused(&self, secret: &str) {
        let error = self.try_token(secret).await.expect_err("is refused");
        assert_eq!(error.kind(), ConnectErrorKind::AuthorizationViolation);
    }
}

impl Subscriber {
    pub fn durable(&self) -> String {
        format!("{}-{}", self.org, self.key)
    }

    /// What the server says of its durable, after all that it was asked before.
    pub async fn described(&self) -> Consumer<pull::Config> {
        eventually(PATIENCE, "the durable is there", async || {
            let context = jetstream::with_prefix(self.client.clone(), "tga.api");
            let found = context.get_consumer_from_stream(self.durable(), event_log::STREAM_NAME);
            found.await.map_err(|error| error.to_string())
        })
        .await
    }

    /// The next events of its durable, acknowledged.
    pub async fn read(&self, count: usize) -> Vec<Message> {
        let mut read = Vec::with_capacity(count);
        eventually(PATIENCE, "the events are there", async || {
            let durable = self.described().await;
            let batch = durable.fetch().max_messages(count - read.len());
            let mut batch = batch.messages().await.map_err(|error| error.to_string())?;
            while let Some(message) = batch.next().await {
                let message = message.map_err(|error| error.to_string())?;
                message.ack().await.map_err(|error| error.to_string())?;
                read.push(message);
            }
            if read.len() == count {
                Ok(())
            } else {
                Err(format!("{} of {count}", read.len()))
            }
        })
        .await;
        read
    }

    /// Waits until its connection was ended.
    pub async fn ended(&mut self) {
        let clock = runtime::clock::Clock::system();
        let ended = async {
            while let Some(change) = self.changes.recv().await {
                if matches!(change, Change::Disconnected | Change::Closed) {
                    return;
                }
            }
        };
        let waited = clock.timeout(PATIENCE, ended).await;
        waited.expect("the connection is ended in time");
    }

    /// Whether its connection was never ended so far.
    pub fn was_never_ended(&mut self) -> bool {
        std::iter::from_fn(|| self.changes.try_recv().ok())
            .all(|change| !matches!(change, Change::Disconnected | Change::Closed))
    }
}

/// The positions of messages as their headers say, which must be those of the stream.
pub fn positions(messages: &[Message]) -> Vec<u64> {
    let positions = messages.iter().map(|message| {
        let headers = message.headers.as_ref().unwrap();
        let stated: u64 = headers
            .get("Tga-Position")
            .unwrap()
            .as_str()
            .parse()
            .unwrap();
        assert_eq!(message.info().unwrap().stream_sequence, stated);
        stated
    });
    positions.collect()
}
