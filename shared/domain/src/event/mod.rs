//! Everything that can happen, as it stands in the log and leaves it.
//!
//! Names, fields and versions are for ever: a sample of every version ever written stands in
//! `shared/domain/events/` and must load. A version gains optional fields at most; whatever else
//! changes makes a new version, and [`Event::decode`] lifts the old one (`upcast`).

mod actor;
mod annotations;
mod campaigns;
mod chain;
mod creators;
mod decode;
mod denial;
mod entity;
mod goals;
mod invitations;
mod keys;
mod observations;
mod orgs;
mod pattern;
mod projects;
mod sessions;
#[cfg(test)]
mod tests;
mod upcast;
mod videos;
mod webhooks;

use serde::{Deserialize, Serialize};

pub use self::actor::Actor;
pub use self::annotations::{
    AnnotationAdded, AnnotationChanged, AnnotationKind, AnnotationRemoved,
};
pub use self::campaigns::{
    CampaignAdded, CampaignChanged, CampaignItemsAdded, CampaignItemsRemoved, CampaignRemoved,
};
pub use self::chain::ChainHash;
pub use self::creators::{
    CreatorAdded, CreatorAutoDisabled, CreatorChanged, CreatorReactivated, CreatorReenabled,
    CreatorRemoved, CreatorRenamed, TrackingMode,
};
pub use self::decode::DecodeError;
pub use self::entity::{EntityRef, EntityType};
pub use self::goals::{GoalAdded, GoalChanged, GoalMetric, GoalPeriod, GoalRemoved};
pub use self::invitations::{
    InvitationAccepted, InvitationCreated, InvitationDeclined, InvitationRevoked,
};
pub use self::keys::{KeyChanged, KeyCreated, KeyRevoked, KeyRotated, RevocationReason};
pub use self::observations::{
    CommentId, CommentReading, CreatorProfile, ObservationRecorded, Reading, VideoDetails,
    VideoStats,
};
pub use self::orgs::{
    HandleBanned, HandleUnbanned, LimitChanged, LimitWarned, MemberBanned, MemberJoined,
    MemberRemoved, MemberRoleChanged, MemberUnbanned, OrgChanged, OrgCreated, OrgReinstated,
    OrgSuspended, PlanChanged, Role, UnknownRole,
};
pub use self::pattern::{TypePattern, UnknownType};
pub use self::projects::{ProjectAdded, ProjectChanged, ProjectRemoved};
pub use self::sessions::{SessionEndReason, SessionEnded, SessionOpened};
pub use self::videos::{
    MediaType, TrackingDisabledReason, TrackingStatus, VideoAdded, VideoChanged, VideoDiscovered,
    VideoPromoted, VideoRemoved, VideoReviewed, VideoTrackingDisabled, VideoTrackingEnabled,
};
pub use self::webhooks::{WebhookAdded, WebhookChanged, WebhookDisabled, WebhookRemoved};

use crate::credential::CredentialHash;
use crate::ids::{EventId, GlobalPosition, OrgId, StreamVersion};
use crate::jcs;
use crate::time::Timestamp;

/// Which of an org's two streams an event belongs to; the numbers are stored and stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i16)]
pub enum Stream {
    /// What was decided; appended on an expected version.
    Decisions = 0,
    /// Facts from outside; appended unconditionally.
    Observations = 1,
}

impl Stream {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decisions => "decisions",
            Self::Observations => "observations",
        }
    }

    /// The stored number.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// From the stored number.
    pub const fn from_number(number: i16) -> Option<Self> {
        match number {
            0 => Some(Self::Decisions),
            1 => Some(Self::Observations),
            _ => None,
        }
    }
}

macro_rules! events {
    ($($variant:ident($data:ty) = $entity:literal, $verb:literal, v $version:literal $(, $auth:ident)?);+ $(;)?) => {
        /// One thing that happened.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $(#[doc = concat!("`", $entity, ".", $verb, "`")] $variant($data)),+
        }

        /// The type of an event: what stands before its version in the CloudEvents type.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventType {
            $(#[doc = concat!("`", $entity, ".", $verb, "`")] $variant),+
        }

        impl EventType {
            /// Every type, grouped by entity.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name, for example `key.revoked`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => concat!($entity, ".", $verb)),+ }
            }

            /// The entity part of the name.
            pub const fn entity(self) -> &'static str {
                match self { $(Self::$variant => $entity),+ }
            }

            /// The version written today.
            pub const fn schema_version(self) -> u16 {
                match self { $(Self::$variant => $version),+ }
            }

            /// Whether it changes who may call (revocation.md 4).
            pub const fn is_auth(self) -> bool {
                match self { $(Self::$variant => is_auth!($($auth)?)),+ }
            }

            /// The JSON schema of its data.
            pub fn data_schema(self) -> schemars::Schema {
                match self { $(Self::$variant => schemars::schema_for!($data)),+ }
            }
        }

        impl Event {
            /// Its type.
            pub const fn event_type(&self) -> EventType {
                match self { $(Self::$variant(_) => EventType::$variant),+ }
            }

            /// Its data in RFC 8785 form: what is hashed and what leaves, without any secret.
            pub fn data(&self) -> String {
                match self { $(Self::$variant(data) => jcs::to_string(data)),+ }
            }

            fn decode_current(event_type: EventType, data: &str) -> Result<Self, serde_json::Error> {
                Ok(match event_type {
                    $(EventType::$variant => Self::$variant(serde_json::from_str(data)?)),+
                })
            }
        }

        $(impl From<$data> for Event {
            fn from(data: $data) -> Self {
                Self::$variant(data)
            }
        })+
    };
}

macro_rules! is_auth {
    () => {
        false
    };
    (auth) => {
        true
    };
}

events! {
    OrgCreated(OrgCreated) = "org", "created", v 1, auth;
    OrgChanged(OrgChanged) = "org", "changed", v 1;
    PlanChanged(PlanChanged) = "org", "plan_changed", v 1, auth;
    LimitChanged(LimitChanged) = "org", "limit_changed", v 1, auth;
    OrgSuspended(OrgSuspended) = "org", "suspended", v 1, auth;
    OrgReinstated(OrgReinstated) = "org", "reinstated", v 1, auth;
    MemberJoined(MemberJoined) = "member", "joined", v 1, auth;
    MemberRoleChanged(MemberRoleChanged) = "member", "role_changed", v 1, auth;
    MemberRemoved(MemberRemoved) = "member", "removed", v 1, auth;
    MemberBanned(MemberBanned) = "member", "banned", v 1, auth;
    MemberUnbanned(MemberUnbanned) = "member", "unbanned", v 1, auth;
    HandleBanned(HandleBanned) = "handle", "banned", v 1;
    HandleUnbanned(HandleUnbanned) = "handle", "unbanned", v 1;
    InvitationCreated(InvitationCreated) = "invitation", "created", v 1;
    InvitationAccepted(InvitationAccepted) = "invitation", "accepted", v 1;
    InvitationDeclined(InvitationDeclined) = "invitation", "declined", v 1;
    InvitationRevoked(InvitationRevoked) = "invitation", "revoked", v 1;
    SessionOpened(SessionOpened) = "session", "opened", v 1, auth;
    SessionEnded(SessionEnded) = "session", "ended", v 1, auth;
    KeyCreated(KeyCreated) = "key", "created", v 1, auth;
    KeyChanged(KeyChanged) = "key", "changed", v 1, auth;
    KeyRotated(KeyRotated) = "key", "rotated", v 1, auth;
    KeyRevoked(KeyRevoked) = "key", "revoked", v 1, auth;
    ProjectAdded(ProjectAdded) = "project", "added", v 1;
    ProjectChanged(ProjectChanged) = "project", "changed", v 1;
    ProjectRemoved(ProjectRemoved) = "project", "removed", v 1;
    CreatorAdded(CreatorAdded) = "creator", "added", v 1;
    CreatorChanged(CreatorChanged) = "creator", "changed", v 1;
    CreatorRenamed(CreatorRenamed) = "creator", "renamed", v 1;
    CreatorReactivated(CreatorReactivated) = "creator", "reactivated", v 1;
    CreatorRemoved(CreatorRemoved) = "creator", "removed", v 1;
    CreatorAutoDisabled(CreatorAutoDisabled) = "creator", "auto_disabled", v 1;
    CreatorReenabled(CreatorReenabled) = "creator", "reenabled", v 1;
    VideoAdded(VideoAdded) = "video", "added", v 1;
    VideoDiscovered(VideoDiscovered) = "video", "discovered", v 1;
    VideoChanged(VideoChanged) = "video", "changed", v 1;
    VideoPromoted(VideoPromoted) = "video", "promoted", v 1;
    VideoReviewed(VideoReviewed) = "video", "reviewed", v 1;
    VideoTrackingDisabled(VideoTrackingDisabled) = "video", "tracking_disabled", v 1;
    VideoTrackingEnabled(VideoTrackingEnabled) = "video", "tracking_enabled", v 1;
    VideoRemoved(VideoRemoved) = "video", "removed", v 1;
    CampaignAdded(CampaignAdded) = "campaign", "added", v 1;
    CampaignChanged(CampaignChanged) = "campaign", "changed", v 1;
    CampaignRemoved(CampaignRemoved) = "campaign", "removed", v 1;
    CampaignItemsAdded(CampaignItemsAdded) = "campaign", "items_added", v 1;
    CampaignItemsRemoved(CampaignItemsRemoved) = "campaign", "items_removed", v 1;
    GoalAdded(GoalAdded) = "goal", "added", v 1;
    GoalChanged(GoalChanged) = "goal", "changed", v 1;
    GoalRemoved(GoalRemoved) = "goal", "removed", v 1;
    AnnotationAdded(AnnotationAdded) = "annotation", "added", v 1;
    AnnotationChanged(AnnotationChanged) = "annotation", "changed", v 1;
    AnnotationRemoved(AnnotationRemoved) = "annotation", "removed", v 1;
    WebhookAdded(WebhookAdded) = "webhook", "added", v 1;
    WebhookChanged(WebhookChanged) = "webhook", "changed", v 1;
    WebhookRemoved(WebhookRemoved) = "webhook", "removed", v 1;
    WebhookDisabled(WebhookDisabled) = "webhook", "disabled", v 1;
    LimitWarned(LimitWarned) = "limit", "warned", v 1;
    ObservationRecorded(ObservationRecorded) = "observation", "recorded", v 1;
}

impl EventType {
    /// The type of a stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|event_type| event_type.name() == name)
    }

    /// The stream its events belong to.
    pub const fn stream(self) -> Stream {
        match self {
            Self::ObservationRecorded => Stream::Observations,
            _ => Stream::Decisions,
        }
    }
}

impl Event {
    /// The stream it belongs to.
    pub const fn stream(&self) -> Stream {
        self.event_type().stream()
    }

    /// What must be kept of it but neither hashed nor sent: the hash of a new credential.
    pub const fn secret(&self) -> Option<CredentialHash> {
        match self {
            Self::KeyCreated(created) => created.hash,
            Self::SessionOpened(opened) => opened.hash,
            _ => None,
        }
    }

    /// What it is about, for example `keys/<id>`.
    pub fn subject(&self, org: OrgId) -> String {
        match self {
            Self::OrgCreated(_)
            | Self::OrgChanged(_)
            | Self::PlanChanged(_)
            | Self::LimitChanged(_)
            | Self::OrgSuspended(_)
            | Self::OrgReinstated(_)
            | Self::LimitWarned(_)
            | Self::ObservationRecorded(_) => format!("orgs/{org}"),
            Self::MemberJoined(MemberJoined { user_id, .. })
            | Self::MemberRoleChanged(MemberRoleChanged { user_id, .. })
            | Self::MemberRemoved(MemberRemoved { user_id, .. })
            | Self::MemberBanned(MemberBanned { user_id, .. })
            | Self::MemberUnbanned(MemberUnbanned { user_id, .. }) => format!("members/{user_id}"),
            Self::HandleBanned(HandleBanned {
                platform, handle, ..
            })
            | Self::HandleUnbanned(HandleUnbanned {
                platform, handle, ..
            }) => {
                format!("handles/{platform}/{}", handle.as_str())
            }
            Self::InvitationCreated(InvitationCreated { invitation_id, .. })
            | Self::InvitationAccepted(InvitationAccepted { invitation_id, .. })
            | Self::InvitationDeclined(InvitationDeclined { invitation_id })
            | Self::InvitationRevoked(InvitationRevoked { invitation_id }) => {
                format!("invitations/{invitation_id}")
            }
            Self::SessionOpened(SessionOpened { session_id, .. })
            | Self::SessionEnded(SessionEnded { session_id, .. }) => {
                format!("sessions/{session_id}")
            }
            Self::KeyCreated(KeyCreated { key_id, .. })
            | Self::KeyChanged(KeyChanged { key_id, .. })
            | Self::KeyRotated(KeyRotated { key_id, .. })
            | Self::KeyRevoked(KeyRevoked { key_id, .. }) => format!("keys/{key_id}"),
            Self::ProjectAdded(ProjectAdded { project_id, .. })
            | Self::ProjectChanged(ProjectChanged { project_id, .. })
            | Self::ProjectRemoved(ProjectRemoved { project_id, .. }) => {
                format!("projects/{project_id}")
            }
            Self::CreatorAdded(CreatorAdded { creator_id, .. })
            | Self::CreatorChanged(CreatorChanged { creator_id, .. })
            | Self::CreatorRenamed(CreatorRenamed { creator_id, .. })
            | Self::CreatorReactivated(CreatorReactivated { creator_id, .. })
            | Self::CreatorRemoved(CreatorRemoved { creator_id, .. })
            | Self::CreatorAutoDisabled(CreatorAutoDisabled { creator_id, .. })
            | Self::CreatorReenabled(CreatorReenabled { creator_id, .. }) => {
                format!("creators/{creator_id}")
            }
            Self::VideoAdded(VideoAdded { video_id, .. })
            | Self::VideoDiscovered(VideoDiscovered { video_id, .. })
            | Self::VideoChanged(VideoChanged { video_id, .. })
            | Self::VideoPromoted(VideoPromoted { video_id, .. })
            | Self::VideoReviewed(VideoReviewed { video_id, .. })
            | Self::VideoTrackingDisabled(VideoTrackingDisabled { video_id, .. })
            | Self::VideoTrackingEnabled(VideoTrackingEnabled { video_id, .. })
            | Self::VideoRemoved(VideoRemoved { video_id, .. }) => format!("videos/{video_id}"),
            Self::CampaignAdded(CampaignAdded { campaign_id, .. })
            | Self::CampaignChanged(CampaignChanged { campaign_id, .. })
            | Self::CampaignRemoved(CampaignRemoved { campaign_id, .. })
            | Self::CampaignItemsAdded(CampaignItemsAdded { campaign_id, .. })
            | Self::CampaignItemsRemoved(CampaignItemsRemoved { campaign_id, .. }) => {
                format!("campaigns/{campaign_id}")
            }
            Self::GoalAdded(GoalAdded { goal_id, .. })
            | Self::GoalChanged(GoalChanged { goal_id, .. })
            | Self::GoalRemoved(GoalRemoved { goal_id, .. }) => format!("goals/{goal_id}"),
            Self::AnnotationAdded(AnnotationAdded { annotation_id, .. })
            | Self::AnnotationChanged(AnnotationChanged { annotation_id, .. })
            | Self::AnnotationRemoved(AnnotationRemoved { annotation_id, .. }) => {
                format!("annotations/{annotation_id}")
            }
            Self::WebhookAdded(WebhookAdded { webhook_id, .. })
            | Self::WebhookChanged(WebhookChanged { webhook_id, .. })
            | Self::WebhookRemoved(WebhookRemoved { webhook_id })
            | Self::WebhookDisabled(WebhookDisabled { webhook_id, .. }) => {
                format!("webhooks/{webhook_id}")
            }
        }
    }
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedEvent {
    /// Its place in the whole log.
    pub position: GlobalPosition,
    /// Its own id.
    pub event_id: EventId,
    /// Whose it is.
    pub org_id: OrgId,
    /// Its place in its stream.
    pub version: StreamVersion,
    /// What happened.
    pub event: Event,
    /// Who caused it.
    pub actor: Actor,
    /// The `X-Request-Id` of the request that caused it.
    pub correlation_id: String,
    /// When it was appended; never earlier than the event before it in the log.
    pub recorded_at: Timestamp,
    /// For an event that changes who may call: the position of the one before it.
    pub auth_prev: Option<GlobalPosition>,
    /// Hash of the event before it in its stream.
    pub prev_hash: ChainHash,
    /// Hash of this event and all before it in its stream.
    pub hash: ChainHash,
}

/// Serde for a field of a `changed` event: absent is unchanged, null is cleared.
mod cleared {
    use serde::{Deserialize, Deserializer};

    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Option::deserialize(deserializer).map(Some)
    }
}
