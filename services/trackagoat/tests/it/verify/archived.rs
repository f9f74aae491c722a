//! A log whose old partitions are archived, with the folder and without; and the files alone.

use std::fs;
use std::path::PathBuf;

use chrono::TimeDelta;
use domain::event::{Event, ObservationRecorded, Reading, VideoStats};
use domain::ids::{GlobalPosition, OrgId, VideoId};
use event_log::archive::{Archiver, Before, Next};
use event_log::{Config, EventLog, Sweeper};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use serde_json::{Value, json};
use sqlx::Executor;

use super::{Said, World, key, project, said, verify};

/// Events of a partition.
const SIZE: u64 = 300;
const UPTO: u64 = 2 * SIZE;

/// Where an org has its two observations; the first holds the only reading of a video, the second none.
const READING: u64 = 24;
const NEWEST: u64 = 25;

fn observation() -> Event {
    let readings = Vec::new();
    ObservationRecorded { readings }.into()
}

fn reading() -> Event {
    let reading = VideoStats {
        video_id: VideoId::from_uuid(Entropy::os().uuid_v4()),
        observed_at: super::now(),
        view_count: Some(1),
        like_count: None,
        comment_count: None,
        share_count: None,
        save_count: None,
    };
    let readings = vec![Reading::VideoStats(reading)];
    ObservationRecorded { readings }.into()
}

impl World {
    /// Two full partitions and a little more, signed at the end of the second one too, and archived.
    async fn archived() -> (Self, [OrgId; 2]) {
        let world = Self::new().await;
        let resize = "select log.resize_partitions(300)";
        world.db.pool().execute(resize).await.unwrap();
        let orgs = [world.org().await, world.org().await];
        let mut last = GlobalPosition::new(6);
        while last.get() < UPTO + 20 {
            if last.get() == UPTO {
                world.sign().await;
            }
            if last.get() + 4 == READING {
                let third = world.org().await;
                let events = vec![reading(), observation(), project()];
                last = world.append(third, events).await;
                continue;
            }
            let org = orgs[usize::from(last.get().is_multiple_of(4))];
            last = world.append(org, vec![project(), observation()]).await;
        }
        world.sign().await;
        world.archive().await;
        (world, orgs)
    }

    async fn archive(&self) {
        Sweeper::new(self.log.clone()).fold().await.unwrap();
        let pool = self.db.pool();
        // Nobody has webhooks.
        pool.execute("update hooks.cursor set position = (select position from log.head)")
            .await
            .unwrap();
        let (clock, entropy) = (Clock::system(), Entropy::os());
        let (log, _) = EventLog::new(pool.clone(), clock, entropy, Config::default());
        let mut archiver = Archiver::begin(&log, self.archives()).await.unwrap();
        let end = GlobalPosition::new(u64::MAX >> 1);
        loop {
            let after = archiver.resume().await.unwrap();
            let all = Before {
                position: None,
                instant: super::now().plus(TimeDelta::days(1)),
            };
            let next = archiver.next(after, all, end).await;
            let Next::Due(stretch) = next.unwrap() else {
                assert_eq!(after.get(), UPTO);
                return;
            };
            archiver.archive(stretch, |_, _| {}).await.unwrap();
        }
    }

    fn archives(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    fn archive_files(&self) -> [String; 2] {
        let names = ["events-301-600.ndjson.zst", "events-1-300.ndjson.zst"];
        names.map(|name| self.archives().join(name).to_str().unwrap().to_owned())
    }

    /// With the folder of archives.
    async fn verify_through(&self, arguments: &[&str]) -> Said {
        let folder = self.archives();
        let with_folder = ["--archive-dir", folder.to_str().unwrap()];
        self.verify(&[&with_folder[..], arguments].concat()).await
    }

    /// A signed head over so many events, as a file.
    async fn note(&self, size: u64) -> String {
        let heads = self.log.all_checkpoints(None, 1_000).await.unwrap();
        let head = heads.iter().find(|head| head.size.get() == size).unwrap();
        let path = self.folder.path().join("note");
        fs::write(&path, &head.note).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_verified_through_its_archives_and_without_them_as_far_as_it_can_be() {
    let (world, orgs) = World::archived().await;
    let public = key().verifier().to_string();
    let copies = world.copies();
    let copies = copies.to_str().unwrap();
    let keys = ["--public-key", &public, "--checkpoint-dir", copies];
    let whole = world.verify_through(&keys).await;
    whole.is(0, "everything is as it was recorded");
    whole.is(0, "events of 6 streams were looked at");
    let blind = world.verify(&keys).await;
    blind.is(
        3,
        "not proven: observations up to position 600, of which log.archived alone says that they are \
         archived",
    );
    blind.is(3, "nothing wrong was found");

    let org = orgs[0].to_string();
    let of_org = ["--org", &org, "--stream", "observations"];
    let whole = world.verify_through(&of_org).await;
    whole.is(3, "nothing wrong was found");
    assert!(
        !whole.text.contains("what came before version"),
        "{whole:?}"
    );
    let blind = world.verify(&of_org).await;
    blind.is(3, "what came before version");
    let decided = world
        .verify(&["--org", &org, "--stream", "decisions"])
        .await;
    assert!(
        !decided.text.contains("what came before version"),
        "{decided:?}"
    );

    // One flipped bit in the midst of a file.
    let file = &world.archive_files()[0];
    let bytes = fs::read(file).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    fs::write(file, &flipped).unwrap();
    world
        .verify_through(&keys)
        .await
        .is(1, "WRONG at position 301");
    fs::write(file, &bytes).unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stayed_online_is_held_to_what_was_archived() {
    let changed = "update log.events set data = replace(data::text, 'Spring', 'Sprinh')::json where position = 9";
    let deleted = "delete from log.events where position = 9";
    let follows =
        "WRONG at position 13: it is version 5 of the decisions of org ORG: version 4 is missing";
    // Of what is gone nothing is covered, or not all.
    let unsaid = "delete from log.archived";
    let beginning = "delete from log.events where position <= 610";
    let lacks = "WRONG at positions 601 to 610: the log lacks its beginning";
    // Covered, but decisions have to be here.
    let covered = "delete from log.events where position <= 4";
    let edge = "update log.archived set auth_position = 1 where upto = 600";
    let peaks = "update log.archived set peaks[1] = sha256('') where upto = 600";
    for (statement, through, blind) in [
        (changed, "WRONG at position 9:", "WRONG at position 9:"),
        (deleted, "WRONG at position 9:", follows),
        (
            unsaid,
            "WRONG at position 8: it is missing",
            "WRONG at position 8: it is missing",
        ),
        (beginning, lacks, lacks),
        (
            covered,
            "WRONG at position 1: it is a decision, and is archived, but not online any more",
            "version 1 is missing",
        ),
        (edge, "log.archived says 1", "log.archived says 1"),
        (
            peaks,
            "WRONG at positions 1 to 600",
            "WRONG at positions 1 to 600",
        ),
    ] {
        let (world, orgs) = World::archived().await;
        world.tamper(statement).await;
        world.verify_through(&[]).await.is(1, through);
        let blind = blind.replace("ORG", &orgs[1].to_string());
        world.verify(&[]).await.is(1, &blind);
        world.stop().await;
    }
}

/// Observations, too, that answers and whoever goes on from there need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observations_that_had_to_stay_online_are_missed() {
    let of_reading = "it holds the newest reading";
    let of_stream = "it is the newest of a stream";
    let of_edge = "it is at an end of what was archived";
    for (lost, why) in [(READING, of_reading), (NEWEST, of_stream), (298, of_edge)] {
        let (world, _) = World::archived().await;
        world
            .tamper(format!("delete from log.events where position = {lost}"))
            .await;
        let wrong = format!("WRONG at position {lost}: {why}");
        world.verify_through(&[]).await.is(1, &wrong);
        if lost == READING {
            world.verify(&[]).await.is(1, &wrong);
        }
        world.stop().await;
    }
}

/// A file of which nothing in the log says that it follows is not read as if it did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stretch_that_the_log_does_not_know_is_not_passed_over() {
    let (world, _) = World::archived().await;
    world
        .tamper("delete from log.archived where upto = 300")
        .await;
    world.verify_through(&[]).await.is(1, "log.archived");
    world.stop().await;
}

/// What a running `dev` was given is what operators go by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_folders_of_a_running_dev_are_used() {
    let (world, _) = World::archived().await;
    let dev = tempfile::tempdir().unwrap();
    let verified = async |folders: Value| {
        let mut file = folders;
        file["database_url"] = world.db.url().into();
        file["nats_url"] = "nats://127.0.0.1:1".into();
        fs::write(dev.path().join("dev.json"), file.to_string()).unwrap();
        said(verify(&["--data-dir", dev.path().to_str().unwrap()])).await
    };
    let named = verified(json!({
        "archive_dir": world.archives(),
        "checkpoint_dir": world.copies(),
    }));
    let named = named.await;
    named.is(3, "the stream of checkpoints, which could not be read");
    assert!(!named.text.contains("not looked at"), "{named:?}");
    assert!(!named.text.contains("0 in folders"), "{named:?}");
    // That of an earlier build says nothing of them.
    let silent = verified(json!({})).await;
    silent.is(3, "0 in folders");
    silent.is(3, "name the folder with --archive-dir");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_verified_alone_with_a_signed_head() {
    let (world, _) = World::archived().await;
    let files = world.archive_files();
    let public = key().verifier().to_string();
    let check = async |files: &[String], note: Option<u64>| {
        let mut arguments = vec!["--archive".to_owned()];
        arguments.extend_from_slice(files);
        arguments.extend(["--public-key".to_owned(), public.clone()]);
        if let Some(size) = note {
            arguments.extend(["--checkpoint".to_owned(), world.note(size).await]);
        }
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        said(verify(&arguments)).await
    };
    let whole = check(&files, Some(UPTO)).await;
    whole.is(0, "events up to 600 are under the given checkpoint");
    whole.is(0, "everything is as it was recorded");
    // The head holds what stands before the file, too.
    check(&files[..1], Some(UPTO))
        .await
        .is(0, "everything is as it was recorded");
    check(&files[1..], Some(UPTO))
        .await
        .is(3, "which is over 600");
    check(&files, None).await.is(3, "name a signed head");
    check(&files[..1], None)
        .await
        .is(3, "what was recorded before position 301");

    let bytes = fs::read(&files[1]).unwrap();
    fs::write(&files[1], &bytes[..bytes.len() / 2]).unwrap();
    check(&files, Some(UPTO))
        .await
        .is(1, "WRONG at position 1: ");
    // A file that is not there is not wrong: nothing can be said of it.
    fs::remove_file(&files[1]).unwrap();
    let missing = check(&files, Some(UPTO)).await;
    missing.is(2, "events-1-300.ndjson.zst cannot be used: No such file");
    assert!(!missing.text.contains("WRONG"), "{missing:?}");
    fs::write(&files[1], &bytes).unwrap();
    let manifest = files[1].replace(".ndjson.zst", ".json");
    let written = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, written.replace("events-1-300", "events-1-301")).unwrap();
    check(&files, Some(UPTO)).await.is(1, "WRONG: the manifest");
    fs::write(&manifest, written).unwrap();
    // Another log's head is of other events.
    let (other, _) = World::archived().await;
    let note = other.note(UPTO).await;
    let all = [
        "--archive",
        &files[0],
        &files[1],
        "--public-key",
        &public,
        "--checkpoint",
        &note,
    ];
    let found = said(verify(&all)).await;
    found.is(
        1,
        "WRONG at positions 1 to 600: not the events over which the given checkpoint was signed",
    );
    world.stop().await;
    other.stop().await;
}
