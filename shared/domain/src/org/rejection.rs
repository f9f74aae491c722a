//! What a decision comes to.

use thiserror::Error;
use uuid::Uuid;

use crate::event::Event;
use crate::ids::CampaignId;
use crate::plan::LimitKey;
use crate::platform::PlatformError;
use crate::scope::{Scope, Scopes};
use crate::time::Timestamp;

/// Events to append together, and what to answer once they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// In their order; none if everything is already so.
    pub events: Vec<Event>,
    /// What to answer.
    pub outcome: Outcome,
}

impl Decision {
    /// A change, if there is one.
    pub(super) fn of(event: Option<impl Into<Event>>) -> Self {
        Self::done(event.map(Into::into).into_iter().collect())
    }

    pub(super) fn done(events: Vec<Event>) -> Self {
        let outcome = if events.is_empty() {
            Outcome::Unchanged
        } else {
            Outcome::Changed
        };
        Self { events, outcome }
    }
}

/// What to answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Everything was already so.
    Unchanged,
    /// It is so now.
    Changed,
    /// A new thing of this id exists.
    Created(Uuid),
    /// A removed thing of this id is back.
    Reactivated(Uuid),
    /// An item left its campaign, which had held it since then.
    ItemRemoved {
        /// Since when.
        added_at: Timestamp,
    },
    /// One result per item, in their order.
    Items(Vec<ItemOutcome>),
}

/// What became of one item of a bulk request.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemOutcome {
    /// The thing concerned, where there is one.
    pub id: Option<Uuid>,
    /// What became of it.
    pub result: Result<ItemStatus, Rejection>,
}

/// What became of a good item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "variants are those of v1-contract.md 1.5")]
pub enum ItemStatus {
    Created,
    Reactivated,
    Changed,
    Unchanged,
}

/// What stands in the way of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// An annotation with the same id.
    Annotation,
    /// A campaign with the same id.
    Campaign,
    /// The same thing, held by the campaign at first hand.
    CampaignItem,
    /// A creator with the same handle.
    Creator,
    /// An active goal of the same creator, metric and period.
    Goal,
    /// An open invitation to the same address.
    Invitation,
    /// A key with the same id.
    Key,
    /// A project with the same id.
    Project,
    /// A session with the same id.
    Session,
    /// A video of the same platform and id.
    Video,
    /// A webhook with the same id.
    Webhook,
}

/// Why a command is refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Error)]
#[expect(
    missing_docs,
    reason = "fields are those of the contract's error bodies"
)]
pub enum Rejection {
    #[error("the caller's key is unknown, expired or revoked")]
    CallerInvalid,
    #[error("the org is suspended")]
    OrgSuspended,
    #[error("the person behind the credential is banned")]
    UserSuspended,
    #[error("the action requires the '{required}' scope")]
    InsufficientScope { required: Scope, granted: Scopes },
    #[error("limit reached: {limit_key}")]
    LimitReached {
        limit_key: LimitKey,
        current: u64,
        max: u64,
    },
    #[error("not found")]
    NotFound,
    #[error("it exists already")]
    Duplicate { what: Existing, id: Uuid },
    #[error("another creator of the project has the handle")]
    HandleTaken { id: Uuid },
    #[error("the operator has banned the handle")]
    CreatorBanned,
    #[error("not a handle of the creator's platform")]
    InvalidHandle(#[source] PlatformError),
    #[error("the handle is the same")]
    NoChange,
    #[error("the key is neither active nor rotating")]
    KeyNotActive,
    #[error("the org needs an admin")]
    LastAdmin,
    #[error("the person is a member already")]
    AlreadyMember,
    #[error("the invitation is not open any more")]
    InvitationClosed,
    #[error("the session is another person's")]
    NotOrgAdmin,
    #[error("the member owns {active_keys} active keys")]
    MemberHasKeys { active_keys: u64 },
    #[error("the campaign would hold itself")]
    CampaignCycle { path: Vec<CampaignId> },
    #[error("the item belongs to another project")]
    CrossProject,
    #[error("{0}")]
    StateConflict(&'static str),
    #[error("{field} {message}")]
    Invalid {
        field: &'static str,
        message: String,
    },
    #[error("the org does not exist")]
    NoSuchOrg,
    #[error("the org exists already")]
    OrgExists,
    /// Not an answer: load or make these keys and decide again.
    #[error("keys of subjects are needed")]
    SubjectKeysNeeded(Vec<Uuid>),
}
