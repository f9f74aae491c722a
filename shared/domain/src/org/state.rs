//! The state of one org: what decisions need, and what answers to commands show.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use chrono_tz::Tz;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::annotations::Annotation;
use super::campaigns::Campaign;
use super::denials::Denials;
use super::goals::Goal;
use super::invitations::Invitation;
use super::sessions::Session;
use super::webhooks::Webhook;
use crate::event::{
    Actor, EntityRef, Event, MediaType, RecordedEvent, RevocationReason, Role,
    TrackingDisabledReason, TrackingMode, TrackingStatus,
};
use crate::ids::{
    AnnotationId, CampaignId, CreatorId, GlobalPosition, GoalId, InvitationId, KeyId, ProjectId,
    SessionId, UserId, VideoId, WebhookId,
};
use crate::named::named;
use crate::plan::{LimitKey, Limits, Plan};
use crate::platform::{Handle, Platform, PlatformVideoId};
use crate::scope::Scopes;
use crate::sealed::Sealed;
use crate::text::{Metadata, Name, ProjectName, Readme};
use crate::time::Timestamp;

/// An event with what stands around it, as far as the fold needs it.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a> {
    /// What happened.
    pub event: &'a Event,
    /// When.
    pub at: Timestamp,
    /// Who caused it.
    pub actor: Actor,
    /// Where it stands in the log.
    pub position: GlobalPosition,
}

impl<'a> From<&'a RecordedEvent> for Recorded<'a> {
    fn from(recorded: &'a RecordedEvent) -> Self {
        Self {
            event: &recorded.event,
            at: recorded.recorded_at,
            actor: recorded.actor,
            position: recorded.position,
        }
    }
}

/// Everything decided in one org so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct OrgState {
    /// Number of folded events: the version of the org's stream of decisions.
    pub events: u64,
    /// None before the org exists.
    pub profile: Option<Profile>,
    /// Members by person.
    pub members: BTreeMap<UserId, Member>,
    /// Persons who were members and are not, with their removal.
    pub former_members: BTreeMap<UserId, Denial>,
    /// What took access away from the org or from persons in it.
    pub denials: Denials,
    /// Persons shut out, members or not.
    pub banned_users: BTreeSet<UserId>,
    /// Accounts that may not be followed, folded.
    pub banned_handles: BTreeSet<(Platform, String)>,
    /// Invitations, closed ones too.
    pub invitations: BTreeMap<InvitationId, Invitation>,
    /// Sessions, ended ones too until about their own end.
    pub sessions: BTreeMap<SessionId, Session>,
    /// Keys, ended ones too.
    pub keys: BTreeMap<KeyId, Key>,
    /// Projects, removed ones too.
    pub projects: BTreeMap<ProjectId, Project>,
    /// Creators, removed ones too.
    pub creators: HashMap<CreatorId, Creator>,
    /// Videos, removed ones too.
    pub videos: HashMap<VideoId, Video>,
    /// Campaigns, removed ones too.
    pub campaigns: HashMap<CampaignId, Campaign>,
    /// Goals, removed ones too.
    pub goals: HashMap<GoalId, Goal>,
    /// Annotations of people, removed ones too.
    pub annotations: HashMap<AnnotationId, Annotation>,
    /// Annotations of the system, with their project.
    pub marks: BTreeMap<AnnotationId, ProjectId>,
    /// Webhooks, removed ones too.
    pub webhooks: BTreeMap<WebhookId, Webhook>,
    /// UTC day of the last warning by limit.
    pub warned: BTreeMap<LimitKey, NaiveDate>,
    /// Removed ones too, in the order of their ids.
    #[serde(skip)]
    pub(super) creators_by_handle: HashMap<(ProjectId, Platform, String), Vec<CreatorId>>,
    #[serde(skip)]
    pub(super) videos_by_platform_id: HashMap<(ProjectId, Platform, PlatformVideoId), VideoId>,
    #[serde(skip)]
    pub(super) goals_by_creator: HashMap<CreatorId, Vec<GoalId>>,
    #[serde(skip)]
    pub(super) active_creators: u64,
    #[serde(skip)]
    pub(super) tracked_direct_adds: u64,
}

/// The org itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 8.1")]
pub struct Profile {
    pub name: Name,
    pub timezone: String,
    pub limits: Limits,
    pub suspended: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A person in the org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 8.2")]
pub struct Member {
    pub role: Role,
    pub joined_at: Timestamp,
}

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 7.1")]
pub struct Key {
    pub name: Name,
    pub prefix: String,
    pub scopes: Scopes,
    pub strict: bool,
    pub created_at: Timestamp,
    pub created_by: Actor,
    pub owner_id: Option<UserId>,
    pub expires_at: Option<Timestamp>,
    pub ip_allowlist: Option<Vec<IpNet>>,
    pub rate_limit_per_minute: u64,
    /// The key that replaces this one, and when this one ends.
    pub replaced_by: Option<(KeyId, Timestamp)>,
    /// The key that this one replaces.
    pub replaces: Option<KeyId>,
    pub revoked: Option<Denial>,
    /// The newest change that took something away, for a barrier that is asked for again.
    pub narrowed: Option<Denial>,
}

/// A change that took access away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "what the names say")]
pub struct Denial {
    pub at: Timestamp,
    pub position: GlobalPosition,
    pub by: Actor,
    pub reason: Option<RevocationReason>,
}

impl Denial {
    /// That an event took access away, and why if somebody said.
    pub(super) const fn of(recorded: &Recorded<'_>, reason: Option<RevocationReason>) -> Self {
        Self {
            at: recorded.at,
            position: recorded.position,
            by: recorded.actor,
            reason,
        }
    }
}

named! {
    /// Whether a key is accepted.
    KeyStatus {
        /// Accepted.
        Active = "active",
        /// Replaced, still accepted until its end.
        Rotating = "rotating",
        /// Ended by itself.
        Expired = "expired",
        /// Ended by somebody.
        Revoked = "revoked",
    }
}

impl Key {
    /// Its status at an instant.
    pub fn status(&self, now: Timestamp) -> KeyStatus {
        if self.revoked.is_some() {
            KeyStatus::Revoked
        } else if self.ends_at().is_some_and(|end| end <= now) {
            KeyStatus::Expired
        } else if self.replaced_by.is_some() {
            KeyStatus::Rotating
        } else {
            KeyStatus::Active
        }
    }

    /// The other key of its rotation: the one that replaces it, else the one that it replaces.
    pub fn partner(&self) -> Option<KeyId> {
        self.replaced_by.map(|(id, _)| id).or(self.replaces)
    }

    /// When it ends by itself: its expiry or the end of its overlap, whichever is earlier.
    pub fn ends_at(&self) -> Option<Timestamp> {
        let overlap = self.replaced_by.map(|(_, end)| end);
        match (self.expires_at, overlap) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 9")]
pub struct Project {
    pub name: ProjectName,
    pub readme: Option<Readme>,
    pub metadata: Metadata,
    pub removed: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Whether a creator is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreatorStatus {
    /// Followed.
    Active,
    /// The platform says that the account is gone.
    AutoDisabled,
    /// Removed; the same handle added again brings it back.
    Removed,
}

/// A creator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 10.1")]
pub struct Creator {
    pub project_id: ProjectId,
    pub platform: Platform,
    pub handle: Handle,
    pub display_name: Option<Sealed>,
    pub readme: Option<Readme>,
    pub metadata: Metadata,
    pub tracking_mode: TrackingMode,
    pub tracking_start_date: Option<NaiveDate>,
    pub status: CreatorStatus,
    pub disabled_reason: Option<String>,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Creator {
    /// What nobody else in the org may have while it is followed.
    fn key(&self) -> (ProjectId, Platform, String) {
        let folded = self.handle.folded(self.platform);
        (self.project_id, self.platform, folded)
    }
}

/// What a person decided on a found video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "what the names say")]
pub struct Review {
    pub at: Timestamp,
    pub by: Actor,
}

/// A tracked video.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 11.1")]
pub struct Video {
    pub project_id: ProjectId,
    pub creator_id: Option<CreatorId>,
    pub platform: Platform,
    pub platform_video_id: PlatformVideoId,
    pub url: String,
    pub media_type: MediaType,
    pub posted_at: Option<Timestamp>,
    pub readme: Option<Readme>,
    pub metadata: Metadata,
    pub tracking_status: TrackingStatus,
    /// None while tracking is on.
    pub tracking_disabled: Option<TrackingDisabledReason>,
    pub removed: bool,
    pub review: Option<Review>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Video {
    /// Whether it counts in `max_tracked_videos_per_org`, its project aside.
    pub(super) fn is_tracked_direct_add(&self) -> bool {
        !self.removed
            && self.tracking_status == TrackingStatus::DirectAdd
            && self.tracking_disabled.is_none()
    }
}

static NO_ORG: Limits = Limits::of(Plan::Free);

impl OrgState {
    /// The org's plan and limits; those of `free` before it exists.
    pub fn limits(&self) -> &Limits {
        self.profile
            .as_ref()
            .map_or(&NO_ORG, |profile| &profile.limits)
    }

    /// The org's zone; UTC before it exists.
    pub fn timezone(&self) -> Tz {
        self.profile
            .as_ref()
            .and_then(|profile| profile.timezone.parse().ok())
            .unwrap_or(Tz::UTC)
    }

    /// A project that was not removed.
    pub fn project(&self, id: ProjectId) -> Option<&Project> {
        self.projects.get(&id).filter(|project| !project.removed)
    }

    /// A creator that was not removed, nor was its project.
    pub fn creator(&self, id: CreatorId) -> Option<&Creator> {
        self.creators.get(&id).filter(|creator| {
            creator.status != CreatorStatus::Removed && self.project(creator.project_id).is_some()
        })
    }

    /// A video that was not removed, nor was its creator or project.
    pub fn video(&self, id: VideoId) -> Option<&Video> {
        self.videos.get(&id).filter(|video| {
            !video.removed
                && self.project(video.project_id).is_some()
                && video
                    .creator_id
                    .is_none_or(|creator| self.creator(creator).is_some())
        })
    }

    /// The project of something that was not removed.
    pub fn project_of(&self, entity: EntityRef) -> Option<ProjectId> {
        match entity {
            EntityRef::Creator(id) => self.creator(id).map(|creator| creator.project_id),
            EntityRef::Video(id) => self.video(id).map(|video| video.project_id),
            EntityRef::Campaign(id) => self.campaign(id).map(|campaign| campaign.project_id),
        }
    }

    /// The creator that holds a handle in a project: the one that was not removed, else the one
    /// that was removed last.
    pub fn creator_by_handle(
        &self,
        project: ProjectId,
        platform: Platform,
        handle: &Handle,
    ) -> Option<CreatorId> {
        let key = (project, platform, handle.folded(platform));
        match self.creators_by_handle.get(&key)?.as_slice() {
            [id] => Some(*id),
            // A removed creator does not change any more, so its last change is its removal.
            ids => ids.iter().copied().max_by_key(|id| {
                let creator = self.creators.get(id);
                let is_live = creator.is_some_and(|c| c.status != CreatorStatus::Removed);
                (is_live, creator.map(|c| c.updated_at), *id)
            }),
        }
    }

    /// The video of a project with this id on its platform, removed ones too.
    pub fn video_by_platform_id(
        &self,
        project: ProjectId,
        platform: Platform,
        id: &PlatformVideoId,
    ) -> Option<VideoId> {
        self.videos_by_platform_id
            .get(&(project, platform, id.clone()))
            .copied()
    }

    /// Projects that were not removed.
    pub fn live_projects(&self) -> impl Iterator<Item = (ProjectId, &Project)> {
        self.projects
            .iter()
            .filter(|(_, p)| !p.removed)
            .map(|(id, project)| (*id, project))
    }

    /// How many of a limit's things there are; `None` for limits that count no things of the
    /// state.
    pub fn current(&self, key: LimitKey, now: Timestamp) -> Option<u64> {
        let count = match key {
            LimitKey::MaxCreatorsPerOrg => return Some(self.active_creators),
            LimitKey::MaxTrackedVideosPerOrg => return Some(self.tracked_direct_adds),
            LimitKey::MaxProjectsPerOrg => self.live_projects().count(),
            LimitKey::MaxMembersPerOrg => self.members.len() + self.open_invitations(now).count(),
            LimitKey::MaxApiKeysPerOrg => self
                .keys
                .values()
                .filter(|key| matches!(key.status(now), KeyStatus::Active | KeyStatus::Rotating))
                .count(),
            _ => return None,
        };
        Some(count as u64)
    }

    pub(super) fn index_creator(&mut self, id: CreatorId) {
        if let Some(creator) = self.creators.get(&id) {
            let ids = self.creators_by_handle.entry(creator.key()).or_default();
            if let Err(place) = ids.binary_search(&id) {
                ids.insert(place, id);
            }
        }
    }

    /// Before its handle changes.
    pub(super) fn unindex_creator(&mut self, id: CreatorId) {
        let Some(key) = self.creators.get(&id).map(Creator::key) else {
            return;
        };
        if let Some(ids) = self.creators_by_handle.get_mut(&key) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.creators_by_handle.remove(&key);
            }
        }
    }

    /// Recounts what counts: after a change that concerns many things at once, and for a state put
    /// together of some of an org's things.
    pub fn recount(&mut self) {
        let live = |project: ProjectId| self.project(project).is_some();
        let active_creators = self
            .creators
            .values()
            .filter(|creator| creator.status == CreatorStatus::Active && live(creator.project_id))
            .count() as u64;
        let tracked_direct_adds = self
            .videos
            .values()
            .filter(|video| video.is_tracked_direct_add() && live(video.project_id))
            .count() as u64;
        self.active_creators = active_creators;
        self.tracked_direct_adds = tracked_direct_adds;
    }
}

/// What a snapshot keeps; indexes and counts are made anew.
#[derive(Deserialize)]
struct Stored {
    events: u64,
    profile: Option<Profile>,
    members: BTreeMap<UserId, Member>,
    former_members: BTreeMap<UserId, Denial>,
    denials: Denials,
    banned_users: BTreeSet<UserId>,
    banned_handles: BTreeSet<(Platform, String)>,
    invitations: BTreeMap<InvitationId, Invitation>,
    sessions: BTreeMap<SessionId, Session>,
    keys: BTreeMap<KeyId, Key>,
    projects: BTreeMap<ProjectId, Project>,
    creators: HashMap<CreatorId, Creator>,
    videos: HashMap<VideoId, Video>,
    campaigns: HashMap<CampaignId, Campaign>,
    goals: HashMap<GoalId, Goal>,
    annotations: HashMap<AnnotationId, Annotation>,
    marks: BTreeMap<AnnotationId, ProjectId>,
    webhooks: BTreeMap<WebhookId, Webhook>,
    warned: BTreeMap<LimitKey, NaiveDate>,
}

impl From<Stored> for OrgState {
    fn from(stored: Stored) -> Self {
        let mut state = Self {
            events: stored.events,
            profile: stored.profile,
            members: stored.members,
            former_members: stored.former_members,
            denials: stored.denials,
            banned_users: stored.banned_users,
            banned_handles: stored.banned_handles,
            invitations: stored.invitations,
            sessions: stored.sessions,
            keys: stored.keys,
            projects: stored.projects,
            creators: stored.creators,
            videos: stored.videos,
            campaigns: stored.campaigns,
            goals: stored.goals,
            annotations: stored.annotations,
            marks: stored.marks,
            webhooks: stored.webhooks,
            warned: stored.warned,
            ..Self::default()
        };
        let ids: Vec<_> = state.creators.keys().copied().collect();
        for id in ids {
            state.index_creator(id);
        }
        let mut ids: Vec<_> = state.goals.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            state.index_goal(id);
        }
        state.videos_by_platform_id = state
            .videos
            .iter()
            .map(|(id, video)| {
                (
                    (
                        video.project_id,
                        video.platform,
                        video.platform_video_id.clone(),
                    ),
                    *id,
                )
            })
            .collect();
        state.recount();
        state
    }
}

/// The number of a snapshot's form: another one is ignored and the state folded anew.
pub const SNAPSHOT_FORMAT: i16 = 5;
