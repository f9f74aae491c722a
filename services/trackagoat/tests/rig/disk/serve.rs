//! What the kernel asks of the disk.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::Shared;
use super::names::Owner;
use super::tree::{Found, Tree};

/// Nothing changes but through the kernel, which may keep what it has read as long as the mount; it
/// keeps no write to itself.
const KEPT: Duration = Duration::from_hours(1);
const CACHED: FopenFlags = FopenFlags::FOPEN_KEEP_CACHE;
const BLOCK: u32 = 4_096;
/// What a listing may tell of: more than there is.
const BLOCKS: u64 = 1 << 24;
const LONGEST_NAME: u32 = 255;

/// A disk behind a mount.
pub struct Serve {
    tree: Shared,
    listings: Mutex<Listings>,
}

#[derive(Default)]
struct Listings {
    last: u64,
    open: BTreeMap<u64, Vec<(u64, FileType, std::ffi::OsString)>>,
}

impl Serve {
    pub fn new(tree: Shared) -> Self {
        Self {
            tree,
            listings: Mutex::default(),
        }
    }

    /// Does something to the disk, unless its power has failed.
    fn tree<T>(&self, act: impl FnOnce(&mut Tree) -> Result<T, Errno>) -> Result<T, Errno> {
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        act(tree.as_mut().ok_or(Errno::EIO)?)
    }

    fn listings(&self) -> MutexGuard<'_, Listings> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self, folder: u64) -> Result<u64, Errno> {
        let mut found = Vec::new();
        for (id, entry) in self.tree(|tree| tree.list(folder))? {
            found.push((id, kind_of(entry.file_type()?), entry.file_name()));
        }
        let mut listings = self.listings();
        listings.last += 1;
        let handle = listings.last;
        listings.open.insert(handle, found);
        Ok(handle)
    }

    fn change(
        &self,
        id: u64,
        mode: Option<u32>,
        (uid, gid): (Option<u32>, Option<u32>),
        size: Option<u64>,
    ) -> Result<FileAttr, Errno> {
        self.tree(|tree| {
            if let Some(size) = size {
                tree.truncate(id, size)?;
            }
            if let Some(mode) = mode {
                fs::set_permissions(tree.path(id)?, Permissions::from_mode(mode & 0o7777))?;
            }
            if uid.is_some() || gid.is_some() {
                chown(tree.path(id)?, uid, gid)?;
            }
            Ok(attributes(&tree.look(id)?))
        })
    }
}

impl Filesystem for Serve {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(self.tree(|tree| tree.find(parent.0, name)), reply);
    }

    fn getattr(&self, _: &Request, id: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        attr(self.tree(|tree| Ok(attributes(&tree.look(id.0)?))), reply);
    }

    fn setattr(
        &self,
        _: &Request,
        id: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        attr(self.change(id.0, mode, (uid, gid), size), reply);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let owner = owner(request, mode, umask);
        entry(
            self.tree(|tree| tree.make_folder(parent.0, name, owner)),
            reply,
        );
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.tree(|tree| tree.remove(parent.0, name)), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.tree(|tree| tree.remove_folder(parent.0, name)), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !flags.is_empty() {
            return reply.error(Errno::EINVAL);
        }
        let (from, to) = ((parent.0, name), (new_parent.0, new_name));
        done(self.tree(|tree| tree.rename(from, to)), reply);
    }

    fn open(&self, _: &Request, id: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.tree(|tree| tree.open(id.0)) {
            Ok(()) => reply.opened(FileHandle(0), CACHED),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let owner = owner(request, mode, umask);
        match self.tree(|tree| tree.make(parent.0, name, owner)) {
            Ok(found) => reply.created(
                &KEPT,
                &attributes(&found),
                Generation(0),
                FileHandle(0),
                CACHED,
            ),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        id: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.tree(|tree| tree.read(id.0, offset, size.into())) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        id: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.tree(|tree| tree.write(id.0, offset, data)) {
            Ok(()) => reply.written(u32::try_from(data.len()).expect("the kernel sends no more")),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        id: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        done(self.tree(|tree| tree.close(id.0)), reply);
    }

    fn fsync(
        &self,
        _: &Request,
        id: INodeNo,
        _: FileHandle,
        content_alone: bool,
        reply: ReplyEmpty,
    ) {
        done(self.tree(|tree| tree.sync(id.0, content_alone)), reply);
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(self.tree(Tree::sync_folder), reply);
    }

    fn opendir(&self, _: &Request, id: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.list(id.0) {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listings = self.listings();
        let entries = listings.open.get(&handle.0).into_iter().flatten();
        for (next, (id, kind, name)) in (1..).zip(entries) {
            if next > offset && reply.add(INodeNo(*id), next, *kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.listings().open.remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(
            BLOCKS,
            BLOCKS,
            BLOCKS,
            BLOCKS,
            BLOCKS,
            BLOCK,
            LONGEST_NAME,
            BLOCK,
        );
    }
}

fn owner(request: &Request, mode: u32, umask: u32) -> Owner {
    Owner {
        mode: mode & !umask & 0o7777,
        uid: request.uid(),
        gid: request.gid(),
    }
}

fn done(result: Result<(), Errno>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn entry(found: Result<Found, Errno>, reply: ReplyEntry) {
    match found {
        Ok(found) => reply.entry(&KEPT, &attributes(&found), Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn attr(found: Result<FileAttr, Errno>, reply: ReplyAttr) {
    match found {
        Ok(attributes) => reply.attr(&KEPT, &attributes),
        Err(error) => reply.error(error),
    }
}

fn attributes(found: &Found) -> FileAttr {
    let metadata = &found.metadata;
    let time = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    FileAttr {
        ino: INodeNo(found.id),
        size: found.size,
        blocks: found.size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: kind_of(metadata.file_type()),
        perm: u16::try_from(metadata.mode() & 0o7777).expect("four octal digits"),
        nlink: 1,
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    }
}

fn kind_of(kind: fs::FileType) -> FileType {
    if kind.is_dir() {
        FileType::Directory
    } else {
        FileType::RegularFile
    }
}
