//! What was written to a file and never synced: pages in memory, over a file that holds what is
//! durable.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What a disk writes as one, or not at all; half of a Postgres page, so that these tear.
pub const PAGE: u64 = 4_096;
const PAGE_BYTES: usize = 4_096;

/// The unsynced part of one file.
#[derive(Debug)]
pub struct Pages {
    unsynced: BTreeMap<u64, Page>,
    /// As programs see it.
    size: u64,
    /// Up to where what is durable still counts; truncation lowers it.
    counts: u64,
    /// The length of the durable file.
    durable: u64,
    /// Whether the file was made and never synced.
    is_new: bool,
}

#[derive(Debug)]
struct Page {
    bytes: Box<[u8; PAGE_BYTES]>,
    /// A sync of it has failed: as on Linux it passes for clean, and will never reach the disk.
    is_forsaken: bool,
}

impl Pages {
    /// Of a file of this durable length.
    pub fn new(durable: u64, is_new: bool) -> Self {
        Self {
            unsynced: BTreeMap::new(),
            size: durable,
            counts: durable,
            durable,
            is_new,
        }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether nothing would be lost.
    pub fn is_clean(&self) -> bool {
        self.unsynced.is_empty() && self.size == self.durable && self.counts == self.durable
    }

    /// Whether a sync must also write what the file is, not its content alone.
    pub fn changes_names(&self) -> bool {
        self.is_new || self.size != self.durable
    }

    pub fn read(&self, file: &File, offset: u64, wanted: u64) -> io::Result<Vec<u8>> {
        let end = self.size.min(offset.saturating_add(wanted));
        let mut bytes = Vec::new();
        let mut at = offset;
        while at < end {
            let (index, skip) = (at / PAGE, at % PAGE);
            let take = (PAGE - skip).min(end - at);
            let page = self.page(file, index)?;
            bytes.extend_from_slice(&page[index_of(skip)..index_of(skip + take)]);
            at += take;
        }
        Ok(bytes)
    }

    pub fn write(&mut self, file: &File, offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        let mut at = offset;
        while !bytes.is_empty() {
            let (index, skip) = (at / PAGE, index_of(at % PAGE));
            let take = (PAGE_BYTES - skip).min(bytes.len());
            let mut page = self.page(file, index)?;
            page[skip..skip + take].copy_from_slice(&bytes[..take]);
            let page = Page {
                bytes: page,
                is_forsaken: false,
            };
            self.unsynced.insert(index, page);
            at += take as u64;
            bytes = &bytes[take..];
        }
        self.size = self.size.max(at);
        Ok(())
    }

    pub fn truncate(&mut self, size: u64) {
        self.unsynced.split_off(&size.div_ceil(PAGE));
        if let Some(last) = self.unsynced.get_mut(&(size / PAGE)) {
            last.bytes[index_of(size % PAGE)..].fill(0);
        }
        self.counts = self.counts.min(size);
        self.size = size;
    }

    /// Makes everything durable that was not forsaken.
    pub fn sync(&mut self, file: &File) -> io::Result<()> {
        if self.counts < self.durable {
            file.set_len(self.counts)?;
        }
        let size = self.size;
        for (index, page) in &self.unsynced {
            if !page.is_forsaken {
                put(file, *index, page, size)?;
            }
        }
        file.set_len(size)?;
        self.unsynced.retain(|_, page| page.is_forsaken);
        (self.counts, self.durable, self.is_new) = (size, size, false);
        Ok(())
    }

    /// What a failed sync leaves: pages that look clean, and are not on the disk.
    pub fn forsake(&mut self) {
        for page in self.unsynced.values_mut() {
            page.is_forsaken = true;
        }
    }

    /// The power fails: of what was not synced the disk has those pages that it happens to have.
    /// Gives how many are lost.
    pub fn cut(self, file: &File, mut is_kept: impl FnMut() -> bool) -> io::Result<u64> {
        let mut lost = 0;
        for (index, page) in &self.unsynced {
            if !page.is_forsaken && is_kept() {
                put(file, *index, page, self.size)?;
            } else {
                lost += 1;
            }
        }
        Ok(lost)
    }

    /// A page as programs see it.
    fn page(&self, file: &File, index: u64) -> io::Result<Box<[u8; PAGE_BYTES]>> {
        if let Some(page) = self.unsynced.get(&index) {
            return Ok(page.bytes.clone());
        }
        let mut bytes = Box::new([0; PAGE_BYTES]);
        let start = index * PAGE;
        let wanted = index_of(self.counts.saturating_sub(start).min(PAGE));
        let mut filled = 0;
        while filled < wanted {
            match file.read_at(&mut bytes[filled..wanted], start + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(bytes)
    }
}

/// Writes a page to the durable file, without what lies beyond its end.
fn put(file: &File, index: u64, page: &Page, size: u64) -> io::Result<()> {
    let start = index * PAGE;
    let length = index_of(size.saturating_sub(start).min(PAGE));
    file.write_all_at(&page.bytes[..length], start)
}

/// What lies within a page fits any machine.
fn index_of(within: u64) -> usize {
    usize::try_from(within).expect("no more than a page")
}
