use async_nats::Client;
use async_nats::jetstream::{self, Context};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::local::{NatsConfig, NatsServer};
use runtime::nats::NatsUrl;
use runtime::nats_keys::SubscriberKeys;

use crate::reachable_folder;

/// A NATS server of its own, with JetStream.
#[derive(Debug)]
pub struct TestNats(NatsServer);

/// Starts a NATS server.
pub async fn nats() -> TestNats {
    let folder = reachable_folder();
    let config = NatsConfig {
        delete: Some(folder.path().to_owned()),
        ..NatsConfig::new(folder.path().join("nats"))
    };
    let server = NatsServer::init(config, &Clock::system(), &Entropy::os())
        .await
        .unwrap_or_else(|error| panic!("{}", runtime::telemetry::chain(&error)));
    // From here on the server deletes it.
    let _ = folder.keep();
    TestNats(server)
}

impl TestNats {
    /// A URL with credentials; parse it as a [`NatsUrl`].
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// The same, parsed.
    pub fn address(&self) -> NatsUrl {
        self.url().parse().expect("the launcher writes URLs")
    }

    /// A new connection.
    pub async fn client(&self) -> Client {
        connected(&self.address()).await
    }

    /// A new connection with what a query service may do.
    pub async fn replica_client(&self) -> Client {
        let url = self.0.replica_url();
        connected(&url.parse().expect("the launcher writes URLs")).await
    }

    /// A URL for query services.
    pub fn replica_url(&self) -> String {
        self.0.replica_url()
    }

    /// A new connection in the system account, which may do everything there.
    pub async fn system_client(&self) -> Client {
        let url = self.0.system_url();
        connected(&url.parse().expect("the launcher writes URLs")).await
    }

    /// A URL for whoever makes the durables of subscribers.
    pub fn durables_url(&self) -> String {
        self.0.durables_url()
    }

    /// A URL for whoever lets subscribers in.
    pub fn subscribers_url(&self) -> String {
        self.0.subscribers_url()
    }

    /// The keys of whoever lets subscribers in.
    pub fn subscriber_keys(&self) -> &SubscriberKeys {
        self.0.subscriber_keys()
    }

    /// Where subscribers connect, with credentials of their own.
    pub fn open_url(&self) -> String {
        self.0.open_url()
    }

    /// JetStream on a new connection.
    pub async fn jetstream(&self) -> Context {
        jetstream::new(self.client().await)
    }

    /// The server's port on 127.0.0.1, for a proxy in front of it.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Stops it cleanly.
    pub async fn stop(&mut self) {
        self.0.stop().await.expect("nats-server stops");
    }

    /// Kills it.
    pub async fn kill(&mut self) {
        self.0.kill().await.expect("nats-server is killed");
    }

    /// Starts it again, on the same port.
    pub async fn start(&mut self) {
        self.0.start().await.expect("nats-server starts");
    }

    /// Stops it cleanly and starts it again.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// Kills it, deletes all it stored, and starts it again.
    pub async fn wipe(&mut self) {
        self.kill().await;
        self.0.wipe().expect("the store can be deleted");
        self.start().await;
    }

    /// Stops its process where it stands.
    pub fn pause(&self) {
        self.0.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.0.resume();
    }
}

async fn connected(address: &NatsUrl) -> Client {
    let connected = address.connect().await;
    connected.expect("the server takes connections")
}
