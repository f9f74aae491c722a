//! Events of invitations. Whom they are to stands outside the log: an event names the address by an id.

use serde::{Deserialize, Serialize};

use super::Role;
use crate::ids::{InvitationId, InviteeId, UserId};
use crate::time::Timestamp;

/// Somebody may join from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InvitationCreated {
    /// The invitation.
    pub invitation_id: InvitationId,
    /// The address it is to; the same for every invitation of the org to it.
    pub invitee_id: InviteeId,
    /// The role they will have.
    pub role: Role,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// The person joined; that they belong to the org stands in an event of the member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InvitationAccepted {
    /// The invitation.
    pub invitation_id: InvitationId,
    /// The person.
    pub user_id: UserId,
}

/// The person does not want to join.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InvitationDeclined {
    /// The invitation.
    pub invitation_id: InvitationId,
}

/// The org took the invitation back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InvitationRevoked {
    /// The invitation.
    pub invitation_id: InvitationId,
}
