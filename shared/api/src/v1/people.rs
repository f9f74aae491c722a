//! Members, invitations and sessions (v1-contract.md 8.2 to 8.4).

use domain::event::Role;
use domain::ids::{InvitationId, KeyId, OrgId, SessionId, UserId};
use domain::org::{Invitation as Decided, InvitationStatus, Member as Belonging, Session as Open};
use domain::scope::Scopes;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::keys::ActorRef;
use super::names::{InvitationStatusName, RoleName, ScopeName};
use super::receipt::Receipt;

/// A person who belongs to the org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// The person.
    #[schema(value_type = Uuid)]
    pub user_id: UserId,
    /// What others call them; null once the person was erased.
    #[schema(example = "Ada Lovelace", required)]
    pub name: Option<String>,
    /// Their address; null unless the caller administers the org.
    #[schema(example = "ada@example.com", required)]
    pub email: Option<String>,
    /// Their role.
    #[schema(value_type = RoleName)]
    pub role: Role,
    /// When they joined.
    #[schema(value_type = DateTime<Utc>)]
    pub joined_at: Timestamp,
    /// When they last used a session of the org, at most 60 s late; null: never.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub last_seen_at: Option<Timestamp>,
    /// Keys of status active or rotating that they own.
    #[schema(example = 2)]
    pub active_keys: u64,
}

/// What stands outside the org's decisions about a member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberContext {
    /// Their name.
    pub name: Option<String>,
    /// Their address, if the caller may see it.
    pub email: Option<String>,
    /// When they last used a session of the org.
    pub last_seen_at: Option<Timestamp>,
    /// Keys that they own.
    pub active_keys: u64,
}

impl Member {
    /// The member as it is decided.
    pub fn new(user_id: UserId, member: &Belonging, context: MemberContext) -> Self {
        Self {
            user_id,
            name: context.name,
            email: context.email,
            role: member.role,
            joined_at: member.joined_at,
            last_seen_at: context.last_seen_at,
            active_keys: context.active_keys,
        }
    }
}

/// A member whose role was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberChanged {
    /// The member.
    #[serde(flatten)]
    pub object: Member,
    /// The receipt of a demotion; else null.
    #[schema(required)]
    pub receipt: Option<Receipt>,
}

/// A person who does not belong to the org any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberRemoved {
    /// That it holds everywhere.
    #[serde(flatten)]
    pub receipt: Receipt,
    /// What became of the keys that they owned.
    pub keys: KeysOfRemoved,
}

/// What became of the active keys of a person who left.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct KeysOfRemoved {
    /// Keys that ended with them.
    #[schema(value_type = Vec<Uuid>)]
    pub revoked: Vec<KeyId>,
    /// Keys that another member owns now.
    #[schema(value_type = Vec<Uuid>)]
    pub transferred: Vec<KeyId>,
    /// Keys that nobody owns now.
    #[schema(value_type = Vec<Uuid>)]
    pub kept: Vec<KeyId>,
}

/// An invitation to join the org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// The invitation's id.
    #[schema(value_type = Uuid)]
    pub id: InvitationId,
    /// The address it is to; null once that was erased.
    #[schema(example = "ada@example.com", required)]
    pub email: Option<String>,
    /// The role they will have.
    #[schema(value_type = RoleName)]
    pub role: Role,
    /// `pending`: it may be accepted until `expires_at`.
    #[schema(value_type = InvitationStatusName)]
    pub status: InvitationStatus,
    /// By whom it was made.
    pub invited_by: ActorRef,
    /// When it was made.
    #[schema(value_type = DateTime<Utc>)]
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[schema(value_type = DateTime<Utc>)]
    pub expires_at: Timestamp,
}

impl Invitation {
    /// The invitation as it is decided.
    pub fn new(
        id: InvitationId,
        invitation: &Decided,
        email: Option<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            email,
            role: invitation.role,
            status: invitation.status(now),
            invited_by: invitation.invited_by.into(),
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

/// An invitation that was just made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvitationCreated {
    /// The invitation.
    #[serde(flatten)]
    pub object: Invitation,
    /// The link by which a person without an account accepts it: told this once, null in a replay.
    #[schema(
        example = "https://www.trackagoat.com/invitations/accept?token=5f1e",
        required
    )]
    pub accept_url: Option<String>,
}

/// An org, as those outside it may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrgRef {
    /// The org's id.
    #[schema(value_type = Uuid)]
    pub id: OrgId,
    /// Its name.
    #[schema(example = "Acme")]
    pub name: String,
}

/// An invitation to the calling person, of whatever org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvitationReceived {
    /// The invitation.
    #[serde(flatten)]
    pub object: Invitation,
    /// Who invites.
    pub org: OrgRef,
}

/// An invitation that was just accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvitationAccepted {
    /// The org that the person belongs to now.
    #[schema(value_type = Uuid)]
    pub org_id: OrgId,
    /// Their role there.
    #[schema(value_type = RoleName)]
    pub role: Role,
}

/// A person's sign-in to one org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// The session's id.
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    /// The person.
    #[schema(value_type = Uuid)]
    pub user_id: UserId,
    /// The org.
    #[schema(value_type = Uuid)]
    pub org_id: OrgId,
    /// The person's role there, which says what the session may do.
    #[schema(value_type = RoleName)]
    pub role: Role,
    /// When it was opened.
    #[schema(value_type = DateTime<Utc>)]
    pub created_at: Timestamp,
    /// At most 60 s late; null: never.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub last_used_at: Option<Timestamp>,
    /// When it ends by itself.
    #[schema(value_type = DateTime<Utc>)]
    pub expires_at: Timestamp,
    /// The address it was opened from; null once that was erased.
    #[schema(example = "203.0.113.7", required)]
    pub ip: Option<String>,
    /// What the client said it is.
    #[schema(example = "Mozilla/5.0", required)]
    pub user_agent: Option<String>,
    /// Whether it is the calling one.
    #[schema(example = false)]
    pub current: bool,
}

/// What stands outside the org's decisions about a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionContext {
    /// The org.
    pub org_id: OrgId,
    /// The person's role.
    pub role: Role,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// The address it was opened from.
    pub ip: Option<String>,
    /// What the client said it is.
    pub user_agent: Option<String>,
    /// Whether it is the calling one.
    pub current: bool,
}

impl Session {
    /// The session as it is decided.
    pub fn new(id: SessionId, session: &Open, context: SessionContext) -> Self {
        Self {
            id,
            user_id: session.user_id,
            org_id: context.org_id,
            role: context.role,
            created_at: session.created_at,
            last_used_at: context.last_used_at,
            expires_at: session.expires_at,
            ip: context.ip,
            user_agent: context.user_agent,
            current: context.current,
        }
    }
}

/// A session that was just opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionCreated {
    /// The session.
    #[serde(flatten)]
    pub object: Session,
    /// The credential: told this once, null in a replay.
    #[schema(example = "tgs_…", required)]
    pub token: Option<String>,
}

/// An org that a person may be signed in to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgChoice {
    /// The org's id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
    /// The person's role there.
    pub role: Role,
}

/// A session for a password: the answer of `/auth/sessions`, which is not part of v1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// The session, with its credential.
    #[serde(flatten)]
    pub session: SessionCreated,
    /// All orgs of the person, by name.
    pub orgs: Vec<OrgChoice>,
}

/// A sign-in that ends at a provider: the answer of `/auth/oidc/start`, which is not part of v1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInStarted {
    /// Where the person goes to show who they are.
    pub authorization_url: String,
    /// What their browser keeps until it is back, and shows to no other site.
    pub flow: String,
}

/// The answer to a new password: `/auth/password` is not part of v1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordChanged {
    /// That all other sessions of the person ended everywhere; null if there were none.
    pub receipt: Option<Receipt>,
}

/// The calling session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionSelf {
    /// The session.
    #[serde(flatten)]
    pub object: Session,
    /// The person.
    pub user: UserRef,
    /// What it may do.
    #[schema(value_type = Vec<ScopeName>)]
    pub scopes: Scopes,
}

/// A person, to themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserRef {
    /// The person's id.
    #[schema(value_type = Uuid)]
    pub id: UserId,
    /// What others call them; null once the person was erased.
    #[schema(example = "Ada Lovelace", required)]
    pub name: Option<String>,
    /// Their address, likewise.
    #[schema(example = "ada@example.com", required)]
    pub email: Option<String>,
}
