//! Processes frozen, or starved of processor time, by a control group.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::Service;

/// Where the kernel shows its groups: one tree for all, or one for each controller.
const ROOT: &str = "/sys/fs/cgroup";
/// Microseconds of a period, and how many of them a starved process gets.
const PERIOD: u32 = 100_000;
const STARVED: u32 = 3_000;

/// What a group does to who is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Frozen,
    Starved,
}

/// A group with one process. Dropping it lets the process go.
#[derive(Debug)]
pub struct Group {
    folder: PathBuf,
    parent: PathBuf,
    pid: u32,
    /// The file that undoes the effect, and what to write there.
    undo: (PathBuf, String),
}

/// Why there are none.
pub fn missing() -> Option<String> {
    let has = |effect| Layout::of(effect).is_some();
    let is_there = has(Effect::Frozen) && has(Effect::Starved);
    (!is_there).then(|| "no control groups that may be written: run it as root".to_owned())
}

struct Layout {
    parent: PathBuf,
    file: &'static str,
    set: String,
    undo: String,
}

impl Layout {
    fn of(effect: Effect) -> Option<Self> {
        let unified = Path::new(ROOT).join("cgroup.controllers").exists();
        let (controller, file, set, undo) = match (effect, unified) {
            (Effect::Frozen, true) => ("", "cgroup.freeze", "1".to_owned(), "0"),
            (Effect::Frozen, false) => ("freezer", "freezer.state", "FROZEN".to_owned(), "THAWED"),
            (Effect::Starved, true) => ("", "cpu.max", format!("{STARVED} {PERIOD}"), "max"),
            (Effect::Starved, false) => ("cpu", "cpu.cfs_quota_us", STARVED.to_string(), "-1"),
        };
        let parent = Path::new(ROOT).join(controller);
        let may_write =
            rustix::process::geteuid().is_root() && parent.join("cgroup.procs").exists();
        may_write.then(|| Self {
            parent,
            file,
            set,
            undo: undo.to_owned(),
        })
    }
}

impl Group {
    /// Puts the process of a service into a group of its own.
    pub fn around(service: &Service, effect: Effect) -> Self {
        let layout = Layout::of(effect).expect("it was looked for");
        let folder = layout.parent.join(format!("tga-rig-{}", service.pid()));
        // A tree for all shows a controller only to those who asked for it above.
        let _ = fs::write(layout.parent.join("cgroup.subtree_control"), "+cpu");
        fs::create_dir_all(&folder).expect("root may make groups");
        let pid = service.pid().to_string();
        fs::write(folder.join("cgroup.procs"), pid).expect("the process lives");
        fs::write(folder.join(layout.file), layout.set).expect("the controller is there");
        Self {
            undo: (folder.join(layout.file), layout.undo),
            folder,
            parent: layout.parent,
            pid: service.pid(),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The process, and with it the group, may be gone.
        let _ = fs::write(&self.undo.0, &self.undo.1);
        let _ = fs::write(self.parent.join("cgroup.procs"), self.pid.to_string());
        let _ = fs::remove_dir(&self.folder);
    }
}
