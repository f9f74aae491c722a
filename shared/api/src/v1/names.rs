//! The lists of stable names, for the document: the types themselves belong to the domain, which
//! does not know `OpenAPI`.

use std::borrow::Cow;

use domain::event::{
    AnnotationKind, EntityType, GoalMetric, GoalPeriod, MediaType, Role, TrackingDisabledReason,
    TrackingMode, TrackingStatus,
};
use domain::observation::LineErrorCode;
use domain::org::{InvitationStatus, KeyStatus, MarkKind};
use domain::plan::{LimitKey, Plan};
use domain::platform::Platform;
use domain::scope::Scope;
use domain::webhook::{DeliveryError, DeliveryStatus, DisabledReason};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! names {
    ($($(#[$doc:meta])* $type:ident as $name:literal: $names:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub enum $type {}

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some($names))
                    .into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )+};
}

names! {
    /// Who did something.
    ActorKindName as "ActorKind": ["user", "key", "system"];
    /// Of what analytics are.
    AnalyticsEntityName as "AnalyticsEntity": ["video", "creator", "campaign", "project"];
    /// What a mark on the time axis stands for; from `creator_added` on those of the system.
    AnnotationKindName as "AnnotationKind": AnnotationKind::ALL
        .map(AnnotationKind::name)
        .into_iter()
        .chain(MarkKind::ALL.map(MarkKind::name));
    /// Whether people or the system made a mark.
    AnnotationSourceName as "AnnotationSource": ["user", "system"];
    /// Of what analytics can show growth.
    BaseMetricName as "BaseMetric": ["views", "likes", "comments", "shares", "saves", "followers", "posts"];
    /// Whether a creator is followed.
    CreatorStatusName as "CreatorStatus": ["active", "auto_disabled"];
    /// Why an attempt at a delivery failed.
    DeliveryErrorName as "DeliveryError": DeliveryError::ALL.map(DeliveryError::name);
    /// What became of an event on its way to a webhook.
    DeliveryStatusName as "DeliveryStatus": DeliveryStatus::ALL.map(DeliveryStatus::name);
    /// Why the service switched a webhook off.
    DisabledReasonName as "DisabledReason": DisabledReason::ALL.map(DisabledReason::name);
    /// Whether readings are as new as they should be.
    FreshnessName as "Freshness": ["fresh", "stale", "overdue"];
    /// What a goal measures.
    GoalMetricName as "GoalMetric": GoalMetric::ALL.map(GoalMetric::name);
    /// How often a goal begins anew.
    GoalPeriodName as "GoalPeriod": GoalPeriod::ALL.map(GoalPeriod::name);
    /// Whether a goal is reached, or will be.
    GoalStatusName as "GoalStatus": ["on_track", "behind_pace", "at_risk", "completed", "missed"];
    /// Width of a bucket.
    GranularityName as "Granularity": ["day", "week", "month", "custom"];
    /// What a campaign holds, or a mark is about.
    ItemTypeName as "ItemType": EntityType::ALL.map(EntityType::name);
    /// What becomes of the keys that a leaving member owns.
    KeyDispositionName as "KeyDisposition": ["revoke", "transfer", "keep"];
    /// How far an invitation has come.
    InvitationStatusName as "InvitationStatus": InvitationStatus::ALL.map(InvitationStatus::name);
    /// Whether a key is accepted.
    KeyStatusName as "KeyStatus": KeyStatus::ALL.map(KeyStatus::name);
    /// A limit of a plan.
    LimitKeyName as "LimitKey": LimitKey::ALL.iter().map(|key| key.name());
    /// What a limit counts in.
    LimitUnitName as "LimitUnit": ["count", "per_day", "per_minute", "hours", "days"];
    /// Why a line of an ingest is not taken.
    LineCodeName as "LineCode": LineErrorCode::ALL.map(LineErrorCode::name);
    /// What a post is.
    MediaTypeName as "MediaType": MediaType::ALL.map(MediaType::name);
    /// What analytics can show.
    MetricName as "Metric": METRICS;
    /// Gained in a bucket, or running total.
    ModeName as "Mode": ["new", "cumulative"];
    /// A plan.
    PlanName as "Plan": Plan::ALL.map(Plan::name);
    /// A platform.
    PlatformName as "Platform": Platform::ALL.map(Platform::name);
    /// A member's role.
    RoleName as "Role": Role::ALL.map(Role::name);
    /// What people mark on the time axis.
    PeoplesAnnotationKindName as "PeoplesAnnotationKind": AnnotationKind::ALL.map(AnnotationKind::name);
    /// A permission.
    ScopeName as "Scope": Scope::ALL.map(Scope::name);
    /// Why a video gets no more updates.
    TrackingDisabledReasonName as "TrackingDisabledReason": TrackingDisabledReason::ALL
        .map(TrackingDisabledReason::name);
    /// What becomes of a creator's new videos.
    TrackingModeName as "TrackingMode": TrackingMode::ALL.map(TrackingMode::name);
    /// How a video came to be tracked.
    TrackingStatusName as "TrackingStatus": TrackingStatus::ALL.map(TrackingStatus::name);
    /// What a metric counts in.
    UnitName as "Unit": ["count", "percent", "posts_per_week"];
}

const METRICS: [&str; 12] = [
    "views",
    "likes",
    "comments",
    "shares",
    "saves",
    "followers",
    "posts",
    "engagement_rate_by_views",
    "engagement_rate_by_followers",
    "posts_per_week",
    "avg_views_per_post",
    "growth_rate_pop",
];
