use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::LocalError;
use super::account::Account;
use crate::clock::Clock;

const POLL: Duration = Duration::from_millis(10);
const READY_WITHIN: Duration = Duration::from_mins(1);
const POLITELY: Duration = Duration::from_secs(30);
const FORCED: Duration = Duration::from_secs(10);
const LOG_TAIL: usize = 2_000;

/// Reads the server's process ids as they change, until its input ends, which it does when the
/// process that holds the other end is gone, however it went; then stops the last one, and deletes
/// a folder that should not outlive it.
/// Arguments: the server's folder, the signal that stops it, the folder to delete.
const WATCHDOG: &str = r#"
pid=0
while read -r next; do pid=$next; done
alive() {
  folder=$(readlink "/proc/$pid/cwd") && [ "${folder% (deleted)}" = "$1" ]
}
tries=0
while alive "$1" && [ $tries -lt 400 ]; do
  [ $tries -gt 0 ] || kill -s "$2" "$pid"
  tries=$((tries + 1))
  sleep 0.05
done
! alive "$1" || kill -s KILL "$pid"
[ -z "$3" ] || rm -rf "$3" || { sleep 1; rm -rf "$3"; }
"#;

/// What a server is, whether it runs or not.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// The name the kernel shows.
    pub name: &'static str,
    pub binary: PathBuf,
    /// The folder it works in, absolute and resolved; every process of this server has it as its
    /// working directory, and no process of another server does.
    pub folder: PathBuf,
    pub log: PathBuf,
    pub account: Account,
    /// Makes it stop cleanly, and soon.
    pub stop_signal: Signal,
    pub clock: Clock,
}

/// Stops the server if this process ends without having done so.
#[derive(Debug)]
pub(super) struct Watchdog {
    shell: Child,
    /// Closed by the kernel when this process ends.
    lifeline: Option<ChildStdin>,
}

/// Keeps other processes of ours away from a folder, until it is dropped or this process ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock for a program.
    ///
    /// # Errors
    /// If another process has it, or the folder cannot be written.
    pub fn take(program: &'static str, folder: &Path) -> Result<Self, LocalError> {
        let path = folder.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(LocalError::io("make", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(fs::TryLockError::WouldBlock) => Err(LocalError::InUse {
                program,
                folder: folder.to_owned(),
            }),
            Err(fs::TryLockError::Error(error)) => Err(LocalError::io("lock", &path)(error)),
        }
    }
}

impl Program {
    /// Starts the server, its output going to the log, in a process group of its own: Ctrl-C in a
    /// terminal must reach us alone.
    pub fn spawn(&self, arguments: &[String]) -> Result<Child, LocalError> {
        let _ = fs::rename(&self.log, self.log.with_extension("log.old"));
        self.command(&self.binary, &self.folder)?
            .args(arguments)
            .spawn()
            .map_err(LocalError::io("run", &self.binary))
    }

    /// Runs a helper program of the server to its end.
    pub async fn run(&self, binary: &Path, arguments: &[String]) -> Result<(), LocalError> {
        let mut child = self
            .command(binary, Path::new("/"))?
            .args(arguments)
            .spawn()
            .map_err(LocalError::io("run", binary))?;
        loop {
            match child
                .try_wait()
                .map_err(LocalError::io("wait for", binary))?
            {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.ended(&status.to_string())),
                None => self.clock.sleep(POLL).await,
            }
        }
    }

    /// The environment is not passed on: it may hold secrets of ours.
    fn command(&self, binary: &Path, folder: &Path) -> Result<Command, LocalError> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(LocalError::io("open", &self.log))?;
        let errors = log.try_clone().map_err(LocalError::io("open", &self.log))?;
        let mut command = Command::new(binary);
        command
            .current_dir(folder)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0);
        self.account.apply_to(&mut command);
        Ok(command)
    }

    /// Waits until `ready` answers yes.
    pub async fn wait_ready(
        &self,
        child: &mut Child,
        ready: impl AsyncFn(u32) -> bool,
    ) -> Result<(), LocalError> {
        let deadline = self.clock.monotonic() + READY_WITHIN;
        while !ready(child.id()).await {
            if let Some(status) = child
                .try_wait()
                .map_err(LocalError::io("wait for", &self.binary))?
            {
                return Err(self.ended(&status.to_string()));
            }
            if self.clock.monotonic() >= deadline {
                return Err(LocalError::NotReady {
                    program: self.name,
                    waited: READY_WITHIN,
                    log: self.log_tail(),
                });
            }
            self.clock.sleep(POLL).await;
        }
        Ok(())
    }

    /// Stops the child: with `signal`, and when that takes too long, by force.
    pub async fn stop(&self, child: &mut Child, signal: Signal) -> Result<(), LocalError> {
        if self.has_ended(child)? {
            return Ok(());
        }
        send(child.id(), signal);
        for (patience, forced) in [(POLITELY, false), (FORCED, true)] {
            if forced {
                tracing::warn!(program = self.name, "server does not stop, killing it");
                self.signal_all(Signal::KILL);
            }
            let deadline = self.clock.monotonic() + patience;
            while self.clock.monotonic() < deadline {
                if self.has_ended(child)? {
                    return Ok(());
                }
                self.clock.sleep(POLL).await;
            }
        }
        Err(self.not_stopped(child.id()))
    }

    /// Stops whatever processes of a server a killed predecessor of ours left in the folder.
    pub async fn stop_leftovers(&self) -> Result<(), LocalError> {
        for (signal, patience) in [(self.stop_signal, POLITELY), (Signal::KILL, FORCED)] {
            let processes = self.processes();
            if processes.is_empty() {
                return Ok(());
            }
            tracing::warn!(
                program = self.name,
                ?processes,
                "stopping a server left behind"
            );
            self.signal_all(signal);
            let deadline = self.clock.monotonic() + patience;
            while !self.processes().is_empty() && self.clock.monotonic() < deadline {
                self.clock.sleep(POLL).await;
            }
        }
        match self.processes().first() {
            None => Ok(()),
            Some(pid) => Err(self.not_stopped(*pid)),
        }
    }

    /// Sends `signal` to every process of the server.
    pub fn signal_all(&self, signal: Signal) {
        for pid in self.processes() {
            send(pid, signal);
        }
    }

    /// The ids of the server's living processes.
    pub fn processes(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| self.is_ours(*pid))
            .collect()
    }

    fn is_ours(&self, pid: u32) -> bool {
        let process = PathBuf::from(format!("/proc/{pid}"));
        fs::read_link(process.join("cwd")).is_ok_and(|folder| folder == self.folder)
            && fs::read_to_string(process.join("comm"))
                .is_ok_and(|name| name.trim_end() == self.name)
    }

    pub fn has_ended(&self, child: &mut Child) -> Result<bool, LocalError> {
        let status = child
            .try_wait()
            .map_err(LocalError::io("wait for", &self.binary))?;
        Ok(status.is_some())
    }

    pub fn ended(&self, status: &str) -> LocalError {
        LocalError::Ended {
            program: self.name,
            status: status.to_owned(),
            log: self.log_tail(),
        }
    }

    fn not_stopped(&self, pid: u32) -> LocalError {
        LocalError::NotStopped {
            program: self.name,
            pid,
        }
    }

    fn log_tail(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let tail = &bytes[bytes.len().saturating_sub(LOG_TAIL)..];
        String::from_utf8_lossy(tail).trim().to_owned()
    }
}

impl Watchdog {
    /// Watches over the server; `delete` is a folder that should not outlive this process.
    pub fn start(program: &Program, delete: Option<&Path>) -> Result<Self, LocalError> {
        let signal = match program.stop_signal {
            Signal::QUIT => "QUIT",
            _ => "INT",
        };
        let mut shell = Command::new("/bin/sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&program.folder)
            .arg(signal)
            .arg(delete.unwrap_or(Path::new("")))
            .current_dir("/")
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(LocalError::io("run", Path::new("/bin/sh")))?;
        let lifeline = shell.stdin.take();
        Ok(Self { shell, lifeline })
    }

    /// Tells it which process to stop.
    pub fn watch(&mut self, child: &Child) -> io::Result<()> {
        match &mut self.lifeline {
            Some(lifeline) => writeln!(lifeline, "{}", child.id()),
            None => Ok(()),
        }
    }

    /// Lets it do its work and waits for it.
    pub async fn finish(&mut self, clock: &Clock) -> io::Result<()> {
        self.lifeline = None;
        while self.shell.try_wait()?.is_none() {
            clock.sleep(POLL).await;
        }
        Ok(())
    }
}

fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = kill_process(pid, signal)
    {
        // Mostly that it is gone already, which is what a signal is for.
        tracing::debug!(%error, "signal not delivered");
    }
}
