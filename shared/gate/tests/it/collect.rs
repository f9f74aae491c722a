//! Tombstones that nobody needs any more are dropped, and what they said stays true (revocation.md 7,
//! rule 3).

use gate::{Denial, ReplicaConfig};
use runtime::clock::Clock;
use testkit::eventually;

use crate::counters::counted;
use crate::support::{Command, Replica, SOON, cached, short_lease};

/// Others keep as many as there may be.
const COLLECTED: &str = "tga_gate_tombs_collected_total";

#[tokio::test(flavor = "multi_thread")]
async fn ended_keys_stay_ended_when_their_tombstones_are_gone() {
    let before = counted(COLLECTED);
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let org = command.org().await;
    let query = database.pool_as("tga_query");
    let few = ReplicaConfig {
        tombstones: 2,
        ..short_lease()
    };
    let replica = Replica::launch(query, None, Clock::system(), &few);
    replica.ready().await;
    let (ended, unasked) = (command.key(org).await, command.key(org).await);
    let living = command.key(org).await;
    for key in [&ended, &unasked, &living] {
        cached(&replica, key).await;
    }
    for key in [&ended, &unasked] {
        let receipt = command.revoke(key).await;
        command.settle_and_note(receipt.position).await;
    }
    assert_eq!(replica.ask(&ended).await.unwrap_err(), Denial::Invalid);
    eventually(SOON, "tombstones are collected", async || {
        let counted = counted(COLLECTED);
        (counted > before).then_some(()).ok_or(counted)
    })
    .await;
    for key in [&ended, &unasked] {
        assert_eq!(replica.ask(key).await.unwrap_err(), Denial::Invalid);
    }
    replica.ask(&living).await.unwrap();
    let later = command.key(org).await;
    cached(&replica, &later).await;
    command.revoke(&later).await;
    assert_eq!(replica.ask(&later).await.unwrap_err(), Denial::Invalid);
    replica.stop().await;
}
