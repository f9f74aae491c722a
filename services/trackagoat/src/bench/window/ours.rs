//! Our side: keys of query services, asked over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use runtime::clock::{Clock, Monotonic};
use tokio::task::JoinSet;

use super::judge::Answer;
use super::trace::Trace;
use crate::bench::error::BenchError;
use crate::bench::fleet::PATH;
use crate::bench::load::{self, Connection};

/// How long a window is.
pub const WINDOW: Duration = Duration::from_mins(1);
/// Connections of a key to each of its targets.
const CONNECTIONS: usize = 10;
/// A connection is made so long before it is needed.
const OPENS_BEFORE: Duration = Duration::from_millis(300);

/// Sends a trace's requests to the targets in turn.
pub async fn follow(
    trace: &Trace,
    key: &str,
    targets: &[SocketAddr],
    begin: Monotonic,
    clock: &Clock,
) -> Result<Vec<Answer>, BenchError> {
    let mut callers = JoinSet::new();
    for (place, address) in targets.iter().enumerate() {
        let own = trace.at.iter().skip(place).step_by(targets.len()).copied();
        let own: Vec<f64> = own.collect();
        let request: Arc<[u8]> = load::get(*address, PATH, key).into();
        for first in 0..CONNECTIONS {
            let due = own.iter().skip(first).step_by(CONNECTIONS);
            let caller = Caller {
                address: *address,
                request: Arc::clone(&request),
                due: due.map(|at| WINDOW.mul_f64(*at)).collect(),
                begin,
                clock: clock.clone(),
            };
            callers.spawn(caller.call());
        }
    }
    let mut answers = Vec::new();
    while let Some(joined) = callers.join_next().await {
        answers.extend(joined.map_err(|error| BenchError::Wrong(error.to_string()))??);
    }
    Ok(answers)
}

struct Caller {
    address: SocketAddr,
    request: Arc<[u8]>,
    due: Vec<Duration>,
    begin: Monotonic,
    clock: Clock,
}

impl Caller {
    async fn call(self) -> Result<Vec<Answer>, BenchError> {
        let mut answers = Vec::new();
        let mut connection = None;
        for due in &self.due {
            let at = self.begin + *due;
            // One that is not needed for a while is closed meanwhile, as the server would.
            let opens = self.begin + due.saturating_sub(OPENS_BEFORE);
            if self.clock.monotonic() < opens {
                connection = None;
                self.clock.sleep_until(opens).await;
            }
            let mut open = match connection.take() {
                Some(open) => open,
                None => Connection::open(self.address).await?,
            };
            self.clock.sleep_until(at).await;
            let sent = self.windows();
            let status = open.exchange(&self.request).await?;
            let received = self.windows();
            let admitted = match status {
                200 => true,
                429 => false,
                _ => {
                    let answer = open.last_answer(status);
                    return Err(BenchError::Wrong(format!("a request: {answer}")));
                }
            };
            answers.push(Answer::from((sent, received, admitted)));
            connection = Some(open);
        }
        Ok(answers)
    }

    /// Since the beginning.
    fn windows(&self) -> f64 {
        let since = self.clock.monotonic().saturating_since(self.begin);
        since.as_secs_f64() / WINDOW.as_secs_f64()
    }
}
