//! Appends to our log: group commit, expected versions, hash chain, everything on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::event::{Actor, Event, ProjectAdded};
use domain::ids::{OrgId, ProjectId, StreamVersion};
use domain::text::{Metadata, ProjectName, Readme};
use domain::time::Timestamp;
use event_log::{AppendError, AppendRequest, Config, EventLog, Mirror, MirrorConfig};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::job::{AppendJob, Appends, Workload, Writer, collect};
use crate::bench::error::BenchError;
use crate::bench::folder;
use crate::bench::worker::Parent;
use crate::bench::zipf::{Random, Zipf};
use crate::nats;

/// As long as a request's usual id.
pub const CORRELATION_ID: &str = "01h455vb4pex5vsknk084sn02q";
/// Expected in place of the right version.
const FAR_AHEAD: u64 = 1_000_000_000;

/// Streams that all processes of a measurement append to.
struct Shared {
    zipf: Zipf,
    /// What this process knows of each stream's version.
    versions: Vec<AtomicU64>,
    wrong: f64,
}

pub async fn run(
    job: &AppendJob,
    parent: &mut Parent,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<Appends, BenchError> {
    let mut lifecycle = Lifecycle::new(clock.clone());
    let tasks = lifecycle.stage("log");
    let pool = folder::pool(&job.database_url, 2).await?;
    let (log, appender) = EventLog::new(pool, clock.clone(), entropy.clone(), Config::default());
    tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
    if let Some(url) = &job.nats_url {
        let client = nats::connect(&url.as_str().into()).await?;
        let mirror = Mirror::new(log.clone(), client, MirrorConfig::default());
        tasks.spawn(TaskKind::Critical, "mirror", mirror.run(tasks.clone()));
    }
    let template = Arc::new(Template::new(job.payload_bytes)?);
    let shared = match job.workload {
        Workload::NewStreams => None,
        Workload::Zipf { streams, wrong } => Some(Arc::new(Shared {
            zipf: Zipf::new(streams),
            versions: (0..streams).map(|_| AtomicU64::new(0)).collect(),
            wrong,
        })),
    };
    parent.ready().await?;
    let start = clock.monotonic();
    let mut writers = JoinSet::new();
    for number in 0..job.writers {
        let writer = Writer::new(clock, start, job.length);
        let random = Random::new(job.seed ^ ((number as u64 + 1) << 32));
        let (log, template) = (log.clone(), Arc::clone(&template));
        match &shared {
            None => writers.spawn(new_streams(writer, log, template, random, clock.clone())),
            Some(shared) => writers.spawn(zipf(writer, log, template, random, Arc::clone(shared))),
        };
    }
    let appends = collect(writers).await?;
    lifecycle.shutdown(ShutdownPolicy::default()).await;
    Ok(appends)
}

/// Each append makes an org's stream.
async fn new_streams(
    mut writer: Writer,
    log: EventLog,
    template: Arc<Template>,
    mut random: Random,
    clock: Clock,
) -> Result<Writer, BenchError> {
    while let Some(begun) = writer.next() {
        let now = Timestamp::from_datetime(clock.now());
        let org = OrgId::generate(now, random.bytes());
        let request = template.request(org, StreamVersion::ZERO, &mut random);
        log.append(request).await.map_err(BenchError::Append)?;
        writer.succeeded(begun, 1);
    }
    Ok(writer)
}

/// Each append names the version it expects.
async fn zipf(
    mut writer: Writer,
    log: EventLog,
    template: Arc<Template>,
    mut random: Random,
    shared: Arc<Shared>,
) -> Result<Writer, BenchError> {
    while let Some(begun) = writer.next() {
        let stream = shared.zipf.draw(&mut random);
        let org = OrgId::from_uuid(Uuid::from_u128(stream as u128 + 1));
        let known = &shared.versions[stream];
        let on_purpose = random.chance(shared.wrong);
        let off = if on_purpose { FAR_AHEAD } else { 0 };
        let expected = StreamVersion::new(known.load(Ordering::Relaxed) + off);
        match log
            .append(template.request(org, expected, &mut random))
            .await
        {
            Ok(_) if on_purpose => writer.done.accepted_wrongly += 1,
            Ok(appended) => {
                let version = appended.version.unwrap_or(expected.next());
                known.fetch_max(version.get(), Ordering::Relaxed);
                writer.succeeded(begun, 1);
            }
            Err(AppendError::Conflict { actual }) => {
                known.fetch_max(actual.get(), Ordering::Relaxed);
                if on_purpose {
                    writer.done.refused_on_purpose += 1;
                } else {
                    writer.done.lost_races += 1;
                }
            }
            Err(error) => return Err(BenchError::Append(error)),
        }
    }
    Ok(writer)
}

/// A decision of a given size.
pub struct Template {
    name: ProjectName,
    readme: Option<Readme>,
}

impl Template {
    /// An event whose data, as stored, has `bytes` bytes.
    pub fn new(bytes: usize) -> Result<Self, BenchError> {
        let text = |error: domain::text::TextError| BenchError::Wrong(error.to_string());
        let name = ProjectName::parse("measured").map_err(text)?;
        let with = |length| -> Result<Self, BenchError> {
            let readme = Readme::parse(&"x".repeat(length)).map_err(text)?;
            Ok(Self {
                name: name.clone(),
                readme: Some(readme),
            })
        };
        let least = with(0)?.event([0; 10]).data().len();
        let padding = bytes.checked_sub(least);
        with(padding.ok_or_else(|| BenchError::Wrong(format!("an event has {least} bytes")))?)
    }

    pub fn request(
        &self,
        org_id: OrgId,
        expected: StreamVersion,
        random: &mut Random,
    ) -> AppendRequest {
        AppendRequest {
            org_id,
            expected: Some(expected),
            events: vec![self.event(random.bytes())],
            actor: Actor::System,
            correlation_id: CORRELATION_ID.to_owned(),
            idempotency: None,
            guard: None,
        }
    }

    pub fn event(&self, random: [u8; 10]) -> Event {
        let epoch = Timestamp::from_datetime(chrono::DateTime::UNIX_EPOCH);
        Event::ProjectAdded(ProjectAdded {
            project_id: ProjectId::generate(epoch, random),
            name: self.name.clone(),
            readme: self.readme.clone(),
            metadata: Metadata::empty(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_event_has_the_size_that_was_asked_for() {
        for bytes in [200, 2_048] {
            let template = Template::new(bytes).unwrap();
            assert_eq!(template.event([7; 10]).data().len(), bytes);
        }
        assert!(Template::new(10).is_err());
    }
}
