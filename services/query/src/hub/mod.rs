//! Events as they happen, for open streams. The log is followed once in each process, by what keeps
//! the response cache true; it hands every event to the streams of its org.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::event::Stream;
use domain::ids::{GlobalPosition, OrgId};
use domain::limits::STREAM_BEHIND_BYTES;
use event_log::StoredEvent;
use read_model::TypeFilter;
use tokio::sync::Notify;

/// Which events of its org somebody wants.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Of these streams.
    pub streams: Vec<Stream>,
    /// Of any of these types; of all if `None`.
    pub types: Option<Vec<TypeFilter>>,
}

/// An event as it is told: written once, however many hear it.
#[derive(Debug)]
pub struct Told {
    /// Its place in the log.
    pub position: GlobalPosition,
    /// Its type's stable name.
    pub type_name: Cow<'static, str>,
    /// Its public form, on one line.
    pub json: String,
}

/// Why nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// What waited was more than a reader may be behind.
    Slow,
    /// The log is followed anew: what came meanwhile stands in it alone.
    Restarted,
}

/// Where streams hear of events.
#[derive(Debug, Default)]
pub struct Hub(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Everything up to here was handed out.
    followed: GlobalPosition,
    orgs: HashMap<OrgId, Vec<Arc<Inbox>>>,
}

#[derive(Debug)]
struct Inbox {
    wanted: Wanted,
    queue: Mutex<Queue>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Arc<Told>>,
    bytes: usize,
    closed: Option<Closed>,
}

/// The receiving end of one stream.
#[derive(Debug)]
pub struct Mailbox {
    hub: Arc<Hub>,
    org: OrgId,
    inbox: Arc<Inbox>,
}

impl Wanted {
    /// Whether an event is among them.
    pub fn covers(&self, stream: Stream, type_name: &str) -> bool {
        let is_of = |types: &Vec<TypeFilter>| types.iter().any(|one| one.covers(type_name));
        self.streams.contains(&stream) && self.types.as_ref().is_none_or(is_of)
    }
}

impl From<&StoredEvent> for Told {
    fn from(event: &StoredEvent) -> Self {
        Self {
            position: event.position,
            type_name: event.type_name.clone(),
            json: event.to_cloud_event(),
        }
    }
}

impl Hub {
    /// Begins to hear of an org's events: of all above the returned position, which may lie behind
    /// the head.
    pub fn join(self: &Arc<Self>, org: OrgId, wanted: Wanted) -> (Mailbox, GlobalPosition) {
        let inbox = Arc::new(Inbox {
            wanted,
            queue: Mutex::default(),
            news: Notify::new(),
        });
        let mut state = self.state();
        state.orgs.entry(org).or_default().push(Arc::clone(&inbox));
        let mailbox = Mailbox {
            hub: Arc::clone(self),
            org,
            inbox,
        };
        (mailbox, state.followed)
    }

    /// Hands out events, which follow those before.
    pub fn publish(&self, batch: &[StoredEvent]) {
        let mut state = self.state();
        for event in batch {
            let Some(inboxes) = state.orgs.get(&event.org_id) else {
                continue;
            };
            let mut told = None;
            for inbox in inboxes {
                if inbox.wanted.covers(event.stream, &event.type_name) {
                    let told = told.get_or_insert_with(|| Arc::new(Told::from(event)));
                    inbox.push(told);
                }
            }
        }
        if let Some(last) = batch.last() {
            state.followed = last.position;
        }
    }

    /// The log is followed from here on: whoever listens may have missed something.
    pub fn restart(&self, head: GlobalPosition) {
        let mut state = self.state();
        for inbox in state.orgs.values().flatten() {
            inbox.close(Closed::Restarted);
        }
        state.orgs.clear();
        state.followed = head;
    }

    fn leave(&self, org: OrgId, inbox: &Arc<Inbox>) {
        let mut state = self.state();
        if let Some(inboxes) = state.orgs.get_mut(&org) {
            inboxes.retain(|known| !Arc::ptr_eq(known, inbox));
            if inboxes.is_empty() {
                state.orgs.remove(&org);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox {
    fn push(&self, told: &Arc<Told>) {
        let mut queue = self.queue();
        if queue.closed.is_some() {
            return;
        }
        queue.bytes += told.json.len();
        queue.waiting.push_back(Arc::clone(told));
        let is_behind = queue.bytes > STREAM_BEHIND_BYTES;
        drop(queue);
        if is_behind {
            self.close(Closed::Slow);
        }
        self.news.notify_one();
    }

    /// What waits is let go: it stands in the log.
    fn close(&self, closed: Closed) {
        let mut queue = self.queue();
        *queue = Queue {
            closed: Some(closed),
            ..Queue::default()
        };
        drop(queue);
        self.news.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mailbox {
    /// The next event; waits for it. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Arc<Told>, Closed> {
        loop {
            {
                let mut queue = self.inbox.queue();
                if let Some(told) = queue.waiting.pop_front() {
                    queue.bytes -= told.json.len();
                    return Ok(told);
                }
                if let Some(closed) = queue.closed {
                    return Err(closed);
                }
            }
            self.inbox.news.notified().await;
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.hub.leave(self.org, &self.inbox);
    }
}

#[cfg(test)]
mod tests;
