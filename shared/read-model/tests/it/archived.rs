//! A projection is built from the archive as from the log itself, and where there is none it says so.

use std::path::Path;
use std::time::Duration;

use domain::event::{Event, ObservationRecorded, Reading};
use domain::ids::{CreatorId, GlobalPosition, OrgId, ProjectId, VideoId};
use domain::plan::Plan;
use domain::time::Timestamp;
use event_log::Sweeper;
use event_log::archive::{Archiver, Before, Next};
use read_model::{ProjectionVersion, ReadModel, passed_by_all};
use runtime::entropy::Entropy;
use sqlx::Executor;
use tempfile::TempDir;
use testkit::{TestDatabase, eventually};

use crate::projector::{Process, drop_schema, wait_for};
use crate::support::{dump, roll_all, sample};

const SOON: Duration = Duration::from_secs(30);
/// Events of a partition: more than a tile of the tree, behind which all stay online.
const SIZE: i64 = 300;

/// A log whose full partitions are archived, and its projection.
struct World {
    database: TestDatabase,
    model: ReadModel,
    folder: TempDir,
    org: OrgId,
    process: Process,
    last: GlobalPosition,
}

impl World {
    async fn projected() -> Self {
        let database = testkit::postgres().await;
        let pool = database.pool();
        sqlx::query("SELECT log.resize_partitions($1)")
            .bind(SIZE)
            .execute(pool)
            .await
            .unwrap();
        let (model, folder) = (ReadModel::new(pool.clone()), tempfile::tempdir().unwrap());
        let org = OrgId::from_uuid(Entropy::os().uuid_v4());
        let process = Process::start(pool.clone(), database.options());
        let positions = process.follow(&model);
        process.project(ProjectionVersion::CURRENT);
        let last = history(&process, org).await;
        wait_for(&positions, last).await;
        let archived = archive(&process, &database, folder.path()).await;
        assert_eq!(archived.as_i64(), 2 * SIZE);
        Self {
            database,
            model,
            folder,
            org,
            process,
            last,
        }
    }
}

/// Videos that are read again and again, until two partitions are full.
async fn history(process: &Process, org: OrgId) -> GlobalPosition {
    let some = || Entropy::os().uuid_v4();
    let (project, creator) = (ProjectId::from_uuid(some()), CreatorId::from_uuid(some()));
    let videos: Vec<_> = (0..3).map(|_| VideoId::from_uuid(some())).collect();
    let mut events: Vec<Event> = vec![
        sample::org(Plan::Ultra).into(),
        sample::project(project, "Project").into(),
        sample::creator(project, creator, "goat").into(),
    ];
    for (number, video) in (1..).zip(&videos) {
        events.push(sample::video(project, creator, *video, number).into());
    }
    let mut last = process.append(org, events).await;
    let mut views = 0;
    while last.as_i64() <= 2 * SIZE {
        let at = format!(
            "2026-01-{:02}T{:02}:00:00Z",
            1 + views / 24 % 28,
            views % 24
        );
        let readings = videos
            .iter()
            .map(|video| Reading::VideoStats(sample::views(*video, &at, 1_000 + views)));
        let readings = readings.collect();
        let recorded = Event::ObservationRecorded(ObservationRecorded { readings });
        last = process.append(org, vec![recorded]).await;
        views += 1;
    }
    last
}

/// Archives what is full and projected; returns how far.
async fn archive(process: &Process, database: &TestDatabase, folder: &Path) -> GlobalPosition {
    Sweeper::new(process.log.clone()).fold().await.unwrap();
    // Nobody has webhooks.
    sqlx::query("update hooks.cursor set position = (select position from log.head)")
        .execute(database.pool())
        .await
        .unwrap();
    let mut connection = database.pool().acquire().await.unwrap();
    let passed = passed_by_all(&mut connection).await.unwrap().unwrap();
    let mut archiver = Archiver::begin(&process.log, folder.to_owned())
        .await
        .unwrap();
    let all = Before {
        position: None,
        instant: Timestamp::parse("9999-12-31T00:00:00Z").unwrap(),
    };
    loop {
        let after = archiver.resume().await.unwrap();
        match archiver.next(after, all, passed).await.unwrap() {
            Next::Due(stretch) => {
                archiver.archive(stretch, |_, _| {}).await.unwrap();
            }
            _ => return after,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_from_the_archive_is_the_one_from_the_log() {
    let World {
        database,
        model,
        folder,
        org,
        process,
        last,
    } = World::projected().await;
    let pool = database.pool();
    process.stop().await;
    roll_all(pool).await;
    let before = dump(pool, org).await;
    assert!(before.len() > 500, "{} rows", before.len());
    let version = ProjectionVersion::CURRENT.get();
    let beside = sqlx::query(
        "INSERT INTO read.builds (version, build, position, started_at) VALUES ($1, 9, 17, now())",
    );
    beside.bind(version).execute(pool).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let passed = passed_by_all(&mut connection).await.unwrap();
    assert_eq!(
        passed,
        Some(GlobalPosition::new(17)),
        "a build needs the rest"
    );
    drop(connection);
    pool.execute("DELETE FROM read.builds").await.unwrap();

    // Without the archive nothing is built, and nothing is answered.
    pool.execute(drop_schema()).await.unwrap();
    pool.execute("DELETE FROM read.versions").await.unwrap();
    let blind = Process::start(pool.clone(), database.options());
    blind.project(ProjectionVersion::CURRENT);
    eventually(SOON, "its tables are there", async || {
        let mut connection = pool.acquire().await.unwrap();
        passed_by_all(&mut connection).await.unwrap().is_some()
    })
    .await;
    eventually(SOON, "it has given up for now", async || {
        at_work(&database, "true").await == 0
    })
    .await;
    assert!(model.org(org).await.is_err());
    blind.stop().await;

    let mut process = Process::start(pool.clone(), database.options());
    process.log = process.log.with_archive(Some(folder.path().to_owned()));
    let positions = process.follow(&model);
    process.project(ProjectionVersion::CURRENT);
    wait_for(&positions, last).await;
    process.stop().await;
    roll_all(pool).await;
    assert_eq!(dump(pool, org).await, before);
}

/// One that stands at an archived event knows the log again, and is not thrown away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_that_stands_in_the_archive_stays() {
    let World {
        database,
        model,
        folder,
        org,
        process,
        ..
    } = World::projected().await;
    let pool = database.pool();
    // As if a backup of the read model had been brought back.
    let back = GlobalPosition::new(SIZE.unsigned_abs() / 2 + 1);
    let read = process
        .log
        .clone()
        .with_archive(Some(folder.path().to_owned()));
    let hash = read.read_at(&[back]).await.unwrap()[0].hash;
    process.stop().await;
    let started: String = started_at(&database).await;
    sqlx::query("UPDATE read.versions SET position = $1, hash = $2")
        .bind(back.as_i64())
        .bind(hash.as_bytes().as_slice())
        .execute(pool)
        .await
        .unwrap();

    let blind = Process::start(pool.clone(), database.options());
    let refused = blind.log.read_at(&[back]).await;
    assert!(matches!(
        refused,
        Err(event_log::ReadError::Archived { .. })
    ));
    // Held up on its way, so that it is seen to come by.
    let mut tx = pool.begin().await.unwrap();
    tx.execute("LOCK TABLE read.versions IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    blind.project(ProjectionVersion::CURRENT);
    eventually(SOON, "it comes by", async || {
        at_work(&database, "wait_event_type = 'Lock'").await == 1
    })
    .await;
    tx.commit().await.unwrap();
    eventually(SOON, "it has given up for now", async || {
        at_work(&database, "true").await == 0
    })
    .await;
    blind.stop().await;
    assert_eq!(started_at(&database).await, started, "it was not dropped");
    assert_eq!(model.org(org).await.unwrap().position(), back);
}

/// Connections of projectors that are so.
async fn at_work(database: &TestDatabase, condition: &'static str) -> i64 {
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
         AND application_name = 'tga-projector' AND {condition}"
    );
    // Conditions are literals of this module.
    let count = sqlx::query_scalar(sqlx::AssertSqlSafe(count));
    count.fetch_one(database.pool()).await.unwrap()
}

async fn started_at(database: &TestDatabase) -> String {
    let started = sqlx::query_scalar("SELECT started_at::text FROM read.versions");
    started.fetch_one(database.pool()).await.unwrap()
}
