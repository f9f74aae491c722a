//! What can be asked of an org. Texts are parsed and ids made before they come here.

mod access;
mod resources;
mod webhooks;

pub use self::access::{
    InvitationCommand, KeyDisposition, KeyPatch, NewInvitation, NewKey, NewSession, Rotation,
    SessionCommand,
};
pub use self::resources::{
    AnnotationPatch, CampaignPatch, CreatorPatch, GoalPatch, NewAnnotation, NewCampaign,
    NewCreator, NewGoal, NewVideo, ProjectPatch, ReviewDecision, VideoPatch,
};
pub use self::webhooks::{NewWebhook, WebhookCommand, WebhookPatch};

use super::{Caller, Required};
use crate::event::{EntityRef, Role, TrackingDisabledReason};
use crate::ids::{AnnotationId, CampaignId, CreatorId, GoalId, KeyId, ProjectId, UserId, VideoId};
use crate::plan::{LimitKey, Plan};
use crate::platform::{Handle, Platform};
use crate::scope::Scope;
use crate::text::{Metadata, Name, ProjectName, Readme};

/// One command.
#[derive(Debug, Clone)]
#[expect(
    missing_docs,
    reason = "variants and fields say what the contract's calls say"
)]
pub enum Command {
    CreateOrg {
        name: Name,
        plan: Plan,
        timezone: String,
    },
    FoundOrg(Founding),
    ChangeOrg {
        name: Option<Name>,
        timezone: Option<String>,
    },
    SetPlan {
        plan: Plan,
    },
    SetLimit {
        limit_key: LimitKey,
        value: Option<u64>,
    },
    Suspend {
        reason: Option<String>,
    },
    Reinstate,
    JoinMember {
        user_id: UserId,
        role: Role,
    },
    ChangeRole {
        user_id: UserId,
        role: Role,
    },
    RemoveMember {
        user_id: UserId,
        keys: Option<KeyDisposition>,
    },
    BanMember {
        user_id: UserId,
        reason: Option<String>,
    },
    UnbanMember {
        user_id: UserId,
    },
    BanHandle {
        platform: Platform,
        handle: Handle,
        reason: Option<String>,
    },
    UnbanHandle {
        platform: Platform,
        handle: Handle,
    },
    Invitation(InvitationCommand),
    Session(SessionCommand),
    CreateKey(NewKey),
    ChangeKey {
        key_id: KeyId,
        patch: KeyPatch,
    },
    RotateKey {
        key_id: KeyId,
        rotation: Rotation,
    },
    RevokeKey {
        key_id: KeyId,
    },
    AddProject {
        project_id: ProjectId,
        name: ProjectName,
        readme: Option<Readme>,
        metadata: Metadata,
    },
    ChangeProject {
        project_id: ProjectId,
        patch: ProjectPatch,
    },
    RemoveProject {
        project_id: ProjectId,
    },
    AddCreator {
        project_id: ProjectId,
        creator: NewCreator,
    },
    AddCreators {
        project_id: ProjectId,
        creators: Vec<NewCreator>,
    },
    ChangeCreator {
        creator_id: CreatorId,
        patch: CreatorPatch,
    },
    RemoveCreator {
        creator_id: CreatorId,
    },
    RemoveCreators {
        project_id: ProjectId,
        creator_ids: Vec<CreatorId>,
    },
    ReenableCreators {
        project_id: ProjectId,
        creator_ids: Vec<CreatorId>,
    },
    AutoDisableCreator {
        creator_id: CreatorId,
        reason: String,
    },
    AddVideo {
        project_id: ProjectId,
        video: NewVideo,
    },
    AddVideos {
        project_id: ProjectId,
        videos: Vec<NewVideo>,
    },
    ChangeVideo {
        video_id: VideoId,
        patch: VideoPatch,
    },
    RemoveVideo {
        video_id: VideoId,
    },
    ReviewVideo {
        video_id: VideoId,
        decision: ReviewDecision,
    },
    ReviewVideos {
        project_id: ProjectId,
        decision: ReviewDecision,
        video_ids: Vec<VideoId>,
    },
    DisableTracking {
        video_id: VideoId,
        reason: TrackingDisabledReason,
    },
    DisableTrackingMany {
        project_id: ProjectId,
        video_ids: Vec<VideoId>,
    },
    AddCampaign {
        project_id: ProjectId,
        campaign: NewCampaign,
    },
    ChangeCampaign {
        campaign_id: CampaignId,
        patch: CampaignPatch,
    },
    RemoveCampaign {
        campaign_id: CampaignId,
    },
    AddCampaignItem {
        campaign_id: CampaignId,
        item: EntityRef,
    },
    AddCampaignItems {
        campaign_id: CampaignId,
        items: Vec<EntityRef>,
    },
    RemoveCampaignItem {
        campaign_id: CampaignId,
        item: EntityRef,
    },
    AddGoal {
        project_id: ProjectId,
        goal: NewGoal,
    },
    ChangeGoal {
        goal_id: GoalId,
        patch: GoalPatch,
    },
    RemoveGoal {
        goal_id: GoalId,
    },
    AddAnnotation {
        project_id: ProjectId,
        annotation: NewAnnotation,
    },
    ChangeAnnotation {
        annotation_id: AnnotationId,
        patch: AnnotationPatch,
    },
    RemoveAnnotation {
        annotation_id: AnnotationId,
    },
    Webhook(WebhookCommand),
}

impl Command {
    /// What the caller needs.
    pub(super) fn required_of(&self, caller: Caller) -> Required {
        match self {
            // A key may always end itself, whatever its scopes.
            Self::RevokeKey { key_id } if caller == Caller::Key(*key_id) => Required::Nothing,
            // A person may always leave.
            Self::RemoveMember { user_id, .. } if matches!(caller, Caller::Session { user, .. } if user == *user_id) => {
                Required::Nothing
            }
            Self::Invitation(command) => command.required(),
            Self::Session(command) => command.required(),
            Self::Webhook(command) => command.required(),
            Self::CreateOrg { .. }
            | Self::FoundOrg(_)
            | Self::SetPlan { .. }
            | Self::SetLimit { .. }
            | Self::Suspend { .. }
            | Self::Reinstate
            | Self::BanMember { .. }
            | Self::UnbanMember { .. }
            | Self::BanHandle { .. }
            | Self::UnbanHandle { .. }
            | Self::AutoDisableCreator { .. } => Required::Operator,
            Self::ChangeOrg { .. }
            | Self::JoinMember { .. }
            | Self::ChangeRole { .. }
            | Self::RemoveMember { .. }
            | Self::CreateKey(_)
            | Self::ChangeKey { .. }
            | Self::RotateKey { .. }
            | Self::RevokeKey { .. } => Required::Scope(Scope::Keys),
            Self::AddProject { .. }
            | Self::ChangeProject { .. }
            | Self::RemoveProject { .. }
            | Self::AddCreator { .. }
            | Self::AddCreators { .. }
            | Self::ChangeCreator { .. }
            | Self::RemoveCreator { .. }
            | Self::RemoveCreators { .. }
            | Self::ReenableCreators { .. }
            | Self::AddVideo { .. }
            | Self::AddVideos { .. }
            | Self::ChangeVideo { .. }
            | Self::RemoveVideo { .. }
            | Self::ReviewVideo { .. }
            | Self::ReviewVideos { .. }
            | Self::DisableTracking { .. }
            | Self::DisableTrackingMany { .. }
            | Self::AddCampaign { .. }
            | Self::ChangeCampaign { .. }
            | Self::RemoveCampaign { .. }
            | Self::AddCampaignItem { .. }
            | Self::AddCampaignItems { .. }
            | Self::RemoveCampaignItem { .. }
            | Self::AddGoal { .. }
            | Self::ChangeGoal { .. }
            | Self::RemoveGoal { .. }
            | Self::AddAnnotation { .. }
            | Self::ChangeAnnotation { .. }
            | Self::RemoveAnnotation { .. } => Required::Scope(Scope::Write),
        }
    }
}

/// An org with its first admin, who may be signed in at once.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 8.4")]
pub struct Founding {
    pub name: Name,
    pub plan: Plan,
    pub timezone: String,
    pub admin: UserId,
    pub session: Option<NewSession>,
}
