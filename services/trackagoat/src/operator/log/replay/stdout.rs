//! One event a line. A thread of its own writes: whoever reads may be slow, and a process that
//! waits for them must still be able to end.

use std::io::{self, ErrorKind, Write};
use std::thread;
use std::time::Duration;

use domain::ids::GlobalPosition;
use event_log::StoredEvent;
use runtime::clock::Clock;
use tokio::sync::{mpsc, watch};

use super::sink::SinkError;

/// Chunks, of about 2 MiB each, that may wait to be written.
const WAITING: usize = 2;
/// How long the end waits for what is being written.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Lines, and the position of the last of them.
type Chunk = (Vec<u8>, GlobalPosition);

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
        let (Some(last), Some(chunks)) = (events.last(), &self.chunks) else {
            return Ok(());
        };
        let mut lines = Vec::new();
        for event in events {
            lines.extend_from_slice(event.to_cloud_event().as_bytes());
            lines.push(b'\n');
        }
        self.given = Some(last.position);
        match chunks.send((lines, last.position)).await {
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
        let written = out.write_all(&lines).and_then(|()| out.flush());
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
