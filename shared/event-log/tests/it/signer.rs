//! The tree over the log is signed, by one process at a time, and never over a log that is not the one that
//! was signed before.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use domain::event::Stream;
use domain::ids::{LogEpoch, OrgId, TreeSize};
use domain::merkle::proof::{proves_consistency, proves_inclusion};
use domain::merkle::{CompactRange, NodeHash};
use domain::signed::{Checkpoint, NoteSigner, Restoration, Seal, StreamEnd, VerifierKey};
use event_log::{
    CHECKPOINT_STREAM, CheckpointCopy, CheckpointFolder, EventLog, LogCheckpoints, SealError,
    SignedCheckpoint, Signer, SignerConfig, SignerError, StoredEvent, begin_epoch_in_tx,
    checkpoints_of_stream, note_restoration_in_tx, sign_restorations_in_tx,
};
use runtime::clock::Clock;
use runtime::lifecycle::TaskKind;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use testkit::{eventually, nats, postgres};

use crate::support::{Process, SOON, append, event, org, org_created, position, whole_log};

pub fn key() -> NoteSigner {
    NoteSigner::new("trackagoat".parse().unwrap(), &[7; 32].into())
}

fn keys() -> [VerifierKey; 1] {
    [key().verifier()]
}

fn signer(log: &EventLog) -> Signer {
    Signer::new(log.clone(), None, SignerConfig::new(key()))
}

fn often() -> SignerConfig {
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

async fn newest(log: &EventLog) -> SignedCheckpoint {
    log.newest_checkpoint().await.unwrap().unwrap()
}

/// All that was signed in the present life of the log.
async fn history(log: &EventLog) -> Vec<SignedCheckpoint> {
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

fn between() -> LogEpoch {
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
async fn a_new_life_of_the_log_has_a_history_of_its_own() {
    let db = postgres().await;
    let process = Process::start(db.pool_as("tga_command"));
    let log = &process.log;
    fill(log, org(), 10).await;
    signer(log).sign_once().await.unwrap();
    let former = newest(log).await;
    let mut connection = db.pool().acquire().await.unwrap();
    let epoch = begin_epoch_in_tx(&mut connection).await.unwrap();
    let refused = signer(log).sign_once().await.unwrap_err();
    assert!(matches!(refused, SignerError::Unattested(life) if life == former.epoch));
    assert!(refused.is_refusal());
    let mut restoration = Restoration {
        origin: "trackagoat".parse().unwrap(),
        former: former.epoch,
        size: former.size,
        known: former.size,
        epoch,
        at: former.signed_at,
    };
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
    fill(log, org(), 10).await;
    signer(log).sign_once().await.unwrap();
    let former = newest(log).await;
    let mut connection = db.pool().acquire().await.unwrap();
    let epoch = begin_epoch_in_tx(&mut connection).await.unwrap();
    let restoration = Restoration {
        origin: "trackagoat".parse().unwrap(),
        former: former.epoch,
        size: former.size,
        known: former.size,
        epoch,
        at: former.signed_at,
    };
    let replaced = NoteSigner::new("trackagoat".parse().unwrap(), &[8; 32].into());
    for key in [None, Some(&replaced)] {
        let noted = note_restoration_in_tx(&mut connection, &restoration, key).await;
        noted.unwrap();
    }
    let refused = signer(log).sign_once().await.unwrap_err();
    assert!(matches!(refused, SignerError::Unattested(_)), "{refused}");
    for due in [1, 0] {
        let signed = sign_restorations_in_tx(&mut connection, &key()).await;
        assert_eq!(signed.unwrap(), due);
    }
    signer(log).sign_once().await.unwrap();
    assert_eq!(newest(log).await.epoch, epoch);
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

pub fn copies(folder: &Path) -> (Vec<CheckpointCopy>, usize) {
    let mut copies = Vec::new();
    let folder = CheckpointFolder::new(folder.to_owned());
    let torn = folder.read(|copy| copies.push(copy)).unwrap();
    (copies, torn)
}

fn sizes(copies: &[CheckpointCopy]) -> Vec<u64> {
    copies.iter().map(|copy| copy.tree_size).collect()
}

#[tokio::test]
async fn copies_stand_in_a_folder_whatever_becomes_of_it() {
    let db = postgres().await;
    let process = Process::start(db.pool_as("tga_command"));
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("checkpoints");
    let signer = Signer::new(
        process.log.clone(),
        None,
        SignerConfig {
            folder: Some(folder.clone()),
            ..SignerConfig::new(key())
        },
    );
    let mut due = Vec::new();
    let mut sign = async |size: u64| {
        append(&process.log, org(), vec![event()]).await;
        assert_eq!(signer.sign_once().await.unwrap().get(), size);
        due.push(size);
        due.clone()
    };
    sign(1).await;
    let all = sign(2).await;
    assert_eq!(sizes(&copies(&folder).0), all);
    // It cannot be used: a file stands in its place.
    let aside = home.path().join("aside");
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, "").unwrap();
    sign(3).await;
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    // A write broke off.
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
    let mut text = std::fs::read_to_string(file.path()).unwrap();
    text.push_str("{\"epoch\":");
    std::fs::write(file.path(), text).unwrap();
    let all = sign(4).await;
    let (found, torn) = copies(&folder);
    assert_eq!((sizes(&found), torn), (all, 1));
    // Others read it.
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    let usual = home.path().join("usual");
    std::fs::create_dir(&usual).unwrap();
    assert_eq!(mode(&folder), mode(&usual));
    for copy in found {
        assert_eq!(copy.open(&keys()).unwrap().size.get(), copy.tree_size);
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_stand_on_a_stream_that_nobody_takes_them_from() {
    let db = postgres().await;
    let mut nats = nats().await;
    let process = Process::start(db.pool_as("tga_command"));
    let client = nats.client().await;
    let signer = Signer::new(
        process.log.clone(),
        Some(client.clone()),
        SignerConfig::new(key()),
    );
    let sign = async || {
        append(&process.log, org(), vec![event()]).await;
        signer.sign_once().await.unwrap();
    };
    sign().await;
    nats.kill().await;
    sign().await;
    nats.start().await;
    let context = nats.jetstream().await;
    eventually(SOON, "all copies to be there", async || {
        sign().await;
        let mut copies = Vec::new();
        let take = |copy| copies.push(copy);
        checkpoints_of_stream(nats.client().await, &Clock::system(), take)
            .await
            .map_err(|error| error.to_string())?;
        let due: Vec<u64> = (1..=copies.len() as u64).collect();
        let head = process.log.head().await.unwrap().position.get();
        if sizes(&copies) == due && due.last() == Some(&head) {
            Ok(())
        } else {
            Err(format!("{:?} of {head}", sizes(&copies)))
        }
    })
    .await;
    let mut stream = context.get_stream(CHECKPOINT_STREAM).await.unwrap();
    let config = stream.info().await.unwrap().config.clone();
    assert!(config.deny_delete && config.deny_purge && config.max_bytes > 0);
    process.stop().await;
}
