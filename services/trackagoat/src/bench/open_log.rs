//! Our log in the benchmark's own process, and filling it.

use domain::event::{Actor, Event};
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
        for count in appends(events) {
            let now = Timestamp::from_datetime(clock.now());
            let org_id = OrgId::generate(now, random.bytes());
            let events = (0..count).map(|_| template.event(random.bytes()));
            last = self.append(org_id, events.collect()).await?;
        }
        Ok(last)
    }

    /// The same, all of one org.
    pub async fn fill_org(
        &self,
        org_id: OrgId,
        events: u64,
        payload_bytes: usize,
        random: &mut Random,
    ) -> Result<GlobalPosition, BenchError> {
        let template = Template::new(payload_bytes)?;
        let mut last = GlobalPosition::ZERO;
        for count in appends(events) {
            let events = (0..count).map(|_| template.event(random.bytes()));
            last = self.append(org_id, events.collect()).await?;
        }
        Ok(last)
    }

    /// Appends these events of one org; the last position.
    pub async fn append(
        &self,
        org_id: OrgId,
        events: Vec<Event>,
    ) -> Result<GlobalPosition, BenchError> {
        let request = Self::request(org_id, events);
        let appended = self.log.append(request).await;
        Ok(appended.map_err(BenchError::Append)?.last)
    }

    /// An append of these events of one org, whatever its stream has.
    pub fn request(org_id: OrgId, events: Vec<Event>) -> AppendRequest {
        AppendRequest {
            org_id,
            expected: None,
            events,
            actor: Actor::System,
            correlation_id: CORRELATION_ID.to_owned(),
            idempotency: None,
            guard: None,
        }
    }

    pub async fn close(self) {
        self.lifecycle.shutdown(ShutdownPolicy::default()).await;
    }
}

/// How many events each append has.
fn appends(events: u64) -> impl Iterator<Item = u64> {
    let begins = (0..events).step_by(usize::try_from(EVENTS_EACH).unwrap_or(usize::MAX));
    begins.map(move |begin| EVENTS_EACH.min(events - begin))
}
