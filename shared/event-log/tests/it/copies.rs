//! What is carried out of the database stands there once, and a signer is held to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use domain::ids::{LogEpoch, TreeSize};
use domain::signed::Restoration;
use domain::time::Timestamp;
use event_log::{
    CHECKPOINT_STREAM, CHECKPOINT_SUBJECT, CheckpointCopy, CheckpointFolder, EventLog, Signer,
    SignerConfig, SignerError, checkpoints_of_stream, note_restoration_in_tx,
};
use runtime::clock::Clock;
use testkit::{TestNats, eventually, nats, postgres};

use crate::signer::{fill, key, keys, tamper};
use crate::support::{Process, SOON, append, event, org};

/// Signs once, as a process that has just started.
async fn sign(
    log: &EventLog,
    nats: Option<&TestNats>,
    folder: Option<&Path>,
) -> Result<TreeSize, SignerError> {
    let client = match nats {
        Some(nats) => Some(nats.client().await),
        None => None,
    };
    let config = SignerConfig {
        folder: folder.map(Path::to_owned),
        ..SignerConfig::new(key())
    };
    Signer::new(log.clone(), client, config).sign_once().await
}

async fn of_stream(nats: &TestNats) -> Vec<CheckpointCopy> {
    let mut all = Vec::new();
    let take = |copy| all.push(copy);
    checkpoints_of_stream(nats.client().await, &Clock::system(), take)
        .await
        .unwrap();
    all
}

async fn publish(nats: &TestNats, copy: &CheckpointCopy) {
    let line = serde_json::to_vec(copy).unwrap();
    let context = nats.jetstream().await;
    let sent = context.publish(CHECKPOINT_SUBJECT, line.into());
    sent.await.unwrap().await.unwrap();
}

/// That the life of the log that goes on began at an instant, with one life or another before it.
async fn restoration(log: &EventLog, former: u128, at: Timestamp) -> Restoration {
    Restoration {
        origin: "trackagoat".parse().unwrap(),
        former: LogEpoch::from_uuid(uuid::Uuid::from_u128(former)),
        size: TreeSize::new(1),
        known: TreeSize::new(1),
        epoch: log.head().await.unwrap().epoch,
        at,
    }
}

fn copy_of(note: &Restoration) -> CheckpointCopy {
    let copy = serde_json::json!({
        "epoch": note.epoch,
        "tree_size": note.size.get(),
        "public_key": key().verifier().to_string(),
        "note": note.sign(&key()),
    });
    serde_json::from_value(copy).unwrap()
}

/// As a signer leaves a place that is killed as it carries what says that the log was restored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signer_is_held_to_the_newest_head_whatever_notes_stand_behind_it() {
    for is_folder in [true, false] {
        let (db, nats) = (postgres().await, nats().await);
        let process = Process::start(db.pool_as("tga_command"));
        let log = &process.log;
        let home = tempfile::tempdir().unwrap();
        let (folder, stream) = if is_folder {
            (Some(home.path()), None)
        } else {
            (None, Some(&nats))
        };
        fill(log, org(), 310).await;
        sign(log, stream, folder).await.unwrap();
        let recorded = log.head().await.unwrap().recorded_at;
        for former in 1..200 {
            let note = copy_of(&restoration(log, former, recorded).await);
            if is_folder {
                let file = fs::read_dir(home.path()).unwrap().next().unwrap().unwrap();
                let mut text = fs::read_to_string(file.path()).unwrap();
                text.push_str(&serde_json::to_string(&note).unwrap());
                text.push('\n');
                fs::write(file.path(), text).unwrap();
            } else {
                publish(&nats, &note).await;
            }
        }
        for statement in [
            "update log.events set hash = sha256(hash) where position = 300",
            "delete from log.newest_checkpoint",
            "delete from log.checkpoints",
        ] {
            tamper(db.pool(), statement).await;
        }
        let refused = sign(log, stream, folder).await.unwrap_err();
        assert!(
            matches!(refused, SignerError::Changed { size, .. } if size.get() == 310),
            "{refused}"
        );
        process.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signer_that_starts_anew_carries_nothing_twice() {
    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool_as("tga_command"));
    let (log, home) = (&process.log, tempfile::tempdir().unwrap());
    let mut connection = db.pool().acquire().await.unwrap();
    let mut note = async |former: u128, at: Timestamp| {
        let said = restoration(log, former, at).await;
        note_restoration_in_tx(&mut connection, &said, Some(&key()))
            .await
            .unwrap();
        copy_of(&said).note
    };
    // How the places have it after each of several starts: heads by their size, notes as they are.
    let carried = async |due: &[&str]| {
        for _ in 0..3 {
            sign(log, Some(&nats), Some(home.path())).await.unwrap();
            for place in [copies(home.path()).0, of_stream(&nats).await] {
                let found: Vec<_> = place
                    .into_iter()
                    .map(|copy| {
                        if copy.is_restoration() {
                            copy.note
                        } else {
                            copy.tree_size.to_string()
                        }
                    })
                    .collect();
                assert_eq!(found, due);
            }
        }
    };
    fill(log, org(), 3).await;
    carried(&["3"]).await;
    // Months before what is signed.
    let recorded = log.head().await.unwrap().recorded_at;
    let first = note(1, recorded.minus(chrono::TimeDelta::days(100))).await;
    carried(&["3", &first]).await;
    let second = note(2, recorded.minus(chrono::TimeDelta::days(50))).await;
    carried(&["3", &first, &second]).await;
    fill(log, org(), 1).await;
    carried(&["3", &first, &second, "4"]).await;
    let third = note(3, recorded).await;
    carried(&["3", &first, &second, "4", &third]).await;
    fill(log, org(), 1).await;
    carried(&["3", &first, &second, "4", &third, "5"]).await;
    // What does not stand behind the others is carried with all of them.
    let older = note(4, recorded.minus(chrono::TimeDelta::days(70))).await;
    let all = [
        "3", &first, &second, "4", &third, "5", &first, &older, &second, &third,
    ];
    carried(&all).await;
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
