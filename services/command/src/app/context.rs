//! What a command brings beside itself.

use std::sync::Arc;

use domain::ids::OrgId;
use domain::org::Caller;

/// Who asks, and how the answer is wanted.
#[derive(Debug, Clone)]
pub struct CommandContext {
    /// Who asks.
    pub caller: Caller,
    /// The `X-Request-Id`.
    pub correlation_id: String,
    /// Whether to wait until a denial is in force everywhere; if not, that goes on behind.
    pub wait: bool,
}

impl CommandContext {
    /// The operator, who waits. `correlation_id` names the occasion, for example `cli`.
    pub fn operator(correlation_id: impl Into<String>) -> Self {
        Self {
            caller: Caller::Operator,
            correlation_id: correlation_id.into(),
            wait: true,
        }
    }
}

/// What to keep under an `Idempotency-Key`, made of what the command came to (`T`).
#[derive(Clone)]
pub struct Remember<T> {
    /// The org that the caller acts in.
    pub org_id: OrgId,
    /// The header's value.
    pub key: String,
    /// Method and path, ids included.
    pub route: String,
    /// Of the body.
    pub fingerprint: [u8; 32],
    /// Gives status and answer as far as they are known before the append.
    pub answer: Arc<Render<T>>,
}

/// Status and body of what a command came to.
pub type Render<T> = dyn Fn(&T) -> (u16, Vec<u8>) + Send + Sync;

impl<T> Remember<T> {
    pub(super) fn record(&self, outcome: &T) -> event_log::IdempotencyRecord {
        let (status, answer) = (self.answer)(outcome);
        event_log::IdempotencyRecord {
            org_id: self.org_id,
            key: self.key.clone(),
            route: self.route.clone(),
            fingerprint: self.fingerprint,
            status,
            answer,
        }
    }
}
