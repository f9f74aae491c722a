//! API keys (v1-contract.md 7).

use chrono::{NaiveDate, TimeDelta};
use domain::event::Actor;
use domain::ids::{GlobalPosition, KeyId, OrgId, UserId};
use domain::limits::SCOPE_UNUSED_DAYS;
use domain::org::{Key, KeyStatus};
use domain::plan::Plan;
use domain::scope::{Scope, Scopes};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::names::{ActorKindName, KeyStatusName, PlanName, ScopeName};
use super::receipt::Receipt;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActorRef {
    /// What kind of caller.
    #[serde(rename = "type")]
    #[schema(value_type = ActorKindName)]
    pub kind: String,
    /// The person or key; null for the system.
    #[schema(required)]
    pub id: Option<Uuid>,
}

impl From<Actor> for ActorRef {
    fn from(actor: Actor) -> Self {
        let (kind, id) = match actor {
            Actor::User(id) => ("user", Some(id.as_uuid())),
            Actor::Key(id) => ("key", Some(id.as_uuid())),
            Actor::System => ("system", None),
        };
        Self {
            kind: kind.to_owned(),
            id,
        }
    }
}

/// A key of an org; never its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    /// The key's id.
    #[schema(value_type = Uuid)]
    pub id: KeyId,
    /// What people call it.
    #[schema(min_length = 1, max_length = 100, example = "Reporting")]
    pub name: String,
    /// What is shown of the secret.
    #[schema(example = "tga_01234567…7e5a")]
    pub prefix: String,
    /// What it may do.
    #[schema(value_type = Vec<ScopeName>)]
    pub scopes: Scopes,
    /// `rotating`: replaced, still accepted until `expires_at`. `expired` and `revoked` are final.
    #[schema(value_type = KeyStatusName)]
    pub status: KeyStatus,
    /// Whether every request is checked against the primary.
    #[schema(example = false)]
    pub strict: bool,
    /// When it was made.
    #[schema(value_type = DateTime<Utc>)]
    pub created_at: Timestamp,
    /// By whom it was made.
    pub created_by: ActorRef,
    /// The person who made it, or whose key made it; null once that person has left.
    #[schema(value_type = Option<Uuid>, required)]
    pub owner_id: Option<UserId>,
    /// When it ends by itself; null: never.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub expires_at: Option<Timestamp>,
    /// From where it may call, as CIDRs; null: anywhere.
    #[schema(value_type = Option<Vec<IpRange>>, example = json!(["203.0.113.0/24"]), required)]
    pub ip_allowlist: Option<Vec<String>>,
    /// Requests in any trailing 60 s.
    #[schema(example = 60)]
    pub rate_limit_per_minute: u64,
    /// At most 60 s late; null: never.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub last_used_at: Option<Timestamp>,
    /// Admitted requests of the UTC day, at most 60 s late.
    #[schema(example = 12)]
    pub requests_today: u64,
    /// Admitted requests of the last 7 UTC days, today last.
    #[schema(min_items = 7, max_items = 7, example = json!([0, 0, 0, 0, 3, 40, 12]))]
    pub requests_by_day: [u64; 7],
    /// Scopes not needed for 30 days; null for a younger key.
    #[schema(value_type = Option<Vec<ScopeName>>, required)]
    pub unused_scopes: Option<Vec<Scope>>,
    /// The rotation that the key takes part in, old or new.
    #[schema(required)]
    pub rotation: Option<Rotation>,
    /// When it was revoked.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub revoked_at: Option<Timestamp>,
    /// By whom it was revoked.
    #[schema(required)]
    pub revoked_by: Option<ActorRef>,
    /// Its revocation.
    #[schema(required)]
    pub revocation: Option<Revocation>,
}

/// A key being replaced by another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rotation {
    /// The key that ends.
    #[schema(value_type = Uuid)]
    pub old_id: KeyId,
    /// The key that replaces it.
    #[schema(value_type = Uuid)]
    pub new_id: KeyId,
    /// When the old one ends.
    #[schema(value_type = DateTime<Utc>)]
    pub ends_at: Timestamp,
    /// The old key's share of their requests in the last hour, 0 to 1; null if there were none.
    #[schema(minimum = 0.0, maximum = 1.0, example = 0.25, required)]
    pub old_share_1h: Option<f64>,
}

/// The end of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revocation {
    /// Log position of the denial.
    #[schema(value_type = u64, example = 184_467)]
    pub position: GlobalPosition,
    /// When it was in force everywhere; null until then.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub effective_at: Option<Timestamp>,
}

/// What an answer says of a key beside what was decided.
#[derive(Debug, Clone, Copy)]
pub struct KeyContext<'a> {
    /// The key that this one replaces, if it replaces one.
    pub replaced: Option<&'a Key>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// Admitted requests of the last 7 UTC days, today last.
    pub requests_by_day: [u64; 7],
    /// Admitted requests of the last hour.
    pub requests_last_hour: u64,
    /// The same of the other key of its rotation.
    pub partner_requests_last_hour: u64,
    /// Scopes that were needed in the last 30 days.
    pub needed: Scopes,
    /// When its revocation was in force everywhere.
    pub revocation_effective_at: Option<Timestamp>,
}

impl Default for KeyContext<'_> {
    fn default() -> Self {
        Self {
            replaced: None,
            last_used_at: None,
            requests_by_day: [0; 7],
            requests_last_hour: 0,
            partner_requests_last_hour: 0,
            needed: Scopes::NONE,
            revocation_effective_at: None,
        }
    }
}

impl KeyContext<'_> {
    /// The old key's share of the rotation's requests in the last hour.
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody sends 2^53 requests an hour"
    )]
    fn old_share(&self, is_old: bool) -> Option<f64> {
        let (own, partner) = (self.requests_last_hour, self.partner_requests_last_hour);
        let old = if is_old { own } else { partner };
        let both = own + partner;
        (both > 0).then(|| old as f64 / both as f64)
    }

    fn unused_scopes(&self, key: &Key, now: Timestamp) -> Option<Vec<Scope>> {
        let is_old = key.created_at.plus(TimeDelta::days(SCOPE_UNUSED_DAYS)) <= now;
        is_old.then(|| {
            let unused = key
                .scopes
                .iter()
                .filter(|scope| !self.needed.contains(*scope));
            unused.collect()
        })
    }
}

impl ApiKey {
    /// The key as of `now`.
    pub fn new(id: KeyId, key: &Key, now: Timestamp, context: KeyContext<'_>) -> Self {
        let rotation = match (key.replaced_by, key.replaces) {
            (Some((new_id, ends_at)), _) => Some((id, new_id, ends_at)),
            (None, Some(old_id)) => context
                .replaced
                .and_then(|old| old.replaced_by)
                .map(|(_, ends_at)| (old_id, id, ends_at)),
            (None, None) => None,
        };
        Self {
            id,
            name: key.name.as_str().to_owned(),
            prefix: key.prefix.clone(),
            scopes: key.scopes,
            status: key.status(now),
            strict: key.strict,
            created_at: key.created_at,
            created_by: key.created_by.into(),
            owner_id: key.owner_id,
            expires_at: key.ends_at(),
            ip_allowlist: key
                .ip_allowlist
                .as_ref()
                .map(|ranges| ranges.iter().map(ToString::to_string).collect()),
            rate_limit_per_minute: key.rate_limit_per_minute,
            last_used_at: context.last_used_at,
            requests_today: context.requests_by_day[6],
            requests_by_day: context.requests_by_day,
            unused_scopes: context.unused_scopes(key, now),
            rotation: rotation.map(|(old_id, new_id, ends_at)| Rotation {
                old_id,
                new_id,
                ends_at,
                old_share_1h: context.old_share(old_id == id),
            }),
            revoked_at: key.revoked.map(|denial| denial.at),
            revoked_by: key.revoked.map(|denial| denial.by.into()),
            revocation: key.revoked.map(|denial| Revocation {
                position: denial.position,
                effective_at: context.revocation_effective_at,
            }),
        }
    }
}

/// A CIDR or an address, for the document. A pattern that says all of IPv6 would fill a page: which
/// of these texts are ranges the service says.
#[derive(Debug, Clone, Copy)]
pub enum IpRange {}

impl PartialSchema for IpRange {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?$"))
            .into()
    }
}

impl ToSchema for IpRange {}

/// A key that was just made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyCreated {
    /// The key.
    #[serde(flatten)]
    pub object: ApiKey,
    /// The secret, told this once; null in a replay.
    #[schema(
        pattern = "^tga_[0-9a-f]{64}$",
        example = "tga_0123456789abcdef0123456789abcdef0123456789abcdef012345671c637e5a",
        required
    )]
    pub key: Option<String>,
    /// In a replay only: rotate the key if its secret was lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret_already_delivered: bool,
}

impl ApiKeyCreated {
    /// With the secret; the answer is [`crate::envelope::Success::secret`].
    pub fn with_secret(object: ApiKey, secret: &domain::credential::CredentialSecret) -> Self {
        Self {
            object,
            key: Some(secret.reveal().to_owned()),
            secret_already_delivered: false,
        }
    }

    /// What is kept for a replay: without the secret.
    pub const fn without_secret(object: ApiKey) -> Self {
        Self {
            object,
            key: None,
            secret_already_delivered: true,
        }
    }
}

/// A key after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyChanged {
    /// The key.
    #[serde(flatten)]
    pub object: ApiKey,
    /// If the change, or an earlier one, took something away.
    #[schema(required)]
    pub receipt: Option<Receipt>,
}

/// A rotation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyRotated {
    /// The key that replaces the old one.
    pub new: ApiKeyCreated,
    /// The key that ends.
    pub old: ApiKey,
    /// If the old one ended at once.
    #[schema(required)]
    pub receipt: Option<Receipt>,
}

/// The calling key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeySelf {
    /// The key.
    #[serde(flatten)]
    pub object: ApiKey,
    /// Its org.
    pub org: OrgOfKey,
}

/// The org of the calling key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrgOfKey {
    /// The org's id.
    #[schema(value_type = Uuid)]
    pub id: OrgId,
    /// Its name.
    #[schema(example = "Acme")]
    pub name: String,
    /// Its plan.
    #[schema(value_type = PlanName)]
    pub plan: Plan,
    /// IANA name of the zone in which its days begin.
    #[schema(example = "Europe/Berlin")]
    pub timezone: String,
}

/// How a key was used, at most 60 s late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyUsage {
    /// By UTC day, oldest first.
    pub by_day: Vec<DayUsage>,
    /// By route.
    pub by_route: Vec<RouteUsage>,
    /// By scope.
    pub by_scope: Vec<ScopeUsage>,
}

/// A day of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DayUsage {
    /// The UTC day.
    pub date: NaiveDate,
    /// Admitted requests.
    #[schema(example = 40)]
    pub requests: u64,
    /// Requests that a limit refused.
    #[schema(example = 2)]
    pub refused: u64,
}

/// A route that a key called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouteUsage {
    /// The method.
    #[schema(example = "GET")]
    pub method: String,
    /// The route, its ids as names.
    #[schema(example = "/projects/{id}")]
    pub route: String,
    /// Admitted requests.
    #[schema(example = 40)]
    pub requests: u64,
    /// When it was last called.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub last_used_at: Option<Timestamp>,
}

/// A scope of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScopeUsage {
    /// The scope.
    #[schema(value_type = ScopeName)]
    pub scope: Scope,
    /// When it was last needed; null: never.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub last_used_at: Option<Timestamp>,
}
