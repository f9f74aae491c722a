//! What a command came to, told on the next page, once: it travels in a cookie of its own, so that no
//! page repeats a command and no address carries what was done.

use api::v1::Receipt;
use axum_extra::extract::CookieJar;
use serde::{Deserialize, Serialize};

use crate::cookies;

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// One sentence.
    pub text: String,
    /// That something is refused everywhere from now on.
    pub receipt: Option<Told>,
}

/// Of a receipt, what people read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub position: String,
    pub effective_at: String,
    pub waited_ms: u64,
    pub acked: u32,
    pub expired: u32,
    pub left: u32,
    pub event_hash: String,
    pub is_in_ledger: bool,
}

impl Notice {
    /// A sentence alone.
    pub fn of(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            receipt: None,
        }
    }

    /// A sentence, and a receipt if there is one.
    pub fn with(text: impl Into<String>, receipt: Option<&Receipt>) -> Self {
        Self {
            text: text.into(),
            receipt: receipt.map(Told::of),
        }
    }
}

impl Told {
    fn of(receipt: &Receipt) -> Self {
        let barrier = receipt.barrier.as_ref();
        Self {
            position: receipt.position.to_string(),
            effective_at: receipt
                .effective_at
                .map(|at| at.to_string())
                .unwrap_or_default(),
            waited_ms: barrier.map_or(0, |barrier| barrier.waited_ms),
            acked: barrier.map_or(0, |barrier| barrier.acked),
            expired: barrier.map_or(0, |barrier| barrier.lease_expired),
            left: barrier.map_or(0, |barrier| barrier.left),
            event_hash: receipt.event_hash.clone(),
            is_in_ledger: receipt.ledger == api::v1::Ledger::Written,
        }
    }

    /// Replicas that were waited for.
    pub fn replicas(&self) -> u32 {
        self.acked + self.expired + self.left
    }
}

/// For the next page.
pub fn tell(jar: CookieJar, notice: &Notice) -> CookieJar {
    match serde_json::to_string(notice) {
        Ok(text) => cookies::tell(jar, text),
        Err(_) => jar,
    }
}

/// What is to be told, and the jar without it.
pub fn take(jar: CookieJar) -> (Option<Notice>, CookieJar) {
    let notice = cookies::told(&jar).and_then(|text| serde_json::from_str(&text).ok());
    let jar = if notice.is_some() {
        cookies::untell(jar)
    } else {
        jar
    };
    (notice, jar)
}
