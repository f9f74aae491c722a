//! Partitions are put into files, and nothing is lost: what was there is read as it was, by whoever has
//! the folder, and who has not is told so.

mod files;
mod mirrored;
mod orgs;
mod steps;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;

use chrono::TimeDelta;
use domain::event::{Event, ObservationRecorded, Reading, Stream, VideoStats};
use domain::ids::{GlobalPosition, OrgId, StreamVersion, VideoId};
use domain::time::Timestamp;
use event_log::archive::{ArchiveError, Archiver, Before, Next, Stretch};
use event_log::{EventLog, FeedConfig, FeedError, ReadError, STREAM_NAME, StoredEvent, Sweeper};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use tempfile::TempDir;
use testkit::{TestDatabase, postgres};
use uuid::Uuid;

use crate::gate_rows::key;
use crate::support::{
    Process, SOON, append, assert_sound, event, org, org_created, position, sound_log, whole_log,
};

/// Events of a partition: more than a tile of the tree, and no multiple of it.
const SIZE: u64 = 300;

/// A log with small partitions, orgs that write to it, and a folder.
struct World {
    db: TestDatabase,
    process: Process,
    orgs: Vec<OrgId>,
    videos: Vec<VideoId>,
    folder: TempDir,
}

impl World {
    /// With so many events at least.
    async fn new(events: u64) -> Self {
        let db = postgres().await;
        resize(&db, SIZE).await;
        let process = Process::start(db.pool().clone());
        let world = Self {
            orgs: (0..3).map(|_| org()).collect(),
            videos: (0..4)
                .map(|_| VideoId::from_uuid(Entropy::os().uuid_v4()))
                .collect(),
            folder: tempfile::tempdir().unwrap(),
            db,
            process,
        };
        for org in &world.orgs {
            let made = Event::KeyCreated(key(None));
            append(&world.process.log, *org, vec![org_created(), made]).await;
        }
        world.fill(events).await;
        world
    }

    /// Appends until the log has so many events, of all kinds.
    async fn fill(&self, events: u64) {
        let log = &self.process.log;
        let mut n = log.head().await.unwrap().position.get();
        while n < events {
            let org = self.orgs[usize::try_from(n).unwrap() % self.orgs.len()];
            let batch = match n % 5 {
                0 => vec![event(), self.readings(n), self.readings(n + 1)],
                1 => vec![Event::KeyCreated(key(None))],
                _ => vec![self.readings(n)],
            };
            n = append(log, org, batch).await.last.get();
        }
    }

    /// Of two videos: of one views and likes, of another views alone.
    fn readings(&self, n: u64) -> Event {
        let video = |offset: u64| {
            let index = usize::try_from(n + offset).unwrap() % self.videos.len();
            self.videos[index]
        };
        let stats = |video_id, likes| {
            let since = TimeDelta::seconds(i64::try_from(n).unwrap());
            let observed_at = Timestamp::parse("2026-01-05T05:37:52Z")
                .unwrap()
                .plus(since);
            Reading::VideoStats(VideoStats {
                video_id,
                observed_at,
                view_count: Some(n),
                like_count: likes,
                comment_count: None,
                share_count: None,
                save_count: None,
            })
        };
        Event::ObservationRecorded(ObservationRecorded {
            readings: vec![stats(video(0), Some(n)), stats(video(1), None)],
        })
    }

    fn log(&self) -> &EventLog {
        &self.process.log
    }

    fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The log as a process reads it that has the folder.
    fn with_folder(&self) -> EventLog {
        self.log().clone().with_archive(Some(self.path()))
    }

    /// What a command service does all the time.
    async fn fold(&self) {
        Sweeper::new(self.log().clone()).fold().await.unwrap();
        sqlx::query("update hooks.cursor set position = (select position from log.head)")
            .execute(self.db.pool())
            .await
            .unwrap();
    }

    async fn archiver(&self) -> Archiver {
        // The lock of one that was dropped goes once the server has noticed.
        testkit::eventually(SOON, "nobody else archives", async || {
            Archiver::begin(self.log(), self.path()).await
        })
        .await
    }

    /// Archives what is full; returns the last position that is archived.
    async fn archive(&self) -> GlobalPosition {
        let mut archiver = self.archiver().await;
        loop {
            self.fold().await;
            let after = archiver.resume().await.unwrap();
            match next(&mut archiver, after).await {
                Ok(Next::Due(stretch)) => archive(&mut archiver, stretch).await,
                Ok(_) => return after,
                // It became full since.
                Err(ArchiveError::Behind { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// What `latest_readings` says of every org.
    async fn latest(&self) -> Vec<Vec<(Uuid, Reading)>> {
        let subjects: Vec<_> = self.videos.iter().map(|video| video.as_uuid()).collect();
        let mut all = Vec::new();
        for org in &self.orgs {
            let latest = self.log().latest_readings(*org, 1, &subjects).await;
            let mut latest: Vec<_> = latest.unwrap().into_iter().collect();
            latest.sort_unstable_by_key(|(subject, _)| *subject);
            all.push(latest);
        }
        all
    }

    /// Every decision as it stands in its table, metadata too.
    async fn decisions(&self) -> Vec<String> {
        let rows = "select e::text from log.events e where stream = 0 order by position";
        let rows = sqlx::query_scalar(rows).fetch_all(self.db.pool());
        rows.await.unwrap()
    }

    async fn count(&self, table: &'static str) -> i64 {
        let count = format!("select count(*) from {table}");
        // The name of a table is a literal of these tests.
        let count = sqlx::query_scalar(sqlx::AssertSqlSafe(count));
        count.fetch_one(self.db.pool()).await.unwrap()
    }
}

async fn resize(db: &TestDatabase, size: u64) {
    let resize = sqlx::query("select log.resize_partitions($1)");
    let resize = resize.bind(i64::try_from(size).unwrap());
    resize.execute(db.pool()).await.unwrap();
}

/// Everything is old enough.
fn all() -> Before {
    Before {
        position: None,
        instant: Timestamp::parse("9999-12-31T00:00:00Z").unwrap(),
    }
}

/// Everything is old enough, and projected.
async fn next(archiver: &mut Archiver, after: GlobalPosition) -> Result<Next, ArchiveError> {
    let end = position(u64::MAX >> 1);
    archiver.next(after, all(), end).await
}

async fn due(archiver: &mut Archiver, after: GlobalPosition) -> Next {
    next(archiver, after).await.unwrap()
}

async fn archive(archiver: &mut Archiver, stretch: Stretch) {
    archiver.archive(stretch, |_, _| {}).await.unwrap();
}

/// Puts in a file's place what reading hangs on, as on a network volume whose server is gone: until that
/// is closed which the thread gives once somebody reads.
fn hang(path: &Path) -> JoinHandle<File> {
    fs::remove_file(path).unwrap();
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
    let path = path.to_owned();
    std::thread::spawn(move || OpenOptions::new().write(true).open(path).unwrap())
}

/// Everything in the log, from one feed that has no NATS.
async fn fed(log: &EventLog, upto: GlobalPosition) -> Result<Vec<StoredEvent>, FeedError> {
    let mut feed = log.subscribe(GlobalPosition::ZERO, FeedConfig::default());
    let mut all = Vec::new();
    let reading = async {
        while feed.position() < upto {
            all.extend(feed.next_batch().await?);
        }
        Ok::<_, FeedError>(())
    };
    let read = Clock::system().timeout(SOON, reading).await;
    read.unwrap()?;
    Ok(all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_archived_is_read_as_it_was() {
    let world = World::new(2 * SIZE + 100).await;
    let whole = sound_log(world.log()).await;
    let (latest, decisions) = (world.latest().await, world.decisions().await);
    assert_eq!(world.archive().await, position(2 * SIZE));
    assert!(world.count("log.events_000000").await < i64::try_from(SIZE).unwrap());

    let reader = world.with_folder();
    assert_eq!(whole_log(&reader).await, whole);
    for limit in [1, 7, 299, 5_000] {
        let mut after = GlobalPosition::ZERO;
        loop {
            let page = reader.read(after, limit).await.unwrap();
            let Some(last) = page.last() else { break };
            let from = usize::try_from(after.get()).unwrap();
            assert_eq!(page, whole[from..from + page.len()]);
            after = last.position;
        }
        assert_eq!(after.get(), whole.len() as u64);
    }
    for event in &whole {
        let read = reader.read_at(&[event.position]).await.unwrap();
        assert_eq!(read, std::slice::from_ref(event));
    }
    let scattered = [5, 1, 299, 601, 300, 400, 5, 99_999].map(position);
    let found = reader.read_at(&scattered).await.unwrap();
    let found: Vec<_> = found.iter().map(|event| event.position.get()).collect();
    assert_eq!(found, [1, 5, 299, 300, 400, 601]);
    let head = reader.head().await.unwrap().position;
    assert_eq!(fed(&reader, head).await.unwrap(), whole);

    // What every process needs is there without the folder.
    assert_eq!(world.latest().await, latest);
    assert_eq!(world.decisions().await, decisions);
    let auth = world
        .log()
        .read_auth(GlobalPosition::ZERO, 5_000)
        .await
        .unwrap();
    let wanted: Vec<_> = whole
        .iter()
        .filter(|event| event.is_auth())
        .cloned()
        .collect();
    assert_eq!(auth, wanted);
    for org in &world.orgs {
        let own = |stream| {
            let of_org = whole.iter().filter(|event| event.org_id == *org);
            of_org.filter(move |event| event.stream == stream).cloned()
        };
        let read = |stream, after| world.log().read_stream(*org, stream, after, 5_000);
        let decided = read(Stream::Decisions, StreamVersion::ZERO).await.unwrap();
        assert_eq!(decided, own(Stream::Decisions).collect::<Vec<_>>());
        let online: Vec<_> = own(Stream::Observations)
            .filter(|event| event.position.get() > 2 * SIZE)
            .collect();
        let before = StreamVersion::new(online[0].version.get() - 1);
        let read_on = read(Stream::Observations, before).await.unwrap();
        assert_eq!(read_on, online);
        let archived = read(Stream::Observations, StreamVersion::new(1)).await;
        assert_eq!(archived.unwrap(), []);
    }

    // And the log goes on as if nothing had happened.
    world.fill(2 * SIZE + 150).await;
    let fresh = Process::start(world.db.pool().clone());
    for org in &world.orgs {
        append(&fresh.log, *org, vec![event(), world.readings(7_000)]).await;
    }
    assert_sound(&whole_log(&reader).await);
}

#[tokio::test]
async fn who_has_no_folder_is_told_where_the_log_begins() {
    let world = World::new(SIZE + 10).await;
    world.archive().await;
    let earliest = world.log().earliest().await.unwrap();
    assert_eq!(earliest, position(SIZE + 1));
    let online = world.log().read(position(SIZE), 5_000).await.unwrap();
    assert_eq!(online[0].position, earliest);

    // The first observation that did not stay.
    let all = world
        .with_folder()
        .read(GlobalPosition::ZERO, 300)
        .await
        .unwrap();
    let kept: Vec<i64> = sqlx::query_scalar("select position from log.events_000000")
        .fetch_all(world.db.pool())
        .await
        .unwrap();
    let kept: BTreeSet<_> = kept.into_iter().collect();
    let gone = all
        .iter()
        .find(|event| !kept.contains(&event.position.as_i64()));
    let gone = gone.unwrap().position;
    let before = position(gone.get() - 1);
    for error in [
        world.log().read(before, 10).await.unwrap_err(),
        world.log().read_at(&[gone]).await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, ReadError::Archived { position, earliest: first }
                if *position == gone && *first == earliest),
            "{error}"
        );
        assert!(error.to_string().contains("TGA_ARCHIVE_DIR"), "{error}");
    }
    let error = fed(world.log(), position(SIZE)).await.unwrap_err();
    assert!(
        matches!(error, FeedError::Archived { position, earliest: first }
            if position == gone && first == earliest),
        "{error}"
    );
}

/// A correction may take a figure back, and the one before it may be gone: then it is left out.
#[tokio::test]
async fn a_value_that_is_newest_again_and_gone_is_left_out() {
    let world = World::new(0).await;
    let (org, video_id) = (world.orgs[0], world.videos[0]);
    let stats = |second: i64, views, likes| {
        let since = TimeDelta::seconds(second);
        Event::ObservationRecorded(ObservationRecorded {
            readings: vec![Reading::VideoStats(VideoStats {
                video_id,
                observed_at: Timestamp::parse("2025-01-05T05:37:52Z")
                    .unwrap()
                    .plus(since),
                view_count: views,
                like_count: likes,
                comment_count: None,
                share_count: None,
                save_count: None,
            })],
        })
    };
    append(world.log(), org, vec![stats(1, Some(1), Some(1))]).await;
    append(world.log(), org, vec![stats(2, Some(2), Some(2))]).await;
    let other = world.orgs[1];
    while world.log().head().await.unwrap().position.get() < SIZE {
        append(world.log(), other, vec![event()]).await;
    }
    world.archive().await;
    append(world.log(), org, vec![stats(2, Some(3), None)]).await;
    let subject = video_id.as_uuid();
    let latest = world
        .log()
        .latest_readings(org, 1, &[subject])
        .await
        .unwrap();
    let Reading::VideoStats(found) = &latest[&subject] else {
        panic!("{latest:?}");
    };
    assert_eq!((found.view_count, found.like_count), (Some(3), None));
}

#[tokio::test]
async fn a_size_is_chosen_before_the_first_event_only() {
    let world = World::new(1).await;
    for statement in [
        "select log.resize_partitions(100)",
        "update log.settings set partition_size = 100",
        "delete from log.settings",
        "truncate log.settings",
    ] {
        let refused = sqlx::query(statement).execute(world.db.pool()).await;
        let refused = refused.unwrap_err();
        let code = refused.as_database_error().unwrap().code();
        assert_eq!(code.as_deref(), Some("42501"), "{statement}");
    }
}

/// Nobody has to read the archive to publish.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_mirror_begins_with_what_is_online() {
    let (world, nats) = (World::new(SIZE + 10).await, testkit::nats().await);
    world.archive().await;
    world.process.mirror(nats.client().await);
    let context = async_nats::jetstream::new(nats.client().await);
    let head = world.log().head().await.unwrap().position.get();
    let first = testkit::eventually(SOON, "everything is published", async || {
        let stream = context.get_stream(STREAM_NAME).await.ok()?;
        let state = &stream.cached_info().state;
        (state.last_sequence == head).then_some(state.first_sequence)
    });
    assert_eq!(first.await, SIZE + 1);
}
