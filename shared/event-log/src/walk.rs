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

/// Events of one page.
const PAGE: u16 = 2_048;
/// Fewest events of one page, however large they are.
const PAGE_MIN: u16 = 8;
/// Bytes of one page that are aimed at.
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
            page: PAGE,
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

    /// Reads on; there may be nothing in what it reads.
    async fn fill(
        &mut self,
        log: &EventLog,
        org: OrgId,
        to: GlobalPosition,
    ) -> Result<(), ReadError> {
        match self.place {
            Place::Unknown => {
                let located = log.locate(org, self.stream, self.passed).await?;
                self.place = match located.archived {
                    Some(last) => Place::Archived(last),
                    None => Place::Online(located.version),
                };
                Ok(())
            }
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
        let Some(found) = log.scan_archived(Some(org), self.passed).await? else {
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
        let page = log
            .read_org_stream(org, self.stream, read, self.page)
            .await?;
        let is_last = page.len() < usize::from(self.page);
        let (mut read, mut whole) = (read, Vec::new());
        let (mut is_past, mut has_gap) = (false, false);
        for event in page {
            is_past = event.position > to;
            has_gap = !is_past && event.version != read.next();
            if is_past || has_gap {
                break;
            }
            read = event.version;
            whole.push(event);
        }
        let passed = whole.last().map_or(self.passed, |last| last.position);
        if !is_past && (is_last || has_gap) && self.stream == Stream::Observations {
            // It may be archived since, and then only looks as if it ended.
            let located = log.locate(org, self.stream, passed).await?;
            if let Some(last) = located.archived {
                self.place = Place::Archived(last);
                (self.passed, self.waiting) = (passed, whole.into());
                return Ok(());
            }
        }
        if has_gap {
            let missing = format!("{org} {}", read.next());
            return Err(CorruptRow::new("log.events", "version", missing, "is missing").into());
        }
        (self.passed, self.place) = (passed, Place::Online(read));
        self.is_over = is_past || is_last;
        self.waiting = whole.into();
        let bytes: usize = self.waiting.iter().map(StoredEvent::text_bytes).sum();
        if let Some(fits) = (PAGE_BYTES * self.waiting.len()).checked_div(bytes) {
            self.page = u16::try_from(fits).unwrap_or(PAGE).clamp(PAGE_MIN, PAGE);
        }
        Ok(())
    }
}
