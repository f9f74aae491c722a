//! Callers that go on whatever happens to the replica they call.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::clock::Clock;

use crate::bench::error::BenchError;
use crate::bench::fleet::PATH;
use crate::bench::load::{self, Connection};

/// A caller that was refused, or not answered, waits so long.
const PAUSE: Duration = Duration::from_millis(10);
/// The day is spent for a caller that was refused for so long: a process asks Postgres again, once
/// a second, whether others have given something back.
const SPENT_AFTER: Duration = Duration::from_millis(2_500);
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// What all callers of an org share.
#[derive(Debug)]
pub struct Calls {
    pub key: String,
    /// Where each replica is now.
    pub addresses: Mutex<Vec<SocketAddr>>,
    /// Nothing more goes wrong.
    pub is_calm: AtomicBool,
    /// Answered 200.
    pub admitted: AtomicU64,
    /// Sent, and never answered: perhaps admitted, and served to nobody.
    pub unanswered: AtomicU64,
    /// Answered 503.
    pub unavailable: AtomicU64,
}

impl Calls {
    pub fn new(key: String, addresses: Vec<SocketAddr>) -> Self {
        Self {
            key,
            addresses: Mutex::new(addresses),
            is_calm: AtomicBool::new(false),
            admitted: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
        }
    }

    fn address(&self, replica: usize) -> Option<SocketAddr> {
        let addresses = self.addresses.lock();
        let addresses = addresses.unwrap_or_else(PoisonError::into_inner);
        addresses.get(replica).copied()
    }

    /// A replica has another place from now on.
    pub fn move_to(&self, replica: usize, address: SocketAddr) {
        let addresses = self.addresses.lock();
        let mut addresses = addresses.unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = addresses.get_mut(replica) {
            *old = address;
        }
    }

    /// Calls a replica until the day is spent and nothing more goes wrong.
    pub async fn call(self: Arc<Self>, replica: usize, clock: Clock) -> Result<(), BenchError> {
        let mut connection = None;
        let mut refused_since = None;
        loop {
            let Some(address) = self.address(replica) else {
                return Ok(());
            };
            if connection.is_none() {
                // Nobody may be there for a while.
                connection = Connection::open(address).await.ok();
            }
            let Some(open) = &mut connection else {
                clock.sleep(PAUSE).await;
                continue;
            };
            let request = load::get(address, PATH, &self.key);
            let answer = clock
                .timeout(ANSWERED_WITHIN, open.exchange(&request))
                .await;
            match answer {
                Ok(Ok(200)) => {
                    self.admitted.fetch_add(1, Ordering::Relaxed);
                    refused_since = None;
                    if open.is_last() {
                        connection = None;
                    }
                    continue;
                }
                Ok(Ok(429)) => {
                    let since = *refused_since.get_or_insert_with(|| clock.monotonic());
                    let is_calm = self.is_calm.load(Ordering::Relaxed);
                    if is_calm && clock.monotonic() >= since + SPENT_AFTER {
                        return Ok(());
                    }
                }
                Ok(Ok(503)) => {
                    self.unavailable.fetch_add(1, Ordering::Relaxed);
                    refused_since = None;
                }
                Ok(Ok(status)) => {
                    let answer = open.last_answer(status);
                    return Err(BenchError::Wrong(format!("a request: {answer}")));
                }
                Ok(Err(_)) | Err(_) => {
                    self.unanswered.fetch_add(1, Ordering::Relaxed);
                    connection = None;
                }
            }
            clock.sleep(PAUSE).await;
        }
    }
}
