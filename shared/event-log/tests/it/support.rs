//! A log with its appender, small events, and what must always hold.

use std::collections::HashMap;
use std::time::Duration;

use domain::event::{Actor, ChainHash, Event, OrgCreated, ProjectRemoved, Stream};
use domain::ids::{GlobalPosition, OrgId, ProjectId, StreamVersion};
use domain::plan::Plan;
use domain::text::Name;
use event_log::{AppendRequest, Appended, Config, EventLog, Mirror, MirrorConfig, StoredEvent};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind, Tasks};
use sqlx::PgPool;

/// How long anything may take.
pub const SOON: Duration = Duration::from_secs(20);

/// One process: a log handle with its appender, and tasks that end with it.
pub struct Process {
    pub log: EventLog,
    pub tasks: Tasks,
    lifecycle: Lifecycle,
}

impl Process {
    pub fn start(pool: PgPool) -> Self {
        Self::start_with(pool, Config::default())
    }

    pub fn start_with(pool: PgPool, config: Config) -> Self {
        let clock = Clock::system();
        let (log, appender) = EventLog::new(pool, clock.clone(), Entropy::os(), config);
        let lifecycle = Lifecycle::new(clock);
        let tasks = lifecycle.handle();
        tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
        Self {
            log,
            tasks,
            lifecycle,
        }
    }

    pub fn mirror(&self, client: async_nats::Client) {
        let config = MirrorConfig {
            deadline: Duration::from_millis(500),
            ..MirrorConfig::default()
        };
        let mirror = Mirror::new(self.log.clone(), client, config);
        self.tasks
            .spawn(TaskKind::Critical, "mirror", mirror.run(self.tasks.clone()));
    }

    pub async fn stop(self) {
        self.lifecycle.shutdown(ShutdownPolicy::default()).await;
    }
}

pub fn org() -> OrgId {
    OrgId::from_uuid(Entropy::os().uuid_v4())
}

/// An event that decides nothing in these tests.
pub fn event() -> Event {
    let project_id = ProjectId::from_uuid(Entropy::os().uuid_v4());
    Event::ProjectRemoved(ProjectRemoved { project_id })
}

pub fn org_created() -> Event {
    Event::OrgCreated(OrgCreated {
        name: Name::parse("Acme").unwrap(),
        plan: Plan::Starter,
        timezone: "UTC".to_owned(),
    })
}

pub fn request(org_id: OrgId, events: Vec<Event>) -> AppendRequest {
    AppendRequest {
        org_id,
        expected: None,
        events,
        actor: Actor::System,
        correlation_id: "test".to_owned(),
        idempotency: None,
        guard: None,
    }
}

pub async fn append(log: &EventLog, org: OrgId, events: Vec<Event>) -> Appended {
    log.append(request(org, events)).await.unwrap()
}

pub const fn version(number: u64) -> StreamVersion {
    StreamVersion::new(number)
}

pub const fn position(number: u64) -> GlobalPosition {
    GlobalPosition::new(number)
}

/// Everything in the log.
pub async fn whole_log(log: &EventLog) -> Vec<StoredEvent> {
    let mut all = Vec::new();
    loop {
        let after = all
            .last()
            .map_or(GlobalPosition::ZERO, |event: &StoredEvent| event.position);
        let page = log.read(after, 1_000).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// Reads the whole log and checks what must always hold of it.
pub async fn sound_log(log: &EventLog) -> Vec<StoredEvent> {
    let all = whole_log(log).await;
    assert_sound(&all);
    let head = log.head().await.unwrap();
    let last = all.last();
    assert_eq!(
        head.position,
        last.map_or(GlobalPosition::ZERO, |event| event.position)
    );
    let auth = all.iter().rev().find(|event| event.is_auth());
    assert_eq!(
        head.auth_position,
        auth.map_or(GlobalPosition::ZERO, |event| event.position)
    );
    all
}

/// LOG-1 gapless positions, LOG-2 gapless versions, LOG-3 hash chains, LOG-4 times and auth events
/// in order.
pub fn assert_sound(all: &[StoredEvent]) {
    let mut ends: HashMap<(OrgId, Stream), (StreamVersion, ChainHash)> = HashMap::new();
    let mut auth = GlobalPosition::ZERO;
    for (index, event) in all.iter().enumerate() {
        assert_eq!(event.position.get(), index as u64 + 1, "LOG-1");
        let end = ends
            .entry((event.org_id, event.stream))
            .or_insert((StreamVersion::ZERO, ChainHash::ZERO));
        assert_eq!(event.version, end.0.next(), "LOG-2");
        assert_eq!(event.prev_hash, end.1, "LOG-3");
        assert_eq!(event.computed_hash(), event.hash, "LOG-3");
        *end = (event.version, event.hash);
        if index > 0 {
            assert!(event.recorded_at >= all[index - 1].recorded_at, "LOG-4");
        }
        let is_auth = event.event_type().unwrap().is_auth();
        assert_eq!(event.auth_prev, is_auth.then_some(auth), "LOG-4");
        if is_auth {
            auth = event.position;
        }
    }
}
