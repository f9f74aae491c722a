//! Keys.

use domain::scope::Scopes;
use domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::v1::keys::IpRange;
use crate::v1::names::ScopeName;

/// `POST /api-keys`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// What people call it; need not be unique.
    #[schema(min_length = 1, max_length = 100, example = "Reporting")]
    pub name: String,
    /// Default read and write. Nobody grants what they lack.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<ScopeName>, min_items = 1, max_items = 6, required = false, example = json!(["read"]))]
    pub scopes: Option<Scopes>,
    /// 60 seconds to 10 years ahead; null: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>, example = json!(null))]
    pub expires_at: Option<Timestamp>,
    /// CIDRs without host bits, or bare addresses; null: anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<IpRange>>, min_items = 1, max_items = 50, example = json!(["203.0.113.0/24"]))]
    pub ip_allowlist: Option<Vec<String>>,
    /// Requests in any trailing 60 s; default 60, at most the plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_i64, required = false, example = 60)]
    pub rate_limit_per_minute: Option<u64>,
    /// Whether every request is checked against the primary; default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false, example = false)]
    pub strict: Option<bool>,
}

/// `PATCH /api-keys/{id}`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeApiKey {
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, min_length = 1, max_length = 100, required = false, example = "Reporting")]
    pub name: Option<String>,
    /// What it may do; widening only by who holds the scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<ScopeName>, min_items = 1, max_items = 6, required = false, example = json!(["read"]))]
    pub scopes: Option<Scopes>,
    /// 60 seconds to 10 years ahead; null: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>, example = json!(null))]
    pub expires_at: Option<Option<Timestamp>>,
    /// CIDRs without host bits, or bare addresses; null: anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<IpRange>>, min_items = 1, max_items = 50, example = json!(["203.0.113.0/24"]))]
    pub ip_allowlist: Option<Option<Vec<String>>>,
    /// Requests in any trailing 60 s, at most the plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_i64, required = false, example = 60)]
    pub rate_limit_per_minute: Option<u64>,
    /// Whether every request is checked against the primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false, example = true)]
    pub strict: Option<bool>,
}

/// `POST /api-keys/{id}/rotate`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateApiKey {
    /// Seconds for which the old key is still accepted; default 86400, 0 ends it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, minimum = 0, maximum = 2_592_000, required = false, example = 86_400)]
    pub overlap_seconds: Option<u64>,
    /// Default: the old one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, min_length = 1, max_length = 100, required = false, example = "Reporting 2")]
    pub name: Option<String>,
    /// Default: the old one's span from now; null: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>, example = json!(null))]
    pub expires_at: Option<Option<Timestamp>>,
}
