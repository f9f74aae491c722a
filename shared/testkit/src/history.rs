//! Judges what clients saw of a key that is revoked (faults.md 4): exact, and in one pass.
//!
//! A key is a register that goes from active to revoked once. It is linearizable if there is an
//! instant T within the revocation such that every acceptance fits before it and every refusal
//! after it. The same function judges the simulator and the real processes.

use std::collections::BTreeMap;
use std::fmt;

/// An instant of one clock that all clients share, in any unit.
pub type Instant = u64;

/// What an answer proves about the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was honoured: 2xx, 304, 403 for a scope, 404, 409, 422, 429 of the key.
    Accepted,
    /// It was refused: 401, or 403 of what was taken away.
    Refused,
    /// Nothing: 503, a timeout, a lost answer.
    Unknown,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request {
    /// Before its first byte was sent.
    pub begun: Instant,
    /// After its answer was complete.
    pub ended: Instant,
    /// What the answer proves.
    pub outcome: Outcome,
}

/// One try to revoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revocation {
    /// Before its first byte was sent.
    pub begun: Instant,
    /// After it returned success; none if it did not.
    pub succeeded: Option<Instant>,
}

/// What was seen of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// All requests with it.
    pub requests: Vec<Request>,
    /// All tries to revoke it.
    pub revocations: Vec<Revocation>,
}

/// What is wrong with a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// S1: a request was accepted that began after a revocation had returned success.
    AcceptedAfterSuccess {
        /// When it began.
        begun: Instant,
        /// When the revocation had returned.
        returned: Instant,
    },
    /// S2: a request was accepted that began after another had been refused.
    AcceptedAfterRefusal {
        /// When it began.
        begun: Instant,
        /// When the other had been refused.
        refused: Instant,
    },
    /// A request was refused before anybody began to revoke.
    RefusedTooEarly {
        /// When it was refused.
        refused: Instant,
        /// When the first try began; none if there was none.
        begun: Option<Instant>,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AcceptedAfterSuccess { begun, returned } => write!(
                formatter,
                "S1: a request begun at {begun} was accepted, the revocation had returned at {returned}"
            ),
            Self::AcceptedAfterRefusal { begun, refused } => write!(
                formatter,
                "S2: a request begun at {begun} was accepted, another had been refused at {refused}"
            ),
            Self::RefusedTooEarly {
                refused,
                begun: Some(begun),
            } => write!(
                formatter,
                "a request was refused at {refused}, the first revocation began at {begun}"
            ),
            Self::RefusedTooEarly {
                refused,
                begun: None,
            } => {
                write!(
                    formatter,
                    "a request was refused at {refused}, and nobody revoked"
                )
            }
        }
    }
}

impl History {
    /// Everything that is wrong with it; nothing if it is linearizable.
    pub fn violations(&self) -> Vec<Violation> {
        let of = |outcome| {
            let requests = self.requests.iter();
            requests.filter(move |request| request.outcome == outcome)
        };
        let last_accepted = of(Outcome::Accepted).map(|request| request.begun).max();
        let first_refused = of(Outcome::Refused).map(|request| request.ended).min();
        let first_success = self
            .revocations
            .iter()
            .filter_map(|one| one.succeeded)
            .min();
        let first_try = self.revocations.iter().map(|one| one.begun).min();
        let mut violations = Vec::new();
        if let (Some(begun), Some(returned)) = (last_accepted, first_success)
            && begun > returned
        {
            violations.push(Violation::AcceptedAfterSuccess { begun, returned });
        }
        if let (Some(begun), Some(refused)) = (last_accepted, first_refused)
            && begun > refused
        {
            violations.push(Violation::AcceptedAfterRefusal { begun, refused });
        }
        if let Some(refused) = first_refused
            && first_try.is_none_or(|begun| refused < begun)
        {
            let begun = first_try;
            violations.push(Violation::RefusedTooEarly { refused, begun });
        }
        violations
    }
}

/// Histories by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histories<K>(BTreeMap<K, History>);

impl<K> Default for Histories<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone + fmt::Debug> Histories<K> {
    /// The history of one key.
    pub fn of(&mut self, key: &K) -> &mut History {
        self.0.entry(key.clone()).or_default()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &History)> {
        self.0.iter()
    }

    /// What is wrong, with the key it is wrong of.
    pub fn violations(&self) -> Vec<(K, Violation)> {
        self.0
            .iter()
            .flat_map(|(key, history)| {
                let violations = history.violations().into_iter();
                violations.map(|violation| (key.clone(), violation))
            })
            .collect()
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
