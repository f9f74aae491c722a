//! Child processes of the same binary. A job comes as one line of JSON on standard input, so that
//! no secret stands in a command line; what they report leaves as lines of JSON.

use std::env;
use std::io::{self, Write};
use std::process::Stdio;
use std::time::Duration;

use runtime::clock::Clock;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, Stdin};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::append::job::AppendJob;
use super::error::BenchError;
use super::keys::job::{KeysJob, TableJob};
use super::read::job::BareJob;
use super::subscribe::job::Servers;

/// The longest that a worker may be silent.
const ANSWER_WITHIN: Duration = Duration::from_mins(5);

/// What a worker can be told to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case")]
pub enum Job {
    Append(AppendJob),
    Bare(BareJob),
    Follow(Servers),
    Keys(KeysJob),
    Publish(Servers),
    Table(TableJob),
}

/// A child process, seen from its parent. It is killed when dropped.
pub struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    clock: Clock,
}

/// The parent, seen from the child.
pub struct Parent {
    lines: Lines<BufReader<Stdin>>,
    out: io::Stdout,
}

impl Worker {
    /// Starts a worker on `job`, which is what [`Parent::listen`] gives it.
    pub async fn start(job: &Job, clock: &Clock) -> Result<Self, BenchError> {
        let binary = env::current_exe().map_err(BenchError::Talk)?;
        let mut child = Command::new(binary)
            .args(["bench", "worker"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(BenchError::Talk)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(BenchError::Talk(io::ErrorKind::BrokenPipe.into()));
        };
        let lines = BufReader::new(stdout).lines();
        let mut worker = Self {
            child,
            stdin,
            lines,
            clock: clock.clone(),
        };
        worker.tell(job).await?;
        Ok(worker)
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends it a line.
    pub async fn tell(&mut self, message: &(impl Serialize + Sync)) -> Result<(), BenchError> {
        let mut line = serde_json::to_vec(message).map_err(BenchError::json)?;
        line.push(b'\n');
        self.stdin.write_all(&line).await.map_err(BenchError::Talk)
    }

    /// Waits for its next line.
    pub async fn hear<T: DeserializeOwned>(&mut self) -> Result<T, BenchError> {
        let line = self
            .clock
            .timeout(ANSWER_WITHIN, self.lines.next_line())
            .await
            .map_err(|source| BenchError::Late {
                what: "a worker's answer",
                source,
            })?
            .map_err(BenchError::Talk)?;
        match line {
            Some(line) => serde_json::from_str(&line).map_err(BenchError::json),
            None => Err(self.ended().await),
        }
    }

    /// Says that nothing more will come and waits for the end.
    pub async fn finish(mut self) -> Result<(), BenchError> {
        drop(self.stdin);
        let waited = self.clock.timeout(ANSWER_WITHIN, self.child.wait()).await;
        let status = waited
            .map_err(|source| BenchError::Late {
                what: "a worker's end",
                source,
            })?
            .map_err(BenchError::Talk)?;
        if status.success() {
            return Ok(());
        }
        Err(BenchError::Child {
            program: "a worker".into(),
            reason: status.to_string(),
        })
    }

    async fn ended(&mut self) -> BenchError {
        let reason = match self.child.wait().await {
            Ok(status) => format!("it ended early with {status}"),
            Err(error) => error.to_string(),
        };
        BenchError::Child {
            program: "a worker".into(),
            reason,
        }
    }
}

impl Parent {
    pub fn new() -> Self {
        Self {
            lines: BufReader::new(tokio::io::stdin()).lines(),
            out: io::stdout(),
        }
    }

    /// The parent's next line; an error if there is none any more.
    pub async fn listen<T: DeserializeOwned>(&mut self) -> Result<T, BenchError> {
        let line = self.lines.next_line().await.map_err(BenchError::Talk)?;
        let line = line.ok_or(BenchError::Talk(io::ErrorKind::UnexpectedEof.into()))?;
        serde_json::from_str(&line).map_err(BenchError::json)
    }

    /// Waits until the parent says that it has no more to say, or is gone.
    pub async fn until_done(&mut self) {
        while let Ok(Some(_)) = self.lines.next_line().await {}
    }

    pub fn report(&self, message: &impl Serialize) -> Result<(), BenchError> {
        let mut line = serde_json::to_vec(message).map_err(BenchError::json)?;
        line.push(b'\n');
        let mut out = self.out.lock();
        out.write_all(&line)
            .and_then(|()| out.flush())
            .map_err(BenchError::Talk)
    }

    /// Says that it is prepared, and waits until all are to begin.
    pub async fn ready(&mut self) -> Result<(), BenchError> {
        self.report(&Value::Null)?;
        self.listen::<Value>().await.map(drop)
    }
}

/// Waits until all are prepared, then lets them begin.
pub async fn begin_together(workers: &mut [Worker]) -> Result<(), BenchError> {
    for worker in workers.iter_mut() {
        worker.hear::<Value>().await?;
    }
    for worker in workers {
        worker.tell(&Value::Null).await?;
    }
    Ok(())
}
