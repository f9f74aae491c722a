//! Orgs (v1-contract.md 8.1).

use domain::event::Role;
use domain::ids::OrgId;
use domain::org::Profile;
use domain::plan::Plan;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::{PlanName, RoleName};

/// An org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Org {
    /// The org's id.
    #[schema(value_type = Uuid)]
    pub id: OrgId,
    /// Its name.
    #[schema(min_length = 1, max_length = 100, example = "Acme")]
    pub name: String,
    /// Its plan.
    #[schema(value_type = PlanName)]
    pub plan: Plan,
    /// IANA name of the zone in which its days begin.
    #[schema(example = "Europe/Berlin")]
    pub timezone: String,
    /// Whether the operator suspended it.
    #[schema(example = false)]
    pub suspended: bool,
    /// When it was made.
    #[schema(value_type = DateTime<Utc>)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = DateTime<Utc>)]
    pub updated_at: Timestamp,
}

impl Org {
    /// The org as it is decided.
    pub fn new(id: OrgId, profile: &Profile) -> Self {
        Self {
            id,
            name: profile.name.as_str().to_owned(),
            plan: profile.limits.plan,
            timezone: profile.timezone.clone(),
            suspended: profile.suspended,
            created_at: profile.created_at,
            updated_at: profile.updated_at,
        }
    }
}

/// An org among those of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrgOfPerson {
    /// The org.
    #[serde(flatten)]
    pub object: Org,
    /// The caller's role in it; null for a key.
    #[schema(value_type = Option<RoleName>, required)]
    pub role: Option<Role>,
}
