//! Which things a batch of events is about.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::{Event, Reading, RecordedEvent};
use domain::ids::{
    AnnotationId, CampaignId, GoalId, InvitationId, OrgId, SessionId, UserId, WebhookId,
};
use domain::org::Mark;
use domain::time::Timestamp;
use uuid::Uuid;

/// Ids by kind. Sorted: rows are then locked and written in the order of their index.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Every id that decisions name, with its org.
    pub orgs: BTreeSet<Uuid>,
    pub members: BTreeSet<(Uuid, Uuid)>,
    pub invitations: BTreeMap<Uuid, OrgId>,
    pub sessions: BTreeMap<Uuid, OrgId>,
    /// When the newest session was opened or ended.
    pub sessions_at: Option<Timestamp>,
    pub keys: BTreeMap<Uuid, OrgId>,
    pub projects: BTreeMap<Uuid, OrgId>,
    pub creators: BTreeMap<Uuid, OrgId>,
    pub videos: BTreeMap<Uuid, OrgId>,
    pub campaigns: BTreeMap<Uuid, OrgId>,
    pub goals: BTreeMap<Uuid, OrgId>,
    pub annotations: BTreeMap<Uuid, OrgId>,
    pub webhooks: BTreeMap<Uuid, OrgId>,
    /// Orgs whose zone says on which day something happened.
    pub zones: BTreeSet<Uuid>,
    /// Projects and creators that decisions rest on without changing them.
    pub parents: BTreeSet<Uuid>,
    /// Videos with readings of their details.
    pub details: BTreeMap<Uuid, OrgId>,
    /// Videos with readings of their counts.
    pub stats: BTreeMap<Uuid, OrgId>,
    /// Creators with readings.
    pub profiles: BTreeMap<Uuid, OrgId>,
}

impl Touched {
    pub fn of(events: &[RecordedEvent]) -> Self {
        let mut touched = Self::default();
        for recorded in events {
            touched.add(recorded);
        }
        touched
    }

    /// The orgs of whatever decisions touch.
    pub fn orgs_with_decisions(&self) -> Vec<Uuid> {
        let mut orgs = self.orgs.clone();
        orgs.extend(self.members.iter().map(|(org, _)| *org));
        for ids in [
            &self.invitations,
            &self.sessions,
            &self.keys,
            &self.projects,
            &self.creators,
            &self.videos,
            &self.campaigns,
            &self.goals,
            &self.annotations,
            &self.webhooks,
        ] {
            orgs.extend(ids.values().map(|org| org.as_uuid()));
        }
        orgs.into_iter().collect()
    }

    fn add(&mut self, recorded: &RecordedEvent) {
        let org = recorded.org_id;
        if Mark::of(recorded).is_some() {
            self.zones.insert(org.as_uuid());
        }
        match &recorded.event {
            Event::OrgCreated(_)
            | Event::OrgChanged(_)
            | Event::PlanChanged(_)
            | Event::LimitChanged(_)
            | Event::OrgSuspended(_)
            | Event::OrgReinstated(_) => {
                self.orgs.insert(org.as_uuid());
            }
            Event::MemberJoined(event) => self.member(org, event.user_id),
            Event::MemberRoleChanged(event) => self.member(org, event.user_id),
            Event::MemberRemoved(event) => self.member(org, event.user_id),
            Event::InvitationCreated(event) => self.invitation(org, event.invitation_id),
            Event::InvitationAccepted(event) => self.invitation(org, event.invitation_id),
            Event::InvitationDeclined(event) => self.invitation(org, event.invitation_id),
            Event::InvitationRevoked(event) => self.invitation(org, event.invitation_id),
            Event::SessionOpened(event) => self.session(recorded, event.session_id),
            Event::SessionEnded(event) => self.session(recorded, event.session_id),
            Event::KeyCreated(event) => self.key(org, event.key_id.as_uuid()),
            Event::KeyChanged(event) => self.key(org, event.key_id.as_uuid()),
            Event::KeyRotated(event) => self.key(org, event.key_id.as_uuid()),
            Event::KeyRevoked(event) => self.key(org, event.key_id.as_uuid()),
            Event::ProjectAdded(event) => self.project(org, event.project_id.as_uuid()),
            Event::ProjectChanged(event) => self.project(org, event.project_id.as_uuid()),
            Event::ProjectRemoved(event) => self.project(org, event.project_id.as_uuid()),
            Event::CreatorAdded(event) => {
                self.parents.insert(event.project_id.as_uuid());
                self.creator(org, event.creator_id.as_uuid());
            }
            Event::CreatorChanged(event) => self.creator(org, event.creator_id.as_uuid()),
            Event::CreatorRenamed(event) => self.creator(org, event.creator_id.as_uuid()),
            Event::CreatorReactivated(event) => self.creator(org, event.creator_id.as_uuid()),
            Event::CreatorRemoved(event) => self.creator(org, event.creator_id.as_uuid()),
            Event::CreatorAutoDisabled(event) => self.creator(org, event.creator_id.as_uuid()),
            Event::CreatorReenabled(event) => self.creator(org, event.creator_id.as_uuid()),
            Event::VideoAdded(event) => {
                self.parents.insert(event.project_id.as_uuid());
                self.video(org, event.video_id.as_uuid());
            }
            Event::VideoDiscovered(event) => {
                self.parents.insert(event.project_id.as_uuid());
                self.parents.insert(event.creator_id.as_uuid());
                self.video(org, event.video_id.as_uuid());
            }
            Event::VideoChanged(event) => self.video(org, event.video_id.as_uuid()),
            Event::VideoPromoted(event) => self.video(org, event.video_id.as_uuid()),
            Event::VideoReviewed(event) => self.video(org, event.video_id.as_uuid()),
            Event::VideoTrackingDisabled(event) => self.video(org, event.video_id.as_uuid()),
            Event::VideoTrackingEnabled(event) => self.video(org, event.video_id.as_uuid()),
            Event::VideoRemoved(event) => self.video(org, event.video_id.as_uuid()),
            Event::CampaignAdded(event) => self.campaign(org, event.campaign_id),
            Event::CampaignChanged(event) => self.campaign(org, event.campaign_id),
            Event::CampaignRemoved(event) => self.campaign(org, event.campaign_id),
            Event::CampaignItemsAdded(event) => self.campaign(org, event.campaign_id),
            Event::CampaignItemsRemoved(event) => self.campaign(org, event.campaign_id),
            Event::GoalAdded(event) => {
                self.parents.insert(event.creator_id.as_uuid());
                self.goals.insert(event.goal_id.as_uuid(), org);
            }
            Event::GoalChanged(event) => self.goal(org, event.goal_id),
            Event::GoalRemoved(event) => self.goal(org, event.goal_id),
            Event::AnnotationAdded(event) => self.annotation(org, event.annotation_id),
            Event::AnnotationChanged(event) => self.annotation(org, event.annotation_id),
            Event::AnnotationRemoved(event) => self.annotation(org, event.annotation_id),
            Event::WebhookAdded(event) => self.webhook(org, event.webhook_id),
            Event::WebhookChanged(event) => self.webhook(org, event.webhook_id),
            Event::WebhookRemoved(event) => self.webhook(org, event.webhook_id),
            Event::WebhookDisabled(event) => self.webhook(org, event.webhook_id),
            Event::ObservationRecorded(event) => self.readings(org, &event.readings),
            // Nothing of these is asked of the read model.
            Event::MemberBanned(_)
            | Event::MemberUnbanned(_)
            | Event::HandleBanned(_)
            | Event::HandleUnbanned(_)
            | Event::LimitWarned(_) => {}
        }
    }

    fn readings(&mut self, org: OrgId, readings: &[Reading]) {
        for reading in readings {
            let ids = match reading {
                Reading::VideoStats(_) => &mut self.stats,
                Reading::Video(_) => &mut self.details,
                Reading::CreatorProfile(_) => &mut self.profiles,
                Reading::Comment(_) => continue,
            };
            ids.insert(reading.subject(), org);
        }
    }

    fn member(&mut self, org: OrgId, user: UserId) {
        self.members.insert((org.as_uuid(), user.as_uuid()));
    }

    fn invitation(&mut self, org: OrgId, id: InvitationId) {
        self.invitations.insert(id.as_uuid(), org);
    }

    fn session(&mut self, recorded: &RecordedEvent, id: SessionId) {
        self.sessions.insert(id.as_uuid(), recorded.org_id);
        self.sessions_at = self.sessions_at.max(Some(recorded.recorded_at));
    }

    fn key(&mut self, org: OrgId, id: Uuid) {
        self.keys.insert(id, org);
    }

    fn project(&mut self, org: OrgId, id: Uuid) {
        self.projects.insert(id, org);
    }

    fn creator(&mut self, org: OrgId, id: Uuid) {
        self.creators.insert(id, org);
    }

    fn video(&mut self, org: OrgId, id: Uuid) {
        self.videos.insert(id, org);
    }

    fn campaign(&mut self, org: OrgId, id: CampaignId) {
        self.campaigns.insert(id.as_uuid(), org);
    }

    fn goal(&mut self, org: OrgId, id: GoalId) {
        self.goals.insert(id.as_uuid(), org);
    }

    fn annotation(&mut self, org: OrgId, id: AnnotationId) {
        self.annotations.insert(id.as_uuid(), org);
    }

    fn webhook(&mut self, org: OrgId, id: WebhookId) {
        self.webhooks.insert(id.as_uuid(), org);
    }
}

/// The ids of a map, for a query.
pub(super) fn ids(of: &BTreeMap<Uuid, OrgId>) -> Vec<Uuid> {
    of.keys().copied().collect()
}
