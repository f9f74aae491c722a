//! A walk through the events of one org, from any position to another, in the order of the log.
//!
//! Each stream of an org is read by its own versions, since that is what an index has, and the two are
//! merged by position. Pages are short statements, so a walk of millions holds no snapshot.

use std::collections::VecDeque;

use domain::event::Stream;
use domain::ids::{GlobalPosition, OrgId, StreamVersion};

use crate::archive::Purpose;
use crate::error::{CorruptRow, ReadError};
use crate::log::EventLog;
use crate::read;
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
    to: GlobalPosition,
    lanes: Vec<Lane>,
}

/// One stream of the org.
#[derive(Debug)]
struct Lane {
    stream: Stream,
    /// Everything up to here was read.
    passed: GlobalPosition,
    place: Place,
    /// Read and not given out yet.
    waiting: VecDeque<StoredEvent>,
    /// It has nothing more up to where the walk goes.
    is_over: bool,
    page: u16,
    /// Bytes of data with which a page of it ends.
    bytes: usize,
}

/// Where a lane goes on.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// It is not known yet.
    Unknown,
    /// In archives, of which the last one that it needs holds this position.
    Archived(GlobalPosition),
    /// Online, after this version.
    Online(StreamVersion),
}

impl EventLog {
    /// Walks through these streams of an org from the event after `after` up to `to`, which must not
    /// lie beyond the head. Archived observations are read from the archive, if there is one here.
    pub fn walk_org(
        &self,
        org: OrgId,
        streams: &[Stream],
        after: GlobalPosition,
        to: GlobalPosition,
    ) -> OrgWalk {
        let lane = |stream: &Stream| Lane {
            stream: *stream,
            passed: after,
            place: Place::Unknown,
            waiting: VecDeque::new(),
            is_over: false,
            page: PAGE_FIRST,
            bytes: PAGE_BYTES / streams.len().max(1),
        };
        OrgWalk {
            log: self.clone(),
            org,
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

    /// Fixes which events it begins with, which the first page does otherwise: what is archived from here
    /// on is read from the archive, and missed if there is none.
    ///
    /// # Errors
    /// [`ReadError`]: call again, it may pass.
    pub async fn begin(&mut self) -> Result<(), ReadError> {
        for lane in &mut self.lanes {
            lane.begin(&self.log, self.org).await?;
        }
        Ok(())
    }

    /// Passes over what a stream is known to have nothing of: everything up to a position, which need not
    /// be at hand then.
    pub fn pass(&mut self, stream: Stream, upto: GlobalPosition) {
        let lanes = self.lanes.iter_mut().filter(|lane| lane.stream == stream);
        for lane in lanes.filter(|lane| lane.passed < upto && lane.waiting.is_empty()) {
            (lane.passed, lane.place) = (upto, Place::Unknown);
        }
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
    /// [`ReadError`]: call again, it may pass; [`ReadError::Archived`] does not.
    pub async fn next_page(&mut self) -> Result<Vec<StoredEvent>, ReadError> {
        for lane in &mut self.lanes {
            while !lane.is_known() {
                lane.fill(&self.log, self.org, self.to).await?;
            }
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

    /// Finds where it goes on, unless that is known.
    async fn begin(&mut self, log: &EventLog, org: OrgId) -> Result<(), ReadError> {
        if let Place::Unknown = self.place {
            let located = log.locate(org, self.stream, self.passed).await?;
            self.place = match located.archived {
                Some(last) => Place::Archived(last),
                None => Place::Online(located.version),
            };
        }
        Ok(())
    }

    /// Reads on; there may be nothing in what it reads.
    async fn fill(
        &mut self,
        log: &EventLog,
        org: OrgId,
        to: GlobalPosition,
    ) -> Result<(), ReadError> {
        match self.place {
            Place::Unknown => self.begin(log, org).await,
            Place::Archived(last) => self.fill_archived(log, org, to, last).await,
            Place::Online(read) => self.fill_online(log, org, to, read).await,
        }
    }

    async fn fill_archived(
        &mut self,
        log: &EventLog,
        org: OrgId,
        to: GlobalPosition,
        last: GlobalPosition,
    ) -> Result<(), ReadError> {
        if self.passed >= last.min(to) {
            self.is_over = self.passed >= to;
            self.place = Place::Unknown;
            return Ok(());
        }
        let found = log.scan_archived(Some(org), self.passed, Purpose::Request);
        let Some(found) = found.await? else {
            let missing = self.passed.next();
            return Err(CorruptRow::new("log.archived", "upto", missing, "is missing").into());
        };
        let is_wanted = |event: &StoredEvent| event.stream == self.stream && event.position <= to;
        self.waiting
            .extend(found.events.into_iter().filter(is_wanted));
        self.passed = found.through.min(to);
        Ok(())
    }

    async fn fill_online(
        &mut self,
        log: &EventLog,
        org: OrgId,
        to: GlobalPosition,
        read: StreamVersion,
    ) -> Result<(), ReadError> {
        let page = log.read_org_stream(org, self.stream, read, self.page, self.bytes);
        let page = match page.await {
            Ok(page) => Page::of(page, read, to),
            Err(error) => {
                // It may have been too much for the time that there is.
                self.page = (self.page / 2).max(PAGE_MIN);
                return Err(error);
            }
        };
        if (page.has_gap || page.is_empty) && self.is_archived_since(log, org, &page).await? {
            self.take(page.whole);
            return Ok(());
        }
        // An empty page says nothing about what comes after it, where a part of the log may be missing.
        let is_missing = page.has_gap
            || page.is_empty && log.is_org_event_missing(org, self.stream, read).await?;
        if is_missing {
            return Err(missing(org, page.read.next()));
        }
        self.place = Place::Online(page.read);
        self.is_over = page.is_past || page.is_empty;
        self.take(page.whole);
        Ok(())
    }

    /// Whether what follows a page was archived since, and only looks as if it were not there; then it is
    /// read from there on.
    async fn is_archived_since(
        &mut self,
        log: &EventLog,
        org: OrgId,
        page: &Page,
    ) -> Result<bool, ReadError> {
        if self.stream != Stream::Observations {
            return Ok(false);
        }
        let passed = page.whole.last().map_or(self.passed, |last| last.position);
        let located = log.locate(org, self.stream, passed).await?;
        if let Some(last) = located.archived {
            self.place = Place::Archived(last);
        }
        Ok(located.archived.is_some())
    }

    /// Takes what was read online.
    fn take(&mut self, whole: Vec<StoredEvent>) {
        if let Some(last) = whole.last() {
            self.passed = last.position;
        }
        let most = self.page.saturating_mul(2).min(PAGE);
        if let Some(fits) = read::fitting(self.bytes, &whole, PAGE_MIN..=most) {
            self.page = fits;
        }
        self.waiting = whole.into();
    }
}

/// A page of what is online of a stream.
struct Page {
    /// Without gaps, and up to where the walk goes.
    whole: Vec<StoredEvent>,
    /// The version of the last of them, or the one after which it was read.
    read: StreamVersion,
    /// There was nothing.
    is_empty: bool,
    /// What comes next in it is not the next of the stream.
    has_gap: bool,
    /// What comes next in it is behind where the walk goes.
    is_past: bool,
}

impl Page {
    fn of(events: Vec<StoredEvent>, read: StreamVersion, to: GlobalPosition) -> Self {
        let mut page = Self {
            whole: Vec::new(),
            read,
            is_empty: events.is_empty(),
            has_gap: false,
            is_past: false,
        };
        for event in events {
            // Before a gap it is unknown how far the walk has come.
            page.has_gap = event.version != page.read.next();
            page.is_past = !page.has_gap && event.position > to;
            if page.has_gap || page.is_past {
                break;
            }
            page.read = event.version;
            page.whole.push(event);
        }
        page
    }
}

fn missing(org: OrgId, version: StreamVersion) -> ReadError {
    let key = format!("{org} {version}");
    CorruptRow::new("log.events", "version", key, "is missing").into()
}
