//! Postgres and NATS, each in its own place.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::local::{LocalError, NatsConfig, NatsServer, PostgresConfig, PostgresServer};

use crate::net::Place;

/// Who may log in: where others of this machine may come, with a password, in the clear, since to
/// prove one without telling it takes a debug build longer than a request may take; where the
/// network is our own, without.
fn hba(place: &Place) -> &'static str {
    if place.address.is_loopback() {
        "host all,replication all 127.0.0.1/32 password\n"
    } else {
        "host all,replication all 0.0.0.0/0 trust\n"
    }
}

/// A server in its place.
pub struct Server<S> {
    server: Option<S>,
    place: Place,
}

/// The log's primary.
pub type Postgres = Server<PostgresServer>;
/// What makes things quick.
pub type Nats = Server<NatsServer>;

impl<S: Send + 'static> Server<S> {
    /// Does something to it where it lives: what is started then lives there too.
    pub async fn act(
        &mut self,
        act: impl AsyncFnOnce(&mut S) -> Result<(), LocalError> + Send + 'static,
    ) {
        let mut server = self.server.take().expect("one thing at a time");
        let acted = self.place.within(async move || {
            let done = act(&mut server).await;
            (server, done)
        });
        let (server, done) = acted.await;
        self.server = Some(server);
        done.unwrap_or_else(|error| panic!("{}", runtime::telemetry::chain(&error)));
    }

    /// The server itself.
    pub fn get(&mut self) -> &mut S {
        self.server.as_mut().expect("one thing at a time")
    }

    fn read(&self) -> &S {
        self.server.as_ref().expect("one thing at a time")
    }

    async fn init(
        place: Place,
        init: impl AsyncFnOnce() -> Result<S, LocalError> + Send + 'static,
    ) -> Self {
        let server = place.within(init).await;
        let server = server.unwrap_or_else(|error| panic!("{}", runtime::telemetry::chain(&error)));
        Self {
            server: Some(server),
            place,
        }
    }
}

impl Postgres {
    /// A durable one, unless these settings say otherwise, in a folder below `folder`.
    pub async fn start(place: Place, folder: &Path, settings: &[(&'static str, String)]) -> Self {
        let hba_file = folder.join("pg_hba.conf");
        fs::write(&hba_file, hba(&place)).expect("the folder takes a file");
        fs::set_permissions(&hba_file, Permissions::from_mode(0o644)).expect("the file is ours");
        let own = [
            ("listen_addresses", place.address.to_string()),
            ("hba_file", hba_file.display().to_string()),
            ("shared_buffers", "64MB".to_owned()),
            ("max_wal_size", "1GB".to_owned()),
        ];
        let config = PostgresConfig {
            settings: own.into_iter().chain(settings.iter().cloned()).collect(),
            ..PostgresConfig::new(folder.join("postgres"))
        };
        let init =
            async move || PostgresServer::init(config, &Clock::system(), &Entropy::os()).await;
        Self::init(place, init).await
    }

    /// A URL as the superuser.
    pub fn url(&self, database: &str) -> String {
        let url = self.read().url(database);
        url.replace("@127.0.0.1:", &format!("@{}:", self.place.address))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((self.place.address, self.read().port()))
    }
}

impl Nats {
    /// One with JetStream, in a folder below `folder`.
    pub async fn start(place: Place, folder: &Path) -> Self {
        let config = NatsConfig {
            address: place.address,
            ..NatsConfig::new(folder.join("nats"))
        };
        let init = async move || NatsServer::init(config, &Clock::system(), &Entropy::os()).await;
        Self::init(place, init).await
    }

    /// A URL with credentials.
    pub fn url(&self) -> String {
        self.read().url()
    }

    /// A URL with those of a query service.
    pub fn replica_url(&self) -> String {
        self.read().replica_url()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((self.place.address, self.read().port()))
    }
}
