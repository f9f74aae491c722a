//! Reads an org's events ahead of what is being sent, a page or two; so a reader who takes nothing
//! costs no more than those, and one who takes everything does not wait for the log.

use std::sync::Arc;
use std::time::Duration;

use domain::ids::{GlobalPosition, LogEpoch, OrgId};
use event_log::{EventLog, Head, OrgWalk, ReadError, StoredEvent};
use runtime::clock::{Clock, Monotonic};
use runtime::entropy::Entropy;
use runtime::lifecycle::{TaskKind, Tasks};
use runtime::telemetry::chain;
use tokio::sync::mpsc;

use crate::hub::{Hub, Mailbox, Wanted};

/// Pages that wait to be sent.
const WAITING: usize = 1;
/// For how long a log that cannot be read is asked again.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two questions in that time.
const AGAIN: Duration = Duration::from_millis(200);
/// Once its org did so little while a reader read what there was, in bytes, it goes over to what
/// happens: while it reads the rest, what happens waits. What other orgs do does not count.
const NEAR: usize = 1024 * 1024;
/// What an event takes beside its data, roughly.
const ENVELOPE: usize = 1024;

/// What comes next.
#[derive(Debug)]
pub enum Ahead {
    /// Events, in order.
    Page(Vec<StoredEvent>),
    /// There is nothing more up to where it was asked for.
    End,
    /// From here on events come as they happen: those above the position.
    Live(Mailbox, GlobalPosition),
}

/// Where reading ends.
pub enum Goal {
    /// Where the walk does.
    Walk,
    /// Nowhere: it goes over to what happens.
    Now(Arc<Hub>),
}

/// What reads.
pub struct Reader {
    /// The log.
    pub log: EventLog,
    /// Time.
    pub clock: Clock,
    /// Where jitter comes from.
    pub entropy: Entropy,
    /// Whose events.
    pub org: OrgId,
    /// The life of the log in which it began.
    pub epoch: LogEpoch,
    /// Which of them.
    pub wanted: Wanted,
    /// Where it ends.
    pub goal: Goal,
}

/// The log cannot be read, or is not the one that was begun with.
struct Lost;

impl From<ReadError> for Lost {
    fn from(_: ReadError) -> Self {
        Self
    }
}

fn size_of(event: &StoredEvent) -> usize {
    event.data.len() + ENVELOPE
}

impl Reader {
    /// Begins to read. The channel ends without [`Ahead::End`] if the log cannot be read for too long,
    /// or was restored meanwhile.
    pub fn start(self, walk: OrgWalk, tasks: &Tasks) -> mpsc::Receiver<Ahead> {
        let (pages, received) = mpsc::channel(WAITING);
        let reading = async move {
            let gone = pages.clone();
            tokio::select! {
                () = self.read(walk, pages) => {}
                () = gone.closed() => {}
            }
        };
        tasks.spawn(TaskKind::Disposable, "audit reader", reading);
        received
    }

    async fn read(self, mut walk: OrgWalk, pages: mpsc::Sender<Ahead>) {
        let mut mailbox = None;
        // What was read since it was last looked where the log ends.
        let mut bytes = 0;
        loop {
            let Ok(mut page) = self.next_page(&mut walk).await else {
                return;
            };
            let next = if page.is_empty() {
                let lap = std::mem::take(&mut bytes);
                match self.arrived(&mut walk, &mut mailbox, lap).await {
                    Ok(Some(next)) => next,
                    Ok(None) => continue,
                    Err(Lost) => return,
                }
            } else {
                bytes += page.iter().map(size_of).sum::<usize>();
                page.retain(|event| self.wanted.covers(event.stream, &event.type_name));
                if page.is_empty() {
                    continue;
                }
                Ahead::Page(page)
            };
            let is_last = !matches!(next, Ahead::Page(_));
            if pages.send(next).await.is_err() || is_last {
                return;
            }
        }
    }

    /// What follows the end of a walk; nothing if it goes on.
    async fn arrived(
        &self,
        walk: &mut OrgWalk,
        mailbox: &mut Option<Mailbox>,
        lap: usize,
    ) -> Result<Option<Ahead>, Lost> {
        if let Some(mailbox) = mailbox.take() {
            return Ok(Some(Ahead::Live(mailbox, walk.to())));
        }
        // First it is heard of, then the rest is read: nothing falls between.
        let joined = match &self.goal {
            Goal::Now(hub) if lap < NEAR => Some(hub.join(self.org, self.wanted.clone())),
            Goal::Now(_) | Goal::Walk => None,
        };
        let head = self.head().await?;
        if head.epoch != self.epoch || head.position < walk.to() {
            tracing::info!(org = %self.org, "an audit answer ends: the log has another past");
            return Err(Lost);
        }
        if matches!(self.goal, Goal::Walk) {
            return Ok(Some(Ahead::End));
        }
        if let Some((joined, followed)) = joined {
            *mailbox = Some(joined);
            walk.extend(followed);
        } else {
            walk.extend(head.position);
        }
        Ok(None)
    }

    async fn next_page(&self, walk: &mut OrgWalk) -> Result<Vec<StoredEvent>, ReadError> {
        let began = self.clock.monotonic();
        loop {
            match walk.next_page().await {
                Ok(page) => return Ok(page),
                Err(error) => self.bear(error, began).await?,
            }
        }
    }

    async fn head(&self) -> Result<Head, ReadError> {
        let began = self.clock.monotonic();
        loop {
            match self.log.head().await {
                Ok(head) => return Ok(head),
                Err(error) => self.bear(error, began).await?,
            }
        }
    }

    /// Waits a little, unless it has taken too long since `began` or cannot pass.
    async fn bear(&self, error: ReadError, began: Monotonic) -> Result<(), ReadError> {
        let took = self.clock.monotonic().saturating_since(began);
        if took < PATIENCE && matches!(error, ReadError::Database(_)) {
            self.clock.sleep(self.entropy.jitter(AGAIN, 0.2)).await;
            return Ok(());
        }
        tracing::warn!(error = %chain(&error), "an audit answer ends: the log cannot be read");
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::event::Stream;
    use runtime::lifecycle::Lifecycle;
    use sqlx::Executor;
    use uuid::Uuid;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// However much other orgs do: each look at the head finds it thousands of events further.
    #[tokio::test]
    async fn a_reader_goes_over_to_what_happens_also_if_the_log_is_busy() {
        let db = testkit::postgres().await;
        for statement in [
            "create sequence log.busy",
            "alter table log.head rename to head_at_rest",
            "create view log.head as
             select position + 5000 * nextval('log.busy') as position, auth_position, recorded_at, epoch
             from log.head_at_rest",
        ] {
            db.pool().execute(statement).await.unwrap();
        }
        let (clock, entropy) = (Clock::system(), Entropy::os());
        let config = event_log::Config::default();
        let pool = db.pool().clone();
        let (log, _) = EventLog::new(pool, clock.clone(), entropy.clone(), config);
        let head = log.head().await.unwrap();
        let org = OrgId::from_uuid(Uuid::from_u128(1));
        let wanted = Wanted {
            streams: vec![Stream::Decisions, Stream::Observations],
            types: None,
        };
        let walk = log.walk_org(org, &wanted.streams, GlobalPosition::ZERO, head.position);
        let reader = Reader {
            log,
            clock: clock.clone(),
            entropy,
            org,
            epoch: head.epoch,
            wanted,
            goal: Goal::Now(Arc::new(Hub::default())),
        };
        let lifecycle = Lifecycle::new(clock.clone());
        let mut ahead = reader.start(walk, &lifecycle.handle());
        let next = clock.timeout(SOON, ahead.recv()).await;
        assert!(matches!(next.unwrap(), Some(Ahead::Live(..))));
    }
}
