//! A disk whose power can be cut, which can be full and can fail: a file system in user space that
//! keeps what is not synced in memory alone. A page that was not synced may or may not have reached
//! the disk when the power fails; names last in the order in which they were changed.

mod names;
mod pages;
mod serve;
mod tree;

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fuser::{BackgroundSession, Config, Errno, MountOption, Session, SessionACL};
use runtime::entropy::Entropy;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::setpriority_process;
use testkit::eventually;

use self::serve::Serve;
use self::tree::Tree;
use crate::limits::SOON;

/// What a mount of ours is called: this, and the id of the process that serves it.
const PREFIX: &str = "tga-rig-";
/// How nice a thread is that comes before all others.
const FIRST: i32 = -20;

/// Errors that the disk gives.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub on_write: Option<Errno>,
    /// A sync that fails leaves pages that look clean and never reach the disk, as on Linux.
    pub on_sync: Option<Errno>,
    /// By how many bytes files may still grow.
    pub room: Option<u64>,
}

/// The files of a disk; none once its power has failed. Mounts may outlive that: a process that is
/// started in a place of its own, by whomever, takes a copy of each along.
type Shared = Arc<Mutex<Option<Tree>>>;

/// What a power failure took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loss {
    pub pages: u64,
    pub names: usize,
}

/// A disk, mounted where a folder was. Dropping it unmounts it, whoever still uses it.
pub struct Disk {
    tree: Shared,
    folder: PathBuf,
    /// What is durable.
    below: PathBuf,
    bin: PathBuf,
    session: Option<BackgroundSession>,
}

impl Disk {
    /// Puts what is in the folder onto a disk that is mounted there; nobody may use it meanwhile.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn under(folder: &Path) -> io::Result<Self> {
        unmount_stale();
        let folder = folder.canonicalize()?;
        let (below, bin) = (folder.with_extension("disk"), folder.with_extension("bin"));
        let owner = fs::metadata(&folder)?;
        fs::rename(&folder, &below)?;
        DirBuilder::new().mode(0o700).create(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(owner.mode() & 0o7777))?;
        chown(&folder, Some(owner.uid()), Some(owner.gid()))?;
        let mut disk = Self {
            tree: Shared::default(),
            folder,
            below,
            bin,
            session: None,
        };
        disk.mount()?;
        Ok(disk)
    }

    /// Waits until no process works in it any more.
    pub async fn unused(&self) {
        let works_there = |process: &fs::DirEntry| {
            fs::read_link(process.path().join("cwd")).is_ok_and(|folder| folder == self.folder)
        };
        eventually(SOON, "whoever used the disk is dead", async || {
            let mut processes = fs::read_dir("/proc")?.flatten();
            let busy = processes.find(works_there);
            busy.map_or(Ok(()), |process| {
                Err(io::Error::other(format!("{process:?}")))
            })
        })
        .await;
    }

    /// The power fails, and comes back: whoever used it must be dead. Without chance nothing that was
    /// not synced is on the disk afterwards.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn cut(&mut self, chance: Option<&Entropy>) -> io::Result<Loss> {
        unmount(&self.folder, UnmountFlags::DETACH)?;
        // Before something else is mounted there: it unmounts what it finds.
        self.session = None;
        let tree = self
            .tree
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let loss = tree.expect("it is mounted").cut(chance)?;
        self.mount()?;
        Ok(loss)
    }

    /// From now on it gives these errors.
    pub fn set(&self, faults: Faults) {
        self.with(|tree| tree.faults = faults);
    }

    /// How often it gave an error that it was told to give, since the power was last cut.
    pub fn refused(&self) -> u64 {
        self.with(|tree| tree.refused)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Tree) -> T) -> T {
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        act(tree.as_mut().expect("it is mounted"))
    }

    fn mount(&mut self) -> io::Result<()> {
        let mut config = Config::default();
        config.acl = SessionACL::All;
        config.mount_options = vec![
            MountOption::FSName(format!("{PREFIX}{}", std::process::id())),
            MountOption::DefaultPermissions,
        ];
        let tree = Tree::new(&self.below, &self.bin)?;
        self.tree = Arc::new(Mutex::new(Some(tree)));
        let session = Session::new(Serve::new(Arc::clone(&self.tree)), &self.folder, &config)?;
        self.session = Some(spawn_before_others(session)?);
        Ok(())
    }
}

/// A disk waits for no other process of this machine: whoever uses it would wait for them at each page.
fn spawn_before_others(session: Session<Serve>) -> io::Result<BackgroundSession> {
    let spawn = move || {
        // Threads have what the one has that starts them.
        setpriority_process(None, FIRST)?;
        session.spawn()
    };
    let spawned = std::thread::spawn(spawn).join();
    spawned.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl std::ops::AddAssign for Loss {
    fn add_assign(&mut self, other: Self) {
        self.pages += other.pages;
        self.names += other.names;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may have failed before.
        let _ = unmount(&self.folder, UnmountFlags::DETACH);
    }
}

/// Why there can be none.
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can mount a disk that fails: run it as root".to_owned());
    }
    if OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .is_err()
    {
        return Some("no /dev/fuse: modprobe fuse".to_owned());
    }
    let folder = tempfile::tempdir().expect("the temporary folder takes one more");
    let inner = folder.path().join("probe");
    fs::create_dir(&inner).expect("the folder takes one more");
    let probe = Disk::under(&inner);
    probe.err().map(|error| format!("this kernel mounts no FUSE file system ({error}): load its module fuse, and in a container allow mounts"))
}

/// Unmounts disks whose process is gone.
fn unmount_stale() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let maker = words.next().and_then(|source| source.strip_prefix(PREFIX));
        let is_stale = maker.is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if let Some(folder) = words.next().filter(|_| is_stale) {
            // Somebody else may have been quicker.
            let _ = unmount(folder, UnmountFlags::DETACH);
        }
    }
}
