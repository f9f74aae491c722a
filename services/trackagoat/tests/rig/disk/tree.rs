//! All files of a disk: what is durable in a folder of this machine, the rest in memory.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use fuser::Errno;
use runtime::entropy::Entropy;

use super::names::{Names, Owner};
use super::pages::Pages;
use super::{Faults, Loss};

/// The id that the kernel gives the root.
const ROOT: u64 = 1;

/// The whole disk.
pub struct Tree {
    names: Names,
    nodes: BTreeMap<u64, Node>,
    ids: BTreeMap<PathBuf, u64>,
    next: u64,
    pub faults: Faults,
    /// How often it answered with an error that it was told to give.
    pub refused: u64,
}

struct Node {
    /// Where it is durable; none once it was removed.
    path: Option<PathBuf>,
    opened: u32,
    content: Option<Content>,
}

struct Content {
    file: File,
    pages: Pages,
}

/// What is known of a file.
pub struct Found {
    pub id: u64,
    pub metadata: Metadata,
    pub size: u64,
}

type Answer<T> = Result<T, Errno>;

impl Tree {
    /// A disk whose durable files are in `root`; `bin` is a folder beside it.
    pub fn new(root: &Path, bin: &Path) -> io::Result<Self> {
        let node = Node {
            path: Some(root.to_owned()),
            opened: 0,
            content: None,
        };
        Ok(Self {
            names: Names::new(bin.to_owned())?,
            nodes: BTreeMap::from([(ROOT, node)]),
            ids: BTreeMap::from([(root.to_owned(), ROOT)]),
            next: ROOT + 1,
            faults: Faults::default(),
            refused: 0,
        })
    }

    pub fn find(&mut self, parent: u64, name: &OsStr) -> Answer<Found> {
        let path = self.child(parent, name)?;
        fs::symlink_metadata(&path)?;
        let id = self.id_of(&path);
        self.look(id)
    }

    pub fn look(&self, id: u64) -> Answer<Found> {
        let node = self.node(id)?;
        let metadata = match (&node.path, &node.content) {
            (Some(path), _) => fs::symlink_metadata(path)?,
            (None, Some(content)) => content.file.metadata()?,
            (None, None) => return Err(Errno::ENOENT),
        };
        let content = node.content.as_ref();
        let size = content.map_or(metadata.len(), |content| content.pages.size());
        Ok(Found { id, metadata, size })
    }

    /// Names in a folder, with their ids.
    pub fn list(&mut self, id: u64) -> Answer<Vec<(u64, fs::DirEntry)>> {
        let folder = self.path(id)?.to_owned();
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            found.push((self.id_of(&entry.path()), entry));
        }
        Ok(found)
    }

    pub fn open(&mut self, id: u64) -> Answer<()> {
        self.content(id)?;
        self.node_mut(id)?.opened += 1;
        Ok(())
    }

    pub fn close(&mut self, id: u64) -> Answer<()> {
        let node = self.node_mut(id)?;
        node.opened = node.opened.saturating_sub(1);
        self.forget_if_unused(id);
        Ok(())
    }

    pub fn make(&mut self, parent: u64, name: &OsStr, owner: Owner) -> Answer<Found> {
        let path = self.child(parent, name)?;
        let file = self.names.make(&path, owner)?;
        let id = self.id_of(&path);
        let pages = Pages::new(0, true);
        let node = self.node_mut(id)?;
        node.content = Some(Content { file, pages });
        node.opened += 1;
        self.look(id)
    }

    pub fn make_folder(&mut self, parent: u64, name: &OsStr, owner: Owner) -> Answer<Found> {
        let path = self.child(parent, name)?;
        self.names.make_folder(&path, owner)?;
        self.find(parent, name)
    }

    pub fn remove(&mut self, parent: u64, name: &OsStr) -> Answer<()> {
        let found = self.find(parent, name)?;
        let path = self.child(parent, name)?;
        self.names.remove(&path)?;
        self.give_room(found.size);
        self.unname(&path);
        Ok(())
    }

    pub fn remove_folder(&mut self, parent: u64, name: &OsStr) -> Answer<()> {
        let path = self.child(parent, name)?;
        self.names.remove_folder(&path)?;
        self.unname(&path);
        Ok(())
    }

    pub fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr)) -> Answer<()> {
        let replaced = self.find(to.0, to.1).map_or(0, |found| found.size);
        let (from, to) = (self.child(from.0, from.1)?, self.child(to.0, to.1)?);
        self.names.rename(&from, &to)?;
        self.give_room(replaced);
        self.unname(&to);
        for (id, node) in &mut self.nodes {
            let below = node
                .path
                .as_ref()
                .and_then(|path| path.strip_prefix(&from).ok());
            let moved = below.map(|below| {
                if below.as_os_str().is_empty() {
                    to.clone()
                } else {
                    to.join(below)
                }
            });
            if let Some(moved) = moved {
                if let Some(path) = node.path.replace(moved.clone()) {
                    self.ids.remove(&path);
                }
                self.ids.insert(moved, *id);
            }
        }
        Ok(())
    }

    pub fn read(&mut self, id: u64, offset: u64, wanted: u64) -> Answer<Vec<u8>> {
        let Content { file, pages } = self.content(id)?;
        Ok(pages.read(file, offset, wanted)?)
    }

    pub fn write(&mut self, id: u64, offset: u64, bytes: &[u8]) -> Answer<()> {
        self.fail_if(self.faults.on_write)?;
        let size = self.content(id)?.pages.size();
        let end = offset + bytes.len() as u64;
        self.take_room(end.saturating_sub(size))?;
        let Content { file, pages } = self.content(id)?;
        Ok(pages.write(file, offset, bytes)?)
    }

    pub fn truncate(&mut self, id: u64, size: u64) -> Answer<()> {
        let before = self.content(id)?.pages.size();
        self.take_room(size.saturating_sub(before))?;
        self.give_room(before.saturating_sub(size));
        self.content(id)?.pages.truncate(size);
        self.forget_if_unused(id);
        Ok(())
    }

    /// Syncs a file; with `content_alone` its name is left to its fate if it is the old one.
    pub fn sync(&mut self, id: u64, content_alone: bool) -> Answer<()> {
        let fault = self.faults.on_sync;
        let Content { file, pages } = self.content(id)?;
        if fault.is_some() {
            pages.forsake();
        } else {
            let changes_names = pages.changes_names() || !content_alone;
            pages.sync(file)?;
            if changes_names {
                self.names.commit()?;
            }
        }
        self.fail_if(fault)
    }

    pub fn sync_folder(&mut self) -> Answer<()> {
        self.fail_if(self.faults.on_sync)?;
        Ok(self.names.commit()?)
    }

    /// The power fails. Of what was not synced, the disk has nothing, or what chance says.
    pub fn cut(self, chance: Option<&Entropy>) -> io::Result<Loss> {
        let number = || chance.map_or(0, |chance| u64::from_le_bytes(chance.bytes()));
        let mut pages = 0;
        for content in self.nodes.into_values().filter_map(|node| node.content) {
            pages += content.pages.cut(&content.file, || number() % 2 == 1)?;
        }
        let names = self.names.cut(|all| {
            let kept = number() % (all as u64 + 1);
            usize::try_from(kept).expect("no more than there are")
        })?;
        Ok(Loss { pages, names })
    }

    /// Where a file is durable.
    pub fn path(&self, id: u64) -> Answer<&Path> {
        self.node(id)?.path.as_deref().ok_or(Errno::ENOENT)
    }

    fn child(&self, parent: u64, name: &OsStr) -> Answer<PathBuf> {
        Ok(self.path(parent)?.join(name))
    }

    fn node(&self, id: u64) -> Answer<&Node> {
        self.nodes.get(&id).ok_or(Errno::ENOENT)
    }

    fn node_mut(&mut self, id: u64) -> Answer<&mut Node> {
        self.nodes.get_mut(&id).ok_or(Errno::ENOENT)
    }

    fn id_of(&mut self, path: &Path) -> u64 {
        if let Some(id) = self.ids.get(path) {
            return *id;
        }
        let id = self.next;
        self.next += 1;
        let node = Node {
            path: Some(path.to_owned()),
            opened: 0,
            content: None,
        };
        self.nodes.insert(id, node);
        self.ids.insert(path.to_owned(), id);
        id
    }

    fn content(&mut self, id: u64) -> Answer<&mut Content> {
        let node = self.node_mut(id)?;
        if node.content.is_none() {
            let path = node.path.as_ref().ok_or(Errno::ENOENT)?;
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            let pages = Pages::new(file.metadata()?.len(), false);
            node.content = Some(Content { file, pages });
        }
        node.content.as_mut().ok_or(Errno::EIO)
    }

    /// A path stands for nothing any more; who has it open keeps it.
    fn unname(&mut self, path: &Path) {
        if let Some(id) = self.ids.remove(path) {
            if let Some(node) = self.nodes.get_mut(&id) {
                node.path = None;
            }
            self.forget_if_unused(id);
        }
    }

    /// A file that nobody has open, and of which nothing is in memory alone.
    fn forget_if_unused(&mut self, id: u64) {
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.opened == 0) else {
            return;
        };
        if node.path.is_none() {
            self.nodes.remove(&id);
        } else if node
            .content
            .as_ref()
            .is_some_and(|content| content.pages.is_clean())
        {
            node.content = None;
        }
    }

    fn take_room(&mut self, more: u64) -> Answer<()> {
        match self.faults.room {
            Some(room) if more > room => self.fail_if(Some(Errno::ENOSPC)),
            Some(room) => {
                self.faults.room = Some(room - more);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn give_room(&mut self, more: u64) {
        if let Some(room) = &mut self.faults.room {
            *room += more;
        }
    }

    fn fail_if(&mut self, fault: Option<Errno>) -> Answer<()> {
        self.refused += u64::from(fault.is_some());
        fault.map_or(Ok(()), Err)
    }
}
