//! Our log in the benchmark's own process, and filling it.

use domain::event::Actor;
use domain::ids::{GlobalPosition, OrgId};
use domain::time::Timestamp;
use event_log::{AppendRequest, Config, EventLog};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind, Tasks};

use super::append::ours::{CORRELATION_ID, Template};
use super::error::BenchError;
use super::folder;
use super::zipf::Random;

/// Events of one append while the log is filled.
const EVENTS_EACH: u64 = 1_000;

/// A handle to the log with its appender.
pub struct OpenLog {
    pub log: EventLog,
    pub tasks: Tasks,
    lifecycle: Lifecycle,
}

impl OpenLog {
    pub async fn open(url: &str, clock: &Clock, entropy: &Entropy) -> Result<Self, BenchError> {
        let mut lifecycle = Lifecycle::new(clock.clone());
        let tasks = lifecycle.stage("log");
        let pool = folder::pool(url, 2).await?;
        let (log, appender) =
            EventLog::new(pool, clock.clone(), entropy.clone(), Config::default());
        tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
        Ok(Self {
            log,
            tasks,
            lifecycle,
        })
    }

    /// Appends so many events of `payload_bytes`, a thousand of each org; the last position.
    pub async fn fill(
        &self,
        events: u64,
        payload_bytes: usize,
        clock: &Clock,
        random: &mut Random,
    ) -> Result<GlobalPosition, BenchError> {
        let template = Template::new(payload_bytes)?;
        let mut last = GlobalPosition::ZERO;
        let mut missing = events;
        while missing > 0 {
            let count = missing.min(EVENTS_EACH);
            missing -= count;
            let now = Timestamp::from_datetime(clock.now());
            let request = AppendRequest {
                org_id: OrgId::generate(now, random.bytes()),
                expected: None,
                events: (0..count).map(|_| template.event(random.bytes())).collect(),
                actor: Actor::System,
                correlation_id: CORRELATION_ID.to_owned(),
                idempotency: None,
                guard: None,
            };
            last = self
                .log
                .append(request)
                .await
                .map_err(BenchError::Append)?
                .last;
        }
        Ok(last)
    }

    pub async fn close(self) {
        self.lifecycle.shutdown(ShutdownPolicy::default()).await;
    }
}
