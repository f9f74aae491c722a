//! The audit trail (v1-contract.md 19).

use domain::event::Role;
use domain::ids::{EventId, GlobalPosition, KeyId, UserId};
use domain::org::{Key, Profile};
use domain::plan::Plan;
use domain::scope::Scopes;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::keys::IpRange;
use super::names::{PlanName, RoleName, ScopeName};

/// Something that happened: a CloudEvent 1.0 as structured JSON. Each of an org's two streams is a
/// chain of hashes from its first event on, so that it can be verified by itself.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[schema(example = json!({
    "actor": "user:0192f0c1-2b7e-7c00-8000-00000000abcd", "correlationid": "0192f0c1-2b7e-7c00-8000-00000000abce",
    "data": {"key_id": "0192f0c1-2b7e-7c00-8000-00000000abcf", "reason": "requested"},
    "datacontenttype": "application/json", "dataschema": "/schemas/events/key.revoked.v1.json",
    "hash": "0b3f1c6a7d2e4f5890a1b2c3d4e5f60718293a4b5c6d7e8f9001122334455667",
    "id": "0192f0c1-2b7e-7c00-8000-00000000abd0", "position": "184467",
    "prevhash": "2c12ebdf350ae4aa9b599c9809a1f7658bd9d3dc2703d6c420d03a58fac9ded9",
    "source": "/orgs/0192f0c1-2b7e-7c00-8000-00000000abd1", "specversion": "1.0", "stream": "decisions",
    "streamversion": "912", "subject": "keys/0192f0c1-2b7e-7c00-8000-00000000abcf",
    "time": "2026-01-05T05:37:52.685771Z", "type": "com.trackagoat.key.revoked.v1"
}))]
pub struct AuditEvent {
    /// Who caused it: `user:<id>`, `key:<id>` or `system`.
    pub actor: String,
    /// The `X-Request-Id` of the request that caused it.
    pub correlationid: String,
    /// What happened; its members stand in the schema that `dataschema` names.
    #[schema(value_type = Object)]
    pub data: Value,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// Where the schema of `data` is.
    pub dataschema: String,
    /// SHA-256 of the previous hash, of the event without `data`, `prevhash` and `hash`, and of
    /// `data`, both in RFC 8785 form; hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub hash: String,
    /// The event's own id.
    #[schema(value_type = Uuid)]
    pub id: EventId,
    /// Its place in the log, decimal.
    #[schema(pattern = "^[0-9]+$")]
    pub position: String,
    /// `hash` of the event before it in its stream; zeros for the first.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub prevhash: String,
    /// `/orgs/<org_id>`.
    pub source: String,
    /// Always `1.0`.
    pub specversion: String,
    /// `decisions` or `observations`.
    pub stream: String,
    /// Its place in its stream, decimal, from 1 and without gaps.
    #[schema(pattern = "^[0-9]+$")]
    pub streamversion: String,
    /// What it is about, for example `keys/<id>`.
    pub subject: String,
    /// When it was recorded.
    #[schema(value_type = DateTime<Utc>)]
    pub time: Timestamp,
    /// `com.trackagoat.<entity>.<event>.v<version>`.
    #[serde(rename = "type")]
    pub event_type: String,
}

/// Who could do what at an instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AsOf {
    /// The org's last event at or before what was asked for: everything up to it is in here, nothing
    /// after it.
    #[schema(value_type = u64, example = 184_467)]
    pub position: GlobalPosition,
    /// The instant that it holds for: `at` as asked, or when the event at `position` was recorded.
    #[schema(value_type = DateTime<Utc>)]
    pub at: Timestamp,
    /// The org.
    pub org: OrgAsOf,
    /// Keys that were accepted then, oldest first; replaced ones until their end.
    pub keys: Vec<KeyAsOf>,
    /// Members, by id.
    pub members: Vec<MemberAsOf>,
}

/// The org as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrgAsOf {
    /// Its name.
    #[schema(min_length = 1, max_length = 100, example = "Acme")]
    pub name: String,
    /// Its plan.
    #[schema(value_type = PlanName)]
    pub plan: Plan,
    /// IANA name of the zone in which its days began.
    #[schema(example = "Europe/Berlin")]
    pub timezone: String,
    /// Whether the operator had suspended it.
    #[schema(example = false)]
    pub suspended: bool,
}

/// A key as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyAsOf {
    /// The key's id.
    #[schema(value_type = Uuid)]
    pub id: KeyId,
    /// What people called it.
    #[schema(min_length = 1, max_length = 100, example = "Reporting")]
    pub name: String,
    /// What is shown of the secret.
    #[schema(example = "tga_01234567…7e5a")]
    pub prefix: String,
    /// What it might do.
    #[schema(value_type = Vec<ScopeName>)]
    pub scopes: Scopes,
    /// When it would end by itself; null: never.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub expires_at: Option<Timestamp>,
    /// From where it might call, as CIDRs; null: from anywhere.
    #[schema(value_type = Option<Vec<IpRange>>, example = json!(["203.0.113.0/24"]), required)]
    pub ip_allowlist: Option<Vec<String>>,
    /// The person whose key it was; null: nobody's any more.
    #[schema(value_type = Option<Uuid>, required)]
    pub owner_id: Option<UserId>,
}

/// A member as they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberAsOf {
    /// The person.
    #[schema(value_type = Uuid)]
    pub user_id: UserId,
    /// Their role.
    #[schema(value_type = RoleName)]
    pub role: Role,
}

impl From<&Profile> for OrgAsOf {
    fn from(profile: &Profile) -> Self {
        Self {
            name: profile.name.as_str().to_owned(),
            plan: profile.limits.plan,
            timezone: profile.timezone.clone(),
            suspended: profile.suspended,
        }
    }
}

impl KeyAsOf {
    /// A key as it was decided.
    pub fn new(id: KeyId, key: &Key) -> Self {
        let list = key.ip_allowlist.as_ref();
        Self {
            id,
            name: key.name.as_str().to_owned(),
            prefix: key.prefix.clone(),
            scopes: key.scopes,
            expires_at: key.ends_at(),
            ip_allowlist: list.map(|list| list.iter().map(ToString::to_string).collect()),
            owner_id: key.owner_id,
        }
    }
}
