//! What is said of the lives of a log that was restored, and what a signer makes of it.

use domain::ids::TreeSize;
use domain::signed::{NoteSigner, Restoration};
use event_log::{
    EventLog, SignedCheckpoint, Signer, SignerConfig, SignerError, begin_epoch_in_tx,
    checkpoints_of_stream, note_restoration_in_tx, unsigned_restorations,
};
use runtime::clock::Clock;
use runtime::lifecycle::TaskKind;
use sqlx::PgConnection;
use testkit::{eventually, nats, postgres};

use crate::copies::copies;
use crate::signer::{between, fill, history, key, newest, often, signer};
use crate::support::{Process, SOON, org};

/// A log that was signed and has begun another life: the newest head of the one before, and what is to be
/// said of it, which nobody has said.
async fn restored(
    log: &EventLog,
    connection: &mut PgConnection,
) -> (SignedCheckpoint, Restoration) {
    fill(log, org(), 10).await;
    signer(log).sign_once().await.unwrap();
    let former = newest(log).await;
    let restoration = Restoration {
        origin: "trackagoat".parse().unwrap(),
        former: former.epoch,
        size: former.size,
        known: former.size,
        epoch: begin_epoch_in_tx(connection).await.unwrap(),
        at: former.signed_at,
    };
    (former, restoration)
}

#[tokio::test]
async fn a_new_life_of_the_log_has_a_history_of_its_own() {
    let db = postgres().await;
    let process = Process::start(db.pool_as("tga_command"));
    let log = &process.log;
    let mut connection = db.pool().acquire().await.unwrap();
    let (former, mut restoration) = restored(log, &mut connection).await;
    let epoch = restoration.epoch;
    let refused = signer(log).sign_once().await.unwrap_err();
    assert!(matches!(refused, SignerError::Unattested(life) if life == former.epoch));
    assert!(refused.is_refusal());
    let stranger = NoteSigner::new("trackagoat".parse().unwrap(), &[8; 32].into());
    let noted = note_restoration_in_tx(&mut connection, &restoration, Some(&stranger)).await;
    noted.unwrap();
    assert!(signer(log).sign_once().await.is_err());
    // By way of a life that was never signed.
    for (life, next) in [(former.epoch, between()), (between(), epoch)] {
        (restoration.former, restoration.epoch) = (life, next);
        note_restoration_in_tx(&mut connection, &restoration, Some(&key()))
            .await
            .unwrap();
    }
    signer(log).sign_once().await.unwrap();
    let signed = newest(log).await;
    assert_eq!((signed.epoch, signed.root), (epoch, former.root));
    assert_eq!(history(log).await.len(), 1);
    process.stop().await;
}

/// What says that the log was restored is of no use to a signer once the log's key is another one.
#[tokio::test]
async fn what_was_said_of_a_restore_is_signed_again_with_a_new_key() {
    let db = postgres().await;
    let process = Process::start(db.pool_as("tga_command"));
    let log = &process.log;
    let mut connection = db.pool().acquire().await.unwrap();
    let (_, restoration) = restored(log, &mut connection).await;
    let replaced = NoteSigner::new("trackagoat".parse().unwrap(), &[8; 32].into());
    for key in [None, Some(&replaced)] {
        let noted = note_restoration_in_tx(&mut connection, &restoration, key).await;
        noted.unwrap();
    }
    let refused = signer(log).sign_once().await.unwrap_err();
    assert!(matches!(refused, SignerError::Unattested(_)), "{refused}");
    let keys = [key().verifier()];
    let noted = log.restorations().await.unwrap();
    let unsigned = unsigned_restorations(&noted, &keys);
    assert_eq!(unsigned, [&restoration]);
    let signed = note_restoration_in_tx(&mut connection, unsigned[0], Some(&key())).await;
    signed.unwrap();
    let noted = log.restorations().await.unwrap();
    assert!(unsigned_restorations(&noted, &keys).is_empty());
    // A row that says more than its note does.
    let rewritten = "alter table log.restorations disable trigger append_only;
         update log.restorations set tree_size = tree_size - 5";
    let rewritten = sqlx::raw_sql(rewritten).execute(&mut *connection).await;
    rewritten.unwrap();
    let noted = log.restorations().await.unwrap();
    let signed: Vec<_> = noted.iter().filter_map(|one| one.signed(&keys)).collect();
    assert_eq!(signed, std::slice::from_ref(&restoration));
    signer(log).sign_once().await.unwrap();
    assert_eq!(newest(log).await.epoch, restoration.epoch);
    process.stop().await;
}

/// With what was carried before they tell what the log was, whoever changes the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_says_that_the_log_was_restored_is_carried_whenever_it_is_signed() {
    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool_as("tga_command"));
    let log = &process.log;
    let home = tempfile::tempdir().unwrap();
    let config = SignerConfig {
        folder: Some(home.path().to_owned()),
        ..often()
    };
    let signs = Signer::new(log.clone(), Some(nats.client().await), config);
    let tasks = process.tasks.clone();
    process
        .tasks
        .spawn(TaskKind::Critical, "signer", signs.run(tasks));
    // How many heads and how many restorations each place has, and the size of the newest head.
    let carried = async || {
        let mut of_stream = Vec::new();
        let take = |copy| of_stream.push(copy);
        checkpoints_of_stream(nats.client().await, &Clock::system(), take)
            .await
            .unwrap();
        [copies(home.path()).0, of_stream].map(|copies| {
            let notes = copies.iter().filter(|copy| copy.is_restoration());
            let newest = copies.iter().rev().find(|copy| !copy.is_restoration());
            (notes.count(), newest.map(|copy| copy.tree_size))
        })
    };
    let both = async |notes: usize, size: u64| {
        eventually(SOON, "both places to have it", async || {
            let found = carried().await;
            let due = [(notes, Some(size)); 2];
            (found == due).then_some(()).ok_or(found)
        })
        .await;
    };
    fill(log, org(), 3).await;
    both(0, 3).await;
    let head = log.head().await.unwrap();
    let mut restoration = Restoration {
        origin: "trackagoat".parse().unwrap(),
        former: between(),
        size: TreeSize::new(3),
        known: TreeSize::new(3),
        epoch: head.epoch,
        at: head.recorded_at,
    };
    let mut connection = db.pool().acquire().await.unwrap();
    // Of a life that goes on, whose heads were carried before.
    note_restoration_in_tx(&mut connection, &restoration, Some(&key()))
        .await
        .unwrap();
    both(1, 3).await;
    for size in 4..7 {
        fill(log, org(), 1).await;
        both(1, size).await;
    }
    // And of one that begins.
    restoration.former = head.epoch;
    restoration.at = log.head().await.unwrap().recorded_at;
    let mut tx = db.pool().begin().await.unwrap();
    restoration.epoch = begin_epoch_in_tx(&mut tx).await.unwrap();
    note_restoration_in_tx(&mut tx, &restoration, Some(&key()))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    fill(log, org(), 1).await;
    both(2, 7).await;
    process.stop().await;
}
