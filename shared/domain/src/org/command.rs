//! What can be asked of an org. Texts are parsed and ids made before they come here.

use chrono::NaiveDate;
use ipnet::IpNet;

use super::{Caller, Required};
use crate::credential::CredentialHash;
use crate::event::{
    AnnotationKind, EntityRef, GoalMetric, GoalPeriod, KeyChanged, MediaType, Role,
    SessionEndReason, TrackingDisabledReason, TrackingMode, TrackingStatus,
};
use crate::ids::{
    AnnotationId, CampaignId, CreatorId, GoalId, InvitationId, InviteeId, KeyId, ProjectId,
    SessionId, UserId, VideoId,
};
use crate::plan::{LimitKey, Plan};
use crate::platform::{Handle, Platform, PlatformVideoId};
use crate::scope::{Scope, Scopes};
use crate::text::{AnnotationBody, CampaignName, Label, Metadata, Name, ProjectName, Readme};
use crate::time::Timestamp;

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

/// What can be asked about an invitation.
#[derive(Debug, Clone, Copy)]
#[expect(
    missing_docs,
    reason = "variants and fields say what the contract's calls say"
)]
pub enum InvitationCommand {
    Create(NewInvitation),
    Revoke {
        invitation_id: InvitationId,
    },
    /// Whether it is to this person was found out before.
    Accept {
        invitation_id: InvitationId,
        user_id: UserId,
        session: Option<NewSession>,
    },
    /// The same.
    Decline {
        invitation_id: InvitationId,
        user_id: UserId,
    },
}

impl InvitationCommand {
    const fn required(&self) -> Required {
        match self {
            Self::Create(_) | Self::Revoke { .. } => Required::Scope(Scope::Keys),
            Self::Accept { user_id, .. } | Self::Decline { user_id, .. } => {
                Required::Person(*user_id)
            }
        }
    }
}

/// What can be asked about a session.
#[derive(Debug, Clone, Copy)]
#[expect(
    missing_docs,
    reason = "variants and fields say what the contract's calls say"
)]
pub enum SessionCommand {
    Open {
        user_id: UserId,
        session: NewSession,
    },
    End {
        session_id: SessionId,
    },
    /// All of a person but one; who asked for it was found out before.
    EndAll {
        user_id: UserId,
        except: Option<SessionId>,
        reason: SessionEndReason,
    },
}

impl SessionCommand {
    const fn required(&self) -> Required {
        match self {
            Self::Open { user_id, .. } => Required::Person(*user_id),
            // Whose it is, the state says.
            Self::End { .. } => Required::Nothing,
            Self::EndAll { .. } => Required::Operator,
        }
    }
}

/// An invitation to be made. Who its address is was found out before.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 8.3")]
pub struct NewInvitation {
    pub invitation_id: InvitationId,
    /// The address, as the org's events name it.
    pub invitee_id: InviteeId,
    /// The person of that address, if there is one.
    pub user_id: Option<UserId>,
    pub role: Role,
}

/// A session to be opened.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 8.4")]
pub struct NewSession {
    pub session_id: SessionId,
    pub hash: CredentialHash,
}

/// A key to be made.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 7.2")]
pub struct NewKey {
    pub key_id: KeyId,
    pub name: Name,
    pub prefix: String,
    pub hash: CredentialHash,
    pub scopes: Scopes,
    pub expires_at: Option<Timestamp>,
    pub ip_allowlist: Option<Vec<IpNet>>,
    /// None: 60, or the org's maximum if lower.
    pub rate_limit_per_minute: Option<u64>,
    pub strict: bool,
}

/// Changes of a key; `None` stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 7.2")]
pub struct KeyPatch {
    pub name: Option<Name>,
    pub scopes: Option<Scopes>,
    pub expires_at: Option<Option<Timestamp>>,
    pub ip_allowlist: Option<Option<Vec<IpNet>>>,
    pub rate_limit_per_minute: Option<u64>,
    pub strict: Option<bool>,
}

impl KeyPatch {
    /// Whether it asks for something that can take access away and is no part of the change: it was
    /// so before.
    pub fn repeats(&self, changed: &KeyChanged) -> bool {
        let stood = [
            self.scopes.is_some() && changed.scopes.is_none(),
            self.expires_at.is_some() && changed.expires_at.is_none(),
            self.ip_allowlist.is_some() && changed.ip_allowlist.is_none(),
            self.rate_limit_per_minute.is_some() && changed.rate_limit_per_minute.is_none(),
            self.strict.is_some() && changed.strict.is_none(),
        ];
        stood.contains(&true)
    }
}

/// A key's replacement.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 7.2")]
pub struct Rotation {
    pub new_key_id: KeyId,
    pub prefix: String,
    pub hash: CredentialHash,
    pub overlap_seconds: i64,
    pub name: Option<Name>,
    /// None: the old key's span from now; `Some(None)`: never.
    pub expires_at: Option<Option<Timestamp>>,
}

/// What becomes of the active keys a leaving member owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "variants are those of v1-contract.md 8.2")]
pub enum KeyDisposition {
    Revoke,
    Transfer(UserId),
    Keep,
}

/// Changes of a project; `None` stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 9")]
pub struct ProjectPatch {
    pub name: Option<ProjectName>,
    pub readme: Option<Option<Readme>>,
    pub metadata: Option<Metadata>,
}

/// A creator to be followed; `None` of the optional fields: not sent.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 10.2")]
pub struct NewCreator {
    pub creator_id: CreatorId,
    pub platform: Platform,
    pub handle: Handle,
    pub tracking_mode: Option<TrackingMode>,
    /// None: today in the org's zone.
    pub tracking_start_date: Option<Option<NaiveDate>>,
    pub display_name: Option<Option<String>>,
    pub readme: Option<Option<Readme>>,
    pub metadata: Option<Metadata>,
}

/// Changes of a creator; `None` stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 10.2")]
pub struct CreatorPatch {
    /// As it was sent; the creator's platform says whether it is one.
    pub handle: Option<String>,
    /// Whether it was sent as `tiktok_handle`, which only a creator on TikTok has.
    pub is_tiktok_handle: bool,
    pub tracking_mode: Option<TrackingMode>,
    pub tracking_start_date: Option<Option<NaiveDate>>,
    pub display_name: Option<Option<String>>,
    pub readme: Option<Option<Readme>>,
    pub metadata: Option<Metadata>,
}

/// A video to be added by URL or id.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 11.2")]
pub struct NewVideo {
    pub video_id: VideoId,
    pub platform: Platform,
    pub platform_video_id: PlatformVideoId,
    pub url: String,
    pub media_type: MediaType,
    pub readme: Option<Option<Readme>>,
    pub metadata: Option<Metadata>,
}

/// Changes of a video; `None` stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 11.2")]
pub struct VideoPatch {
    pub readme: Option<Option<Readme>>,
    pub metadata: Option<Metadata>,
    pub decision: Option<ReviewDecision>,
    pub tracking_enabled: Option<bool>,
}

/// What a person decides on a found video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewDecision {
    /// It counts.
    Include,
    /// It does not.
    Exclude,
}

impl ReviewDecision {
    /// The status it leads to.
    pub const fn status(self) -> TrackingStatus {
        match self {
            Self::Include => TrackingStatus::Included,
            Self::Exclude => TrackingStatus::Excluded,
        }
    }
}

/// A campaign to be made.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 13")]
pub struct NewCampaign {
    pub campaign_id: CampaignId,
    pub name: CampaignName,
    pub readme: Option<Readme>,
    pub metadata: Metadata,
    pub target_views: Option<u64>,
    pub target_at: Option<Timestamp>,
}

/// Changes of a campaign; `None` stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 13")]
pub struct CampaignPatch {
    pub name: Option<CampaignName>,
    pub readme: Option<Option<Readme>>,
    pub metadata: Option<Metadata>,
    pub target_views: Option<Option<u64>>,
    pub target_at: Option<Option<Timestamp>>,
}

/// A goal to be set.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 17")]
pub struct NewGoal {
    pub goal_id: GoalId,
    pub creator_id: CreatorId,
    pub metric: GoalMetric,
    pub period: GoalPeriod,
    pub target_value: u64,
    pub start_date: Option<NaiveDate>,
    pub end_date: Option<NaiveDate>,
}

/// Changes of a goal; `None` stays.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 17")]
pub struct GoalPatch {
    pub target_value: Option<u64>,
    pub start_date: Option<Option<NaiveDate>>,
    pub end_date: Option<Option<NaiveDate>>,
    pub is_active: Option<bool>,
}

/// An annotation to be made.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 14")]
pub struct NewAnnotation {
    pub annotation_id: AnnotationId,
    pub entity: Option<EntityRef>,
    pub kind: AnnotationKind,
    pub date: NaiveDate,
    pub label: Label,
    pub body: Option<AnnotationBody>,
}

/// Changes of an annotation; `None` stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 14")]
pub struct AnnotationPatch {
    pub kind: Option<AnnotationKind>,
    pub date: Option<NaiveDate>,
    pub label: Option<Label>,
    pub body: Option<Option<AnnotationBody>>,
}
