//! The second copy of what took access away (revocation.md 10).

use std::fs;
use std::time::Duration;

use domain::event::{Event, KeyChanged, MemberBanned, OrgSuspended};
use domain::ids::{GlobalPosition, KeyId, UserId};
use domain::plan::LimitKey;
use event_log::StoredEvent;
use gate::{Denials, Receipt, read_ledger};
use runtime::entropy::Entropy;
use testkit::{TestDatabase, eventually};

use crate::support::{Command, SOON, limit, revoked, silent_replica, unchanged};

/// Settles everything from `first` on. A silent replica keeps the barrier open for longer than any
/// disk needs.
async fn settle(command: &Command, first: GlobalPosition, last: GlobalPosition) -> Receipt {
    let denials = Denials { first, last };
    command.coordinator.settle(denials).await.unwrap()
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
    // After them, and no part of what is settled.
    command.append(org, vec![revoked(some_key()).into()]).await;

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
    let recorded = read_ledger(folder.path()).unwrap();
    let expected: Vec<_> = denying
        .into_iter()
        .map(|event| (receipt.epoch, event))
        .collect();
    assert_eq!(recorded.denials, expected);
    assert_eq!(recorded.unreadable, 0);
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
    let recorded = read_ledger(folder.path()).unwrap().denials;
    let recorded: Vec<_> = recorded.into_iter().map(|(_, event)| event).collect();
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
    let recorded = read_ledger(folder.path()).unwrap();
    assert_eq!(recorded.denials[0].1.position, pending.position);
    assert_eq!(recorded.unreadable, 0);
}
