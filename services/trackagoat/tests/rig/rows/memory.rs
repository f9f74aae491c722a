//! Row 44: a replica that has no memory left.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::eventually;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::partitions::recovers;
use super::{done, lasts};
use crate::limits::{RECOVERS_WITHIN, SOON};
use crate::rig::Rig;

const ROOT: &str = "/sys/fs/cgroup";
/// What it may take beyond what it has when the limit is set.
const HEADROOM: u64 = 1 << 20;
/// How long it works with no more than that.
const PRESSURE: Duration = Duration::from_secs(2);
/// Callers that make it take more, and what each sends of a request that it does not end.
const CROWD: usize = 1_500;
const BEGUN: &str = "GET /api/v1/creators HTTP/1.1\r\nHost: rig\r\nX-Fill: ";
const FILL: usize = 12_000;

/// Why there are no groups that limit memory.
pub fn missing() -> Option<String> {
    let is_there = rustix::process::geteuid().is_root() && parent().join("cgroup.procs").exists();
    (!is_there).then(|| "no control groups that limit memory: run it as root".to_owned())
}

/// Row 44: first so little that the kernel takes its pages away, then so little that it is killed; whoever
/// keeps it running starts it again.
pub async fn exhausted(rig: &mut Rig) {
    let cage = Cage::new();
    let q3 = rig.service("q3");
    q3.kill();
    q3.spawn_again();
    cage.enclose(q3.pid());
    q3.ready().await;
    rig.calm_but(0).await;

    let watch = rig.round().await;
    let limit = cage.limit();
    lasts(PRESSURE).await;
    done(watch.revoke()).await;
    rig.end(watch, &["q3"]).await;
    let lives = rig.service("q3").lives();
    rig.found.note(format!(
        "{} MB allowed; it {} {} s with {} failures to get more",
        limit >> 20,
        if lives { "lived" } else { "died within" },
        PRESSURE.as_secs(),
        cage.failures()
    ));

    let watch = rig.round_without("q3").await;
    watch.join(rig.target("q3"));
    let revoking = watch.revoke();
    let crowd = crowd(rig.target("q3").url.address()).await;
    eventually(SOON, "the kernel kills it", async || {
        let is_gone = !rig.service("q3").lives();
        is_gone.then_some(())
    })
    .await;
    drop(crowd);
    let kills = cage.kills();
    rig.found.expect(kills > 0, || {
        "it ended, and not for want of memory".to_owned()
    });
    drop(cage);
    rig.service("q3").restart().await;
    let back = recovers(rig, "q3").await;
    done(revoking).await;
    rig.end(watch, &["q3"]).await;
    rig.found.expect_speed(back <= RECOVERS_WITHIN, || {
        format!("L2: back {} ms after its start", back.as_millis())
    });
}

/// Callers that each begin a request with a long header and do not end it.
async fn crowd(address: SocketAddr) -> Vec<TcpStream> {
    let begun = format!("{BEGUN}{}", "x".repeat(FILL));
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let Ok(mut caller) = TcpStream::connect(address).await else {
            break;
        };
        if caller.write_all(begun.as_bytes()).await.is_err() {
            break;
        }
        crowd.push(caller);
    }
    crowd
}

/// A group with a limit. Dropping it lets who is in it go.
struct Cage {
    parent: PathBuf,
    folder: PathBuf,
    is_unified: bool,
}

fn parent() -> PathBuf {
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        root.to_owned()
    } else {
        root.join("memory")
    }
}

impl Cage {
    fn new() -> Self {
        let parent = parent();
        let is_unified = parent.join("cgroup.controllers").exists();
        // A tree for all shows a controller only to those who asked for it above.
        let _ = fs::write(parent.join("cgroup.subtree_control"), "+memory");
        let folder = parent.join(format!("tga-rig-memory-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("root may make groups");
        Self {
            parent,
            folder,
            is_unified,
        }
    }

    /// What the process takes from now on counts here.
    fn enclose(&self, pid: u32) {
        let procs = self.folder.join("cgroup.procs");
        fs::write(procs, pid.to_string()).expect("the process lives");
    }

    /// Allows a little more than what is in use and cannot be taken away; says how much that is.
    fn limit(&self) -> u64 {
        let (file, used) = if self.is_unified {
            ("memory.max", self.stat("memory.stat", "anon"))
        } else {
            ("memory.limit_in_bytes", self.stat("memory.stat", "rss"))
        };
        let kernel = self.stat("memory.stat", "kernel");
        // What else cannot be taken away is found by trying.
        for step in 1.. {
            let limit = used + kernel + step * HEADROOM;
            if fs::write(self.folder.join(file), limit.to_string()).is_ok() {
                return limit;
            }
        }
        unreachable!("there is a limit that is no limit")
    }

    fn failures(&self) -> u64 {
        if self.is_unified {
            self.stat("memory.events", "max")
        } else {
            let text = fs::read_to_string(self.folder.join("memory.failcnt"));
            text.ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0)
        }
    }

    fn kills(&self) -> u64 {
        let file = if self.is_unified {
            "memory.events"
        } else {
            "memory.oom_control"
        };
        self.stat(file, "oom_kill")
    }

    fn stat(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(key, _)| *key == name);
        found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        let inside = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        for pid in inside.lines() {
            // It may have ended.
            let _ = fs::write(self.parent.join("cgroup.procs"), pid);
        }
        let _ = fs::remove_dir(&self.folder);
    }
}
