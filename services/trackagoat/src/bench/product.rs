//! The product as its users run it, in processes of its own: `trackagoat dev --demo` with its
//! servers, or `trackagoat serve query` alone; and what the operating system says of them.

use std::env;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use runtime::clock::Clock;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::error::BenchError;
use super::stats::float;

const READY_WITHIN: Duration = Duration::from_mins(3);
const STOPPED_WITHIN: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(20);
/// Lines of the product's output shown if it fails.
const LAST_LINES: usize = 20;

/// A process that says in a file when it is ready, and how to reach it. It is killed when dropped.
pub struct Process<T> {
    pub ready: T,
    /// From its start to its ready-file.
    pub seconds: f64,
    pub ready_file: PathBuf,
    program: &'static str,
    child: Child,
    clock: Clock,
}

/// The whole product.
pub type Product = Process<Ready>;

/// A service alone, on a database that is there.
pub type Service = Process<Replica>;

/// What a service is started with.
#[derive(Clone, Copy)]
pub struct Serve<'a> {
    /// `command` or `query`.
    pub role: &'a str,
    /// Names its folder.
    pub name: &'a str,
    pub database_url: &'a str,
    pub nats_url: Option<&'a str>,
}

/// What the ready-file says, as far as it is needed.
#[derive(Debug, Deserialize)]
pub struct Ready {
    pub api: String,
    pub console: String,
    pub database_url: String,
    pub nats_url: String,
    pub query_replicas: Vec<Replica>,
    pub demo: Demo,
}

#[derive(Debug, Deserialize)]
pub struct Replica {
    pub pid: u32,
    pub url: String,
}

#[derive(Debug, Deserialize)]
pub struct Demo {
    pub project_id: String,
    pub admin_email: String,
    pub admin_password: String,
    pub api_key: String,
}

impl<T: DeserializeOwned> Process<T> {
    /// Starts what `command` is, with its ready-file and its output in `folder`.
    async fn spawn(
        program: &'static str,
        mut command: Command,
        folder: &Path,
        clock: &Clock,
    ) -> Result<Self, BenchError> {
        let (ready_file, log) = (folder.join("ready.json"), folder.join("output.log"));
        // One that was killed has left its file behind.
        let _ = fs::remove_file(&ready_file);
        let output = File::create(&log).map_err(BenchError::io("make", &log))?;
        let errors = output.try_clone().map_err(BenchError::io("make", &log))?;
        let began = clock.monotonic();
        let mut child = command
            .arg("--ready-file")
            .arg(&ready_file)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(BenchError::Talk)?;
        let ready = until_ready(program, &mut child, &ready_file, &log, clock);
        let ready = clock.timeout(READY_WITHIN, ready).await;
        let ready = ready.map_err(|source| BenchError::Late {
            what: "the ready-file",
            source,
        })??;
        let seconds = clock.monotonic().saturating_since(began).as_secs_f64();
        Ok(Self {
            ready,
            seconds,
            ready_file,
            program,
            child,
            clock: clock.clone(),
        })
    }

    /// Sends it a signal, unless it has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), BenchError> {
        let pid = self
            .child
            .id()
            .and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let sent = pid.map_or(Ok(()), |pid| kill_process(pid, signal));
        sent.map_err(|error| BenchError::Talk(error.into()))
    }

    /// Kills it, as a crash would, and waits until it is gone.
    pub async fn kill(mut self) -> Result<(), BenchError> {
        self.signal(Signal::KILL)?;
        self.ended().await.map(drop)
    }

    /// Stops it as Ctrl-C does, and waits until it has.
    pub async fn stop(mut self) -> Result<(), BenchError> {
        self.signal(Signal::INT)?;
        let status = self.ended().await?;
        if status.success() {
            return Ok(());
        }
        Err(BenchError::Child {
            program: self.program.into(),
            reason: status.to_string(),
        })
    }

    async fn ended(&mut self) -> Result<ExitStatus, BenchError> {
        let ended = self.clock.timeout(STOPPED_WITHIN, self.child.wait()).await;
        let ended = ended.map_err(|source| BenchError::Late {
            what: "the end of a process",
            source,
        })?;
        ended.map_err(BenchError::Talk)
    }
}

impl Service {
    /// Starts a query service without NATS, which it can do without.
    pub async fn query(folder: &Path, url: &str, clock: &Clock) -> Result<Self, BenchError> {
        let serve = Serve {
            role: "query",
            name: "query",
            database_url: url,
            nats_url: None,
        };
        Self::start(folder, serve, clock).await
    }

    /// Starts it as `trackagoat serve` does, with a folder of its own in `parent`.
    pub async fn start(parent: &Path, serve: Serve<'_>, clock: &Clock) -> Result<Self, BenchError> {
        let folder = parent.join(serve.name);
        fs::create_dir_all(&folder).map_err(BenchError::io("make the folder", &folder))?;
        let mut command = Command::new(env::current_exe().map_err(BenchError::Talk)?);
        command
            .args(["serve", serve.role, "--listen", "127.0.0.1:0"])
            .arg("--end-with-parent")
            // Only what is measured: nothing that whoever measures has set for other services.
            .env_clear()
            .env("TGA_DATABASE_URL", serve.database_url);
        if serve.role == "query" {
            command
                .env("TGA_PROJECTOR_DATABASE_URL", serve.database_url)
                .env("TGA_CURSOR_SECRET", "0".repeat(64))
                .env("TGA_REPLICA_NAME", serve.name);
        } else {
            command.env("TGA_LEDGER_DIR", folder.join("ledger"));
        }
        if let Some(url) = serve.nats_url {
            command.env("TGA_NATS_URL", url);
        }
        Self::spawn("trackagoat serve", command, &folder, clock).await
    }
}

impl Product {
    /// Starts it in a folder, where an earlier one may have left its data.
    pub async fn start(folder: &Path, replicas: u32, clock: &Clock) -> Result<Self, BenchError> {
        let mut command = Command::new(env::current_exe().map_err(BenchError::Talk)?);
        command
            .args(["dev", "--demo", "--listen", "127.0.0.1:0"])
            .args(["--query-replicas", &replicas.to_string()])
            .arg("--data-dir")
            .arg(folder.join("data"));
        Self::spawn("trackagoat dev", command, folder, clock).await
    }

    /// Posts as the demo's key; the answer's data.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, BenchError> {
        let failed = |error: reqwest::Error| BenchError::Wrong(error.to_string());
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(failed)?;
        let request = client
            .post(format!("{}{path}", self.ready.api))
            .header(AUTHORIZATION, format!("Bearer {}", self.ready.demo.api_key))
            .json(body);
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let mut body: Value = answer.json().await.map_err(failed)?;
        if status.is_success() {
            Ok(body["data"].take())
        } else {
            Err(BenchError::Wrong(format!(
                "POST {path} was answered {status}: {body}"
            )))
        }
    }

    /// A new project of the demo's org; its id.
    pub async fn make_project(&self, name: &str) -> Result<String, BenchError> {
        let project = self.post("/projects", &json!({ "name": name })).await?;
        text(&project, "id")
    }

    /// New keys of the demo's org, each with a window that does not refuse.
    pub async fn make_keys(&self, count: usize) -> Result<Vec<String>, BenchError> {
        let mut keys = Vec::new();
        for number in 0..count {
            let body = json!({
                "name": format!("bench {number}"),
                "scopes": ["read"],
                "rate_limit_per_minute": 10_000_000,
            });
            keys.push(text(&self.post("/api-keys", &body).await?, "key")?);
        }
        Ok(keys)
    }
}

impl Replica {
    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr, BenchError> {
        let host = self.url.strip_prefix("http://").unwrap_or(&self.url);
        let parsed = host.trim_end_matches('/').parse();
        parsed.map_err(|_| BenchError::Wrong(format!("{} is no address", self.url)))
    }
}

async fn until_ready<T: DeserializeOwned>(
    program: &'static str,
    child: &mut Child,
    ready_file: &Path,
    log: &Path,
    clock: &Clock,
) -> Result<T, BenchError> {
    loop {
        // Written whole or not at all.
        if let Ok(text) = fs::read(ready_file) {
            return serde_json::from_slice(&text).map_err(BenchError::json);
        }
        if let Some(status) = child.try_wait().map_err(BenchError::Talk)? {
            let text = fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
            let reason = format!("{status}; the end of its output:\n{last}");
            return Err(BenchError::Child {
                program: program.into(),
                reason,
            });
        }
        clock.sleep(LOOK).await;
    }
}

/// Time that a process has spent on all cores, in seconds, to the hundredth.
pub fn cpu_seconds(pid: u32) -> Result<f64, BenchError> {
    let path = PathBuf::from(format!("/proc/{pid}/stat"));
    let text = fs::read_to_string(&path).map_err(BenchError::io("read", &path))?;
    let ticks =
        cpu_ticks(&text).ok_or_else(|| BenchError::Wrong("stat has another form".into()))?;
    Ok(float(ticks) / float(rustix::param::clock_ticks_per_second()))
}

/// Resident memory of a process, in bytes.
pub fn resident_bytes(pid: u32) -> Result<u64, BenchError> {
    let path = PathBuf::from(format!("/proc/{pid}/statm"));
    let text = fs::read_to_string(&path).map_err(BenchError::io("read", &path))?;
    let pages: Option<u64> = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    let pages = pages.ok_or_else(|| BenchError::Wrong("statm has another form".into()))?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// The most memory that a process has had resident since it began, or since
/// [`forget_peak`], in bytes.
pub fn peak_bytes(pid: u32) -> Result<u64, BenchError> {
    let path = PathBuf::from(format!("/proc/{pid}/status"));
    let text = fs::read_to_string(&path).map_err(BenchError::io("read", &path))?;
    let peak = peak_kilobytes(&text);
    let peak = peak.ok_or_else(|| BenchError::Wrong("status has another form".into()))?;
    Ok(peak * 1_024)
}

/// Has the kernel begin anew with what [`peak_bytes`] tells.
pub fn forget_peak(pid: u32) -> Result<(), BenchError> {
    let path = PathBuf::from(format!("/proc/{pid}/clear_refs"));
    fs::write(&path, "5").map_err(BenchError::io("write to", &path))
}

fn peak_kilobytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// User and system time: fields 14 and 15, counted from behind the name, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

fn text(value: &Value, field: &str) -> Result<String, BenchError> {
    let text = value[field].as_str().map(str::to_owned);
    text.ok_or_else(|| BenchError::Wrong(format!("the answer has no {field}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 250 31 0 0 20 0 5 0 7 8 9";
        assert_eq!(cpu_ticks(stat), Some(281));
        assert_eq!(cpu_ticks("42 (a) S 1"), None);
    }

    #[test]
    fn the_peak_is_found_among_what_the_kernel_says() {
        let status = "Name:\ta\nVmPeak:\t  900 kB\nVmHWM:\t  123456 kB\nVmRSS:\t  99 kB\n";
        assert_eq!(peak_kilobytes(status), Some(123_456));
        assert_eq!(peak_kilobytes("Name:\ta\n"), None);
    }

    #[test]
    fn this_process_has_memory_and_time() -> Result<(), BenchError> {
        assert!(resident_bytes(std::process::id())? > 100_000);
        assert!(cpu_seconds(std::process::id())? >= 0.0);
        assert!(peak_bytes(std::process::id())? >= resident_bytes(std::process::id())? / 2);
        Ok(())
    }
}
