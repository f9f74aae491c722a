//! Reading the log wherever its events stand.

use std::path::PathBuf;
use std::sync::Arc;

use domain::ids::GlobalPosition;

use super::manifest::Stretch;
use super::rows::{self, ArchiveEdge, Archived};
use super::shelf::{Purpose, Shelf};
use crate::error::{CorruptRow, ReadError};
use crate::log::EventLog;
use crate::read::{self, PAGE_MAX};
use crate::stored::StoredEvent;

impl EventLog {
    /// The same log, read also from this folder of archives, if there is one. Without it what is
    /// archived cannot be read: [`ReadError::Archived`].
    #[must_use]
    pub fn with_archive(self, folder: Option<PathBuf>) -> Self {
        let clock = self.clock().clone();
        self.reading_from(Arc::new(Shelf::new(folder, clock)))
    }

    /// The first position from which on all events are kept online; those before it stand in archives,
    /// and only decisions are sure to be online too.
    pub async fn earliest(&self) -> Result<GlobalPosition, ReadError> {
        let upto = self.ask(async |c| rows::upto(c).await).await?;
        Ok(upto.next())
    }

    /// Requires that the table has a place for what comes after a position, which what is archived has too.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] if the partition was taken away.
    pub async fn require_attached(&self, after: GlobalPosition) -> Result<(), ReadError> {
        let first = self.ask(async |c| rows::attached_from(c).await).await?;
        if after.next() >= first {
            return Ok(());
        }
        Err(CorruptRow::new("log.events", "position", after.next(), "is missing").into())
    }

    /// Whether archived events can be read: whether there is a folder.
    pub fn has_archive(&self) -> bool {
        self.shelf().is_there()
    }

    /// Where archives end; none if nothing is archived.
    pub async fn archive_edge(&self) -> Result<Option<ArchiveEdge>, ReadError> {
        self.ask(async |c| rows::edge(c).await).await
    }

    /// The stretches that are archived, the oldest first.
    pub async fn archived_stretches(&self) -> Result<Vec<Stretch>, ReadError> {
        let archived = self.ask(async |c| rows::all(c).await).await?;
        Ok(archived.into_iter().map(|one| one.stretch).collect())
    }

    /// The events after a position: those that are online, and archived ones if there is a folder.
    pub(crate) async fn read_through(
        &self,
        after: GlobalPosition,
        limit: u16,
        purpose: Purpose,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let most = usize::from(limit.min(PAGE_MAX));
        let mut events: Vec<StoredEvent> = Vec::new();
        loop {
            let after = events.last().map_or(after, |event| event.position);
            let left = u16::try_from(most - events.len()).unwrap_or(PAGE_MAX);
            let archived = self.archived_after(after, left, &mut events).await?;
            let Some(archived) = archived else {
                return Ok(events);
            };
            self.shelf().meet(&archived);
            if !self.shelf().is_there() {
                return if events.is_empty() {
                    Err(archived.out_of_reach(after.next()))
                } else {
                    Ok(events)
                };
            }
            let after = events.last().map_or(after, |event| event.position);
            let more = self.read_archived(archived, after, most - events.len(), purpose);
            events.extend(more.await?);
            if events.len() >= most {
                return Ok(events);
            }
        }
    }

    /// The events at these positions that are in the log, wherever they stand.
    pub(crate) async fn read_scattered(
        &self,
        positions: &[i64],
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let mut events = self
            .ask(async |c| read::at_positions(c, positions).await)
            .await?;
        let mut missing: Vec<_> = positions
            .iter()
            .filter_map(|position| GlobalPosition::try_from_i64(*position))
            .filter(|wanted| {
                let found = events.binary_search_by_key(wanted, |event| event.position);
                wanted.get() > 0 && found.is_err()
            })
            .collect();
        missing.sort_unstable();
        missing.dedup();
        for wanted in missing {
            let archived = self.ask(async |c| rows::holding(c, wanted).await).await?;
            let Some(archived) = archived else {
                // What is not archived is not there, and neither is what comes after it.
                break;
            };
            if !self.shelf().is_there() {
                return Err(archived.out_of_reach(wanted));
            }
            let before = GlobalPosition::new(wanted.get() - 1);
            let found = self.read_archived(archived, before, 1, Purpose::Request);
            events.extend(found.await?);
        }
        events.sort_unstable_by_key(|event| event.position);
        Ok(events)
    }

    /// Adds what is online after a position, and says where the next event is archived, if it is.
    async fn archived_after(
        &self,
        after: GlobalPosition,
        limit: u16,
        events: &mut Vec<StoredEvent>,
    ) -> Result<Option<Archived>, ReadError> {
        let is_likely = self.shelf().is_likely_after(after);
        let (page, archived) = self
            .ask(async |c| {
                if is_likely && let Some(archived) = rows::holding(c, after.next()).await? {
                    return Ok((Vec::new(), Some(archived)));
                }
                let page = read::after(c, after, limit).await?;
                let archived = read::archived_behind(c, after, limit, &page).await?;
                Ok((page.events, archived))
            })
            .await?;
        events.extend(page);
        Ok(archived)
    }

    async fn read_archived(
        &self,
        archived: Archived,
        after: GlobalPosition,
        limit: usize,
        purpose: Purpose,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let read = self.shelf().read(archived, after, limit, purpose).await;
        read.map_err(|source| ReadError::Archive {
            position: after.next(),
            source: Box::new(source),
        })
    }
}

impl Archived {
    /// Without a folder.
    pub(super) fn out_of_reach(self, position: GlobalPosition) -> ReadError {
        ReadError::Archived {
            position,
            earliest: self.upto.next(),
        }
    }
}
