//! Messages of strangers and old ones on plain NATS: nothing that they say counts (faults.md, row
//! 30).

use std::time::Duration;

use async_nats::Subscriber;
use domain::ids::{GlobalPosition, IncarnationId};
use event_log::StoredEvent;
use futures_util::{FutureExt, StreamExt};
use gate::{Denial, Gate, Receipt, State};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use serde_json::json;
use sqlx::PgPool;
use testkit::eventually;
use uuid::Uuid;

use crate::counters::counted;
use crate::letters::{AUTH, Letter, SETTLED, Sender, ack_subject, auth, like};
use crate::support::{
    Command, Key, Replica, SOON, answered, cached, let_no_time_settle, revoked, silent_replica,
};

const REFUSED: &str = "tga_gate_news_refused_total";
const ACK_KEY: &[u8] = b"the key of the silent replica...";

/// A barrier around which somebody sends letters, over and over.
async fn settle_amid(
    command: &Command,
    position: GlobalPosition,
    sender: &Sender,
    letters: &[Letter],
) -> Receipt {
    let clock = Clock::system();
    let chatter = async {
        loop {
            for letter in letters {
                sender.send(letter).await;
            }
            clock.sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        receipt = command.settle(position) => receipt,
        () = chatter => unreachable!("it does not end"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledgement_but_the_replicas_own_of_the_denial_ends_a_barrier() {
    let database = testkit::postgres().await;
    let nats = testkit::nats().await;
    let command = Command::start(database.pool().clone(), Some(nats.client().await));
    let org = command.org().await;
    let (first, second) = (command.key(org).await, command.key(org).await);
    let sender = Sender::new(&database, &nats).await;
    let term = Duration::from_secs(1);
    let silent = silent_replica(&database, term, ACK_KEY).await;
    let own = ack_subject(silent);

    // Its own does, so that the others below are refused for what is wrong with them.
    let earlier = command.append(org, vec![revoked(first.id).into()]).await;
    let acked = |applied| sender.ack(silent, applied, &own, ACK_KEY);
    let old = acked(earlier);
    let receipt = settle_amid(&command, earlier, &sender, std::slice::from_ref(&old)).await;
    assert_eq!(receipt.barrier.count(State::Acked), 1, "{receipt:?}");

    let position = command.append(org, vec![revoked(second.id).into()]).await;
    let genuine = acked(position);
    let another = IncarnationId::from_uuid(Entropy::os().uuid_v4());
    let elsewhere = ack_subject(another);
    let other_log = json!({
        "epoch": Entropy::os().uuid_v4(), "incarnation": silent, "applied": position,
    });
    let altered = old.clone().altered(
        &format!("\"applied\":{}", earlier.get()),
        &format!("\"applied\":{}", position.get()),
    );
    let as_if = |subject: &str, key: &[u8]| sender.ack(silent, position, subject, key);
    let forged = [
        old.clone(),
        altered,
        genuine.clone().with_mac(None),
        genuine.clone().with_mac("no base64".to_owned()),
        genuine.clone().with_mac(old.mac),
        as_if(&own, b"a guess"),
        as_if(&own, b""),
        as_if(&own, &sender.bus_key),
        // Signed for another place, sent in this one and in the other.
        as_if(&elsewhere, ACK_KEY),
        as_if(&elsewhere, ACK_KEY).moved_to(&own),
        as_if(SETTLED, ACK_KEY).moved_to(&own),
        sender.ack(another, position, &own, ACK_KEY),
        Letter::signed(ACK_KEY, &own, &other_log.to_string()),
        acked(GlobalPosition::new(position.get() - 1)),
    ];
    let receipt = settle_amid(&command, position, &sender, &forged).await;
    assert_eq!(receipt.barrier.count(State::Expired), 1, "{receipt:?}");
    assert!(receipt.barrier.waited >= receipt.barrier.bound);

    let receipt = settle_amid(&command, position, &sender, &[genuine]).await;
    assert_eq!(receipt.barrier.count(State::Acked), 1, "{receipt:?}");
}

async fn first_answer_but_yes(gate: &Gate, key: &Key) -> Denial {
    eventually(SOON, "it is not accepted", async || {
        answered(gate, &key.headers).await.err()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_forged_settlement_tells_a_denial_early() {
    let database = testkit::postgres().await;
    let_no_time_settle(&database).await;
    let nats = testkit::nats().await;
    let command = Command::start(database.pool().clone(), Some(nats.client().await));
    let query = database.pool_as("tga_query");
    let replica = Replica::start(query, Some(nats.client().await)).await;
    let verifying = command.gate(database.pool_as("tga_command"));
    let gates = [&replica.gate, &verifying];
    let sender = Sender::new(&database, &nats).await;
    let org = command.org().await;
    let mut keys = Vec::new();
    let mut positions = Vec::new();
    for _ in 0..3 {
        let key = command.key(org).await;
        cached(&replica, &key).await;
        positions.push(command.append(org, vec![revoked(key.id).into()]).await);
        keys.push(key);
    }
    // Nobody but the sender of genuine letters settles anything.
    let told = async |n: usize| {
        for gate in gates {
            eventually(SOON, "it is told", async || {
                sender.send(&sender.settlement(positions[n])).await;
                let answer = first_answer_but_yes(gate, &keys[n]).await;
                (answer == Denial::Invalid).then_some(()).ok_or(answer)
            })
            .await;
        }
    };
    told(0).await;
    let old = sender.settlement(positions[0]);
    let before = counted(REFUSED);
    for letter in sender.forged_settlements(positions[2], &old) {
        sender.send(&letter).await;
    }
    // Whoever heard this one has heard those before it.
    told(1).await;
    for gate in gates {
        let answer = first_answer_but_yes(gate, &keys[2]).await;
        assert_eq!(answer, Denial::RevocationInProgress);
    }
    assert!(counted(REFUSED) > before);
    told(2).await;
}

async fn incarnations(pool: &PgPool) -> Vec<Uuid> {
    // Run at run time: a test's own look at one table.
    sqlx::query_scalar("select incarnation from gate.leases order by 1")
        .fetch_all(pool)
        .await
        .unwrap()
}

async fn newest_auth_event(command: &Command) -> StoredEvent {
    let head = command.log.head().await.unwrap().auth_position;
    command.log.read_at(&[head]).await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_forged_event_takes_the_place_of_a_revocation() {
    let database = testkit::postgres().await;
    let nats = testkit::nats().await;
    let command = Command::start(database.pool().clone(), Some(nats.client().await));
    let query = database.pool_as("tga_query");
    let replica = Replica::start(query, Some(nats.client().await)).await;
    let sender = Sender::new(&database, &nats).await;
    let org = command.org().await;
    let log = sender.epoch.as_uuid();
    let another_log = Entropy::os().uuid_v4();
    for _ in 0..3 {
        let key = command.key(org).await;
        // Making a key changes nothing for anybody else.
        let newest = newest_auth_event(&command).await;
        eventually(SOON, "the replica is there", async || {
            replica.gate.applied() == newest.position
        })
        .await;
        cached(&replica, &key).await;
        let next = like(&newest);
        let genuine = auth(&sender.bus_key, log, &next);
        let altered = genuine.clone().altered("\"test\"", "\"text\"");
        let forged = [
            genuine.clone().with_mac(None),
            genuine.clone().with_mac("no base64".to_owned()),
            auth(b"a guess", log, &next),
            auth(b"", log, &next),
            Letter::signed(&sender.bus_key, SETTLED, &genuine.payload).moved_to(AUTH),
            auth(&sender.bus_key, another_log, &next),
            // It is not what was hashed.
            Letter::signed(&sender.bus_key, AUTH, &altered.payload),
        ];
        for letter in &forged {
            sender.send(letter).await;
        }
        let receipt = command.revoke(&key).await;
        assert_eq!(receipt.barrier.count(State::Acked), 1);
        assert_eq!(replica.ask(&key).await.unwrap_err(), Denial::Invalid);
    }
    // What they lack is the MAC: with it the replica believes in an event that there is not, until
    // its next renewal tells it of a shorter log.
    let newest = newest_auth_event(&command).await;
    let genuine = auth(&sender.bus_key, log, &like(&newest));
    eventually(SOON, "it is believed", async || {
        sender.send(&genuine).await;
        replica.gate.applied() > newest.position
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genuine_event_that_comes_before_its_time_hides_none_before_it() {
    let database = testkit::postgres().await;
    let nats = testkit::nats().await;
    // It tells nobody of what it appends.
    let command = Command::start(database.pool().clone(), None);
    let query = database.pool_as("tga_query");
    let replica = Replica::start(query, Some(nats.client().await)).await;
    let sender = Sender::new(&database, &nats).await;
    let org = command.org().await;
    for _ in 0..3 {
        let keys = [command.key(org).await, command.key(org).await];
        for key in &keys {
            cached(&replica, key).await;
        }
        let mut letters = Vec::new();
        for key in &keys {
            command.append(org, vec![revoked(key.id).into()]).await;
            let event = newest_auth_event(&command).await;
            letters.push(auth(&sender.bus_key, sender.epoch.as_uuid(), &event));
        }
        for number in [1, 0, 1] {
            sender.send(&letters[number]).await;
        }
        let last = command.log.head().await.unwrap().auth_position;
        let receipt = command.settle(last).await;
        assert_eq!(receipt.barrier.count(State::Acked), 1, "{receipt:?}");
        for key in &keys {
            assert_eq!(replica.ask(key).await.unwrap_err(), Denial::Invalid);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn genuine_messages_of_the_past_change_nothing() {
    let database = testkit::postgres().await;
    let nats = testkit::nats().await;
    let command = Command::start(database.pool().clone(), Some(nats.client().await));
    let query = database.pool_as("tga_query");
    let replica = Replica::start(query, Some(nats.client().await)).await;
    let sender = Sender::new(&database, &nats).await;
    let client = nats.client().await;
    let mut heard = client.subscribe("tga.gate.>").await.unwrap();
    client.flush().await.unwrap();
    let org = command.org().await;
    let rows = incarnations(database.pool()).await;
    let mut past = Vec::new();
    for _ in 0..3 {
        let key = command.key(org).await;
        cached(&replica, &key).await;
        for letter in &past {
            sender.send(letter).await;
        }
        let receipt = command.revoke(&key).await;
        assert_eq!(receipt.barrier.count(State::Acked), 1);
        assert_eq!(replica.ask(&key).await.unwrap_err(), Denial::Invalid);
        // Event, acknowledgement and settlement, for the next round.
        let mut missing = vec![AUTH, SETTLED, "tga.gate.ack"];
        eventually(SOON, "all was said", async || {
            while let Some(Some(message)) = heard.next().now_or_never() {
                // Counts of admissions are no text, and say nothing about who may call.
                if message.subject.starts_with("tga.gate.counts.") {
                    continue;
                }
                let letter = Letter::from(message);
                missing.retain(|kind| !letter.subject.starts_with(kind));
                past.push(letter);
            }
            if !missing.is_empty() {
                command.settle(receipt.position).await;
            }
            missing.is_empty()
        })
        .await;
    }
    // It never thought that the log was another one.
    assert_eq!(incarnations(database.pool()).await, rows);
    assert_eq!(rows.len(), 1);
}

/// Query services see all incarnations, since they count with each other; but none moves the row of
/// another, and nobody says that it has applied what is not in the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_login_moves_no_row_but_its_own() {
    let database = testkit::postgres().await;
    let own = IncarnationId::from_uuid(Entropy::os().uuid_v4());
    let query = database.pool_as("tga_query");
    // Run at run time: what a query service's login may say, said by a test.
    let registered: bool = sqlx::query_scalar(
        "select gate.register_lease($1, 'a replica', 2000, 0, (select epoch from log.head), $2)",
    )
    .bind(own.as_uuid())
    .bind(&b"known to its process"[..])
    .fetch_one(&query)
    .await
    .unwrap();
    assert!(registered);
    let left = async |key: &[u8]| -> bool {
        sqlx::query_scalar("select gate.leave($1, $2)")
            .bind(own.as_uuid())
            .bind(key)
            .fetch_one(&query)
            .await
            .unwrap()
    };
    let renewed = async |key: &[u8]| -> Option<i64> {
        sqlx::query_scalar("select auth_position from gate.renew_lease($1, $2, 1000000)")
            .bind(own.as_uuid())
            .bind(key)
            .fetch_optional(&query)
            .await
            .unwrap()
    };
    assert_eq!(renewed(b"guessed").await, None);
    assert!(!left(b"guessed").await);
    let head = renewed(b"known to its process").await;
    let applied: Option<i64> =
        sqlx::query_scalar("select applied_position from gate.leases where incarnation = $1")
            .bind(own.as_uuid())
            .fetch_optional(database.pool())
            .await
            .unwrap();
    assert!(head.is_some());
    assert_eq!(applied, head);
    assert!(left(b"known to its process").await);
}

/// The next message, if one comes soon.
async fn next_subject(messages: &mut Subscriber) -> Option<String> {
    let message = Clock::system().timeout(SOON, messages.next()).await;
    Some(message.ok()??.subject.to_string())
}

/// Whoever has a query service's login to NATS can say neither that something was taken away nor that
/// it holds, whatever keys it knows.
#[tokio::test]
async fn a_replicas_login_says_only_what_a_replica_says() {
    let event = "tga.events.org.key.revoked";
    let nats = testkit::nats().await;
    let (everybody, replica) = (nats.client().await, nats.replica_client().await);
    let (ack, counts) = ("tga.gate.ack.one", "tga.gate.counts.one");
    let mut said = everybody.subscribe("tga.>").await.unwrap();
    // A server takes what one connection sends in its order: now it has the subscription.
    everybody.publish(ack, "x".into()).await.unwrap();
    assert_eq!(next_subject(&mut said).await.as_deref(), Some(ack));
    for subject in [AUTH, SETTLED, event, ack, counts] {
        replica.publish(subject, "x".into()).await.unwrap();
    }
    // Had one of the others come through, it would be first.
    for subject in [ack, counts] {
        assert_eq!(next_subject(&mut said).await.as_deref(), Some(subject));
    }

    let heard = [AUTH, SETTLED, event, "tga.gate.counts.other"];
    let subscriptions = heard.map(|subject| replica.subscribe(subject));
    let subscriptions = futures_util::future::try_join_all(subscriptions).await;
    replica.publish(ack, "x".into()).await.unwrap();
    assert_eq!(next_subject(&mut said).await.as_deref(), Some(ack));
    for (subject, mut subscription) in heard.into_iter().zip(subscriptions.unwrap()) {
        everybody.publish(subject, "x".into()).await.unwrap();
        assert_eq!(
            next_subject(&mut subscription).await.as_deref(),
            Some(subject)
        );
    }
}
