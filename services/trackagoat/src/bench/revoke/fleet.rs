//! A command service and three query services, as processes of their own, on a private Postgres and
//! NATS; each can be stopped, killed and started again.

use std::net::SocketAddr;

use runtime::local::NatsServer;
use rustix::process::Signal;
use tokio::sync::watch;

use crate::bench::Setting;
use crate::bench::error::BenchError;
use crate::bench::folder::Database;
use crate::bench::product::{Serve, Service};

pub const REPLICAS: usize = 3;
/// A service takes at most 64, operators and the benchmark some.
const CONNECTIONS: usize = 64 * (REPLICAS + 1) + 96;

/// Everything that runs.
pub struct Fleet {
    pub postgres: Database,
    pub nats: NatsServer,
    command: Service,
    replicas: Vec<Replica>,
    pub url: String,
}

struct Replica {
    /// None: it was killed.
    service: Option<Service>,
    place: watch::Sender<SocketAddr>,
}

impl Fleet {
    pub async fn start(setting: &Setting) -> Result<Self, BenchError> {
        let Setting {
            folder,
            clock,
            entropy,
        } = setting;
        let settings = vec![("max_connections", CONNECTIONS.to_string())];
        let mut postgres = Database::start_with(folder, settings, clock, entropy).await?;
        let nats = folder.nats(clock, entropy).await?;
        let url = postgres.ours().await?;
        let nats_url = nats.url();
        let serve = Serve {
            role: "command",
            name: "command",
            database_url: &url,
            nats_url: Some(&nats_url),
        };
        let command = Service::start(folder.path(), serve, clock).await?;
        let mut replicas = Vec::new();
        for number in 0..REPLICAS {
            let service = replica(number, &url, &nats_url, setting).await?;
            let place = watch::Sender::new(service.ready.address()?);
            replicas.push(Replica {
                service: Some(service),
                place,
            });
        }
        Ok(Self {
            postgres,
            nats,
            command,
            replicas,
            url,
        })
    }

    /// Where commands go.
    pub fn command(&self) -> Result<SocketAddr, BenchError> {
        self.command.ready.address()
    }

    /// Where each replica answers, now and after it was started again.
    pub fn places(&self) -> Vec<watch::Receiver<SocketAddr>> {
        let places = self.replicas.iter();
        places.map(|replica| replica.place.subscribe()).collect()
    }

    /// Stops a replica where it stands, or lets it go on.
    pub fn signal(&self, number: usize, signal: Signal) -> Result<(), BenchError> {
        let service = self.replicas[number].service.as_ref();
        service.map_or(Ok(()), |service| service.signal(signal))
    }

    pub async fn kill(&mut self, number: usize) -> Result<(), BenchError> {
        match self.replicas[number].service.take() {
            Some(service) => service.kill().await,
            None => Ok(()),
        }
    }

    /// Starts a replica that was killed.
    pub async fn start_again(
        &mut self,
        number: usize,
        setting: &Setting,
    ) -> Result<(), BenchError> {
        let service = replica(number, &self.url, &self.nats.url(), setting).await?;
        let replica = &mut self.replicas[number];
        replica.place.send_replace(service.ready.address()?);
        replica.service = Some(service);
        Ok(())
    }

    pub async fn shut_down(self) -> Result<(), BenchError> {
        for service in self.replicas.into_iter().filter_map(|one| one.service) {
            service.stop().await?;
        }
        self.command.stop().await?;
        self.nats.shut_down().await.map_err(BenchError::Server)?;
        self.postgres.shut_down().await
    }
}

async fn replica(
    number: usize,
    url: &str,
    nats_url: &str,
    setting: &Setting,
) -> Result<Service, BenchError> {
    let serve = Serve {
        role: "query",
        name: &format!("query-{number}"),
        database_url: url,
        nats_url: Some(nats_url),
    };
    Service::start(setting.folder.path(), serve, &setting.clock).await
}
