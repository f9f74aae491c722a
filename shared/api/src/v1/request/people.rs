//! The org, and who is in it.

use domain::event::Role;
use domain::ids::OrgId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::v1::names::RoleName;

/// `PATCH /orgs/self`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeOrg {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, min_length = 1, max_length = 100, required = false, example = "Acme")]
    pub name: Option<String>,
    /// IANA name of the zone in which its days begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "Europe/Berlin")]
    pub timezone: Option<String>,
}

/// `PATCH /members/{user_id}`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeMember {
    /// The new role, which only who holds its scopes may give.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = RoleName, required = false)]
    pub role: Option<Role>,
}

/// `POST /invitations`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// Whom to invite.
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    pub email: String,
    /// The role they will have; default member. Only who holds its scopes may give it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = RoleName, required = false)]
    pub role: Option<Role>,
}

/// `POST /sessions`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSession {
    /// Another org of the same person.
    #[schema(value_type = Uuid)]
    pub org_id: OrgId,
}
