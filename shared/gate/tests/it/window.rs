//! The window across processes, over real NATS.

use std::time::Duration;

use futures_util::StreamExt;
use gate::core::gossip::message::{Count, Message, ProcessId, State};
use gate::core::others::Admitted;
use gate::{Denial, Gate, VerifyConfig};
use runtime::clock::{Clock, Monotonic};
use testkit::{Proxy, TestDatabase, TestNats, eventually};
use uuid::Uuid;

use crate::letters::{Sender, mac};
use crate::support::{Command, Key, KeySpec, Replica, SOON, config};

/// A limit that no test reaches.
const FAR: u64 = 1_000_000;
const MILLISECOND: Duration = Duration::from_millis(1);
/// A tick and the way of its message, on a busy machine.
const HEARD_WITHIN: Duration = Duration::from_millis(500);
/// And how long a silent process is relied on.
const SILENCE: Duration = Duration::from_millis(1_070);

struct Fleet {
    command: Command,
    replicas: Vec<Replica>,
    org: domain::ids::OrgId,
}

impl Fleet {
    async fn start(database: &TestDatabase, clients: Vec<async_nats::Client>) -> Self {
        let command = Command::start(database.pool().clone(), Some(clients[0].clone()));
        let org = command.org().await;
        let mut replicas = Vec::new();
        for client in clients {
            let pool = database.pool_as("tga_query");
            replicas.push(Replica::start(pool, Some(client)).await);
        }
        let fleet = Self {
            command,
            replicas,
            org,
        };
        fleet.sees_itself().await;
        fleet
    }

    async fn of_three(database: &TestDatabase, nats: &TestNats) -> Self {
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(nats.client().await);
        }
        Self::start(database, clients).await
    }

    async fn key(&self, rate: u64) -> Key {
        let spec = KeySpec {
            rate,
            ..KeySpec::default()
        };
        self.command.key_with(self.org, spec).await
    }

    /// Each knows to the last one what all of them admit.
    async fn sees_itself(&self) {
        let key = self.key(FAR).await;
        self.heard(&key, FAR, 0).await;
    }

    /// Waits until each knows to the last one what all of them admitted of a key, which is
    /// `admitted` and what this asks besides; says how many.
    async fn heard(&self, key: &Key, limit: u64, mut admitted: u64) -> usize {
        for _ in 0..2 {
            for replica in &self.replicas {
                eventually(SOON, "all that others admit is known", async || {
                    admitted += 1;
                    Clock::system().sleep(100 * MILLISECOND).await;
                    left(replica, key).await == limit - admitted
                })
                .await;
            }
        }
        usize::try_from(admitted).unwrap()
    }

    /// Each has its share of a window, among so many.
    async fn shares(&self, among: u64) {
        for replica in &self.replicas {
            eventually(SOON, "it has its share", async || {
                let key = self.key(FAR).await;
                left(replica, &key).await == FAR / among - 1
            })
            .await;
        }
    }
}

/// Asks once more, and says how many are left.
async fn left(replica: &Replica, key: &Key) -> u64 {
    replica.ask(key).await.unwrap().rate.minute.remaining
}

/// Whether it is admitted.
async fn is_admitted(replica: &Replica, key: &Key) -> bool {
    match replica.ask(key).await {
        Ok(_) => true,
        Err(Denial::RateLimited(_)) => false,
        Err(denial) => panic!("{denial}"),
    }
}

/// Asks until it is refused; says how many were admitted.
async fn ask_all(replica: &Replica, key: &Key) -> usize {
    let mut admitted = 0;
    while is_admitted(replica, key).await {
        admitted += 1;
    }
    admitted
}

/// The most of these in any interval of that length.
fn most(times: &[Monotonic], span: Duration) -> usize {
    let from = |time: &Monotonic| {
        let within = |other: &&Monotonic| *other >= time && **other <= *time + span;
        times.iter().filter(within).count()
    };
    times.iter().map(from).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "figures for people")]
async fn round_robin_admits_the_limit_and_what_was_not_heard_yet() {
    let database = testkit::postgres().await;
    let nats = testkit::nats().await;
    let fleet = Fleet::of_three(&database, &nats).await;
    let key = fleet.key(100).await;
    let clock = Clock::system();
    let (mut asked, mut admitted) = (Vec::new(), 0);
    for number in 0..240 {
        let replica = &fleet.replicas[number % fleet.replicas.len()];
        asked.push(clock.monotonic());
        admitted += usize::from(is_admitted(replica, &key).await);
        clock.sleep(20 * MILLISECOND).await;
    }
    let bound = most(&asked, HEARD_WITHIN).min(most(&asked, SILENCE));
    assert!(
        (100..=100 + bound).contains(&admitted),
        "{admitted}, {bound} over at most"
    );
    println!("{} over the limit, {bound} at most", admitted - 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_on_one_admits_the_limit_and_the_others_know() {
    let database = testkit::postgres().await;
    let nats = testkit::nats().await;
    let fleet = Fleet::of_three(&database, &nats).await;
    let key = fleet.key(50).await;
    assert_eq!(ask_all(&fleet.replicas[0], &key).await, 50);
    for replica in &fleet.replicas[1..] {
        // One of them may ask before it has heard.
        eventually(SOON, "it knows", async || !is_admitted(replica, &key).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_cut_off_falls_back_to_its_share() {
    let database = testkit::postgres().await;
    let nats = testkit::nats().await;
    let proxy = Proxy::to(nats.port()).await;
    let address = nats
        .url()
        .replace(&nats.port().to_string(), &proxy.port().to_string());
    let address: runtime::nats::NatsUrl = address.parse().unwrap();
    let cut_off = address.connect().await.unwrap();
    let clients = vec![nats.client().await, nats.client().await, cut_off];
    let fleet = Fleet::start(&database, clients).await;
    let before = fleet.key(90).await;
    for _ in 0..30 {
        assert!(is_admitted(&fleet.replicas[0], &before).await);
    }
    let taken = fleet.heard(&before, 90, 30).await;

    proxy.cut();
    fleet.shares(3).await;
    // Until then two who hear each other may count what the other takes from its share.
    Clock::system().sleep(3 * SILENCE).await;
    let [key, other] = [fleet.key(90).await, fleet.key(90).await];
    for replica in &fleet.replicas {
        assert_eq!(ask_all(replica, &key).await, 30);
        // A third of what was left when they lost sight of each other.
        assert_eq!(ask_all(replica, &before).await, (90 - taken) / 3);
    }
    assert_eq!(ask_all(&fleet.replicas[2], &other).await, 30);
    proxy.heal();
    fleet.sees_itself().await;
    for replica in &fleet.replicas {
        assert!(!is_admitted(replica, &key).await);
    }
    assert_eq!(ask_all(&fleet.replicas[0], &other).await, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_the_place_of_a_killed_one_learns_what_it_had_told() {
    let database = testkit::postgres().await;
    let nats = testkit::nats().await;
    let mut fleet = Fleet::of_three(&database, &nats).await;
    let key = fleet.key(100).await;
    for _ in 0..40 {
        assert!(is_admitted(&fleet.replicas[2], &key).await);
    }
    let taken = fleet.heard(&key, 100, 40).await;
    // What it admits in its last tick dies with it.
    Clock::system().sleep(HEARD_WITHIN).await;
    fleet.replicas.pop().unwrap().kill();
    let pool = database.pool_as("tga_query");
    let client = Some(nats.client().await);
    let new = Replica::launch(pool, client, Clock::system(), &config());
    new.ready().await;
    fleet.replicas.push(new);
    // Until the row of the killed one is deleted they have their shares.
    fleet.sees_itself().await;
    let admitted = ask_all(&fleet.replicas[2], &key).await;
    assert_eq!(admitted + taken, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_the_key_says_what_was_admitted() {
    let database = testkit::postgres().await;
    let nats = testkit::nats().await;
    let fleet = Fleet::of_three(&database, &nats).await;
    let key = fleet.key(1_000).await;
    let sender = Sender::new(&database, &nats).await;
    let process = ProcessId(Uuid::from_u128(7));
    let subject = format!("tga.gate.counts.{}", process.0);
    let told = Message {
        process,
        epoch: sender.epoch,
        row: None,
        number: 1,
        state: State::default(),
        known: Vec::new(),
        fills: None,
        of: process,
        counts: vec![Count {
            key: key.id.as_uuid(),
            org: fleet.org,
            admitted: Admitted {
                count: 900,
                recent: 900,
            },
        }],
    };
    let payload = told.encode();
    let genuine = mac(&sender.bus_key, &subject, &payload);
    let elsewhere = mac(&sender.bus_key, "tga.gate.counts.another", &payload);
    let forged = [
        None,
        Some(mac(b"a guess", &subject, &payload)),
        Some(elsewhere),
    ];
    for mac in forged {
        sender.send_bytes(&subject, payload.clone(), mac).await;
    }
    let mut altered = payload.clone();
    *altered.last_mut().unwrap() ^= 1;
    let altered = sender.send_bytes(&subject, altered, Some(genuine.clone()));
    altered.await;
    fleet.heard(&key, 1_000, 0).await;
    // With the key it is believed.
    sender.send_bytes(&subject, payload, Some(genuine)).await;
    for replica in &fleet.replicas {
        eventually(SOON, "it is believed", async || {
            left(replica, &key).await < 100
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_several_services_is_one_and_alone_it_tells_of_no_key() {
    let database = testkit::postgres().await;
    let nats = testkit::nats().await;
    let client = nats.client().await;
    let command = Command::start(database.pool().clone(), Some(client.clone()));
    let mut told = client.subscribe("tga.gate.counts.*").await.unwrap();
    let pool = database.pool_as("tga_query");
    let replica = Replica::start(pool.clone(), Some(client)).await;
    let verify = VerifyConfig::default();
    let limiter = replica.limiter.clone();
    let gate = Gate::verify_always(limiter, pool, &command.coordinator, verify);
    let key = command.key(command.org().await).await;
    for _ in 0..3 {
        replica.ask(&key).await.unwrap();
        crate::support::patiently(&gate, &key.headers)
            .await
            .unwrap();
        let message = Clock::system().timeout(SOON, told.next()).await.unwrap();
        let message = Message::decode(&message.unwrap().payload).unwrap();
        assert!(message.counts.is_empty() && message.known.is_empty());
    }
    assert_eq!(left(&replica, &key).await, 60 - 7);
}
