//! The chains of all streams, event by event.

use std::collections::HashMap;

use domain::cloud_event::CloudEvent;
use domain::event::{ChainHash, Stream};
use domain::ids::{GlobalPosition, OrgId, StreamVersion};
use domain::signed::StreamEnd;
use domain::time::Timestamp;
use event_log::StoredEvent;

use super::report::Fault;

/// What an event says of its place.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    pub position: GlobalPosition,
    pub org: OrgId,
    pub stream: Stream,
    pub version: StreamVersion,
    pub time: Timestamp,
    pub prev_hash: ChainHash,
    pub hash: ChainHash,
    /// What its content and the previous hash give.
    pub computed: ChainHash,
}

impl From<&StoredEvent> for Link {
    fn from(event: &StoredEvent) -> Self {
        Self {
            position: event.position,
            org: event.org_id,
            stream: event.stream,
            version: event.version,
            time: event.recorded_at,
            prev_hash: event.prev_hash,
            hash: event.hash,
            computed: event.computed_hash(),
        }
    }
}

impl From<&CloudEvent> for Link {
    fn from(event: &CloudEvent) -> Self {
        Self {
            position: event.position,
            org: event.org_id,
            stream: event.stream,
            version: event.version,
            time: event.time,
            prev_hash: event.prev_hash,
            hash: event.hash,
            computed: event.envelope().hash(event.prev_hash, event.data.get()),
        }
    }
}

/// What comes before the first event of a stream that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// Nothing: streams begin with version 1.
    First,
    /// Perhaps events that were not given.
    Anywhere,
}

/// Where every stream that was met ends.
#[derive(Debug)]
pub struct Chains {
    beginning: Beginning,
    /// Whether events may be left out between two that were given.
    has_gaps: bool,
    /// Up to here observations may be left out: they stand elsewhere, but for the last of each stream.
    archived: GlobalPosition,
    last: Option<(GlobalPosition, Timestamp)>,
    ends: HashMap<(OrgId, Stream), StreamEnd>,
    /// Streams that do not begin with version 1: the version that they begin with.
    anchors: HashMap<(OrgId, Stream), StreamVersion>,
    left_out: u64,
    /// Events of each stream since the last gap: those that its end binds.
    bound: HashMap<(OrgId, Stream), u64>,
    count: u64,
}

impl Chains {
    pub fn new(beginning: Beginning) -> Self {
        Self {
            beginning,
            has_gaps: false,
            archived: GlobalPosition::ZERO,
            last: None,
            ends: HashMap::new(),
            anchors: HashMap::new(),
            left_out: 0,
            bound: HashMap::new(),
            count: 0,
        }
    }

    /// Of a file from which events may have been left out.
    pub fn with_gaps() -> Self {
        Self {
            has_gaps: true,
            ..Self::new(Beginning::Anywhere)
        }
    }

    /// Of a log whose observations up to a position are archived.
    pub fn with_archived(upto: GlobalPosition) -> Self {
        Self {
            archived: upto,
            ..Self::new(Beginning::First)
        }
    }

    /// Follows to the next event.
    pub fn follow(&mut self, link: &Link) -> Result<(), Fault> {
        let fault = |what: String| Err(Fault::at(link.position, what));
        if link.computed != link.hash {
            return fault("its hash is not that of its content: it was changed".to_owned());
        }
        if let Some((position, time)) = self.last {
            if link.position <= position {
                return fault(format!("it stands behind position {position}"));
            }
            if link.time < time {
                let now = link.time;
                return fault(format!(
                    "its time {now} is before {time} of the event before it"
                ));
            }
        }
        self.chained(link)?;
        self.last = Some((link.position, link.time));
        let (version, hash) = (link.version, link.hash);
        let key = (link.org, link.stream);
        self.ends.insert(key, StreamEnd { version, hash });
        *self.bound.entry(key).or_default() += 1;
        self.count += 1;
        Ok(())
    }

    fn chained(&mut self, link: &Link) -> Result<(), Fault> {
        let fault = |what: String| Err(Fault::at(link.position, what));
        let key = (link.org, link.stream);
        let Link { org, version, .. } = *link;
        let stream = link.stream.name();
        let known = self.ends.get(&key).copied();
        let is_first = known.is_none();
        let end = known.unwrap_or(StreamEnd::EMPTY);
        let due = end.version.next();
        if version < due {
            return fault(format!(
                "it is version {version} of the {stream} of org {org}, which had {due} next"
            ));
        }
        if version > due {
            let may_begin_here = is_first && self.beginning == Beginning::Anywhere;
            let is_archived = link.stream == Stream::Observations && link.position <= self.archived;
            if is_archived {
                self.left_out += version.get() - due.get();
                return Ok(());
            }
            if !may_begin_here && !self.has_gaps {
                let hint = match self.beginning {
                    Beginning::Anywhere => " (of an export that was filtered: --partial)",
                    Beginning::First => "",
                };
                return fault(format!(
                    "it is version {version} of the {stream} of org {org}: version {due} is missing{hint}"
                ));
            }
            if is_first {
                self.anchors.insert(key, version);
            } else {
                self.left_out += version.get() - due.get();
                self.bound.remove(&key);
            }
            return Ok(());
        }
        if link.prev_hash != end.hash {
            return fault(format!(
                "it does not follow version {} of the {stream} of org {org} as that stands here: one of \
                 the two was changed",
                end.version
            ));
        }
        Ok(())
    }

    /// How many events were followed.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// How many streams were met.
    pub fn streams(&self) -> usize {
        self.ends.len()
    }

    /// The end of a stream.
    pub fn end(&self, org: OrgId, stream: Stream) -> StreamEnd {
        let end = self.ends.get(&(org, stream)).copied();
        end.unwrap_or(StreamEnd::EMPTY)
    }

    /// Streams that begin later than with version 1.
    pub fn anchors(&self) -> impl Iterator<Item = (OrgId, Stream, StreamVersion)> {
        self.anchors
            .iter()
            .map(|((org, stream), version)| (*org, *stream, *version))
    }

    /// Versions that were left out between others.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How many events of a stream follow each other up to its end without a gap, so that whoever signed the
    /// end has signed them.
    pub fn bound(&self, org: OrgId, stream: Stream) -> u64 {
        self.bound.get(&(org, stream)).copied().unwrap_or_default()
    }

    /// The last event's place and time.
    pub const fn last(&self) -> Option<(GlobalPosition, Timestamp)> {
        self.last
    }
}
