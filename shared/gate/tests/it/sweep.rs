//! SWEEP: denials whose own process is gone are settled by whoever is left (revocation.md 5.3).

use std::time::Duration;

use gate::Denial;
use runtime::clock::Clock;
use testkit::eventually;

use crate::support::{Command, Replica, SOON, config, let_leases_last, lines, revoked, settled};

#[tokio::test(flavor = "multi_thread")]
async fn what_its_own_process_left_unsettled_another_one_settles() {
    let database = testkit::postgres().await;
    let pool = database.pool();
    // W is 642 ms.
    let_leases_last(&database, Duration::from_millis(500)).await;
    let dying = Command::start(pool.clone(), None);
    let org = dying.org().await;
    let (first, second) = (dying.key(org).await, dying.key(org).await);
    let before = dying.log.head().await.unwrap().auth_position;
    dying.settle_and_note(before).await;
    let oldest = dying.append(org, vec![revoked(first.id).into()]).await;
    let newest = dying.append(org, vec![revoked(second.id).into()]).await;
    // Who only adds is waited for by nobody.
    dying.key(org).await;
    dying.stop().await;
    assert_eq!(settled(pool).await, before);

    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let began = clock.monotonic();
    let heir = Command::start_with(pool.clone(), None, Some(folder.path()));
    eventually(SOON, "both are settled", async || {
        let settled = settled(pool).await;
        (settled == newest).then_some(()).ok_or(settled)
    })
    .await;
    let waited = clock.monotonic().saturating_since(began);
    assert!(waited >= 2 * Duration::from_millis(642), "{waited:?}");

    // As if their own process had settled them: noted, and in the second copy.
    let later = newest.plus(1);
    let noted = gate::settled_at(pool, &[oldest, newest, later])
        .await
        .unwrap();
    assert_eq!(noted.len(), 2);
    assert_eq!(noted[&oldest], noted[&newest]);
    eventually(SOON, "both are in the ledger", async || {
        let positions = lines(folder.path());
        let both = [oldest, newest];
        both.iter()
            .all(|denial| positions.contains(denial))
            .then_some(())
            .ok_or(positions)
    })
    .await;
    let replica = Replica::launch(
        database.pool_as("tga_query"),
        None,
        Clock::system(),
        &config(),
    );
    for key in [&first, &second] {
        assert_eq!(replica.ask(key).await.unwrap_err(), Denial::Invalid);
    }
    heir.stop().await;
}

/// The barrier ended and its answer was given, but the primary refused the note.
#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_that_could_not_be_noted_is_noted_by_the_sweep() {
    let database = testkit::postgres().await;
    let pool = database.pool();
    // W is 642 ms.
    let_leases_last(&database, Duration::from_millis(500)).await;
    let command = Command::start(database.pool_as("tga_command"), None);
    let key = command.key(command.org().await).await;
    let before = command.log.head().await.unwrap().auth_position;
    command.settle_and_note(before).await;
    // Run at run time: what goes wrong here, production code does not do.
    let refuse = "revoke execute on function gate.settle from tga_command";
    sqlx::query(refuse).execute(pool).await.unwrap();
    let receipt = command.revoke(&key).await;
    assert_eq!(settled(pool).await, before);
    let allow = "grant execute on function gate.settle to tga_command";
    sqlx::query(allow).execute(pool).await.unwrap();
    eventually(SOON, "it is noted", async || {
        let noted = gate::settled_at(pool, &[receipt.position]).await.unwrap();
        let settled = settled(pool).await;
        let is_noted = settled == receipt.position && noted.contains_key(&settled);
        is_noted.then_some(()).ok_or(settled)
    })
    .await;
    command.stop().await;
}
