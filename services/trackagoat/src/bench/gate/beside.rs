//! Reads of two query services that differ in what the gate has to do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::people;
use crate::bench::error::BenchError;
use crate::bench::load::{self, Load};
use crate::bench::product::{Serve, Service, cpu_seconds};
use crate::bench::read::callers::{self, Caller, Shape};
use crate::bench::stats::{Histogram, Repeats, float};
use crate::bench::traffic::Traffic;
use crate::bench::turns::InTurn;
use crate::bench::{Options, Setting};

const CONNECTIONS: usize = 64;
/// Reads a second of the peer that the one with gossip hears of.
const PEER_RATE: f64 = 500.0;
/// Rounds that are not counted.
const WARM_UPS: usize = 2;
const PATH: &str = "/api/v1/projects";

/// URLs of what both rest on, each with a log of its own: a process that takes no part in the gossip would have
/// the others hold to their shares.
pub struct Beside {
    pub plain: String,
    pub full: String,
    pub nats: String,
}

/// What was found of both.
#[derive(Default)]
pub struct Compared {
    pub plain: Figures,
    pub full: Figures,
    /// Of each pair of runs: with, beside without.
    pub throughput: Repeats,
}

/// What was found of one.
#[derive(Default)]
pub struct Figures {
    per_second: Repeats,
    pub cpu_micros: Repeats,
    latency: Histogram,
    pub refused: u64,
}

/// How much of everything.
struct Effort {
    repeats: usize,
    length: Duration,
    keys: usize,
}

/// A service and who calls it.
struct Side {
    address: SocketAddr,
    pid: u32,
    requests: Arc<Vec<Vec<u8>>>,
}

/// One run.
struct Found {
    per_second: f64,
    cpu_micros: f64,
    latency: Histogram,
    refused: u64,
}

impl Effort {
    fn of(options: &Options) -> Self {
        if options.quick {
            return Self {
                repeats: 2,
                length: Duration::from_millis(300),
                keys: 200,
            };
        }
        Self {
            repeats: 15,
            length: Duration::from_secs(2),
            keys: 10_000,
        }
    }
}

impl Figures {
    pub fn to_json(&self) -> Value {
        json!({
            "requests_per_second": self.per_second.to_json(),
            "server_processor_micros_a_request": self.cpu_micros.to_json(),
            "latency": self.latency.to_json(),
            "not_answered_200": self.refused,
        })
    }

    fn add(&mut self, found: &Found) {
        self.per_second.push(found.per_second);
        self.cpu_micros.push(found.cpu_micros);
        self.latency.merge(&found.latency);
        self.refused += found.refused;
    }
}

impl Side {
    /// Keys that are known to the service, and its address.
    async fn new(
        service: &Service,
        callers: &[Caller],
        setting: &Setting,
    ) -> Result<Self, BenchError> {
        let address = service.ready.address()?;
        callers::until_readable(callers, address, setting).await?;
        let request = |caller: &Caller| load::get(address, PATH, &caller.key);
        load::each(address, callers.iter().map(request)).await?;
        Ok(Self {
            address,
            pid: service.ready.pid,
            requests: Arc::new(callers.iter().map(request).collect()),
        })
    }

    async fn run(&self, length: Duration, setting: &Setting) -> Result<Found, BenchError> {
        let load = Load {
            address: self.address,
            requests: Arc::clone(&self.requests),
            connections: CONNECTIONS,
            length,
            rate: None,
        };
        let before = cpu_seconds(self.pid)?;
        let answers = load.run(&setting.clock).await?;
        let cpu = cpu_seconds(self.pid)? - before;
        Ok(Found {
            per_second: answers.per_second(),
            cpu_micros: cpu * 1e6 / float(answers.histogram.total()),
            latency: answers.histogram,
            refused: answers.refused,
        })
    }
}

impl Beside {
    pub async fn measure(
        &self,
        options: &Options,
        setting: &Setting,
    ) -> Result<Compared, BenchError> {
        let effort = Effort::of(options);
        options.say("gate: a query service without, one with and a peer of that");
        let callers = async |url: &str, shape: Shape| {
            callers::of_many_orgs(url, effort.keys, shape, setting).await
        };
        let plain_callers = callers(&self.plain, people::plain).await?;
        let full_callers = callers(&self.full, people::listed).await?;
        let nats = Some(self.nats.as_str());
        let plain_service = start("plain", &self.plain, None, setting).await?;
        let full_service = start("full", &self.full, nats, setting).await?;
        let peer = start("peer", &self.full, nats, setting).await?;
        let plain = Side::new(&plain_service, &plain_callers, setting).await?;
        let full = Side::new(&full_service, &full_callers, setting).await?;
        let at_peer = Side::new(&peer, &full_callers, setting).await?;
        let place = watch::Sender::new(at_peer.address).subscribe();
        let traffic = Traffic::start(
            &[place],
            at_peer.requests.to_vec(),
            PEER_RATE,
            &setting.clock,
        );
        let (mut compared, last) = (Compared::default(), effort.repeats + WARM_UPS - 1);
        // The first rounds are not counted: orgs get larger blocks of their day's quota.
        for repeat in 0..=last {
            options.say(&format!("gate: reads: repeat {repeat} of {last}"));
            let (with, without) = full
                .run(effort.length, setting)
                .in_turn_with(plain.run(effort.length, setting), repeat)
                .await?;
            if repeat >= WARM_UPS {
                compared
                    .throughput
                    .push(with.per_second / without.per_second);
                compared.full.add(&with);
                compared.plain.add(&without);
            }
        }
        traffic.stop().await?;
        for service in [plain_service, full_service, peer] {
            service.stop().await?;
        }
        Ok(compared)
    }
}

async fn start(
    name: &str,
    database_url: &str,
    nats_url: Option<&str>,
    setting: &Setting,
) -> Result<Service, BenchError> {
    let serve = Serve {
        role: "query",
        name,
        database_url,
        nats_url,
    };
    Service::start(setting.folder.path(), serve, &setting.clock).await
}
