//! The receipt of a denial: when it held everywhere, and how that is known (v1-contract.md 7.3).

use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Proof that a credential, or a part of what it could do, is refused from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// The key, session or person concerned.
    pub id: Uuid,
    /// When the first denial was recorded.
    #[schema(value_type = DateTime<Utc>)]
    pub revoked_at: Timestamp,
    /// Log position of the first denial.
    #[schema(value_type = u64, example = 184_467)]
    pub position: GlobalPosition,
    /// When it was in force on every replica, as of this call; null in an asynchronous answer.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub effective_at: Option<Timestamp>,
    /// How that was made sure; null in an asynchronous answer.
    #[schema(required)]
    pub barrier: Option<Barrier>,
    /// The life of the log in which the position counts.
    #[schema(value_type = Uuid)]
    pub log_epoch: LogEpoch,
    /// Whether the second copy of the denial is written.
    pub ledger: Ledger,
    /// Hash of the event in the org's chain, 64 hexadecimal digits.
    #[schema(
        min_length = 64,
        max_length = 64,
        example = "3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea"
    )]
    pub event_hash: String,
}

/// How long the call waited for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Barrier {
    /// Replicas that said they apply it.
    #[schema(example = 3)]
    pub acked: u32,
    /// Replicas whose lease ran out.
    #[schema(example = 0)]
    pub lease_expired: u32,
    /// Replicas that left.
    #[schema(example = 0)]
    pub left: u32,
    /// Milliseconds that the call waited.
    #[schema(example = 4)]
    pub waited_ms: u64,
    /// Most milliseconds that it would have waited.
    #[schema(example = 2_475)]
    pub bound_ms: u64,
    /// Each replica that was waited for.
    pub replicas: Vec<ReplicaWait>,
}

/// One replica of a barrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplicaWait {
    /// The run of the process.
    #[schema(value_type = Uuid)]
    pub incarnation: IncarnationId,
    /// How the waiting ended.
    pub state: ReplicaState,
    /// Milliseconds until then.
    #[schema(example = 3)]
    pub after_ms: u64,
}

/// How the waiting for a replica ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaState {
    /// It applies the denial.
    Acked,
    /// Its lease must have run out.
    Expired,
    /// It left.
    Left,
}

/// The second copy of a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ledger {
    /// Written.
    Written,
    /// Not written yet: until then a restore may lose the denial.
    Pending,
}
