//! A real `trackagoat dev` in a folder of its own, driven as a user would.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use testkit::eventually;

/// A debug build initialises a database first, beside other tests on two cores.
const READY_WITHIN: Duration = Duration::from_mins(3);
const STOP_WITHIN: Duration = Duration::from_mins(1);

/// How late a projection may be.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// The process, its folder and what its ready-file says.
pub struct Dev {
    child: Child,
    folder: tempfile::TempDir,
    pub ready: Value,
    /// How far the log was when it answered last.
    seen: AtomicU64,
}

/// An answer: status, body as JSON (null if it is none), headers.
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
    pub headers: reqwest::header::HeaderMap,
}

impl Answer {
    fn position(&self) -> Option<u64> {
        self.headers
            .get("tga-position")?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }
}

impl Dev {
    /// Starts it with demo data and waits until everything answers.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::start_bare(&[&["--demo"][..], arguments].concat()).await
    }

    /// The same without demo data.
    pub async fn start_bare(arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tga-dev-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let child = spawn(folder.path(), arguments);
        let mut dev = Self {
            child,
            folder,
            ready: Value::Null,
            seen: AtomicU64::new(0),
        };
        dev.wait_ready().await;
        dev
    }

    /// Starts it again in the same folder, with demo data.
    pub async fn restart(&mut self, arguments: &[&str]) {
        let arguments = [&["--demo"][..], arguments].concat();
        self.child = spawn(self.folder.path(), &arguments);
        self.wait_ready().await;
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(&mut self) {
        self.child.kill().unwrap();
        self.exit().await;
    }

    /// Ends it as Ctrl-C does.
    pub async fn interrupt(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        self.exit().await
    }

    /// Ends it as Ctrl-C in a terminal does, which tells every process of the group.
    pub async fn interrupt_group(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process_group(pid, Signal::INT).unwrap();
        self.exit().await
    }

    async fn exit(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually(STOP_WITHIN, "the process ends", async || {
            child.try_wait().unwrap()
        })
        .await
    }

    async fn wait_ready(&mut self) {
        let path = self.ready_file();
        let log = self.log();
        let child = &mut self.child;
        self.ready = eventually(READY_WITHIN, "the ready-file", async || {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "dev ended early:\n{}", tail(&log));
            let text = fs::read(&path).map_err(|error| error.to_string())?;
            let ready: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            // That of a predecessor may still be there.
            let is_own = ready["pid"] == child.id();
            is_own
                .then_some(ready)
                .ok_or("of another process".to_owned())
        })
        .await;
    }

    pub fn ready_file(&self) -> PathBuf {
        self.folder.path().join("ready.json")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("dev.log")
    }

    pub fn api(&self) -> &str {
        self.ready["api"].as_str().unwrap()
    }

    pub fn demo_key(&self) -> &str {
        self.ready["demo"]["api_key"].as_str().unwrap()
    }

    pub fn project(&self) -> &str {
        self.ready["demo"]["project_id"].as_str().unwrap()
    }

    /// A request with a key.
    pub async fn call(&self, method: Method, path: &str, key: &str, body: Option<Value>) -> Answer {
        let url = format!("{}{path}", self.api());
        let mut request = client().request(method, url).bearer_auth(key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = answer(request).await;
        if let Some(position) = answer.position() {
            self.seen.fetch_max(position, Ordering::Relaxed);
        }
        answer
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_as(path, self.demo_key()).await
    }

    /// Reads what is no older than what was answered before, however late the projection is.
    pub async fn get_as(&self, path: &str, credential: &str) -> Answer {
        let url = format!("{}{path}", self.api());
        let seen = self.seen.load(Ordering::Relaxed).to_string();
        eventually(
            READ_WITHIN,
            "the projection has what was done",
            async || {
                let request = client().get(&url).bearer_auth(credential);
                let answer = answer(request.header("tga-min-position", &seen)).await;
                let is_late = answer.body["meta"]["code"] == "projection_unavailable";
                if is_late {
                    Err(answer.body)
                } else {
                    Ok(answer)
                }
            },
        )
        .await
    }

    /// What its processes wrote: to the terminal, and what replicas wrote to files.
    pub fn written(&self) -> String {
        let mut written = fs::read_to_string(self.log()).unwrap();
        for entry in fs::read_dir(self.folder.path().join("data")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "log") {
                written += &fs::read_to_string(path).unwrap();
            }
        }
        written
    }

    /// Makes a project of its own, so that the demo's figures do not disturb.
    pub async fn new_project(&self) -> String {
        let body = serde_json::json!({"name": "Import"});
        let made = self
            .call(Method::POST, "/projects", self.demo_key(), Some(body))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        made.body["data"]["id"].as_str().unwrap().to_owned()
    }

    /// An operator's command on the running system.
    pub fn operate(&self, arguments: &[&str]) -> Command {
        let mut command = binary();
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.folder.path().join("data"));
        command
    }

    /// Another one in the same folder.
    pub fn another(&self) -> Command {
        let mut command = binary();
        command
            .args(["dev", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(self.folder.path().join("data"))
            .stdin(Stdio::null());
        command
    }

    /// The import, as a process of its own.
    pub fn import(&self, project: &str, files: &[PathBuf]) -> Command {
        let mut command = binary();
        command
            .args([
                "import",
                "youtube-trending",
                "--api",
                self.api(),
                "--project",
                project,
            ])
            .arg("--key-file")
            .arg(self.ready_file())
            .args(files)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("{}", tail(&self.log()));
        }
    }
}

/// Runs a command to its end.
pub async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    eventually(READY_WITHIN, "the credential can be checked", async || {
        let answer = answer_once(request.try_clone().unwrap()).await;
        // Nothing was done: a busy machine was late.
        let is_unchecked = answer.body["meta"]["code"] == "verification_unavailable";
        (!is_unchecked).then_some(answer)
    })
    .await
}

async fn answer_once(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    Answer {
        status,
        body: serde_json::from_str(&text).unwrap_or(Value::Null),
        headers,
    }
}

pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_mins(1))
        .build()
        .unwrap()
}

pub fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_trackagoat"))
}

fn spawn(folder: &Path, arguments: &[&str]) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("dev.log"))
        .unwrap();
    binary()
        .args(["dev", "--listen", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("--ready-file")
        .arg(folder.join("ready.json"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .process_group(0)
        .spawn()
        .unwrap()
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
