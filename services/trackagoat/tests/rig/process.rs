//! A service as a process of its own.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::{Proxy, eventually};

use crate::limits::{ENDS_WITHIN, READY_WITHIN};
use crate::net::Place;

/// What a process is started with.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// `command` or `query`.
    pub role: &'static str,
    pub place: Place,
    /// Another program than the one that was built with this test.
    pub binary: Option<PathBuf>,
    pub variables: Vec<(&'static str, String)>,
    /// A program, with its arguments, that becomes the process.
    pub through: Vec<&'static str>,
}

/// A process of the binary. It is killed when dropped.
#[derive(Debug)]
pub struct Service {
    /// Told apart from every other of this run.
    pub name: String,
    pub recipe: Recipe,
    /// Where it answers; another place after every start.
    pub url: SharedUrl,
    child: Child,
    folder: PathBuf,
    admin: String,
    starts: u32,
}

/// Where a service answers just now.
#[derive(Debug, Clone, Default)]
pub struct SharedUrl(Arc<Mutex<String>>);

impl Recipe {
    /// Has it reach a server through a proxy.
    pub fn lead(&mut self, variable: &str, proxy: &Proxy) {
        let own = self
            .variables
            .iter_mut()
            .filter(|(name, _)| *name == variable);
        for (_, url) in own {
            *url = proxy.url(url);
        }
    }
}

impl SharedUrl {
    pub fn get(&self) -> String {
        let url = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        url.clone()
    }

    /// The host and the port.
    pub fn address(&self) -> SocketAddr {
        let url = self.get();
        let address = url.strip_prefix("http://");
        let address = address.and_then(|rest| rest.split('/').next()?.parse().ok());
        address.unwrap_or_else(|| panic!("{url} names no address"))
    }

    fn set(&self, url: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }
}

impl Service {
    /// Starts it, with its log in `folder`, and waits until it is ready.
    pub async fn start(name: &str, recipe: Recipe, folder: &Path) -> Self {
        let mut service = Self::spawn(name, recipe, folder);
        service.ready().await;
        service
    }

    /// Starts it, and leaves it to its start.
    pub fn spawn(name: &str, recipe: Recipe, folder: &Path) -> Self {
        let child = run(name, &recipe, folder, 0);
        Self {
            name: name.to_owned(),
            recipe,
            url: SharedUrl::default(),
            child,
            folder: folder.to_owned(),
            admin: String::new(),
            starts: 0,
        }
    }

    /// Starts it again after it has ended.
    pub async fn restart(&mut self) {
        self.spawn_again();
        self.ready().await;
    }

    /// Starts it again, and leaves it to its start.
    pub fn spawn_again(&mut self) {
        let _ = self.child.wait();
        self.starts += 1;
        self.child = run(&self.name, &self.recipe, &self.folder, self.starts);
    }

    /// Waits until it answers.
    pub async fn ready(&mut self) {
        let (ready_file, log) = files(&self.name, &self.folder, self.starts);
        let child = &mut self.child;
        let what = format!("{} is ready", self.name);
        let (url, admin) = eventually(READY_WITHIN, &what, async || {
            let ended = child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "it ended: {}", log.display());
            Some((read_url(&ready_file)?, read_admin(&log)?))
        })
        .await;
        self.url.set(url);
        self.admin = admin;
    }

    /// What it has said since it was started last.
    pub fn log(&self) -> String {
        let (_, log) = files(&self.name, &self.folder, self.starts);
        fs::read_to_string(log).unwrap_or_default()
    }

    /// Whether it has opened since it was started last.
    pub fn was_ready(&self) -> bool {
        files(&self.name, &self.folder, self.starts).0.exists()
    }

    /// What it counts; none if it does not say.
    pub async fn metrics(&self, client: &reqwest::Client) -> Option<String> {
        let answer = client.get(format!("http://{}/metrics", self.admin));
        let answer = answer.timeout(crate::limits::ASK_TIMEOUT).send().await;
        answer.ok()?.error_for_status().ok()?.text().await.ok()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it where it stands.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops it where it stands.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Whether it stands still.
    pub fn is_stopped(&self) -> bool {
        let state = fs::read_to_string(format!("/proc/{}/stat", self.pid()));
        // The name before it, in brackets, may hold anything.
        let state = state
            .ok()
            .and_then(|text| text.rsplit_once(") ")?.1.chars().next());
        state == Some('T')
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Tells it to end in order.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) {
        let what = format!("{} ends", self.name);
        let child = &mut self.child;
        eventually(ENDS_WITHIN, &what, async || {
            child.try_wait().expect("it is our child")
        })
        .await;
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The ready-file and the log of one run.
fn files(name: &str, folder: &Path, starts: u32) -> (PathBuf, PathBuf) {
    let file = |what: &str| folder.join(format!("{name}-{starts}.{what}"));
    (file("json"), file("log"))
}

fn run(name: &str, recipe: &Recipe, folder: &Path, starts: u32) -> Child {
    let (ready_file, log) = files(name, folder, starts);
    let log = File::create(log).expect("the folder takes a log");
    let errors = log.try_clone().expect("a descriptor more");
    let address = recipe.place.address;
    let built = Path::new(env!("CARGO_BIN_EXE_trackagoat"));
    let binary = recipe.binary.as_deref().unwrap_or(built);
    let mut command: Command = match recipe.through.split_first() {
        Some((program, arguments)) => {
            let mut command = recipe.place.command(Path::new(program));
            command.args(arguments).arg(binary);
            command
        }
        None => recipe.place.command(binary),
    };
    command
        .args(["serve", recipe.role, "--end-with-parent", "--listen"])
        .arg(format!("{address}:0"))
        .arg("--ready-file")
        .arg(ready_file)
        .env("TGA_ADMIN_LISTEN", format!("{address}:0"))
        .env(
            "TGA_LOG",
            "info,gate=debug,request=off,async_nats=warn,sqlx=warn,hyper=warn",
        )
        .env("TGA_LOG_FORMAT", "json")
        .envs(recipe.variables.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors);
    command.spawn().expect("the binary was built")
}

fn read_url(ready_file: &Path) -> Option<String> {
    let ready: Value = serde_json::from_slice(&fs::read(ready_file).ok()?).ok()?;
    Some(format!("{}/api/v1", ready["url"].as_str()?))
}

/// The line that says that it is ready names the operator's port.
fn read_admin(log: &Path) -> Option<String> {
    let text = fs::read_to_string(log).ok()?;
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut ready = lines.filter(|line| line["message"] == "ready");
    Some(ready.next()?["admin"].as_str()?.to_owned())
}
