//! Reads an org's events ahead of what is being sent, a page or two; so a reader who takes nothing
//! costs no more than those, and one who takes everything does not wait for the log.

use std::sync::Arc;
use std::time::Duration;

use domain::ids::GlobalPosition;
use domain::ids::OrgId;
use event_log::{EventLog, OrgWalk, ReadError, StoredEvent};
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
/// So near to the head, in events of all orgs, a reader goes over to what happens: while it reads the
/// rest, what happens waits.
const NEAR: u64 = 2_000;

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
    /// Which of them.
    pub wanted: Wanted,
    /// Where it ends.
    pub goal: Goal,
}

impl Reader {
    /// Begins to read. The channel ends without [`Ahead::End`] if the log cannot be read for too long.
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
        loop {
            let Ok(mut page) = self.next_page(&mut walk).await else {
                return;
            };
            let next = if page.is_empty() {
                match self.arrived(&mut walk, &mut mailbox).await {
                    Ok(Some(next)) => next,
                    Ok(None) => continue,
                    Err(_) => return,
                }
            } else {
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
    ) -> Result<Option<Ahead>, ReadError> {
        let Goal::Now(hub) = &self.goal else {
            return Ok(Some(Ahead::End));
        };
        if let Some(mailbox) = mailbox.take() {
            return Ok(Some(Ahead::Live(mailbox, walk.to())));
        }
        let head = self.head().await?;
        if head.get().saturating_sub(walk.to().get()) > NEAR {
            walk.extend(head);
        } else {
            // First it is heard of, then the rest is read: nothing falls between.
            let (joined, followed) = hub.join(self.org, self.wanted.clone());
            *mailbox = Some(joined);
            walk.extend(followed);
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

    async fn head(&self) -> Result<GlobalPosition, ReadError> {
        let began = self.clock.monotonic();
        loop {
            match self.log.head().await {
                Ok(head) => return Ok(head.position),
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
