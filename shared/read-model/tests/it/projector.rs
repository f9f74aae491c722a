//! The projector beside a real log, on good days and bad ones.

use std::time::Duration;

use domain::event::{Actor, Event};
use domain::ids::{GlobalPosition, OrgId, ProjectId};
use domain::plan::Plan;
use event_log::{AppendRequest, Config, EventLog};
use read_model::{
    PositionFollower, Positions, ProjectionVersion, Projector, ProjectorConfig, ReadError,
    ReadModel,
};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind, Tasks};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use testkit::eventually;

use crate::support::sample;

const SOON: Duration = Duration::from_secs(30);

/// A process with a log and its appender.
pub struct Process {
    pub log: EventLog,
    lifecycle: Lifecycle,
    tasks: Tasks,
    database: PgConnectOptions,
}

impl Process {
    pub fn start(pool: PgPool, database: &PgConnectOptions) -> Self {
        let clock = Clock::system();
        let (log, appender) = EventLog::new(pool, clock.clone(), Entropy::os(), Config::default());
        let lifecycle = Lifecycle::new(clock);
        let tasks = lifecycle.handle();
        tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
        Self {
            log,
            lifecycle,
            tasks,
            database: database.clone(),
        }
    }

    pub fn project(&self, version: ProjectionVersion) {
        let config = ProjectorConfig {
            database: self.database.clone(),
            nats: None,
            version,
        };
        let projector = Projector::new(self.log.clone(), config, Clock::system(), Entropy::os());
        let run = projector.run(self.tasks.clone());
        self.tasks.spawn(TaskKind::Critical, "projector", run);
    }

    pub fn follow(&self, model: &ReadModel) -> Positions {
        let (follower, positions) = PositionFollower::new(model.clone(), Clock::system());
        let run = follower.run(self.tasks.clone());
        self.tasks.spawn(TaskKind::Critical, "positions", run);
        positions
    }

    pub async fn stop(self) {
        self.lifecycle.shutdown(ShutdownPolicy::default()).await;
    }

    /// Appends a project; returns its position.
    pub async fn append(&self, org: OrgId, events: Vec<Event>) -> GlobalPosition {
        let request = || AppendRequest {
            org_id: org,
            expected: None,
            events: events.clone(),
            actor: Actor::System,
            correlation_id: "test".to_owned(),
            idempotency: None,
            guard: None,
        };
        // The database may be away: then nothing was written.
        let appended = eventually(SOON, "it is appended", async || {
            self.log.append(request()).await
        });
        appended.await.last
    }
}

fn org() -> OrgId {
    OrgId::from_uuid(Entropy::os().uuid_v4())
}

fn project() -> (ProjectId, Event) {
    let id = ProjectId::from_uuid(Entropy::os().uuid_v4());
    (id, sample::project(id, "Project").into())
}

pub async fn wait_for(positions: &Positions, position: GlobalPosition) {
    let waited = positions.wait_for(position, &Clock::system(), SOON).await;
    waited.unwrap();
}

async fn projected(model: &ReadModel, org: OrgId) -> usize {
    let mut reader = model.org(org).await.unwrap();
    let page = read_model::Page {
        limit: 100,
        after: None,
    };
    reader.projects(None, page).await.unwrap().items.len()
}

/// So that the projector has to make it.
pub fn drop_schema() -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "DROP SCHEMA {} CASCADE",
        ProjectionVersion::CURRENT
    ))
}

#[tokio::test]
async fn it_builds_becomes_current_and_follows() {
    let database = testkit::postgres().await;
    database.pool().execute(drop_schema()).await.unwrap();
    let model = ReadModel::new(database.pool().clone());
    let org = org();
    assert!(matches!(model.org(org).await, Err(ReadError::NotBuilt)));
    let process = Process::start(database.pool().clone(), database.options());
    let positions = process.follow(&model);
    assert_eq!(positions.newest(), None);
    let (id, added) = project();
    let first = process
        .append(org, vec![sample::org(Plan::Ultra).into(), added])
        .await;

    process.project(ProjectionVersion::CURRENT);
    wait_for(&positions, first).await;
    let mut reader = model.org(org).await.unwrap();
    assert_eq!(reader.position(), first);
    assert!(reader.project(id).await.unwrap().is_some());
    drop(reader);

    let second = process.append(org, vec![project().1]).await;
    wait_for(&positions, second).await;
    assert_eq!(projected(&model, org).await, 2);
    let (clock, moment) = (Clock::system(), Duration::from_millis(20));
    let ahead = positions.wait_for(second.next(), &clock, moment).await;
    assert_eq!(ahead.unwrap_err().reached, Some(second));
    process.stop().await;
}

/// Until its columns are there, as programs of before left it.
#[tokio::test]
async fn the_first_build_alters_what_is_shared_between_questions() {
    let database = testkit::postgres().await;
    let pool = database.pool();
    pool.execute(drop_schema()).await.unwrap();
    pool.execute("DROP TABLE read.builds").await.unwrap();
    pool.execute("ALTER TABLE read.versions DROP build, DROP builds, DROP changes")
        .await
        .unwrap();
    let question = "SELECT count(*) FROM read.versions";
    let mut long = pool.begin().await.unwrap();
    long.execute(question).await.unwrap();
    let process = Process::start(pool.clone(), database.options());
    let org = org();
    let last = process
        .append(org, vec![sample::org(Plan::Ultra).into()])
        .await;
    process.project(ProjectionVersion::CURRENT);
    let tries = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'
        AND datname = current_database() AND application_name = 'tga-projector')";
    eventually(SOON, "it lets others before it", async || {
        let tries = sqlx::query_scalar::<_, bool>(tries).fetch_one(pool).await;
        tries.unwrap().then_some(())
    })
    .await;
    pool.execute(question).await.unwrap();
    long.rollback().await.unwrap();
    let model = ReadModel::new(pool.clone());
    wait_for(&process.follow(&model), last).await;
    process.stop().await;
}

#[tokio::test]
async fn it_outlives_its_database() {
    let mut server = testkit::private_postgres().await;
    let model = ReadModel::new(server.pool());
    let process = Process::start(server.pool(), &server.options());
    let positions = process.follow(&model);
    process.project(ProjectionVersion::CURRENT);
    let org = org();
    let mut last = process
        .append(org, vec![sample::org(Plan::Ultra).into()])
        .await;
    wait_for(&positions, last).await;
    for round in 0..4 {
        for _ in 0..5 {
            last = process.append(org, vec![project().1]).await;
        }
        // While it applies them, or is about to.
        if round % 2 == 0 {
            server.restart().await;
        } else {
            server.kill().await;
            server.start().await;
        }
    }
    eventually(SOON, "everything is projected once", async || {
        let mut reader = model.org(org).await.ok()?;
        (reader.position() == last).then_some(())?;
        let projects = reader
            .projects(None, read_model::Page::default())
            .await
            .ok()?;
        (projects.items.len() == 20).then_some(())
    })
    .await;
    process.stop().await;
}

#[tokio::test]
async fn one_works_and_another_waits_to_take_over() {
    let database = testkit::postgres().await;
    let model = ReadModel::new(database.pool().clone());
    let first = Process::start(database.pool().clone(), database.options());
    let second = Process::start(database.pool().clone(), database.options());
    let positions = second.follow(&model);
    let org = org();
    first.project(ProjectionVersion::CURRENT);
    let at = first
        .append(org, vec![sample::org(Plan::Ultra).into()])
        .await;
    wait_for(&positions, at).await;
    second.project(ProjectionVersion::CURRENT);
    let at = first.append(org, vec![project().1]).await;
    wait_for(&positions, at).await;
    first.stop().await;
    let at = second.append(org, vec![project().1]).await;
    wait_for(&positions, at).await;
    assert_eq!(projected(&model, org).await, 2);
    second.stop().await;
}

#[tokio::test]
async fn a_restored_log_is_projected_anew() {
    let database = testkit::postgres().await;
    let model = ReadModel::new(database.pool().clone());
    let process = Process::start(database.pool().clone(), database.options());
    let positions = process.follow(&model);
    process.project(ProjectionVersion::CURRENT);
    let org = org();
    let at = process
        .append(org, vec![sample::org(Plan::Ultra).into(), project().1])
        .await;
    wait_for(&positions, at).await;
    process.stop().await;

    // What was projected never was: the log that is there now knows nothing of it.
    for forget in [
        "UPDATE log.head SET epoch = gen_random_uuid()",
        "UPDATE read.versions SET hash = decode(repeat('00', 32), 'hex')",
        "UPDATE read.versions SET position = position + 1",
    ] {
        sqlx::query("UPDATE projects SET name = 'never was'")
            .execute(database.pool())
            .await
            .unwrap();
        database.pool().execute(forget).await.unwrap();
        let process = Process::start(database.pool().clone(), database.options());
        process.project(ProjectionVersion::CURRENT);
        eventually(SOON, "it is projected anew", async || {
            let mut reader = model.org(org).await.ok()?;
            (reader.position() == at).then_some(())?;
            let projects = reader
                .projects(None, read_model::Page::default())
                .await
                .ok()?;
            (projects.items.len() == 1).then_some(())?;
            (projects.items[0].project.name.as_str() == "Project").then_some(())
        })
        .await;
        process.stop().await;
    }
}

#[tokio::test]
async fn a_new_version_is_built_beside_the_old_one_which_goes_when_it_is_outlived() {
    let database = testkit::postgres().await;
    let (old, new) = (
        ProjectionVersion::CURRENT,
        ProjectionVersion::new(ProjectionVersion::CURRENT.get() + 1),
    );
    let model = ReadModel::new(database.pool().clone());
    let running = Process::start(database.pool().clone(), database.options());
    let positions = running.follow(&model);
    running.project(old);
    let org = org();
    let at = running
        .append(org, vec![sample::org(Plan::Ultra).into(), project().1])
        .await;
    wait_for(&positions, at).await;

    let newer = Process::start(database.pool().clone(), database.options());
    newer.project(new);
    let position_of = async |version: ProjectionVersion| -> Option<i64> {
        sqlx::query_scalar(
            "SELECT position FROM read.versions WHERE version = $1 AND caught_up_at IS NOT NULL",
        )
        .bind(version.get())
        .fetch_optional(database.pool())
        .await
        .unwrap()
    };
    eventually(SOON, "the new version is built", async || {
        position_of(new).await == Some(at.as_i64())
    })
    .await;
    // The old one goes on meanwhile.
    let at = running.append(org, vec![project().1]).await;
    wait_for(&positions, at).await;
    assert_eq!(projected(&model, org).await, 2);
    newer.stop().await;

    // A day later: it stays while somebody projects into it, and goes when nobody does.
    let later = "UPDATE read.versions SET caught_up_at = now() - interval '25 hours'";
    for is_running in [true, false] {
        if !is_running {
            running.lifecycle.shutdown(ShutdownPolicy::default()).await;
            database.pool().execute(later).await.unwrap();
            let newer = Process::start(database.pool().clone(), database.options());
            newer.project(new);
            eventually(SOON, "the old version is dropped", async || {
                position_of(old).await.is_none()
            })
            .await;
            newer.stop().await;
            break;
        }
        database.pool().execute(later).await.unwrap();
        let newer = Process::start(database.pool().clone(), database.options());
        newer.project(new);
        eventually(SOON, "the new version is at the head", async || {
            position_of(new).await == Some(at.as_i64())
        })
        .await;
        assert_eq!(position_of(old).await, Some(at.as_i64()));
        newer.stop().await;
    }
    assert!(matches!(model.org(org).await, Err(ReadError::NotBuilt)));
}

#[tokio::test]
async fn it_needs_no_more_than_its_group_has_and_logins_may_change() {
    let database = testkit::postgres().await;
    let pool = database.pool();
    // The grant of the migrations does not go with a copied template.
    pool.execute(drop_schema()).await.unwrap();
    pool.execute(
        "DROP SCHEMA read CASCADE;
         DO $$ BEGIN
             EXECUTE format('GRANT CREATE ON DATABASE %I TO tga_projector', current_database());
         END $$",
    )
    .await
    .unwrap();
    let model = ReadModel::new(database.pool_as("tga_query"));
    let log = Process::start(pool.clone(), database.options());
    let positions = log.follow(&model);
    let org = org();
    let mut at = log.append(org, vec![sample::org(Plan::Ultra).into()]).await;
    for login in ["first_login", "second_login"] {
        let mut connection = pool.acquire().await.unwrap();
        event_log::create_login(&mut connection, "tga_projector", login, "secret")
            .await
            .unwrap();
        let options = database
            .options()
            .clone()
            .username(login)
            .password("secret");
        let process = Process::start(pool.clone(), &options);
        process.project(ProjectionVersion::CURRENT);
        wait_for(&positions, at).await;
        at = log.append(org, vec![project().1]).await;
        wait_for(&positions, at).await;
        process.stop().await;
        at = log.append(org, vec![project().1]).await;
    }
    log.stop().await;
}
