//! One ordered, gap-free feed of the log from any position. It reads the log in pages until it has
//! caught up, then follows what the mirrors publish; whenever the next position is not the last
//! plus one, and whenever it is silent for a while, it asks the log. So nothing that NATS loses,
//! repeats or reorders is seen outside, and without NATS the feed is merely a little later.

mod live;

use std::time::Duration;

use domain::ids::{GlobalPosition, LogEpoch};
use runtime::clock::Monotonic;
use thiserror::Error;
use tokio::sync::watch;

use self::live::{Live, Next};
use crate::error::ReadError;
use crate::log::{EventLog, Head};
use crate::metrics as names;
use crate::read;
use crate::stored::StoredEvent;

/// Events of one batch.
const BATCH: u16 = 1_024;
/// Events of one page at least, however large they are.
const BATCH_MIN: u16 = 16;
/// Bytes of one page of the log that are aimed at.
const PAGE_BYTES: usize = 2 * 1024 * 1024;
/// How long the feed may be silent before the log is asked.
const SILENCE: Duration = Duration::from_millis(250);
/// A look at the log that found nothing new is told at most this often.
const QUIET: Duration = Duration::from_secs(1);
/// How long to wait before NATS is tried again.
const LIVE_AGAIN: Duration = Duration::from_secs(1);

/// Where a feed gets its events beside the log.
#[derive(Debug, Clone, Default)]
pub struct FeedConfig {
    /// NATS, for events as they happen; without it the log is polled every 250 ms.
    pub nats: Option<async_nats::Client>,
    /// The epoch that the subscriber's position belongs to, if it kept one.
    pub epoch: Option<LogEpoch>,
}

/// Why a feed ends or pauses.
#[derive(Debug, Error)]
pub enum FeedError {
    /// The log is another one than the subscriber's position belongs to: begin again from zero.
    #[error("the log has begun a new epoch")]
    EpochChanged {
        /// The new epoch.
        epoch: LogEpoch,
    },
    /// The log ends before the subscriber's position: begin again from zero.
    #[error("the log ends at {head}, before the subscriber's position {position}")]
    Ahead {
        /// Where the subscriber stands.
        position: GlobalPosition,
        /// Where the log ends.
        head: GlobalPosition,
    },
    /// The next event stands in an archive, and this process has none: it needs one, or a subscriber
    /// that begins later.
    #[error(
        "the event at position {position} is archived, the earliest that is kept online is {earliest}: \
         name the folder of the archive (--archive-dir or TGA_ARCHIVE_DIR)"
    )]
    Archived {
        /// The next event.
        position: GlobalPosition,
        /// From here on all events are online.
        earliest: GlobalPosition,
    },
    /// The log cannot be read at the moment: call again.
    #[error("the log could not be read")]
    Log(#[source] ReadError),
}

impl From<ReadError> for FeedError {
    fn from(source: ReadError) -> Self {
        match source {
            ReadError::Archived { position, earliest } => Self::Archived { position, earliest },
            other => Self::Log(other),
        }
    }
}

/// An ordered feed of the log; made by [`EventLog::subscribe`].
#[derive(Debug)]
pub struct Feed {
    log: EventLog,
    config: FeedConfig,
    last: GlobalPosition,
    epoch: Option<LogEpoch>,
    live: Option<Live>,
    live_again: Option<Monotonic>,
    committed: watch::Receiver<GlobalPosition>,
    /// Whether the log had nothing more when it was last asked.
    caught_up: bool,
    /// When a batch was last given out, be it empty.
    gave_at: Option<Monotonic>,
    page: u16,
}

impl EventLog {
    /// Follows the log from the event after `after`.
    pub fn subscribe(&self, after: GlobalPosition, config: FeedConfig) -> Feed {
        Feed {
            log: self.clone(),
            last: after,
            epoch: config.epoch,
            config,
            live: None,
            live_again: None,
            committed: self.committed(),
            caught_up: false,
            gave_at: None,
            page: BATCH,
        }
    }
}

impl Feed {
    /// The position of the last event given out.
    pub const fn position(&self) -> GlobalPosition {
        self.last
    }

    /// The log's epoch; none before the first answer.
    pub const fn epoch(&self) -> Option<LogEpoch> {
        self.epoch
    }

    /// Whether everything that was known to be in the log has been given out.
    pub const fn is_caught_up(&self) -> bool {
        self.caught_up
    }

    /// The next events, in order and without gaps; waits for them. An empty batch says that the
    /// log has just been asked and has nothing more: it comes once a second while nothing
    /// happens, and not at all while the log does not answer. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`FeedError::Log`] may pass: wait a little and call again. The others mean that the
    /// subscriber's position is of no use any more.
    pub async fn next_batch(&mut self) -> Result<Vec<StoredEvent>, FeedError> {
        loop {
            if self.caught_up {
                match self.wait().await {
                    Next::Events(batch) => return Ok(self.give("live", batch)),
                    Next::Gap => {
                        metrics::counter!(names::FEED_GAPS).increment(1);
                        self.caught_up = false;
                        continue;
                    }
                    Next::Silence => {
                        let head = self.check_head().await?;
                        self.caught_up = head.position == self.last && !self.go_live().await;
                    }
                }
            } else {
                let page = self.read_page().await?;
                // Asked after the page: if the epoch is the known one now, it was when the page
                // was read.
                let head = self.check_head().await?;
                if !page.is_empty() {
                    return Ok(self.give("log", page));
                }
                // What was published before the subscription stands in the log alone.
                self.caught_up = head.position == self.last && !self.go_live().await;
            }
            if self.caught_up && self.was_quiet() {
                return Ok(self.give("log", Vec::new()));
            }
        }
    }

    /// Whether nothing has been given out for so long that it is worth telling.
    fn was_quiet(&self) -> bool {
        let now = self.log.clock().monotonic();
        self.gave_at
            .is_none_or(|at| now.saturating_since(at) >= QUIET)
    }

    async fn read_page(&mut self) -> Result<Vec<StoredEvent>, FeedError> {
        let page = self.log.read(self.last, self.page).await?;
        if let Some(fits) = read::fitting(PAGE_BYTES, &page, BATCH_MIN..=BATCH) {
            self.page = fits;
        }
        Ok(page)
    }

    /// Whether this is still the log that the subscriber knows.
    async fn check_head(&mut self) -> Result<Head, FeedError> {
        let head = self.log.head().await?;
        let known = *self.epoch.get_or_insert(head.epoch);
        if known != head.epoch {
            return Err(FeedError::EpochChanged { epoch: head.epoch });
        }
        if head.position < self.last {
            return Err(FeedError::Ahead {
                position: self.last,
                head: head.position,
            });
        }
        Ok(head)
    }

    /// Begins to follow what is published, if NATS is there; whether it has just begun.
    async fn go_live(&mut self) -> bool {
        let Some(client) = &self.config.nats else {
            return false;
        };
        let now = self.log.clock().monotonic();
        if self.live.is_some() || self.live_again.is_some_and(|at| now < at) {
            return false;
        }
        self.live_again = Some(now + LIVE_AGAIN);
        self.live = Live::open(client, self.log.clock()).await;
        self.live.is_some()
    }

    /// What happens next, or that nothing happens for a while.
    async fn wait(&mut self) -> Next {
        let clock = self.log.clock();
        let Some(live) = &mut self.live else {
            // Whoever commits in this process says so.
            let _ = clock.timeout(SILENCE, self.committed.changed()).await;
            return Next::Silence;
        };
        let heard = clock
            .timeout(
                SILENCE,
                live.next(self.last, self.epoch, usize::from(BATCH)),
            )
            .await;
        match heard {
            Ok(Some(next)) => next,
            Ok(None) => {
                self.live = None;
                Next::Gap
            }
            Err(_) => Next::Silence,
        }
    }

    fn give(&mut self, source: &'static str, batch: Vec<StoredEvent>) -> Vec<StoredEvent> {
        if let Some(event) = batch.last() {
            self.last = event.position;
        }
        self.gave_at = Some(self.log.clock().monotonic());
        metrics::counter!(names::FED, "source" => source).increment(batch.len() as u64);
        batch
    }
}
