//! Archives as they are looked through: frame by frame, for one org or for all.

use std::sync::Arc;

use domain::ids::{GlobalPosition, OrgId};

use super::error::ArchiveError;
use super::rows::{self, Archived};
use super::shelf::Purpose;
use crate::error::{CorruptRow, ReadError};
use crate::log::EventLog;
use crate::stored::StoredEvent;

/// What one look found.
#[derive(Debug)]
pub struct Scanned {
    /// Events, in order.
    pub events: Vec<StoredEvent>,
    /// Everything up to here was looked at.
    pub through: GlobalPosition,
}

impl EventLog {
    /// The next archived events after a position, of an org or of all: as far as one frame goes; none
    /// if the next event is not archived.
    ///
    /// # Errors
    /// [`ReadError::Archived`] if there is no archive here.
    pub(crate) async fn scan_archived(
        &self,
        org: Option<OrgId>,
        after: GlobalPosition,
        purpose: Purpose,
    ) -> Result<Option<Scanned>, ReadError> {
        let wanted = after.next();
        let Some(archived) = self.archived_at(wanted).await? else {
            return Ok(None);
        };
        let (mut events, through) = if let Some(org) = org {
            let volumes = self.shelf();
            let found = volumes.frame_of_org(archived, wanted, org, purpose).await;
            found.map_err(unread(wanted))?
        } else {
            let frame = self.shelf().frame(archived, wanted, purpose).await;
            let frame = frame.map_err(unread(wanted))?;
            let last = frame.last().map_or(wanted, |last| last.position);
            (frame.to_vec(), last)
        };
        events.retain(|event| event.position >= wanted);
        Ok(Some(Scanned { events, through }))
    }

    /// Those of an org's events at these positions, in ascending order, that are archived. Without an
    /// archive here: none.
    pub(crate) async fn find_archived(
        &self,
        org: OrgId,
        positions: &[GlobalPosition],
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let mut events = Vec::new();
        if !self.has_archive() {
            return Ok(events);
        }
        let mut looked_through = GlobalPosition::ZERO;
        for wanted in positions {
            if *wanted <= looked_through {
                continue;
            }
            let before = GlobalPosition::new(wanted.get().saturating_sub(1));
            let found = self.scan_archived(Some(org), before, Purpose::Request);
            let Some(found) = found.await? else {
                break;
            };
            let is_wanted = |event: &StoredEvent| positions.binary_search(&event.position).is_ok();
            events.extend(found.events.into_iter().filter(is_wanted));
            looked_through = found.through;
        }
        Ok(events)
    }

    /// The archived events around a position.
    pub(crate) async fn frame_of(
        &self,
        wanted: GlobalPosition,
    ) -> Result<Arc<[StoredEvent]>, ReadError> {
        let missing = || CorruptRow::new("log.events", "position", wanted, "is missing");
        let archived = self.archived_at(wanted).await?.ok_or_else(missing)?;
        let frame = self.shelf().frame(archived, wanted, Purpose::Request).await;
        frame.map_err(unread(wanted))
    }

    /// Where an event is archived, if it is; an error if there is no archive here.
    async fn archived_at(&self, wanted: GlobalPosition) -> Result<Option<Archived>, ReadError> {
        let archived = self.ask(async |c| rows::holding(c, wanted).await).await?;
        let Some(archived) = archived else {
            return Ok(None);
        };
        self.shelf().meet(&archived);
        if self.has_archive() {
            Ok(Some(archived))
        } else {
            Err(archived.out_of_reach(wanted))
        }
    }
}

fn unread(position: GlobalPosition) -> impl FnOnce(ArchiveError) -> ReadError {
    move |source| ReadError::Archive {
        position,
        source: Box::new(source),
    }
}
