//! The objects of v1 as they stand on the wire: names, order and types of the fields are the
//! contract's. What the domain folds becomes them here, so that commands and queries answer alike.

mod aggregate;
mod analytics;
mod annotations;
mod audit;
mod bulk;
mod campaigns;
mod compliance;
mod creators;
mod goals;
mod ingest;
mod keys;
mod limits;
mod model;
mod names;
mod orgs;
mod people;
mod projects;
mod proofs;
mod receipt;
pub mod request;
mod schema;
#[cfg(test)]
mod tests;
mod videos;
mod webhooks;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

pub use self::aggregate::{
    Bin, CampaignCard, CampaignLeaderboardRow, CreatorCard, CreatorLeaderboardRow, DirectionName,
    HeatmapCell, MemberOverlap, OutlierRow, OverlappingCampaign, OverlappingPair, Percentiles,
    PostingConsistencyRow, ScatterRow, SharedMember, VideoLeaderboardRow, ViewDistribution,
};
pub use self::analytics::{Analytics, CSV_HEADER, EntityRef, Figure, Point, Series};
pub use self::annotations::{Annotation, AnnotationEntity};
pub use self::audit::{AsOf, AuditEvent, KeyAsOf, MemberAsOf, OrgAsOf};
pub use self::bulk::{BulkAnswer, BulkResult, BulkStatus, BulkSummary};
pub use self::campaigns::{Campaign, CampaignItem, CampaignWithFigures};
pub use self::compliance::{
    CreatorCompliance, GoalAdvisory, GoalCompliance, GoalComplianceCounts, MetricCounts,
    ScrapeFreshness, StatusCounts,
};
pub use self::creators::{Creator, CreatorProfile, CreatorRef};
pub use self::goals::Goal;
pub use self::ingest::{IngestAnswer, IngestError};
pub use self::keys::{
    ActorRef, ApiKey, ApiKeyChanged, ApiKeyCreated, ApiKeyRotated, ApiKeySelf, ApiKeyUsage,
    DayUsage, KeyContext, OrgOfKey, Revocation, Rotation, RouteUsage, ScopeUsage,
};
pub use self::limits::{LimitAnswer, LimitsAnswer};
pub use self::names::{
    ActorKindName, AnalyticsEntityName, AnnotationKindName, AnnotationSourceName, BaseMetricName,
    CreatorStatusName, DeliveryErrorName, DeliveryStatusName, DisabledReasonName, FreshnessName,
    GoalMetricName, GoalPeriodName, GoalStatusName, GranularityName, InvitationStatusName,
    ItemTypeName, KeyDispositionName, KeyStatusName, LimitKeyName, LimitUnitName, LineCodeName,
    MediaTypeName, MetricName, ModeName, PeoplesAnnotationKindName, PlanName, PlatformName,
    RoleName, ScopeName, TrackingDisabledReasonName, TrackingModeName, TrackingStatusName,
    UnitName,
};
pub use self::orgs::{Org, OrgOfPerson};
pub use self::people::{
    Invitation, InvitationAccepted, InvitationCreated, InvitationReceived, KeysOfRemoved, Member,
    MemberChanged, MemberContext, MemberRemoved, OrgChoice, OrgRef, PasswordChanged, Session,
    SessionContext, SessionCreated, SessionSelf, SignInStarted, SignedIn, UserRef,
};
pub use self::projects::Project;
pub use self::proofs::{Checkpoint, ConsistencyProof, InclusionProof, Proof};
pub use self::receipt::{Barrier, Ledger, Receipt, ReplicaState, ReplicaWait};
pub use self::schema::{
    EntitySchema, FieldSchema, MetricSchema, Named, RelationshipSchema, SchemaAnswer,
};
pub use self::videos::{InboxVideo, Video, VideoReadings};
pub use domain::event::{EventType, Role};
pub use domain::org::{CreatorStatus, InvitationStatus, KeyStatus};
pub use domain::plan::{LimitKey, LimitUnit};
pub use domain::platform::Platform;
pub use domain::scope::{Scope, Scopes};
pub use domain::time::Timestamp;

pub use self::webhooks::{Webhook, WebhookCreated, WebhookDelivery};

/// The agents' own object, passed on as the bytes that are stored.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct MetadataJson(Box<RawValue>);

/// Through a value: the raw text cannot be had out of an object that stands flat in another.
impl<'de> Deserialize<'de> for MetadataJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        to_raw_value(&value)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

impl From<&domain::text::Metadata> for MetadataJson {
    fn from(metadata: &domain::text::Metadata) -> Self {
        let text = metadata.as_json().to_owned();
        Self(RawValue::from_string(text).expect("metadata is JSON by its own door"))
    }
}

impl PartialEq for MetadataJson {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}
