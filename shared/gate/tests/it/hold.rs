//! A denial takes effect at once and is told once it holds everywhere (revocation.md 5.4).

use std::sync::Arc;
use std::time::Duration;

use domain::event::{Event, KeyChanged, MemberBanned, OrgSuspended};
use domain::ids::{OrgId, UserId};
use domain::scope::{Scope, Scopes};
use gate::{Admission, Denial, Gate, ReplicaConfig, State};
use runtime::clock::Clock;
use testkit::{Proxy, TestDatabase, TestNats, eventually};
use uuid::Uuid;

use crate::letters::{Sender, auth};
use crate::support::{
    Command, Key, KeySpec, PEER, Replica, SOON, answered, cached, config, let_leases_last,
    let_no_time_settle, patiently, proxied, revoked, short_lease, unchanged,
};

/// Everybody who answers requests, where time settles nothing.
struct World {
    _nats: TestNats,
    command: Command,
    /// Hears settlements on NATS.
    replica: Replica,
    /// Reads them with its renewals.
    secluded: Replica,
    /// Of the process that settles.
    own: Gate,
    /// Of another command service.
    other: Gate,
    _other: Command,
}

impl World {
    async fn start() -> Self {
        let database = testkit::postgres().await;
        let_no_time_settle(&database).await;
        let nats = testkit::nats().await;
        let client = async || Some(nats.client().await);
        let command = Command::start(database.pool().clone(), client().await);
        let other = Command::start(database.pool().clone(), client().await);
        let query = database.pool_as("tga_query");
        Self {
            replica: Replica::start(query.clone(), client().await).await,
            secluded: Replica::start(query, None).await,
            own: command.gate(database.pool_as("tga_command")),
            other: other.gate(database.pool_as("tga_command")),
            command,
            _other: other,
            _nats: nats,
        }
    }

    fn gates(&self) -> [&Gate; 4] {
        [
            &self.replica.gate,
            &self.secluded.gate,
            &self.own,
            &self.other,
        ]
    }

    async fn admitted_everywhere(&self, key: &Key) {
        for gate in self.gates() {
            patiently(gate, &key.headers).await.unwrap();
        }
    }

    /// The first thing that anybody hears after the commit.
    async fn held_everywhere(&self, key: &Key) {
        for gate in self.gates() {
            let first = eventually(SOON, "it is not accepted", async || {
                answered(gate, &key.headers).await.err()
            });
            assert_eq!(first.await, Denial::RevocationInProgress);
            let again = answered(gate, &key.headers).await;
            assert_eq!(again.unwrap_err(), Denial::RevocationInProgress);
        }
    }

    /// Not accepted any more, and told so as soon as the news is there.
    async fn told_everywhere(&self, key: &Key, denial: Denial) {
        let own = answered(&self.own, &key.headers).await;
        assert_eq!(own.unwrap_err(), denial, "who settled it knows");
        for gate in self.gates() {
            let told = patiently(gate, &key.headers).await;
            assert_eq!(told.unwrap_err(), denial);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_a_revocation_before_it_is_settled() {
    let world = World::start().await;
    let key = world.command.key(world.command.org().await).await;
    world.admitted_everywhere(&key).await;
    let end = revoked(key.id).into();
    let position = world.command.append(key.org, vec![end]).await;
    world.held_everywhere(&key).await;
    world.command.settle_and_note(position).await;
    world.told_everywhere(&key, Denial::Invalid).await;
}

/// Address, person and org: each is a 403 of its own.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_shuts_a_caller_out_is_told_once_it_is_settled() {
    let world = World::start().await;
    let org = world.command.org().await;
    let owned = KeySpec {
        change: |key| key.owner_id = Some(UserId::from_uuid(Uuid::from_u128(7))),
        ..KeySpec::default()
    };
    let bound = world.command.key(org).await;
    let owned = world.command.key_with(org, owned).await;
    let other = world.command.key(org).await;
    let elsewhere = KeyChanged {
        ip_allowlist: Some(Some(vec!["198.51.100.0/24".parse().unwrap()])),
        ..unchanged(bound.id)
    };
    let banned = MemberBanned {
        user_id: UserId::from_uuid(Uuid::from_u128(7)),
        reason: None,
    };
    let suspended = OrgSuspended { reason: None };
    let cases: [(Key, Event, Denial); 3] = [
        (bound, elsewhere.into(), Denial::AddressNotAllowed),
        (owned, banned.into(), Denial::UserSuspended),
        (other, suspended.into(), Denial::OrgSuspended),
    ];
    for (key, event, denial) in cases {
        world.admitted_everywhere(&key).await;
        let position = world.command.append(org, vec![event]).await;
        world.held_everywhere(&key).await;
        world.command.settle_and_note(position).await;
        world.told_everywhere(&key, denial).await;
    }
}

/// Says what is missing, as services do before they answer 403.
async fn ask_again(gate: &Gate, key: &Key) -> Result<(), Denial> {
    eventually(SOON, "an answer of the primary", async || {
        match gate.ask_again(&key.headers, PEER).await {
            Err(Denial::VerificationUnavailable) => None,
            answer => Some(answer),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_is_said_to_be_missing_once_its_loss_is_settled() {
    let world = World::start().await;
    let key = world.command.key(world.command.org().await).await;
    for gate in world.gates() {
        let admission = patiently(gate, &key.headers).await.unwrap();
        assert!(admission.require(Scope::Keys).is_err());
        // It never had it, so there is nothing to wait for.
        assert_eq!(gate.may_tell(&admission).await, Ok(()));
        assert_eq!(ask_again(gate, &key).await, Ok(()));
    }
    let narrowed = KeyChanged {
        scopes: Some(Scopes::NONE.with(Scope::Read)),
        ..unchanged(key.id)
    };
    let position = world.command.append(key.org, vec![narrowed.into()]).await;
    let mut admissions: Vec<(&Gate, Admission)> = Vec::new();
    for gate in world.gates() {
        let admission = eventually(SOON, "the scope is lost", async || {
            let admission = patiently(gate, &key.headers).await.unwrap();
            admission.require(Scope::Write).err().map(|_| admission)
        });
        let admission = admission.await;
        let held = Err(Denial::RevocationInProgress);
        assert_eq!(gate.may_tell(&admission).await, held);
        assert_eq!(ask_again(gate, &key).await, held);
        admissions.push((gate, admission));
    }
    world.command.settle_and_note(position).await;
    for (gate, admission) in admissions {
        eventually(SOON, "it may be told", async || {
            gate.may_tell(&admission).await
        })
        .await;
        assert_eq!(ask_again(gate, &key).await, Ok(()));
        let admission = patiently(gate, &key.headers).await.unwrap();
        assert_eq!(gate.may_tell(&admission).await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_refused_by_the_log_hears_what_became_of_the_key() {
    let world = World::start().await;
    let key = world.command.key(world.command.org().await).await;
    assert_eq!(ask_again(&world.own, &key).await, Ok(()));
    let end = revoked(key.id).into();
    let position = world.command.append(key.org, vec![end]).await;
    let held = Err(Denial::RevocationInProgress);
    assert_eq!(ask_again(&world.own, &key).await, held);
    world.command.settle_and_note(position).await;
    assert_eq!(ask_again(&world.own, &key).await, Err(Denial::Invalid));
}

/// The bound W of a lease of one second.
const BOUND: Duration = Duration::from_millis(1_253);

/// How long after `began` it is told that the key is not valid; until then nobody says so.
async fn told_after(gate: &Gate, key: &Key, began: runtime::clock::Monotonic) -> Duration {
    eventually(SOON, "it is told", async || {
        match gate.authorize(&key.headers, PEER).await {
            Err(Denial::Invalid) => Some(()),
            Ok(_) | Err(Denial::RevocationInProgress | Denial::VerificationUnavailable) => None,
            Err(denial) => panic!("{denial}"),
        }
    })
    .await;
    Clock::system().monotonic().saturating_since(began)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_barrier_the_bound_alone_settles_a_revocation() {
    let database = testkit::postgres().await;
    let_leases_last(&database, short_lease().term).await;
    let command = Command::start(database.pool().clone(), None);
    let org: OrgId = command.org().await;
    let keys = [command.key(org).await, command.key(org).await];
    let query = database.pool_as("tga_query");
    let replica = Replica::launch(query, None, Clock::system(), &short_lease());
    replica.ready().await;
    let verifying = command.gate(database.pool_as("tga_command"));
    for key in &keys {
        patiently(&replica.gate, &key.headers).await.unwrap();
    }
    patiently(&verifying, &keys[0].headers).await.unwrap();

    let began = Clock::system().monotonic();
    command.append(org, vec![revoked(keys[0].id).into()]).await;
    let told = told_after(&verifying, &keys[0], began).await;
    assert!(told >= BOUND, "{told:?}");

    let began = Clock::system().monotonic();
    command.append(org, vec![revoked(keys[1].id).into()]).await;
    // Nobody is left who could settle it.
    drop(verifying);
    command.stop().await;
    let told = told_after(&replica.gate, &keys[1], began).await;
    assert!(told >= BOUND, "{told:?}");
}

/// It renews nothing, so nothing but what it asks the primary tells it of settlements.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_a_lease_hears_of_settlements_all_the_same() {
    let database = testkit::postgres().await;
    let_no_time_settle(&database).await;
    let command = Command::start(database.pool().clone(), None);
    let key = command.key(command.org().await).await;
    let refused = ReplicaConfig {
        term: Duration::from_hours(1),
        ..config()
    };
    let query = database.pool_as("tga_query");
    let replica = Replica::launch(query, None, Clock::system(), &refused);
    replica.ready().await;
    replica.ask(&key).await.unwrap();
    let position = command.append(key.org, vec![revoked(key.id).into()]).await;
    eventually(SOON, "it follows the log", async || {
        replica.gate.applied() >= position
    })
    .await;
    command.settle_and_note(position).await;
    // Without asking for any other key.
    assert_eq!(replica.ask(&key).await.unwrap_err(), Denial::Invalid);
}

/// Row 10: NATS brings the event, takes the acknowledgement, and brings the settlement.
#[tokio::test(flavor = "multi_thread")]
async fn a_leased_replica_needs_no_postgres_to_tell_of_a_revocation() {
    let database = testkit::postgres().await;
    let_no_time_settle(&database).await;
    let nats = testkit::nats().await;
    let proxy = Proxy::to(database.options().get_port()).await;
    let command = Command::start(database.pool().clone(), Some(nats.client().await));
    let key = command.key(command.org().await).await;
    let long = ReplicaConfig {
        term: Duration::from_mins(1),
        ..config()
    };
    let pool = proxied(database.options(), proxy.port());
    let client = Some(nats.client().await);
    let replica = Replica::launch(pool, client, Clock::system(), &long);
    replica.ready().await;
    cached(&replica, &key).await;

    let sender = Sender::new(&database, &nats).await;
    proxy.cut();
    let position = command.append(key.org, vec![revoked(key.id).into()]).await;
    let revocation = command.log.read_at(&[position]).await.unwrap().remove(0);
    let told = auth(&sender.bus_key, sender.epoch.as_uuid(), &revocation);
    eventually(SOON, "it is told of the event", async || {
        sender.send(&told).await;
        replica.gate.applied() >= position
    })
    .await;
    let held = replica.ask_once(&key).await;
    assert_eq!(held.unwrap_err(), Denial::RevocationInProgress);
    let receipt = command.settle(position).await;
    assert_eq!(receipt.barrier.count(State::Acked), 1);
    assert!(receipt.barrier.waited < receipt.barrier.bound);
    eventually(SOON, "it is told", async || {
        replica.ask_once(&key).await.err() == Some(Denial::Invalid)
    })
    .await;
}

/// Whoever settles tells all gates of its process at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_settled_in_a_process_all_its_gates_know() {
    let database = testkit::postgres().await;
    let_no_time_settle(&database).await;
    // Without NATS it would hear of it with its next renewal at the earliest.
    let clock = Clock::system();
    let replica = Replica::launch(database.pool_as("tga_query"), None, clock, &config());
    replica.ready().await;
    let hold = Arc::clone(replica.limiter.hold());
    let command = Command::start_holding(database.pool().clone(), None, None, hold);
    let key = command.key(command.org().await).await;
    cached(&replica, &key).await;
    command.revoke(&key).await;
    assert_eq!(replica.ask_once(&key).await.unwrap_err(), Denial::Invalid);
    replica.stop().await;
    command.stop().await;
}

/// How often the one replica has renewed its lease.
async fn renewals(database: &TestDatabase) -> i64 {
    // Run at run time: a test's own look at one row.
    let renewals = sqlx::query_scalar("select coalesce(max(renew_seq), 0) from gate.leases")
        .fetch_one(database.pool())
        .await;
    renewals.unwrap()
}

/// The operator allows longer leases while a replica runs: from its next renewal on it holds denials
/// back for as long as the longest of them may last.
#[tokio::test(flavor = "multi_thread")]
async fn a_raised_maximum_counts_on_a_replica_that_runs() {
    const BOUND: Duration = Duration::from_millis(642);
    let database = testkit::postgres().await;
    let term = Duration::from_millis(500);
    let_leases_last(&database, term).await;
    let command = Command::start(database.pool().clone(), None);
    let key = command.key(command.org().await).await;
    let clock = Clock::system();
    let short = ReplicaConfig { term, ..config() };
    let replica = Replica::launch(database.pool_as("tga_query"), None, clock.clone(), &short);
    replica.ready().await;
    cached(&replica, &key).await;
    let_no_time_settle(&database).await;
    let then = renewals(&database).await;
    eventually(SOON, "two renewals", async || {
        let now = renewals(&database).await;
        (now >= then + 2).then_some(()).ok_or(now)
    })
    .await;
    let position = command.append(key.org, vec![revoked(key.id).into()]).await;
    eventually(SOON, "it is denied", async || {
        let answer = replica.ask_once(&key).await.map(drop);
        (answer == Err(Denial::RevocationInProgress))
            .then_some(())
            .ok_or(answer)
    })
    .await;
    let since = clock.monotonic();
    while clock.monotonic().saturating_since(since) < 3 * BOUND {
        let answer = replica.ask_once(&key).await.unwrap_err();
        assert_ne!(answer, Denial::Invalid, "told before it holds everywhere");
    }
    command.settle_and_note(position).await;
    assert_eq!(replica.ask(&key).await.unwrap_err(), Denial::Invalid);
    replica.stop().await;
}
