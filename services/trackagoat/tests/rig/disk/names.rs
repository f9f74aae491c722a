//! Names of files: changed at once, and taken back when the power fails before they were durable.
//! As with the journal of a file system they become durable in their order, and any sync that
//! has to write the journal makes all of them so.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// Who made something, and who may use it.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// Changes of names that are not durable, the oldest first.
#[derive(Debug)]
pub struct Names {
    changes: Vec<Change>,
    /// Where what was removed waits until that is durable.
    bin: PathBuf,
    removed: u64,
}

/// How to take one change back: these steps, the last first.
type Change = Vec<Step>;

#[derive(Debug)]
enum Step {
    Remove(PathBuf),
    RemoveFolder(PathBuf),
    Move { from: PathBuf, to: PathBuf },
    MakeFolder(PathBuf, Owner),
}

impl Names {
    /// With a folder of its own, on the same file system, for what was removed.
    pub fn new(bin: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&bin)?;
        Ok(Self {
            changes: Vec::new(),
            bin,
            removed: 0,
        })
    }

    pub fn make(&mut self, path: &Path, owner: Owner) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(owner.mode)
            .open(path)?;
        give(path, owner)?;
        self.changes.push(vec![Step::Remove(path.to_owned())]);
        Ok(file)
    }

    pub fn make_folder(&mut self, path: &Path, owner: Owner) -> io::Result<()> {
        make_folder(path, owner)?;
        self.changes.push(vec![Step::RemoveFolder(path.to_owned())]);
        Ok(())
    }

    pub fn remove(&mut self, path: &Path) -> io::Result<()> {
        let step = self.bin_it(path)?;
        self.changes.push(vec![step]);
        Ok(())
    }

    pub fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        let found = fs::metadata(path)?;
        fs::remove_dir(path)?;
        let owner = Owner {
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
        };
        self.changes
            .push(vec![Step::MakeFolder(path.to_owned(), owner)]);
        Ok(())
    }

    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let mut change = Vec::new();
        if fs::symlink_metadata(to).is_ok_and(|replaced| !replaced.is_dir()) {
            change.push(self.bin_it(to)?);
        }
        fs::rename(from, to)?;
        change.push(Step::Move {
            from: to.to_owned(),
            to: from.to_owned(),
        });
        self.changes.push(change);
        Ok(())
    }

    /// Everything until now is durable.
    pub fn commit(&mut self) -> io::Result<()> {
        let gone = self.changes.drain(..).flatten();
        for step in gone {
            if let Step::Move { from, .. } = step
                && from.starts_with(&self.bin)
            {
                fs::remove_file(from)?;
            }
        }
        Ok(())
    }

    /// The power fails: only so many of the oldest changes became durable. Gives how many are lost.
    pub fn cut(mut self, durable: impl FnOnce(usize) -> usize) -> io::Result<usize> {
        let durable = durable(self.changes.len());
        let lost = self.changes.split_off(durable);
        let count = lost.len();
        for step in lost
            .into_iter()
            .rev()
            .flat_map(|steps| steps.into_iter().rev())
        {
            step.take()?;
        }
        self.commit()?;
        Ok(count)
    }

    fn bin_it(&mut self, path: &Path) -> io::Result<Step> {
        self.removed += 1;
        let binned = self.bin.join(self.removed.to_string());
        fs::rename(path, &binned)?;
        Ok(Step::Move {
            from: binned,
            to: path.to_owned(),
        })
    }
}

impl Step {
    fn take(self) -> io::Result<()> {
        match self {
            Self::Remove(path) => fs::remove_file(path),
            Self::RemoveFolder(path) => fs::remove_dir(path),
            Self::Move { from, to } => fs::rename(from, to),
            Self::MakeFolder(path, owner) => make_folder(&path, owner),
        }
    }
}

fn make_folder(path: &Path, owner: Owner) -> io::Result<()> {
    DirBuilder::new().mode(owner.mode).create(path)?;
    give(path, owner)
}

/// Whatever our umask is.
fn give(path: &Path, owner: Owner) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(owner.mode))?;
    chown(path, Some(owner.uid), Some(owner.gid))
}
