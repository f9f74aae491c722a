//! Reading a stretch of the log again, whole or only what is selected of it.

use domain::event::TypePattern;
use domain::ids::{GlobalPosition, OrgId};
use sqlx::PgConnection;

use crate::archive::{self, Purpose, Scanned};
use crate::error::{CorruptRow, ReadError};
use crate::log::EventLog;
use crate::read::{self, PAGE_MAX};
use crate::stored::StoredEvent;

/// Bytes of one page that are aimed at.
const PAGE_BYTES: usize = 512 * 1024;
/// Events of one page at least, however large they are.
const PAGE_MIN: u16 = 16;
/// Events of the first page, before it is known how large they are: 64 MiB at the very most.
const FIRST_PAGE: u16 = 256;
/// Positions that one statement looks through for what is selected, so that none lasts long.
const LOOK_THROUGH: u64 = 50_000;

/// What of the log is wanted; everything by default.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Events of this org alone.
    pub org: Option<OrgId>,
    /// Events whose type fits one of these; all if there is none.
    pub types: Vec<TypePattern>,
}

/// A stretch of the log, read in pages; made by [`EventLog::replay`].
#[derive(Debug)]
pub struct Replay {
    log: EventLog,
    selection: Selection,
    after: GlobalPosition,
    to: GlobalPosition,
    page: u16,
}

/// Some events in order.
#[derive(Debug)]
pub struct ReplayedPage {
    /// Those that are selected; there may be none.
    pub events: Vec<StoredEvent>,
    /// Everything selected up to here has been given out.
    pub through: GlobalPosition,
}

impl EventLog {
    /// Reads what is selected of the events after `after` and up to `to`.
    pub fn replay(
        &self,
        after: GlobalPosition,
        to: GlobalPosition,
        selection: Selection,
    ) -> Replay {
        Replay {
            log: self.clone(),
            selection,
            after,
            to,
            page: FIRST_PAGE,
        }
    }
}

impl Replay {
    /// The next page, of about 512 KiB, or of one frame of an archive; none at the end. After an error it
    /// may be called again.
    ///
    /// # Errors
    /// If the log cannot be read; [`ReadError::Corrupt`] if an event of the stretch is not there, selected
    /// or not; [`ReadError::Archived`] if the next events are archived, and there is no
    /// archive here.
    pub async fn next_page(&mut self) -> Result<Option<ReplayedPage>, ReadError> {
        if self.after >= self.to {
            return Ok(None);
        }
        let page = loop {
            // Events may be archived meanwhile, so both are looked for, the likelier first.
            if self.log.shelf().is_likely_after(self.after)
                && let Some(page) = self.archived_page().await?
            {
                break page;
            }
            if let Some(page) = self.online_page().await? {
                break page;
            }
            if let Some(page) = self.archived_page().await? {
                break page;
            }
        };
        self.after = page.through;
        Ok(Some(page))
    }

    /// What is selected of the next events online; none if they are archived.
    async fn online_page(&mut self) -> Result<Option<ReplayedPage>, ReadError> {
        let (after, to) = (self.after, self.to);
        let (limit, selection) = (self.page, &self.selection);
        let asked = self.log.ask(async |c| {
            let (page, there) = if selection.is_all() {
                whole_stretch(c, after, to, limit).await?
            } else {
                selected_stretch(c, after, to, selection, limit).await?
            };
            // Archives are the beginning of the log: if this is not there, nothing behind it is.
            let is_online = archive::holding(c, after.next()).await?.is_none();
            Ok(is_online.then_some((page, there)))
        });
        let Some((page, there)) = asked.await? else {
            return Ok(None);
        };
        if there != page.through.get() - after.get() {
            let key = format!("{} to {}", after.next(), page.through);
            return Err(CorruptRow::new("log.events", "position", key, "is not whole").into());
        }
        if let Some(fits) = read::fitting(PAGE_BYTES, &page.events, PAGE_MIN..=PAGE_MAX) {
            self.page = fits;
        }
        Ok(Some(page))
    }

    /// What is selected of the next archived events; none if they are online.
    async fn archived_page(&mut self) -> Result<Option<ReplayedPage>, ReadError> {
        let (log, org) = (&self.log, self.selection.org);
        let found = log.scan_archived(org, self.after, Purpose::Walk);
        let Some(Scanned {
            mut events,
            through,
        }) = found.await?
        else {
            return Ok(None);
        };
        let types = &self.selection.types;
        events.retain(|event| {
            let is_wanted = |pattern: &TypePattern| pattern.matches(&event.type_name);
            event.position <= self.to && (types.is_empty() || types.iter().any(is_wanted))
        });
        Ok(Some(ReplayedPage {
            events,
            through: through.min(self.to),
        }))
    }
}

impl Selection {
    const fn is_all(&self) -> bool {
        self.org.is_none() && self.types.is_empty()
    }
}

/// The next events, and how many of them are there.
async fn whole_stretch(
    connection: &mut PgConnection,
    after: GlobalPosition,
    to: GlobalPosition,
    limit: u16,
) -> Result<(ReplayedPage, u64), ReadError> {
    let left = to.get().saturating_sub(after.get());
    let limit = u16::try_from(left).map_or(limit, |left| left.min(limit));
    let events = read::after(connection, after, limit).await?.events;
    let through = GlobalPosition::new(after.get() + u64::from(limit));
    let there = events.len() as u64;
    Ok((ReplayedPage { events, through }, there))
}

/// What is selected of the next events, and how many there are, selected or not.
async fn selected_stretch(
    connection: &mut PgConnection,
    after: GlobalPosition,
    to: GlobalPosition,
    selection: &Selection,
    limit: u16,
) -> Result<(ReplayedPage, u64), ReadError> {
    let to = to.min(GlobalPosition::new(
        after.get().saturating_add(LOOK_THROUGH),
    ));
    let events = read::selected(connection, after, to, selection, limit).await?;
    let through = match events.last() {
        Some(last) if events.len() >= usize::from(limit) => last.position,
        _ => to,
    };
    let there = read::count(connection, after, through).await?;
    Ok((ReplayedPage { events, through }, there))
}
