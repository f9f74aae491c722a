//! The tree over the log is signed, by one process at a time, and never over a log that is not the one that
//! was signed before.

use std::time::Duration;

use domain::event::Stream;
use domain::ids::{LogEpoch, OrgId, TreeSize};
use domain::merkle::proof::{proves_consistency, proves_inclusion};
use domain::merkle::{CompactRange, NodeHash};
use domain::signed::{Checkpoint, NoteSigner, Seal, StreamEnd, VerifierKey};
use event_log::{
    EventLog, LogCheckpoints, SealError, SignedCheckpoint, Signer, SignerConfig, SignerError,
    StoredEvent,
};
use runtime::lifecycle::TaskKind;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use testkit::{eventually, postgres};

use crate::support::{Process, SOON, append, event, org, org_created, position, whole_log};

pub fn key() -> NoteSigner {
    NoteSigner::new("trackagoat".parse().unwrap(), &[7; 32].into())
}

pub fn keys() -> [VerifierKey; 1] {
    [key().verifier()]
}

pub fn signer(log: &EventLog) -> Signer {
    Signer::new(log.clone(), None, SignerConfig::new(key()))
}

pub fn often() -> SignerConfig {
    SignerConfig {
        every: Duration::from_millis(20),
        ..SignerConfig::new(key())
    }
}

fn root_of(events: &[StoredEvent]) -> NodeHash {
    let mut range = CompactRange::default();
    for event in events {
        range.push(NodeHash::of_leaf(&event.hash));
    }
    range.root()
}

pub async fn fill(log: &EventLog, org: OrgId, events: usize) {
    for chunk in vec![event(); events].chunks(100) {
        append(log, org, chunk.to_vec()).await;
    }
}

pub async fn newest(log: &EventLog) -> SignedCheckpoint {
    log.newest_checkpoint().await.unwrap().unwrap()
}

/// All that was signed in the present life of the log.
pub async fn history(log: &EventLog) -> Vec<SignedCheckpoint> {
    let epoch = log.head().await.unwrap().epoch;
    let after = None;
    log.checkpoints(LogCheckpoints { epoch, after }, 1_000)
        .await
        .unwrap()
}

/// Every signed head is one of this log.
async fn assert_signed(log: &EventLog) -> usize {
    let (all, history) = (whole_log(log).await, history(log).await);
    for signed in &history {
        let size = usize::try_from(signed.size.get()).unwrap();
        assert_eq!(signed.root, root_of(&all[..size]), "{size}");
        let said = Checkpoint::open(&signed.note, &keys()).unwrap();
        assert_eq!((said.size, said.root), (signed.size, signed.root));
        assert_eq!(said.epoch, signed.epoch);
    }
    history.len()
}

/// As somebody who can do anything in the database.
pub async fn tamper(pool: &PgPool, statement: &str) {
    let mut tx = pool.begin().await.unwrap();
    for table in ["events", "events_000000", "merkle", "checkpoints"] {
        let off = format!("alter table log.{table} disable trigger append_only");
        tx.execute(AssertSqlSafe(off)).await.unwrap();
    }
    tx.execute(AssertSqlSafe(statement.to_owned()))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_is_signed_proves_every_event_and_every_earlier_head() {
    let db = postgres().await;
    let process = Process::start(db.pool_as("tga_command"));
    let (log, acme) = (&process.log, org());
    assert_eq!(log.newest_checkpoint().await.unwrap(), None);
    assert_eq!(signer(log).sign_once().await.unwrap(), TreeSize::ZERO);
    fill(log, acme, 300).await;
    assert_eq!(signer(log).sign_once().await.unwrap().get(), 300);
    fill(log, acme, 500).await;
    assert_eq!(signer(log).sign_once().await.unwrap().get(), 800);
    assert_eq!(assert_signed(log).await, 3);

    // As a query service reads it.
    let reader = Process::start(db.pool_as("tga_query"));
    let all = whole_log(log).await;
    for size in [300, 800] {
        let root = root_of(&all[..size]);
        let size = TreeSize::new(size as u64);
        for place in [1, 255, 256, 257, 300] {
            let proof = reader.log.inclusion_proof(position(place), size).await;
            let proof = proof.unwrap().unwrap();
            assert_eq!((proof.leaf_index, proof.root), (place - 1, root));
            let hash = all[usize::try_from(place - 1).unwrap()].hash;
            assert_eq!(proof.leaf, NodeHash::of_leaf(&hash));
            let (leaf, size) = (proof.leaf, size.get());
            assert!(proves_inclusion(leaf, place - 1, size, &proof.hashes, root));
        }
    }
    let (from, to) = (TreeSize::new(300), TreeSize::new(800));
    let proof = reader.log.consistency_proof(from, to).await.unwrap();
    let (old, new) = (root_of(&all[..300]), root_of(&all));
    assert!(proves_consistency(300, 800, &proof.unwrap(), old, new));
    assert_eq!(reader.log.consistency_proof(to, from).await.unwrap(), None);
    let beyond = reader.log.inclusion_proof(position(301), from).await;
    assert_eq!(beyond.unwrap(), None);
    process.stop().await;
    reader.stop().await;
}

#[tokio::test]
async fn a_log_that_stands_still_is_signed_anew_and_its_history_stays() {
    let db = postgres().await;
    let process = Process::start(db.pool_as("tga_command"));
    fill(&process.log, org(), 3).await;
    let signer = Signer::new(process.log.clone(), None, often());
    let tasks = process.tasks.clone();
    process
        .tasks
        .spawn(TaskKind::Critical, "signer", signer.run(tasks));
    let first = eventually(SOON, "a first signature", async || {
        process.log.newest_checkpoint().await.unwrap().ok_or("none")
    })
    .await;
    eventually(SOON, "a newer signature", async || {
        let now = newest(&process.log).await;
        (now.signed_at > first.signed_at)
            .then_some(())
            .ok_or("the first")
    })
    .await;
    assert_eq!(newest(&process.log).await.root, first.root);
    assert_eq!(history(&process.log).await.len(), 1);
    process.stop().await;
}

#[tokio::test]
async fn one_signs_and_another_goes_on_when_it_is_gone() {
    let db = postgres().await;
    let pool = db.pool_as("tga_command");
    let (first, second) = (Process::start(pool.clone()), Process::start(pool.clone()));
    for process in [&first, &second] {
        let signer = Signer::new(process.log.clone(), None, often());
        let tasks = process.tasks.clone();
        process
            .tasks
            .spawn(TaskKind::Critical, "signer", signer.run(tasks));
    }
    let signed = async |log: &EventLog, size: u64| {
        eventually(SOON, "the head to be signed", async || {
            let newest = log.newest_checkpoint().await.unwrap();
            let found = newest.map(|newest| newest.size.get());
            (found == Some(size)).then_some(()).ok_or(found)
        })
        .await;
    };
    fill(&first.log, org(), 400).await;
    signed(&first.log, 400).await;
    let refused = signer(&first.log).sign_once().await.unwrap_err();
    assert!(matches!(refused, SignerError::Busy), "{refused}");
    // Whichever of the two signs is cut off in the midst.
    let killed = "select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'tga-signer' and datname = current_database()";
    db.pool().execute(killed).await.unwrap();
    fill(&first.log, org(), 200).await;
    signed(&first.log, 600).await;
    first.stop().await;
    fill(&second.log, org(), 200).await;
    signed(&second.log, 800).await;
    assert_signed(&second.log).await;
    second.stop().await;
}

#[tokio::test]
async fn a_round_that_was_broken_off_is_gone_on_with() {
    let db = postgres().await;
    let process = Process::start(db.pool_as("tga_command"));
    let log = &process.log;
    fill(log, org(), 100).await;
    signer(log).sign_once().await.unwrap();
    let signed = newest(log).await;
    fill(log, org(), 700).await;
    signer(log).sign_once().await.unwrap();
    // The tree was kept, and nothing was signed over it.
    tamper(
        db.pool(),
        "delete from log.checkpoints where tree_size = 800",
    )
    .await;
    tamper(
        db.pool(),
        "update log.newest_checkpoint set (tree_size, root, note) =
         (select tree_size, root, note from log.checkpoints)",
    )
    .await;
    assert_eq!(newest(log).await.size, signed.size);
    tamper(db.pool(), "delete from log.merkle where index = 2").await;
    signer(log).sign_once().await.unwrap();
    assert_eq!(assert_signed(log).await, 2);
    let kept: i64 = sqlx::query_scalar("select count(*) from log.merkle")
        .fetch_one(db.pool())
        .await
        .unwrap();
    assert_eq!(kept, 3);
    process.stop().await;
}

#[tokio::test]
async fn nothing_is_signed_over_a_log_that_was_changed() {
    let flipped = "update log.events set hash = sha256(hash) where position = 300";
    let cut = "delete from log.events where position > 290; update log.head set position = 290";
    let tile = "update log.merkle set hash = sha256(hash)";
    for (statement, refusal) in [(flipped, "changed"), (cut, "cut"), (tile, "changed")] {
        let db = postgres().await;
        let process = Process::start(db.pool_as("tga_command"));
        fill(&process.log, org(), 310).await;
        signer(&process.log).sign_once().await.unwrap();
        let before = newest(&process.log).await;
        // Each alone, since one text of several is no prepared statement.
        for statement in statement.split("; ") {
            tamper(db.pool(), statement).await;
        }
        let refused = signer(&process.log).sign_once().await.unwrap_err();
        let kind = match refused {
            SignerError::Changed { size, .. } if size.get() == 310 => "changed",
            SignerError::Cut { head, signed } if head.get() == 290 && signed.get() == 310 => "cut",
            _ => "something else",
        };
        assert_eq!(kind, refusal, "{statement}: {refused}");
        assert!(refused.is_refusal());
        assert_eq!(newest(&process.log).await, before);
        process.stop().await;
    }
}

#[tokio::test]
async fn a_tree_that_was_kept_wrong_is_not_signed_over() {
    let db = postgres().await;
    let process = Process::start(db.pool_as("tga_command"));
    fill(&process.log, org(), 600).await;
    tamper(
        db.pool(),
        "insert into log.merkle values (8, 1, sha256('wrong'))",
    )
    .await;
    let refused = signer(&process.log).sign_once().await.unwrap_err();
    assert!(refused.is_refusal(), "{refused}");
    process.stop().await;
}

pub fn between() -> LogEpoch {
    LogEpoch::from_uuid(uuid::Uuid::from_u128(7))
}

#[tokio::test]
async fn another_tree_is_not_signed_whatever_is_left_of_what_was_signed() {
    let flipped = "update log.events set hash = sha256(hash) where position = 300; ";
    let newest = "delete from log.newest_checkpoint";
    let all = "delete from log.newest_checkpoint; delete from log.checkpoints";
    let cut = "delete from log.events where position > 200; update log.head set position = 200; \
        delete from log.newest_checkpoint; delete from log.checkpoints";
    for (statement, has_folder, is_cut) in [
        (format!("{flipped}{newest}"), false, false),
        (format!("{flipped}{all}"), true, false),
        // A tile that is kept goes further.
        (cut.to_owned(), false, true),
    ] {
        let db = postgres().await;
        let process = Process::start(db.pool_as("tga_command"));
        let home = tempfile::tempdir().unwrap();
        let config = SignerConfig {
            folder: has_folder.then(|| home.path().join("checkpoints")),
            ..SignerConfig::new(key())
        };
        let signer = Signer::new(process.log.clone(), None, config);
        fill(&process.log, org(), 310).await;
        signer.sign_once().await.unwrap();
        for statement in statement.split("; ") {
            tamper(db.pool(), statement).await;
        }
        let refused = signer.sign_once().await.unwrap_err();
        let is_due = match refused {
            SignerError::Cut { head, signed } => is_cut && (head.get(), signed.get()) == (200, 256),
            SignerError::Changed { size, .. } => !is_cut && size.get() == 310,
            _ => false,
        };
        assert!(is_due, "{statement}: {refused}");
        process.stop().await;
    }
}

#[tokio::test]
async fn a_seal_says_where_the_streams_of_one_org_end() {
    let db = postgres().await;
    let process = Process::start(db.pool_as("tga_command"));
    let log = &process.log;
    let (acme, other) = (org(), org());
    append(log, acme, vec![org_created(), event()]).await;
    append(log, other, vec![org_created()]).await;
    let reader = Process::start(db.pool_as("tga_query"));
    let refused = reader.log.seal(org(), Duration::ZERO).await.unwrap_err();
    assert!(matches!(refused, SealError::NoSuchOrg), "{refused}");
    // Nobody signs.
    let refused = reader.log.seal(acme, Duration::ZERO).await.unwrap_err();
    assert!(matches!(refused, SealError::Late(_)), "{refused}");
    append(log, other, vec![event()]).await;

    let tasks = process.tasks.clone();
    let rarely = SignerConfig {
        every: Duration::from_hours(1),
        ..SignerConfig::new(key())
    };
    let signs = Signer::new(log.clone(), None, rarely).run(tasks);
    process.tasks.spawn(TaskKind::Critical, "signer", signs);
    // The fold may have come further than the tree that is signed: it says nothing of an end within it.
    for statement in [
        format!(
            "insert into log.streams (org_id, stream, version, hash) values ('{acme}', 1, 5, sha256('x'))"
        ),
        "update log.folded set progress = 1000000".to_owned(),
    ] {
        db.pool().execute(AssertSqlSafe(statement)).await.unwrap();
    }
    let ends = reader.log.seal(acme, SOON).await.unwrap();
    let seal = Seal::open(&ends.seal, &keys()).unwrap();
    assert_eq!((seal.org, seal.size.get()), (acme, 4));
    let all = whole_log(log).await;
    assert_eq!(seal.decisions.version, all[1].version);
    assert_eq!(seal.decisions.hash, all[1].hash);
    assert_eq!(seal.end(Stream::Observations), StreamEnd::EMPTY);
    let checkpoint = Checkpoint::open(&ends.checkpoint, &keys()).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (seal.size, seal.root));
    assert_eq!(seal.root, root_of(&all));

    // What is committed before a seal is asked for is under it.
    append(log, acme, vec![event()]).await;
    let ends = reader.log.seal(acme, SOON).await.unwrap();
    let seal = Seal::open(&ends.seal, &keys()).unwrap();
    assert_eq!((seal.size.get(), seal.decisions.version.get()), (5, 3));
    // The history is no longer for it.
    assert_eq!(newest(log).await.size, seal.size);
    assert_eq!(history(log).await.len(), 1);
    let waiting: i64 = sqlx::query_scalar("select count(*) from log.seal_requests")
        .fetch_one(db.pool())
        .await
        .unwrap();
    assert_eq!(waiting, 0);
    process.stop().await;
    reader.stop().await;
}

#[tokio::test]
async fn no_more_orgs_wait_for_a_seal_than_a_thousand() {
    let db = postgres().await;
    let process = Process::start(db.pool_as("tga_command"));
    let acme = org();
    append(&process.log, acme, vec![org_created()]).await;
    let crowd = "insert into log.seal_requests select gen_random_uuid(), now()
        from generate_series(1, 1000)";
    db.pool().execute(crowd).await.unwrap();
    let refused = process.log.seal(acme, Duration::ZERO).await.unwrap_err();
    assert!(matches!(refused, SealError::Crowded), "{refused}");
    process.stop().await;
}
