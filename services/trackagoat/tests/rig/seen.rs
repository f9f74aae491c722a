//! What the clients of one round saw.

use std::collections::BTreeMap;
use std::time::Duration;

use api::v1::Receipt;
use testkit::history::{Histories, Request};
use uuid::Uuid;

use crate::client::Answer;

/// Kept for the judge.
#[derive(Default)]
pub struct Seen {
    pub histories: Histories<Uuid>,
    /// Every request, with the name of who was asked.
    pub requests: Vec<(String, Uuid, Request)>,
    /// How often the key that nobody revokes was asked with, and answered to, by service.
    pub control: BTreeMap<String, (u64, u64)>,
    /// How often each answer came.
    pub answers: BTreeMap<String, u64>,
    /// Positions of what was acknowledged, and the key that did it.
    pub writes: Vec<(u64, Uuid)>,
    pub revoked: Vec<Revoked>,
    pub canaries: u64,
    /// The latest that a sleeper woke.
    pub late: Duration,
    /// How often one woke, and how often soon enough for what must be asked at once.
    pub wakes: (u64, u64),
}

/// A revocation that returned success.
#[derive(Debug, Clone)]
pub struct Revoked {
    pub key: Uuid,
    pub receipt: Receipt,
    /// When the try that succeeded was begun, and when it returned.
    pub begun: u64,
    pub returned: u64,
    /// How many tries came to nothing before.
    pub failed: u32,
}

impl Revoked {
    pub fn took(&self) -> Duration {
        Duration::from_nanos(self.returned - self.begun)
    }

    /// How long the barrier says that it waited.
    pub fn waited(&self) -> Duration {
        let barrier = self.receipt.barrier.as_ref();
        Duration::from_millis(barrier.map_or(0, |barrier| barrier.waited_ms))
    }

    /// How long it says that it could have waited.
    pub fn bound(&self) -> Duration {
        let barrier = self.receipt.barrier.as_ref();
        Duration::from_millis(barrier.map_or(0, |barrier| barrier.bound_ms))
    }
}

impl Seen {
    /// Adds an answer to a request with a key.
    pub fn note(&mut self, target: &str, key: Uuid, answer: &Answer) {
        let request = answer.as_request();
        self.histories.of(&key).requests.push(request);
        self.requests.push((target.to_owned(), key, request));
        self.canaries += u64::from(answer.saw_canary);
        *self.answers.entry(answer.told()).or_default() += 1;
    }
}
