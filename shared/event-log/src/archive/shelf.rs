//! The folder from which a process reads archived events, if it has one.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ids::{GlobalPosition, OrgId};
use runtime::clock::Clock;
use tokio::sync::Semaphore;

use super::error::ArchiveError;
use super::manifest::Sum;
use super::rows::Archived;
use super::volume::Volume;
use crate::stored::StoredEvent;

/// Frames that are kept unpacked: as many readers may go through the archive at once without unpacking
/// each frame page by page. Each has at most 10,000 events or 8 MiB of text.
const FRAMES_KEPT: usize = 4;

/// Frames that are read at once for each [`Purpose`]: readers of the archive take no more of the
/// processors than so many threads, and the others wait.
const READ_AT_ONCE: usize = 1;

/// How long a frame may take, from when it is asked for: far more than reading any does, and an end to
/// waiting for a volume that hangs, and for those who wait for it.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// For what a frame is read. However many requests there are, they hold up only each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A request asks for some events.
    Request,
    /// Somebody goes through the whole log, such as a projection that is made anew.
    Walk,
}

/// Where archives are.
#[derive(Debug)]
pub struct Shelf {
    folder: Option<PathBuf>,
    clock: Clock,
    /// How far archives went when they were last met; only spares a look at the table.
    met: AtomicU64,
    open: Mutex<Open>,
    requests: Arc<Semaphore>,
    walks: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Open {
    volume: Option<Arc<Volume>>,
    frames: VecDeque<Unpacked>,
}

/// A frame of an archive.
#[derive(Debug, Clone)]
struct Unpacked {
    manifest_sum: Sum,
    events: Arc<[StoredEvent]>,
}

impl Shelf {
    /// A folder, or none: then archived events cannot be read.
    pub fn new(folder: Option<PathBuf>, clock: Clock) -> Self {
        Self {
            folder,
            clock,
            met: AtomicU64::new(0),
            open: Mutex::default(),
            requests: Arc::new(Semaphore::new(READ_AT_ONCE)),
            walks: Arc::new(Semaphore::new(READ_AT_ONCE)),
        }
    }

    /// Whether there is a folder.
    pub const fn is_there(&self) -> bool {
        self.folder.is_some()
    }

    /// Whether the event after this one is likely to be archived.
    pub fn is_likely_after(&self, after: GlobalPosition) -> bool {
        self.is_there() && after.get() < self.met.load(Ordering::Relaxed)
    }

    /// Notes how far archives go.
    pub fn meet(&self, archived: &Archived) {
        self.met.store(archived.upto.get(), Ordering::Relaxed);
    }

    /// Up to `limit` events after a position which that archive has, of one frame.
    pub async fn read(
        self: &Arc<Self>,
        archived: Archived,
        after: GlobalPosition,
        limit: usize,
        purpose: Purpose,
    ) -> Result<Vec<StoredEvent>, ArchiveError> {
        let wanted = after.next();
        let events = self.frame(archived, wanted, purpose).await?;
        let first = events.first().map_or(wanted, |event| event.position);
        let skipped = wanted.get().saturating_sub(first.get());
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        Ok(events.iter().skip(skipped).take(limit).cloned().collect())
    }

    /// The frame that holds a position.
    pub async fn frame(
        self: &Arc<Self>,
        archived: Archived,
        wanted: GlobalPosition,
        purpose: Purpose,
    ) -> Result<Arc<[StoredEvent]>, ArchiveError> {
        if let Some(events) = self.unpacked(&archived, wanted) {
            return Ok(events);
        }
        let this = Arc::clone(self);
        self.in_turn(purpose, move || match this.unpacked(&archived, wanted) {
            Some(events) => Ok(events),
            None => this.unpack(&archived, wanted),
        })
        .await
    }

    /// The events of an org in the frame that holds a position, and where that frame ends. Other lines
    /// of it are passed over unread, unless the frame is at hand.
    pub async fn frame_of_org(
        self: &Arc<Self>,
        archived: Archived,
        wanted: GlobalPosition,
        org: OrgId,
        purpose: Purpose,
    ) -> Result<(Vec<StoredEvent>, GlobalPosition), ArchiveError> {
        if let Some(frame) = self.unpacked(&archived, wanted) {
            let last = frame.last().map_or(wanted, |last| last.position);
            let own = frame.iter().filter(|event| event.org_id == org);
            return Ok((own.cloned().collect(), last));
        }
        let this = Arc::clone(self);
        self.in_turn(purpose, move || {
            let volume = this.volume(&archived)?;
            let (index, last) = volume.frame_of(wanted)?;
            Ok((volume.read_frame_of_org(index, org)?, last))
        })
        .await
    }

    /// Reads off the executor, once others have; no longer than [`READ_WITHIN`].
    async fn in_turn<T: Send + 'static>(
        &self,
        purpose: Purpose,
        read: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, ArchiveError> {
        let turns = match purpose {
            Purpose::Request => &self.requests,
            Purpose::Walk => &self.walks,
        };
        let turn = Arc::clone(turns).acquire_owned();
        let reading = async {
            let turn = turn.await;
            let read = move || {
                // Held until it is done, even if nobody waits for it any more.
                let _turn = turn;
                read()
            };
            tokio::task::spawn_blocking(read).await?
        };
        let read = self.clock.timeout(READ_WITHIN, Box::pin(reading)).await;
        read.map_err(ArchiveError::Late)?
    }

    fn unpacked(&self, archived: &Archived, wanted: GlobalPosition) -> Option<Arc<[StoredEvent]>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let found = open.frames.iter().find(|frame| {
            let (first, last) = (frame.events.first(), frame.events.last());
            frame.manifest_sum == archived.manifest_sum
                && first.is_some_and(|first| first.position <= wanted)
                && last.is_some_and(|last| last.position >= wanted)
        });
        found.map(|frame| Arc::clone(&frame.events))
    }

    fn unpack(
        &self,
        archived: &Archived,
        wanted: GlobalPosition,
    ) -> Result<Arc<[StoredEvent]>, ArchiveError> {
        let volume = self.volume(archived)?;
        let (index, _) = volume.frame_of(wanted)?;
        let events: Arc<[StoredEvent]> = volume.read_frame(index)?.into();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.frames.truncate(FRAMES_KEPT - 1);
        open.frames.push_front(Unpacked {
            manifest_sum: archived.manifest_sum,
            events: Arc::clone(&events),
        });
        Ok(events)
    }

    fn volume(&self, archived: &Archived) -> Result<Arc<Volume>, ArchiveError> {
        {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(volume) = &open.volume
                && volume.manifest_sum() == archived.manifest_sum
            {
                return Ok(Arc::clone(volume));
            }
        }
        let folder = self.folder.as_deref().ok_or(ArchiveError::Nowhere)?;
        let volume = Volume::open_known(folder, archived.stretch, archived.manifest_sum)?;
        let volume = Arc::new(volume);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.volume = Some(Arc::clone(&volume));
        Ok(volume)
    }
}
