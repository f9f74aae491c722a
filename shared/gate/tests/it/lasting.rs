//! Answers that go on: each part is asked for, and what is said of it is what a request would be told.

use domain::event::{Event, KeyChanged, OrgSuspended};
use domain::scope::{Scope, Scopes};
use gate::{Gate, Lapse, Lasting};
use runtime::clock::Clock;
use testkit::{Proxy, eventually};

use crate::support::{
    Command, Key, KeySpec, PEER, Replica, SOON, cached, let_no_time_settle, patiently, proxied,
    revoked, short_lease, unchanged,
};

fn lasting(gate: &Gate, key: &Key, strictly: bool) -> Lasting {
    gate.lasting(&key.headers, PEER, Scope::Write, strictly)
        .unwrap()
}

/// Asks until the next part may be sent: the machine may be too busy for an answer in time.
async fn goes_on(gate: &Gate, caller: &Lasting) {
    eventually(SOON, "it goes on", async || gate.still_allows(caller).await).await;
}

/// Asks until it may not be sent, and says why.
async fn lapsed(gate: &Gate, caller: &Lasting) -> Lapse {
    eventually(SOON, "it does not go on", async || {
        gate.still_allows(caller).await.err()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_what_it_rests_on_and_that_is_told_once_it_is_settled() {
    let database = testkit::postgres().await;
    let_no_time_settle(&database).await;
    let nats = testkit::nats().await;
    let command = Command::start(database.pool().clone(), Some(nats.client().await));
    let query = database.pool_as("tga_query");
    let replica = Replica::start(query, Some(nats.client().await)).await;
    let own = command.gate(database.pool_as("tga_command"));
    let org = command.org().await;
    let keys = [
        command.key(org).await,
        command.key(org).await,
        command.key(org).await,
    ];
    let narrowed = KeyChanged {
        scopes: Some(Scopes::NONE.with(Scope::Read)),
        ..unchanged(keys[1].id)
    };
    let ends: [Event; 3] = [
        revoked(keys[0].id).into(),
        narrowed.into(),
        OrgSuspended { reason: None }.into(),
    ];
    for (key, end) in keys.iter().zip(ends) {
        let gates = [(&replica.gate, false), (&replica.gate, true), (&own, false)];
        let callers = gates.map(|(gate, strictly)| (gate, lasting(gate, key, strictly)));
        for (gate, caller) in &callers {
            goes_on(gate, caller).await;
        }
        let position = command.append(org, vec![end]).await;
        for (gate, caller) in &callers {
            assert_eq!(lapsed(gate, caller).await, Lapse::Unknown, "{position}");
            assert_eq!(gate.still_allows(caller).await, Err(Lapse::Unknown));
        }
        command.settle_and_note(position).await;
        for (gate, caller) in &callers {
            eventually(SOON, "the end is told", async || {
                gate.still_allows(caller).await == Err(Lapse::Ended)
            })
            .await;
        }
    }
}

/// Nothing is sent on the word of a cache that may be old.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_lease_and_a_primary_it_is_not_known() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let key = command.key(command.org().await).await;
    let proxy = Proxy::to(database.options().get_port()).await;
    let pool = proxied(database.options(), proxy.port());
    let replica = Replica::launch(pool, None, Clock::system(), &short_lease());
    replica.ready().await;
    cached(&replica, &key).await;
    let caller = lasting(&replica.gate, &key, false);
    goes_on(&replica.gate, &caller).await;
    proxy.cut();
    assert_eq!(lapsed(&replica.gate, &caller).await, Lapse::Unknown);
    assert_eq!(
        replica.gate.still_allows(&caller).await,
        Err(Lapse::Unknown)
    );
    proxy.heal();
    goes_on(&replica.gate, &caller).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_counts_for_no_limit() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let spec = KeySpec {
        rate: 1,
        ..KeySpec::default()
    };
    let key = command.key_with(command.org().await, spec).await;
    let replica = Replica::start(database.pool_as("tga_query"), None).await;
    for strictly in [false, true] {
        let caller = lasting(&replica.gate, &key, strictly);
        for _ in 0..5 {
            goes_on(&replica.gate, &caller).await;
        }
    }
    patiently(&replica.gate, &key.headers).await.unwrap();
}
