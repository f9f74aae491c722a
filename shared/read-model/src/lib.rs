//! Projections and the queries over them: what was recorded, brought into tables that answer.
//!
//! May depend on `domain`, `event-log` and `runtime`.
//!
//! Architecture invariant: this crate knows neither HTTP nor the wire. It decides nothing: what an
//! event makes of an org is `domain::org::evolve`, and whether a caller may ask is the gate's.
//! Nothing is read here that the log could not make again.
//!
//! Where to look: [`Projector`] follows the log and calls [`projection::apply_in_tx`] for each
//! batch; [`ReadModel::org`] gives an [`OrgReader`], through which every question about an org
//! goes; [`analytics`] computes series. How the roll-ups work stands in `README.md`.
#![warn(missing_docs)]

pub mod analytics;
mod builds;
pub mod compliance;
mod error;
pub mod metrics;
mod passed;
mod position;
pub mod projection;
mod projector;
mod queries;
mod reader;
mod schema;
mod text;

pub use self::builds::{BuildError, BuildStatus, Builds};
pub use self::error::{CorruptRow, ReadError};
pub use self::passed::passed_by_all;
pub use self::position::{PositionFollower, Positions, TooFar};
pub use self::projection::keyring::SubjectKeyring;
pub use self::projector::{
    Progress, Projector, ProjectorConfig, ProjectorError, SwitchError, prune,
};
pub use self::queries::analytics::{
    AnalyticsAnswer, AnalyticsRequest, EntityRef, EntitySeries, Source,
};
pub use self::queries::annotations::{Annotation, AnnotationFilter, DayCursor, ListedAnnotations};
pub use self::queries::api_keys::{ApiKey, KeyFilter};
pub use self::queries::audit::{AuditFilter, TypeFilter};
pub use self::queries::campaign_leaderboard::CampaignStanding;
pub use self::queries::campaigns::{Campaign, CampaignFigures, CampaignItem};
pub use self::queries::cards::{CreatorCard, VideoCard};
pub use self::queries::compliance::{ComplianceFilter, CreatorCompliance, HandleCursor, Reached};
pub use self::queries::creator_figures::{CreatorFigure, Gains};
pub use self::queries::creator_leaderboard::CreatorStanding;
pub use self::queries::creator_scatter::CreatorPlace;
pub use self::queries::creators::{Creator, CreatorFilter};
pub use self::queries::deliveries::{Delivery, deliveries};
pub use self::queries::goals::{Goal, GoalFilter};
pub use self::queries::inbox::{CreatorName, InboxFilter, InboxVideo};
pub use self::queries::invitations::Invitation;
pub use self::queries::member_overlap::{
    ComparedCampaign, ComparedMember, ComparedPair, MemberKind, Overlap,
};
pub use self::queries::members::{Member, MemberFilter, Session};
pub use self::queries::orgs::{KeptHistory, LimitCounts, Org};
pub use self::queries::page::{Cursor, Listed, Page};
pub use self::queries::posted_views::{FoundOutliers, Outlier, OutlierQuestion, OutlierScope};
pub use self::queries::projects::Project;
pub use self::queries::rows::{Ranked, Rows};
pub use self::queries::video_leaderboard::VideoOrder;
pub use self::queries::videos::{Video, VideoFilter};
pub use self::queries::webhooks::Webhook;
pub use self::reader::{OrgReader, ReadModel, Tables};
pub use self::schema::{Build, InvalidBuild, ProjectionVersion, STATEMENT_WITHIN, SchemaError};
