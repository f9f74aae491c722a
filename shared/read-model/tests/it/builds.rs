//! A version built again beside the tables that answer, and switched to while questions are asked.

use std::time::Duration;

use domain::event::{Actor, Event};
use domain::ids::{CreatorId, GlobalPosition, OrgId, ProjectId};
use domain::plan::Plan;
use event_log::{AppendRequest, Config, EventLog};
use read_model::{
    Build, BuildError, BuildStatus, Builds, Page, PositionFollower, Positions, Progress,
    ProjectionVersion, Projector, ProjectorConfig, ReadModel, SwitchError,
};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, TaskKind, Tasks};
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{TestDatabase, eventually};
use tokio::sync::watch;

use crate::support::{instant, sample};

const SOON: Duration = Duration::from_secs(30);

/// A system whose log has events, and whose projection answers.
struct System {
    database: TestDatabase,
    log: EventLog,
    model: ReadModel,
    positions: Positions,
    tasks: Tasks,
    org: OrgId,
    _lifecycle: Lifecycle,
}

impl System {
    async fn start(events: usize) -> Self {
        let database = testkit::postgres().await;
        let clock = Clock::system();
        let pool = database.pool().clone();
        let (log, appender) = EventLog::new(
            pool.clone(),
            clock.clone(),
            Entropy::os(),
            Config::default(),
        );
        let lifecycle = Lifecycle::new(clock.clone());
        let tasks = lifecycle.handle();
        tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
        let model = ReadModel::new(pool);
        let (follower, positions) = PositionFollower::new(model.clone(), clock);
        tasks.spawn(TaskKind::Critical, "positions", follower.run(tasks.clone()));
        let system = Self {
            org: OrgId::from_uuid(Entropy::os().uuid_v4()),
            database,
            log,
            model,
            positions,
            tasks,
            _lifecycle: lifecycle,
        };
        let run = system.projector().run(system.tasks.clone());
        system.tasks.spawn(TaskKind::Critical, "projector", run);
        system.append(sample::org(Plan::Ultra).into()).await;
        for _ in 1..events {
            system.append_project().await;
        }
        system.wait().await;
        system
    }

    fn projector(&self) -> Projector {
        let config = ProjectorConfig {
            database: self.database.options().clone(),
            nats: None,
            version: ProjectionVersion::CURRENT,
        };
        Projector::new(self.log.clone(), config, Clock::system(), Entropy::os())
    }

    async fn append(&self, event: Event) -> GlobalPosition {
        let request = AppendRequest {
            org_id: self.org,
            expected: None,
            events: vec![event],
            actor: Actor::System,
            correlation_id: "test".to_owned(),
            idempotency: None,
            guard: None,
        };
        self.log.append(request).await.unwrap().last
    }

    async fn append_project(&self) -> GlobalPosition {
        let id = Entropy::os().uuid_v4();
        self.append(sample::project(ProjectId::from_uuid(id), "Project").into())
            .await
    }

    /// Until everything appended is answered for.
    async fn wait(&self) {
        let head = self.log.head().await.unwrap().position;
        let reached = self.positions.wait_for(head, &Clock::system(), SOON).await;
        assert!(reached.is_ok(), "{reached:?}");
    }

    /// Position and number of projects, of one snapshot.
    async fn ask(&self) -> (u64, usize) {
        let mut reader = self.model.org(self.org).await.expect("an answer");
        let position = reader.position().get();
        let projects = reader
            .projects(
                None,
                Page {
                    limit: 60_000,
                    after: None,
                },
            )
            .await;
        (position, projects.expect("an answer").items.len())
    }

    async fn list(&self) -> Vec<BuildStatus> {
        let mut connection = self.pool().acquire().await.unwrap();
        Builds::new(&mut connection).list().await.unwrap()
    }

    async fn begin(&self) -> Result<Build, BuildError> {
        let mut connection = self.pool().acquire().await.unwrap();
        Builds::new(&mut connection)
            .begin(instant("2026-01-01T00:00:00Z"))
            .await
    }

    async fn drop(&self, build: Build) -> Result<(), BuildError> {
        let mut connection = self.pool().acquire().await.unwrap();
        Builds::new(&mut connection).drop(build).await
    }

    /// Appends a creator, and gives it a name as if one had been opened.
    async fn append_named_creator(&self) -> CreatorId {
        let creator = CreatorId::from_uuid(Entropy::os().uuid_v4());
        let project = ProjectId::from_uuid(Entropy::os().uuid_v4());
        self.append(sample::project(project, "Project").into())
            .await;
        self.append(sample::creator(project, creator, "ada").into())
            .await;
        self.wait().await;
        self.name(build(1), creator).await;
        creator
    }

    async fn name(&self, build: Build, creator: CreatorId) {
        let name =
            format!("UPDATE {build}.creators SET display_name = 'Ada' WHERE creator_id = $1");
        let name = sqlx::query(AssertSqlSafe(name)).bind(creator.as_uuid());
        assert_eq!(name.execute(self.pool()).await.unwrap().rows_affected(), 1);
    }

    async fn erase(&self, creator: CreatorId) {
        let subjects = [creator.as_uuid()];
        let erased = self.log.erase_subjects(self.org, &subjects).await;
        erased.unwrap();
    }

    async fn wait_until_unnamed(&self, build: Build) {
        let named = format!("SELECT count(*) FROM {build}.creators WHERE display_name IS NOT NULL");
        eventually(SOON, "no name is left", async || {
            let named = sqlx::query_scalar::<_, i64>(AssertSqlSafe(named.clone()));
            (named.fetch_one(self.pool()).await.unwrap() == 0).then_some(())
        })
        .await;
    }

    /// Whether somebody waits in such a statement.
    async fn is_at(&self, statement: &str) -> bool {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_stat_activity
                 WHERE datname = current_database() AND state = 'active' AND query LIKE $1
                   AND wait_event_type IN ('Lock', 'Timeout'))",
        )
        .bind(statement)
        .fetch_one(self.pool())
        .await
        .unwrap()
    }

    fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    async fn build(&self, build: Build) -> Result<(), SwitchError> {
        let (sender, _) = watch::channel(None);
        self.projector()
            .build_beside(build, &self.tasks, &sender)
            .await
    }

    async fn switch_to(&self, build: Build) -> Result<Build, SwitchError> {
        let (sender, _) = watch::channel(None);
        self.projector()
            .switch_to(build, &self.tasks, &sender)
            .await
    }
}

fn build(number: i32) -> Build {
    Build::new(ProjectionVersion::CURRENT, number)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_question_goes_unanswered_or_back_while_a_rebuild_is_switched_to() {
    let system = System::start(50).await;
    let spoil = "UPDATE projects SET removed = true
        WHERE project_id = (SELECT min(project_id::text)::uuid FROM projects)";
    sqlx::query(spoil).execute(system.pool()).await.unwrap();
    assert_eq!(system.ask().await, (50, 48), "one of 49 is lost");

    let (done, is_done) = watch::channel(false);
    let asking = async {
        let (mut last, mut asked) = ((0, 0), 0);
        while !*is_done.borrow() {
            let answer = system.ask().await;
            assert!(answer.0 >= last.0, "{answer:?} after {last:?}");
            let is_right = answer.1 == usize::try_from(answer.0).unwrap() - 1;
            let was_right = last.1 + 1 == usize::try_from(last.0).unwrap();
            assert!(is_right || !was_right, "{answer:?} after {last:?}");
            (last, asked) = (answer, asked + 1);
        }
        assert!(asked > 20, "{asked}");
    };
    let writing = async {
        while !*is_done.borrow() {
            system.append_project().await;
        }
    };
    let switching = async {
        assert_eq!(system.begin().await.unwrap(), build(2));
        system.build(build(2)).await.unwrap();
        let former = system.positions.other_tables(None).await;
        assert_eq!(former.build, build(1));
        assert_eq!(system.switch_to(build(2)).await.unwrap(), build(1));
        let now = system.positions.other_tables(Some(former)).await;
        assert_eq!(now.build, build(2));
        // The services' own projector goes on with it.
        system.append_project().await;
        system.wait().await;
        done.send_replace(true);
    };
    tokio::join!(asking, writing, switching);
    system.wait().await;
    let (position, projects) = system.ask().await;
    assert_eq!(projects, usize::try_from(position).unwrap() - 1);

    // And back again: the former build is brought up to the log first.
    assert_eq!(system.switch_to(build(1)).await.unwrap(), build(2));
    system.append_project().await;
    system.wait().await;
    let (later, fewer) = system.ask().await;
    assert_eq!(
        (later, fewer),
        (position + 1, projects),
        "what was lost is lost there"
    );
    system.drop(build(2)).await.unwrap();
    assert_eq!(
        system.begin().await.unwrap(),
        build(3),
        "no number is used twice"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_was_ended_goes_on_and_no_other_runs_meanwhile() {
    let system = System::start(3_000).await;
    let begun = system.begin().await.unwrap();
    let (sender, mut progress) = watch::channel(None);
    let projector = system.projector();
    {
        let building = projector.build_beside(begun, &system.tasks, &sender);
        let some = async {
            let is_under_way =
                |seen: &Option<Progress>| seen.is_some_and(|it| it.position > GlobalPosition::ZERO);
            let seen = progress.wait_for(is_under_way).await.unwrap().unwrap();
            assert_eq!(system.begin().await.unwrap(), begun, "one is enough");
            let twice = system.build(begun).await;
            let busy = matches!(twice, Err(SwitchError::Build(BuildError::Busy(_))));
            assert!(busy, "{twice:?}");
            assert!(matches!(system.drop(begun).await, Err(BuildError::Busy(_))));
            let early = system.switch_to(begun).await;
            assert!(
                matches!(early, Err(SwitchError::Build(BuildError::Busy(_)))),
                "{early:?}"
            );
            seen
        };
        tokio::select! {
            biased;
            seen = some => assert!(seen.position <= seen.head),
            built = building => built.unwrap(),
        }
    }
    let position = async || {
        let listed = system.list().await;
        let status = listed.iter().find(|status| status.build == begun).unwrap();
        (status.position, status.is_projected, status.caught_up_at)
    };
    let stopped = eventually(SOON, "its lock is free", async || {
        let (position, is_projected, _) = position().await;
        (!is_projected).then_some(position)
    })
    .await;
    assert!(stopped > GlobalPosition::ZERO);
    let (sender, mut progress) = watch::channel(None);
    let building = projector.build_beside(begun, &system.tasks, &sender);
    let first = async {
        let seen = progress.wait_for(Option::is_some).await.unwrap();
        assert!(seen.unwrap().position >= stopped, "it begins anew");
    };
    let (built, ()) = tokio::join!(building, first);
    built.unwrap();
    assert!(position().await.2.is_some());
    assert!(matches!(system.begin().await, Err(BuildError::Beside(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_answers_stays_and_what_was_never_built_is_not_switched_to() {
    let system = System::start(5).await;
    let listed = system.list().await;
    let [only] = &listed[..] else {
        panic!("{listed:?}");
    };
    assert_eq!((only.build, only.serves), (build(1), true));
    assert!(only.bytes > 8_192 && only.caught_up_at.is_some() && only.is_projected);
    assert_eq!(only.position, GlobalPosition::new(5));

    let refused = |refused: Result<Build, SwitchError>| match refused {
        Err(SwitchError::Build(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        system.drop(build(1)).await,
        Err(BuildError::Serves(_))
    ));
    assert!(matches!(
        system.drop(build(7)).await,
        Err(BuildError::Unknown(_))
    ));
    assert!(matches!(
        refused(system.switch_to(build(1)).await),
        BuildError::Serves(_)
    ));
    assert!(matches!(
        refused(system.switch_to(build(7)).await),
        BuildError::Unknown(_)
    ));
    let other = Build::new(
        ProjectionVersion::new(ProjectionVersion::CURRENT.get() - 1),
        1,
    );
    assert!(matches!(
        refused(system.switch_to(other).await),
        BuildError::OtherVersion { .. }
    ));
    let begun = system.begin().await.unwrap();
    assert!(matches!(
        refused(system.switch_to(begun).await),
        BuildError::Unfinished(_)
    ));
    eventually(
        SOON,
        "the server has seen that the switch ended",
        async || system.drop(begun).await,
    )
    .await;
    assert_eq!(system.list().await.len(), 1);
    assert_eq!(system.ask().await, (5, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_waits_for_no_question_and_keeps_none_waiting() {
    let system = System::start(5).await;
    let long = system.model.org(system.org).await.unwrap();
    let begun = system.begin().await.unwrap();
    let built = Clock::system().timeout(SOON, system.build(begun)).await;
    built.expect("it waits for the question").unwrap();
    assert_eq!(system.ask().await, (5, 4));
    drop(long);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_still_read_is_dropped_only_afterwards() {
    let system = System::start(5).await;
    let begun = system.begin().await.unwrap();
    system.build(begun).await.unwrap();
    let mut reader = system.model.org(system.org).await.unwrap();
    assert_eq!(system.switch_to(begun).await.unwrap(), build(1));
    let dropping = eventually(SOON, "its projector lets go of it", async || {
        match system.drop(build(1)).await {
            Err(BuildError::Busy(_)) => None,
            dropped => Some(dropped),
        }
    });
    let asking = async {
        eventually(SOON, "it is about to be dropped", async || {
            let is_gone = system.list().await.len() == 1;
            (is_gone || system.is_at("SELECT pg_sleep%").await).then_some(())
        })
        .await;
        let page = Page {
            limit: 10,
            after: None,
        };
        let projects = reader.projects(None, page).await;
        assert_eq!(projects.expect("the tables it began with").items.len(), 4);
        drop(reader);
    };
    let (dropped, ()) = tokio::join!(dropping, asking);
    dropped.unwrap();
    assert_eq!(system.list().await.len(), 1);
    assert_eq!(system.ask().await, (5, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_erased_during_a_switch_does_not_stop_it() {
    let system = System::start(1).await;
    let creator = system.append_named_creator().await;
    let begun = system.begin().await.unwrap();
    system.build(begun).await.unwrap();
    system.name(begun, creator).await;

    let mut held = system.pool().begin().await.unwrap();
    let lock = "SELECT FROM read.versions FOR UPDATE";
    sqlx::query(lock).execute(&mut *held).await.unwrap();
    let erasing = async {
        eventually(SOON, "the switch takes its last step", async || {
            let holds = "SELECT build, position, log_epoch FROM read.versions%";
            system.is_at(holds).await.then_some(())
        })
        .await;
        system.erase(creator).await;
        held.rollback().await.unwrap();
    };
    let (switched, ()) = tokio::join!(system.switch_to(begun), erasing);
    assert_eq!(switched.unwrap(), build(1));
    system.wait_until_unnamed(build(1)).await;
    system.wait_until_unnamed(begun).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_beside_after_an_erasure_was_followed_goes_too() {
    let system = System::start(1).await;
    let creator = system.append_named_creator().await;
    let begun = system.begin().await.unwrap();
    system.build(begun).await.unwrap();
    system.erase(creator).await;
    system.wait_until_unnamed(build(1)).await;
    // Of a batch whose keys were there before; who wrote it is gone.
    system.name(begun, creator).await;
    system.wait_until_unnamed(begun).await;
}
