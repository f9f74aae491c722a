//! Where appends wait for the appender, bounded by bytes.

use std::sync::Arc;
use std::time::Duration;

use runtime::clock::{Clock, Monotonic};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::prepare::Prepared;
use super::{APPEND_BYTES, AppendError, Appended, Config, NotCommitted};

/// Appends that may wait, whatever their size.
const CAPACITY: usize = 16 * 1024;

/// The callers' side.
#[derive(Debug, Clone)]
pub struct Queue {
    sender: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    clock: Clock,
    deadline: Duration,
}

/// An append that waits, or is being committed.
#[derive(Debug)]
pub struct Queued {
    pub prepared: Prepared,
    /// After it, the append is not begun any more.
    pub deadline: Monotonic,
    answer: oneshot::Sender<Result<Appended, AppendError>>,
    /// Its share of the queue's bytes, given back when it is answered.
    _room: OwnedSemaphorePermit,
}

impl Queue {
    pub fn new(clock: Clock, config: &Config) -> (Self, mpsc::Receiver<Queued>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let queue = Self {
            sender,
            // Less would leave the largest append without room for ever.
            room: Arc::new(Semaphore::new(config.queue_bytes.max(APPEND_BYTES) as usize)),
            clock,
            deadline: config.deadline,
        };
        (queue, receiver)
    }

    /// Waits for room, for the turn, and for the answer.
    pub async fn append(&self, prepared: Prepared) -> Result<Appended, AppendError> {
        let deadline = self.clock.monotonic() + self.deadline;
        let (answer, answered) = oneshot::channel();
        let room = self.room(prepared.bytes, deadline).await?;
        let queued = Queued {
            prepared,
            deadline,
            answer,
            _room: room,
        };
        self.send(queued).await?;
        // The appender answers everything it took; if it is gone, it took this to its grave.
        answered.await.unwrap_or(Err(AppendError::OutcomeUnknown))
    }

    async fn room(
        &self,
        bytes: usize,
        deadline: Monotonic,
    ) -> Result<OwnedSemaphorePermit, AppendError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room);
        if let Ok(permit) = Arc::clone(&room).try_acquire_many_owned(bytes) {
            return Ok(permit);
        }
        let left = deadline.saturating_since(self.clock.monotonic());
        match self
            .clock
            .timeout(left, room.acquire_many_owned(bytes))
            .await
        {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(NotCommitted::Stopped.into()),
            Err(_) => Err(NotCommitted::Overloaded.into()),
        }
    }

    async fn send(&self, queued: Queued) -> Result<(), AppendError> {
        let queued = match self.sender.try_send(queued) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(NotCommitted::Stopped.into()),
            Err(mpsc::error::TrySendError::Full(queued)) => queued,
        };
        let left = queued.deadline.saturating_since(self.clock.monotonic());
        match self.clock.timeout(left, self.sender.send(queued)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(NotCommitted::Stopped.into()),
            Err(_) => Err(NotCommitted::Overloaded.into()),
        }
    }
}

impl Queued {
    /// Tells the caller, who may have gone.
    pub fn answer(self, answer: Result<Appended, AppendError>) {
        let _ = self.answer.send(answer);
    }
}
