//! Two of the main faults at once: the first strikes one replica, the second another.

use std::time::Duration;

use runtime::clock::Clock;
use testkit::{Direction, Proxy};

use super::clocks::turn;
use super::partitions::{Peer, cut};
use super::primary::ALL;
use super::{Needs, done, lasts};
use crate::cgroup::{Effect, Group};
use crate::net::Way;
use crate::process::Service;
use crate::rig::Rig;

/// For how long servers stand still, and commits are waited for.
const LASTS: Duration = Duration::from_millis(1_200);
const LOOK: Duration = Duration::from_millis(20);
/// How late everything is, to and from a replica far away.
const LATE: Duration = Duration::from_millis(350);
/// Of a clock that may be as slow.
const SLOW: &str = "0.91";

/// A fault of the matrix that goes with every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Killed,
    Stopped,
    Starved,
    CommandKilled,
    NoPostgres,
    NoNats,
    OneWay,
    Late,
    PostgresRestarted,
    PostgresStopped,
    NatsKilled,
    SlowClock,
}

impl Fault {
    /// With the number of its row.
    pub const ALL: [(Self, u32); 12] = [
        (Self::Killed, 1),
        (Self::Stopped, 2),
        (Self::Starved, 4),
        (Self::CommandKilled, 6),
        (Self::NoPostgres, 10),
        (Self::NoNats, 11),
        (Self::OneWay, 13),
        (Self::Late, 17),
        (Self::PostgresRestarted, 20),
        (Self::PostgresStopped, 22),
        (Self::NatsKilled, 28),
        (Self::SlowClock, 34),
    ];

    /// Whether it strikes the replica that is its victim, and not another process in its stead.
    const fn is_of_a_replica(self) -> bool {
        matches!(
            self,
            Self::Killed
                | Self::Stopped
                | Self::Starved
                | Self::NoPostgres
                | Self::NoNats
                | Self::OneWay
        )
    }

    const fn is_of_postgres(self) -> bool {
        matches!(self, Self::PostgresRestarted | Self::PostgresStopped)
    }

    pub const fn needs(self) -> Needs {
        match self {
            Self::NoPostgres | Self::NoNats | Self::OneWay => Needs::Namespaces,
            Self::SlowClock => Needs::FakeTime,
            Self::Starved => Needs::Groups,
            _ => Needs::Nothing,
        }
    }
}

/// A fault, where it strikes.
struct Strike {
    fault: Fault,
    victim: &'static str,
    place: &'static str,
    extra: Option<Service>,
    proxies: Vec<Proxy>,
    group: Option<Group>,
}

/// Where faults strike, each in its own replica, or in an extra one in its own place.
const VICTIMS: [(&str, &str); 3] = [("q3", "x1"), ("q2", "x2"), ("q1", "x3")];

/// Two faults at once.
pub async fn run(rig: &mut Rig, first: Fault, second: Fault) {
    strike(rig, &[(first, 0), (second, 0)]).await;
}

/// All these faults, at most three, around one round of revocations: safety is judged, and L1 unless
/// Postgres is what fails. Without a fault everything is.
pub async fn strike(rig: &mut Rig, faults: &[(Fault, u32)]) {
    let mut strikes = Vec::new();
    for ((fault, _), (victim, place)) in faults.iter().zip(VICTIMS) {
        strikes.push(Strike::prepare(rig, *fault, victim, place).await);
    }
    let extras: Vec<&Service> = strikes
        .iter()
        .filter_map(|strike| strike.extra.as_ref())
        .collect();
    let watch = rig.round_with(&extras).await;
    for strike in &mut strikes {
        strike.begin(rig);
    }
    let revoking = watch.revoke();
    for strike in &mut strikes {
        strike.meanwhile(rig, watch.victims()[0].id).await;
    }
    done(revoking).await;
    for strike in &mut strikes {
        strike.end(rig);
    }
    lasts(LASTS / 4).await;
    let mut affected: Vec<_> = strikes.iter().filter_map(Strike::affected).collect();
    // Without Postgres no replica keeps its lease.
    if faults.iter().any(|(fault, _)| fault.is_of_postgres()) {
        affected.extend(ALL);
    }
    rig.end(watch, &affected).await;
    for strike in strikes {
        if let Some(extra) = strike.extra {
            drop(strike.proxies);
            rig.abandon(extra).await;
        }
    }
}

impl Strike {
    async fn prepare(
        rig: &mut Rig,
        fault: Fault,
        victim: &'static str,
        place: &'static str,
    ) -> Self {
        let mut strike = Self {
            fault,
            victim,
            place,
            extra: None,
            proxies: Vec::new(),
            group: None,
        };
        let mut recipe = rig.recipe("query", rig.net.place(strike.place));
        match fault {
            Fault::SlowClock => turn(&mut recipe, SLOW),
            Fault::Late => {
                let postgres = Proxy::between(rig.net.hub(), rig.postgres.address()).await;
                let nats = Proxy::between(rig.net.hub(), rig.nats.address()).await;
                recipe.lead("TGA_DATABASE_URL", &postgres);
                recipe.lead("TGA_NATS_URL", &nats);
                strike.proxies = vec![postgres, nats];
            }
            _ => return strike,
        }
        strike.extra = Some(rig.extra(recipe).await);
        strike
    }

    /// The replica from which nothing is asked beyond safety.
    fn affected(&self) -> Option<&str> {
        match &self.extra {
            Some(extra) => Some(&extra.name),
            None => self.fault.is_of_a_replica().then_some(self.victim),
        }
    }

    fn begin(&mut self, rig: &mut Rig) {
        let both = [Peer::Postgres, Peer::Nats];
        match self.fault {
            Fault::Killed => rig.service(self.victim).kill(),
            Fault::Stopped => rig.service(self.victim).stop(),
            Fault::Starved => {
                self.group = Some(Group::around(rig.service(self.victim), Effect::Starved));
            }
            Fault::NoPostgres => cut(rig, self.victim, &[Peer::Postgres], Way::Both, 100),
            Fault::NoNats => cut(rig, self.victim, &[Peer::Nats], Way::Both, 100),
            Fault::OneWay => cut(rig, self.victim, &both, Way::In, 100),
            Fault::Late => self.delay(LATE),
            Fault::PostgresStopped => rig.postgres.get().pause(),
            // A slow clock proves something only if its process cannot say that it applied.
            Fault::SlowClock => self.extra.iter().for_each(Service::stop),
            Fault::CommandKilled | Fault::PostgresRestarted | Fault::NatsKilled => {}
        }
    }

    /// What must happen while keys are revoked, or lets them be.
    async fn meanwhile(&mut self, rig: &mut Rig, key: uuid::Uuid) {
        match self.fault {
            Fault::CommandKilled => {
                // Where nothing is committed in time it dies before.
                let clock = Clock::system();
                let deadline = clock.monotonic() + LASTS;
                while rig.revocation(key).await.is_none() && clock.monotonic() < deadline {
                    lasts(LOOK).await;
                }
                rig.service("c2").kill();
            }
            Fault::PostgresRestarted => {
                let restart = rig.postgres.act(async |server| {
                    server.stop_immediately().await?;
                    server.start().await
                });
                restart.await;
            }
            Fault::PostgresStopped => {
                lasts(LASTS).await;
                rig.postgres.get().resume();
            }
            Fault::NatsKilled => {
                let restart = rig.nats.act(async |server| {
                    server.kill().await?;
                    server.start().await
                });
                restart.await;
            }
            _ => {}
        }
    }

    fn end(&mut self, rig: &mut Rig) {
        self.delay(Duration::ZERO);
        self.group = None;
        self.extra.iter().for_each(Service::go_on);
        let service = rig.service(self.victim);
        service.recipe.place.heal();
        service.go_on();
    }

    fn delay(&self, delay: Duration) {
        for proxy in &self.proxies {
            proxy.delay(Direction::ToServer, delay);
            proxy.delay(Direction::ToClient, delay);
        }
    }
}
