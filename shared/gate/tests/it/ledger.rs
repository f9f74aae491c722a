//! The second copy of what took access away (revocation.md 10).

use std::fs;
use std::path::Path;
use std::time::Duration;

use domain::event::{Event, KeyChanged, MemberBanned, OrgSuspended};
use domain::ids::{GlobalPosition, KeyId, LogEpoch, UserId};
use domain::plan::LimitKey;
use event_log::StoredEvent;
use gate::{Denials, Receipt, SettleError, read_ledger};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use sqlx::PgPool;
use testkit::{TestDatabase, eventually};

use crate::support::{
    Command, SOON, begin_another_log, copied, let_no_time_settle, limit, lines, revoked, settled,
    silent_replica, unchanged,
};

/// Settles everything from `first` on. A silent replica keeps the barrier open for longer than any
/// disk needs.
async fn settle(command: &Command, first: GlobalPosition, last: GlobalPosition) -> Receipt {
    let denials = Denials { first, last };
    let epoch = command.log.head().await.unwrap().epoch;
    command.coordinator.settle(epoch, denials).await.unwrap()
}

async fn slow_barriers(database: &TestDatabase) {
    silent_replica(database, Duration::from_secs(1), b"nobody's").await;
}

/// What the log has from `first` to `last`.
async fn logged(
    command: &Command,
    first: GlobalPosition,
    last: GlobalPosition,
) -> Vec<StoredEvent> {
    let before = GlobalPosition::new(first.get() - 1);
    let mut events = command.log.read(before, 5_000).await.unwrap();
    events.retain(|event| event.position <= last);
    events
}

/// What the ledger has from `first` to `last`, each once: a look may have come between two writes.
fn recorded(
    folder: &Path,
    first: GlobalPosition,
    last: GlobalPosition,
) -> Vec<(LogEpoch, StoredEvent)> {
    let recorded = read_ledger(folder).unwrap();
    assert_eq!((recorded.torn, recorded.damaged.len()), (0, 0));
    let mut denials = recorded.denials;
    denials.retain(|(_, event)| (first..=last).contains(&event.position));
    denials.sort_by_key(|(_, event)| event.position);
    denials.dedup();
    denials
}

fn some_key() -> KeyId {
    KeyId::from_uuid(Entropy::os().uuid_v4())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_has_what_an_append_took_away_and_nothing_else() {
    let database = testkit::postgres().await;
    let folder = tempfile::tempdir().unwrap();
    let command = Command::start_with(database.pool().clone(), None, Some(folder.path()));
    slow_barriers(&database).await;
    let org = command.org().await;
    let key = command.key(org).await;
    let widened = KeyChanged {
        narrowed: false,
        ..unchanged(key.id)
    };
    let banned = MemberBanned {
        user_id: UserId::from_uuid(Entropy::os().uuid_v4()),
        reason: None,
    };
    let events: Vec<Event> = vec![
        widened.into(),
        unchanged(key.id).into(),
        revoked(key.id).into(),
        limit(LimitKey::MaxCreatorsPerOrg, 5),
        banned.into(),
        OrgSuspended { reason: None }.into(),
        domain::event::OrgReinstated {}.into(),
    ];
    let many = u64::try_from(events.len()).unwrap();
    let last = command.append(org, events).await;
    let first = GlobalPosition::new(last.get() + 1 - many);

    let receipt = settle(&command, first, last).await;
    assert!(receipt.in_ledger);
    let mut denying = logged(&command, first, last).await;
    denying.retain(|event| event.decode().unwrap().event.denies());
    let types: Vec<_> = denying.iter().map(|event| &*event.type_name).collect();
    let expected = [
        "key.changed",
        "key.revoked",
        "member.banned",
        "org.suspended",
    ];
    assert_eq!(types, expected);
    let recorded = recorded(folder.path(), first, last);
    let expected: Vec<_> = denying
        .into_iter()
        .map(|event| (receipt.epoch, event))
        .collect();
    assert_eq!(recorded, expected);
    command.stop().await;
}

/// More than one page of a read.
#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_revocation_is_in_the_ledger_whole() {
    const MANY: u64 = 1_200;
    let database = testkit::postgres().await;
    let folder = tempfile::tempdir().unwrap();
    let command = Command::start_with(database.pool().clone(), None, Some(folder.path()));
    slow_barriers(&database).await;
    let org = command.org().await;
    let ends = (0..MANY).map(|_| revoked(some_key()).into()).collect();
    let last = command.append(org, ends).await;
    let first = GlobalPosition::new(last.get() + 1 - MANY);
    let receipt = settle(&command, first, last).await;
    assert!(receipt.in_ledger);
    let recorded = recorded(folder.path(), first, last).into_iter();
    let recorded: Vec<_> = recorded.map(|(_, event)| event).collect();
    assert_eq!(recorded, logged(&command, first, last).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_ledger_no_receipt_says_that_there_is_a_second_copy() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let key = command.key(command.org().await).await;
    let receipt = command.revoke(&key).await;
    assert!(!receipt.in_ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_fails_delays_no_revocation_and_is_made_up_for_by_a_retry() {
    let database = testkit::postgres().await;
    let folder = tempfile::tempdir().unwrap();
    let command = Command::start_with(database.pool().clone(), None, Some(folder.path()));
    let key = command.key(command.org().await).await;
    let in_its_place = folder.path().join("test.ndjson");
    fs::create_dir(&in_its_place).unwrap();
    let pending = command.revoke(&key).await;
    assert!(!pending.in_ledger);
    fs::remove_dir(&in_its_place).unwrap();
    eventually(SOON, "it is written", async || {
        command.settle(pending.position).await.in_ledger
    })
    .await;
    assert!(lines(folder.path()).contains(&pending.position));
}

/// Everything up to `position` is noted as copied.
async fn all_copied(pool: &PgPool, position: GlobalPosition) {
    eventually(SOON, "all is copied", async || {
        let copied = copied(pool).await;
        (copied >= position).then_some(()).ok_or(copied)
    })
    .await;
}

/// Its own process is gone before the second copy, and another one's settlement covers it: nobody
/// would ever settle it again.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_did_not_copy_another_one_does() {
    let database = testkit::postgres().await;
    let pool = database.pool();
    let folder = tempfile::tempdir().unwrap();
    let left = Command::start_with(pool.clone(), None, Some(folder.path()));
    let org = left.org().await;
    let (first, second) = (left.key(org).await, left.key(org).await);
    let before = left.log.head().await.unwrap().auth_position;
    left.settle_and_note(before).await;
    all_copied(pool, before).await;
    let already = lines(folder.path());

    let elsewhere = tempfile::tempdir().unwrap();
    let dying = Command::start_with(pool.clone(), None, Some(elsewhere.path()));
    let lost = dying.append(org, vec![revoked(first.id).into()]).await;
    // Before its barrier, and with it before the second copy.
    dying.stop().await;
    let newest = left.append(org, vec![revoked(second.id).into()]).await;
    left.settle_and_note(newest).await;
    assert!(settled(pool).await >= lost, "nobody sweeps it any more");
    all_copied(pool, newest).await;
    let ours = lines(folder.path());
    let new: Vec<_> = ours.into_iter().filter(|p| !already.contains(p)).collect();
    assert_eq!(new, [lost, newest]);
    assert_eq!(lines(elsewhere.path()), []);
    left.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_gets_its_ledger_late_is_copied_from_the_start() {
    const MANY: usize = 1_100;
    let database = testkit::postgres().await;
    let pool = database.pool();
    let without = Command::start(pool.clone(), None);
    let org = without.org().await;
    let ends = (0..MANY).map(|_| revoked(some_key()).into()).collect();
    let last = without.append(org, ends).await;
    without.settle_and_note(last).await;
    without.stop().await;
    assert_eq!(copied(pool).await, GlobalPosition::ZERO);

    let folder = tempfile::tempdir().unwrap();
    let with = Command::start_with(pool.clone(), None, Some(folder.path()));
    all_copied(pool, last).await;
    let ends = lines(folder.path());
    let first = last.get() + 1 - MANY as u64;
    let expected: Vec<_> = (first..=last.get()).map(GlobalPosition::new).collect();
    // The org's own limits are of deny-type too.
    assert_eq!(ends[ends.len() - MANY..], expected);
    with.stop().await;
}

/// Its barrier began before a restore: in the log that there is now its position says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_of_another_log_moves_nothing() {
    let database = testkit::postgres().await;
    let pool = database.pool();
    let folder = tempfile::tempdir().unwrap();
    let command = Command::start_with(pool.clone(), None, Some(folder.path()));
    let key = command.key(command.org().await).await;
    let before = command.log.head().await.unwrap().auth_position;
    command.settle_and_note(before).await;
    slow_barriers(&database).await;
    let position = command.append(key.org, vec![revoked(key.id).into()]).await;
    let restored = async {
        // The barrier has begun by the time the line is there, or begins in the other log.
        eventually(SOON, "it is written", async || {
            let lines = lines(folder.path());
            lines.contains(&position).then_some(()).ok_or(lines)
        })
        .await;
        begin_another_log(pool).await;
    };
    let epoch = command.log.head().await.unwrap().epoch;
    let denials = Denials {
        first: position,
        last: position,
    };
    let (answer, ()) = tokio::join!(command.coordinator.settle(epoch, denials), restored);
    assert!(matches!(answer, Err(SettleError::OtherLog)), "{answer:?}");
    assert_eq!(settled(pool).await, before);
    let noted = gate::settled_at(pool, &[position]).await.unwrap();
    assert!(noted.is_empty(), "{noted:?}");
}

/// The note waits for whoever begins another life, and must look at the life after that.
#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_that_meets_a_new_life_of_the_log_moves_nothing() {
    let database = testkit::postgres().await;
    let pool = database.pool();
    // Nobody sweeps it either.
    let_no_time_settle(&database).await;
    let command = Command::start(pool.clone(), None);
    let key = command.key(command.org().await).await;
    let before = command.log.head().await.unwrap().auth_position;
    command.settle_and_note(before).await;
    let position = command.append(key.org, vec![revoked(key.id).into()]).await;
    let mut restoring = pool.begin().await.unwrap();
    gate::forget_former_life_in_tx(&mut restoring)
        .await
        .unwrap();
    event_log::begin_epoch_in_tx(&mut restoring).await.unwrap();
    // Its answer does not wait for the note, which waits for the row.
    settle(&command, position, position).await;
    assert_eq!(notes(pool).await, 1);
    restoring.commit().await.unwrap();
    eventually(SOON, "the note is over", async || {
        let notes = notes(pool).await;
        (notes == 0).then_some(()).ok_or(notes)
    })
    .await;
    assert_eq!(settled(pool).await, before);
    let noted = gate::settled_at(pool, &[position]).await.unwrap();
    assert!(noted.is_empty(), "{noted:?}");
}

/// Settlements that are being noted.
async fn notes(pool: &PgPool) -> i64 {
    // Run at run time: a test's own look at what the server does.
    let notes = "select count(*) from pg_stat_activity
        where state = 'active' and query like 'select gate.settle(%' and datname = current_database()";
    sqlx::query_scalar(notes).fetch_one(pool).await.unwrap()
}

/// A denial that was committed in a former life of the log is told nobody in force in this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_denial_of_another_life_is_not_settled() {
    let database = testkit::postgres().await;
    let command = Command::start(database.pool().clone(), None);
    let key = command.key(command.org().await).await;
    let position = command.append(key.org, vec![revoked(key.id).into()]).await;
    let former = command.log.head().await.unwrap().epoch;
    begin_another_log(database.pool()).await;
    let denials = Denials {
        first: position,
        last: position,
    };
    let refused = command.coordinator.settle(former, denials).await;
    assert!(matches!(refused, Err(SettleError::OtherLog)), "{refused:?}");
    assert!(settled(database.pool()).await < position);
}

/// Whoever publishes waits until its client has a place for the message, which it gets from a
/// connection alone. Neither the barrier nor the second copy waits with it.
#[tokio::test(flavor = "multi_thread")]
async fn nats_that_takes_no_messages_keeps_no_denial_waiting() {
    let database = testkit::postgres().await;
    let folder = tempfile::tempdir().unwrap();
    let mut nats = testkit::nats().await;
    let client = nats.client().await;
    let pool = database.pool().clone();
    let command = Command::start_with(pool, Some(client.clone()), Some(folder.path()));
    let key = command.key(command.org().await).await;
    nats.kill().await;
    let clock = Clock::system();
    let place = Duration::from_millis(200);
    let mut published = 0;
    while clock
        .timeout(place, client.publish("nobody", "".into()))
        .await
        .is_ok()
    {
        published += 1;
        assert!(published < 100_000, "its client takes everything");
    }
    let revoking = command.revoke(&key);
    let receipt = clock.timeout(SOON, Box::pin(revoking)).await;
    let receipt = receipt.expect("it returns");
    eventually(SOON, "it is noted and copied", async || {
        let settled = settled(database.pool()).await;
        let is_copied = lines(folder.path()).contains(&receipt.position);
        (settled >= receipt.position && is_copied)
            .then_some(())
            .ok_or((settled, is_copied))
    })
    .await;
}
