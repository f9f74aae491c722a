//! One event a line. A thread of its own writes: whoever reads may be slow, and a process that
//! waits for them must still be able to end.

use std::io::{self, ErrorKind, Write};
use std::mem;
use std::thread;
use std::time::Duration;

use domain::ids::GlobalPosition;
use event_log::StoredEvent;
use runtime::clock::Clock;
use tokio::sync::{mpsc, watch};

use super::sink::SinkError;

/// Bytes with which a chunk is handed on: few enough that their memory is used again and again.
const CHUNK_BYTES: usize = 128 * 1024;
/// Chunks that may wait to be written.
const WAITING: usize = 16;
/// How long the end waits for what is being written.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Lines, and the position of the last of them.
type Chunk = (String, GlobalPosition);

/// Prints events.
pub struct Stdout {
    chunks: Option<mpsc::Sender<Chunk>>,
    state: watch::Receiver<State>,
    given: Option<GlobalPosition>,
}

#[derive(Default)]
struct State {
    written: Option<GlobalPosition>,
    failed: Option<io::Error>,
    is_over: bool,
}

impl Stdout {
    pub fn start() -> Result<Self, SinkError> {
        let (chunks, receiver) = mpsc::channel(WAITING);
        let (sender, state) = watch::channel(State::default());
        thread::Builder::new()
            .name("stdout".to_owned())
            .spawn(move || write_all(receiver, &sender))
            .map_err(SinkError::Output)?;
        Ok(Self {
            chunks: Some(chunks),
            state,
            given: None,
        })
    }

    pub async fn send(&mut self, events: &[StoredEvent]) -> Result<(), SinkError> {
        let mut lines = String::new();
        for (index, event) in events.iter().enumerate() {
            if lines.is_empty() {
                lines.reserve(CHUNK_BYTES + CHUNK_BYTES / 8);
            }
            event.write_line(&mut lines);
            if lines.len() >= CHUNK_BYTES || index + 1 == events.len() {
                self.give((mem::take(&mut lines), event.position)).await?;
            }
        }
        Ok(())
    }

    async fn give(&mut self, chunk: Chunk) -> Result<(), SinkError> {
        let Some(chunks) = &self.chunks else {
            return Ok(());
        };
        self.given = Some(chunk.1);
        match chunks.send(chunk).await {
            Ok(()) => Ok(()),
            Err(_) => self.finish().await,
        }
    }

    /// Waits until everything is written.
    pub async fn finish(&mut self) -> Result<(), SinkError> {
        self.chunks = None;
        let over = self.state.wait_for(|state| state.is_over).await;
        match over.map(|state| state.failed.as_ref().map(io::Error::kind)) {
            Ok(None) => Ok(()),
            Ok(Some(ErrorKind::BrokenPipe)) | Err(_) => Err(SinkError::Closed),
            Ok(Some(kind)) => Err(SinkError::Output(kind.into())),
        }
    }

    pub async fn taken_in_the_end(&mut self, clock: &Clock) -> Option<GlobalPosition> {
        self.chunks = None;
        let over = self.state.wait_for(|state| state.is_over);
        // Nobody may be reading: then what waits is lost, and the position says so.
        let _ = clock.timeout(LAST_WRITE, over).await;
        self.state.borrow().written
    }

    pub fn has_all(&self) -> bool {
        self.state.borrow().written == self.given
    }
}

fn write_all(mut chunks: mpsc::Receiver<Chunk>, state: &watch::Sender<State>) {
    let mut out = io::stdout().lock();
    while let Some((lines, last)) = chunks.blocking_recv() {
        let written = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
        let is_over = written.is_err();
        state.send_modify(|state| match written {
            Ok(()) => state.written = Some(last),
            Err(error) => state.failed = Some(error),
        });
        if is_over {
            break;
        }
    }
    state.send_modify(|state| state.is_over = true);
}
