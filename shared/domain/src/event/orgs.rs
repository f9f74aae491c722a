//! Events of the org itself, its members, the handles it may not follow, and its limits.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::UserId;
use crate::named::named;
use crate::plan::{LimitKey, Plan};
use crate::platform::{Handle, Platform};
use crate::scope::Scopes;
use crate::text::Name;

named! {
    /// What a member may do.
    Role {
        /// Manages members, settings and keys.
        Admin = "admin",
        /// Reads and writes.
        Member = "member",
    }
}

/// A text that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not one of admin, member")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or(UnknownRole)
    }
}

impl Role {
    /// What a session of this role may do.
    pub const fn scopes(self) -> Scopes {
        match self {
            Self::Admin => Scopes::ORG_ADMIN,
            Self::Member => Scopes::DEFAULT,
        }
    }
}

/// The org exists from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OrgCreated {
    /// Its name.
    pub name: Name,
    /// Its first plan.
    pub plan: Plan,
    /// IANA name of the zone in which its days begin.
    pub timezone: String,
}

/// Name or zone changed; absent fields stay.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OrgChanged {
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The new zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// The operator changed the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlanChanged {
    /// The new plan.
    pub plan: Plan,
    /// The former plan.
    pub previous: Plan,
}

/// The operator set a limit for this org in place of the plan's, or took that back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LimitChanged {
    /// Which limit.
    pub limit_key: LimitKey,
    /// The operator's number; null: the plan's holds again.
    pub value: Option<u64>,
}

/// Nobody may call for this org any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OrgSuspended {
    /// Why, for the trail.
    pub reason: Option<String>,
}

/// The suspension is over.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OrgReinstated {}

/// A person belongs to the org.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberJoined {
    /// The person.
    pub user_id: UserId,
    /// Their role.
    pub role: Role,
}

/// A member has another role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberRoleChanged {
    /// The person.
    pub user_id: UserId,
    /// The new role.
    pub role: Role,
    /// The former role.
    pub previous: Role,
}

/// A person no longer belongs to the org; what became of their keys stands in events of the keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberRemoved {
    /// The person.
    pub user_id: UserId,
}

/// The operator shut a person out of this org, and every key they own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberBanned {
    /// The person.
    pub user_id: UserId,
    /// Why, for the trail.
    pub reason: Option<String>,
}

/// The ban is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberUnbanned {
    /// The person.
    pub user_id: UserId,
}

/// The operator forbids the org to follow an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HandleBanned {
    /// Its platform.
    pub platform: Platform,
    /// The account.
    pub handle: Handle,
    /// Why, for the trail.
    pub reason: Option<String>,
}

/// The account may be followed again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HandleUnbanned {
    /// Its platform.
    pub platform: Platform,
    /// The account.
    pub handle: Handle,
}

/// A count limit is used to 80 % or more; once per limit and UTC day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LimitWarned {
    /// Which limit.
    pub limit_key: LimitKey,
    /// How many there are.
    pub current: u64,
    /// How many there may be.
    pub max: u64,
}
