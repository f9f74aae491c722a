//! A walk through the events of one org, from any position to another, in the order of the log.
//!
//! Each stream of an org is read by its own versions, since that is what an index has, and the two are
//! merged by position. Pages are short statements, so a walk of millions holds no snapshot.

use std::collections::VecDeque;

use domain::event::Stream;
use domain::ids::{GlobalPosition, OrgId, StreamVersion};

use crate::error::{CorruptRow, ReadError};
use crate::log::EventLog;
use crate::stored::StoredEvent;

/// Most events of a stream that are asked for at once.
const PAGE: u16 = 2_048;
/// Fewest, however large they are.
const PAGE_MIN: u16 = 8;
/// How many at first; then up to twice as many as the last time, if they were small.
const PAGE_FIRST: u16 = 64;
/// Bytes of data with which a page of all streams ends; each goes beyond its share by one event at
/// most.
const PAGE_BYTES: usize = 1024 * 1024;

/// A walk; made by [`EventLog::walk_org`].
#[derive(Debug)]
pub struct OrgWalk {
    log: EventLog,
    org: OrgId,
    after: GlobalPosition,
    to: GlobalPosition,
    lanes: Vec<Lane>,
}

/// One stream of the org.
#[derive(Debug)]
struct Lane {
    stream: Stream,
    /// How far it was read; none before it is known where to begin.
    read: Option<StreamVersion>,
    /// Read and not given out yet.
    waiting: VecDeque<StoredEvent>,
    /// It has nothing more up to where the walk goes.
    is_over: bool,
    page: u16,
    /// Bytes of data with which a page of it ends.
    bytes: usize,
}

impl EventLog {
    /// Walks through these streams of an org from the event after `after` up to `to`, which must not
    /// lie beyond the head.
    pub fn walk_org(
        &self,
        org: OrgId,
        streams: &[Stream],
        after: GlobalPosition,
        to: GlobalPosition,
    ) -> OrgWalk {
        let lane = |stream: &Stream| Lane {
            stream: *stream,
            read: None,
            waiting: VecDeque::new(),
            is_over: false,
            page: PAGE_FIRST,
            bytes: PAGE_BYTES / streams.len().max(1),
        };
        OrgWalk {
            log: self.clone(),
            org,
            after,
            to,
            lanes: streams.iter().map(lane).collect(),
        }
    }
}

impl OrgWalk {
    /// Where the walk ends.
    pub const fn to(&self) -> GlobalPosition {
        self.to
    }

    /// Fixes which events it begins with, which the first page does otherwise: what is taken offline
    /// from here on is missed.
    ///
    /// # Errors
    /// [`ReadError`]: call again, it may pass.
    pub async fn begin(&mut self) -> Result<(), ReadError> {
        for lane in &mut self.lanes {
            lane.begin(&self.log, self.org, self.after).await?;
        }
        Ok(())
    }

    /// Goes on further, once it has ended; `to` must not lie beyond the head.
    pub fn extend(&mut self, to: GlobalPosition) {
        self.to = self.to.max(to);
        for lane in &mut self.lanes {
            lane.is_over = false;
        }
    }

    /// The next events, in order and none left out; none at all at the end. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    /// [`ReadError`]: call again, it may pass.
    pub async fn next_page(&mut self) -> Result<Vec<StoredEvent>, ReadError> {
        for lane in &mut self.lanes {
            lane.fill(&self.log, self.org, self.after, self.to).await?;
        }
        let mut page = Vec::new();
        while self.lanes.iter().all(Lane::is_known) {
            let next = |lane: &&mut Lane| lane.waiting.front().map(|event| event.position);
            let lanes = self.lanes.iter_mut().filter(|lane| next(lane).is_some());
            let Some(lane) = lanes.min_by_key(next) else {
                break;
            };
            page.extend(lane.waiting.pop_front());
        }
        Ok(page)
    }
}

impl Lane {
    /// Whether it is known what it has next.
    fn is_known(&self) -> bool {
        self.is_over || !self.waiting.is_empty()
    }

    /// How far it was read, which is up to `after` at first.
    async fn begin(
        &mut self,
        log: &EventLog,
        org: OrgId,
        after: GlobalPosition,
    ) -> Result<StreamVersion, ReadError> {
        if let Some(read) = self.read {
            return Ok(read);
        }
        let read = log.org_version_at(org, self.stream, after).await?;
        self.read = Some(read);
        Ok(read)
    }

    async fn fill(
        &mut self,
        log: &EventLog,
        org: OrgId,
        after: GlobalPosition,
        to: GlobalPosition,
    ) -> Result<(), ReadError> {
        if self.is_known() {
            return Ok(());
        }
        let read = self.begin(log, org, after).await?;
        let page = log.read_org_stream(org, self.stream, read, self.page, self.bytes);
        let page = match page.await {
            Ok(page) => page,
            Err(error) => {
                // It may have been too much for the time that there is.
                self.page = (self.page / 2).max(PAGE_MIN);
                return Err(error);
            }
        };
        // The page says nothing about what comes after it, where a part of the log may be missing.
        if page.is_empty() && log.is_org_event_missing(org, self.stream, read).await? {
            return Err(missing(org, read.next()));
        }
        self.take(org, page, read, to)
    }

    /// Takes a page of what follows `read`.
    fn take(
        &mut self,
        org: OrgId,
        page: Vec<StoredEvent>,
        mut read: StreamVersion,
        to: GlobalPosition,
    ) -> Result<(), ReadError> {
        let mut is_over = page.is_empty();
        for event in page {
            if event.version != read.next() {
                return Err(missing(org, read.next()));
            }
            if event.position > to {
                is_over = true;
                break;
            }
            read = event.version;
            self.waiting.push_back(event);
        }
        self.read = Some(read);
        self.is_over = is_over;
        let bytes: usize = self.waiting.iter().map(StoredEvent::text_bytes).sum();
        if let Some(fits) = (self.bytes * self.waiting.len()).checked_div(bytes) {
            let most = self.page.saturating_mul(2).min(PAGE);
            self.page = u16::try_from(fits).unwrap_or(PAGE).clamp(PAGE_MIN, most);
        }
        Ok(())
    }
}

fn missing(org: OrgId, version: StreamVersion) -> ReadError {
    let key = format!("{org} {version}");
    CorruptRow::new("log.events", "version", key, "is missing").into()
}
