//! The things that a batch's decisions touch, loaded, folded and written back.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::event::{Event, RecordedEvent, Stream};
use domain::ids::{CampaignId, CreatorId, OrgId, ProjectId, VideoId};
use domain::org::{Creator, CreatorStatus, OrgState, Recorded, Review, Video, evolve};
use domain::plan::LimitKey;
use domain::platform::{Handle, Platform, PlatformVideoId};
use domain::sealed::Sealed;
use domain::text::Readme;
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::annotations::MarkRow;
use super::campaigns::Items;
use super::touched::{Touched, ids};
use crate::error::CorruptRow;
use crate::projection::ApplyError;
use crate::queries::columns::{Row, timestamp};
use crate::queries::orgs::{KeptHistory, longer};
use crate::queries::{api_keys, orgs, projects};

/// How long the former window of history stays after a downgrade (v1-contract.md 15.6).
const HISTORY_KEPT: TimeDelta = TimeDelta::days(14);

/// Of each org that decisions of the batch concern, as much state as they touch.
pub(super) struct Decisions {
    pub states: HashMap<OrgId, OrgState>,
    pub kept_history: HashMap<OrgId, KeptHistory>,
    /// What is written back.
    pub orgs: BTreeSet<Uuid>,
    pub members: BTreeSet<(Uuid, Uuid)>,
    pub invitations: Vec<(Uuid, OrgId)>,
    pub sessions: Vec<(Uuid, OrgId)>,
    pub sessions_at: Option<Timestamp>,
    pub keys: Vec<(Uuid, OrgId)>,
    pub projects: Vec<(Uuid, OrgId)>,
    pub creators: Vec<(Uuid, OrgId)>,
    pub videos: Vec<(Uuid, OrgId)>,
    pub campaigns: Vec<(Uuid, OrgId)>,
    pub goals: Vec<(Uuid, OrgId)>,
    pub annotations: Vec<(Uuid, OrgId)>,
    pub webhooks: Vec<(Uuid, OrgId)>,
    pub marks: Vec<MarkRow>,
    /// What campaigns written back held before the batch.
    pub items_before: HashMap<CampaignId, Items>,
    /// As they were before the batch, of those written back.
    pub videos_before: HashMap<VideoId, Video>,
    /// Whether a creator written back was removed before the batch.
    pub creators_before: HashMap<CreatorId, bool>,
}

impl Decisions {
    pub async fn load(
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<Self, ApplyError> {
        let pairs = |of: &std::collections::BTreeMap<Uuid, OrgId>| {
            of.iter().map(|(id, org)| (*id, *org)).collect()
        };
        let mut decisions = Self {
            states: HashMap::new(),
            kept_history: HashMap::new(),
            orgs: touched.orgs.clone(),
            members: touched.members.clone(),
            invitations: pairs(&touched.invitations),
            sessions: pairs(&touched.sessions),
            sessions_at: touched.sessions_at,
            keys: pairs(&touched.keys),
            projects: pairs(&touched.projects),
            creators: pairs(&touched.creators),
            videos: pairs(&touched.videos),
            campaigns: pairs(&touched.campaigns),
            goals: pairs(&touched.goals),
            annotations: pairs(&touched.annotations),
            webhooks: pairs(&touched.webhooks),
            marks: Vec::new(),
            items_before: HashMap::new(),
            videos_before: HashMap::new(),
            creators_before: HashMap::new(),
        };
        let concerned = touched.orgs_with_decisions();
        if concerned.is_empty() {
            return Ok(decisions);
        }
        decisions.load_orgs(connection, touched).await?;
        decisions.load_people(connection, touched).await?;
        decisions.load_keys(connection, touched, &concerned).await?;
        decisions.load_videos(connection, touched).await?;
        decisions.load_campaigns(connection, touched).await?;
        decisions.load_goals(connection, touched).await?;
        decisions.load_annotations(connection, touched).await?;
        decisions.load_webhooks(connection, touched).await?;
        decisions.load_creators(connection, touched).await?;
        decisions
            .load_projects(connection, touched, &concerned)
            .await?;
        for state in decisions.states.values_mut() {
            state.recount();
        }
        Ok(decisions)
    }

    /// Folds the decisions among the events.
    pub fn fold(&mut self, events: &[RecordedEvent]) {
        for recorded in events {
            if recorded.event.stream() != Stream::Decisions {
                continue;
            }
            let state = self.states.entry(recorded.org_id).or_default();
            let history =
                |state: &OrgState| state.limits().max(LimitKey::StatsHistoryRetentionDays);
            let before = state.profile.is_some().then(|| history(state));
            evolve(state, &Recorded::from(recorded));
            self.marks.extend(MarkRow::of(state, recorded));
            if let (Some(before), Event::PlanChanged(_) | Event::LimitChanged(_)) =
                (before, &recorded.event)
            {
                let after = history(state);
                self.keep_history(recorded.org_id, before, after, recorded.recorded_at);
            }
        }
    }

    pub fn creator(&self, id: Uuid, org: OrgId) -> Option<&Creator> {
        self.states
            .get(&org)?
            .creators
            .get(&CreatorId::from_uuid(id))
    }

    pub fn video(&self, id: Uuid, org: OrgId) -> Option<&Video> {
        self.states.get(&org)?.videos.get(&VideoId::from_uuid(id))
    }

    /// After a downgrade the former window stays for a while; one that still runs is not shortened.
    fn keep_history(&mut self, org: OrgId, before: Option<u64>, after: Option<u64>, at: Timestamp) {
        if longer(before, after) == after {
            return;
        }
        let running = self.kept_history.get(&org).filter(|kept| at < kept.until);
        let days = running.map_or(before, |kept| longer(kept.days, before));
        let until = at.plus(HISTORY_KEPT);
        self.kept_history.insert(org, KeptHistory { days, until });
    }

    async fn load_orgs(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<(), ApplyError> {
        let ids: Vec<Uuid> = touched.orgs.union(&touched.zones).copied().collect();
        for row in orgs::rows(connection, &ids).await? {
            let org = row.into_org()?;
            self.states.entry(org.id).or_default().profile = Some(org.profile);
            if let Some(kept) = org.kept_history {
                self.kept_history.insert(org.id, kept);
            }
        }
        Ok(())
    }

    async fn load_keys(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
        orgs: &[Uuid],
    ) -> Result<(), ApplyError> {
        for row in api_keys::rows(connection, orgs, &ids(&touched.keys)).await? {
            let org = row.org();
            let key = row.into_key()?;
            let state = self.states.entry(org).or_default();
            state.keys.insert(key.id, key.key);
        }
        Ok(())
    }

    async fn load_projects(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
        orgs: &[Uuid],
    ) -> Result<(), ApplyError> {
        let mut wanted: BTreeSet<Uuid> = touched.projects.keys().copied().collect();
        wanted.extend(&touched.parents);
        for state in self.states.values() {
            wanted.extend(state.creators.values().map(|c| c.project_id.as_uuid()));
            wanted.extend(state.videos.values().map(|v| v.project_id.as_uuid()));
        }
        let wanted: Vec<Uuid> = wanted.into_iter().collect();
        for row in projects::rows(connection, orgs, &wanted).await? {
            let org = row.org();
            let project = row.into_project()?;
            let state = self.states.entry(org).or_default();
            state.projects.insert(project.id, project.project);
        }
        Ok(())
    }

    async fn load_creators(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<(), ApplyError> {
        let mut wanted: BTreeSet<Uuid> = touched.creators.keys().copied().collect();
        wanted.extend(&touched.parents);
        for state in self.states.values() {
            let creators = state.videos.values().filter_map(|video| video.creator_id);
            wanted.extend(creators.map(CreatorId::as_uuid));
            wanted.extend(state.goals.values().map(|goal| goal.creator_id.as_uuid()));
        }
        let wanted: Vec<Uuid> = wanted.into_iter().collect();
        let rows = sqlx::query_as!(
            CreatorRow,
            "SELECT creator_id, org_id, project_id, platform, handle, display_name_sealed, readme,
                    metadata, tracking_mode, tracking_start_date, status, disabled_reason,
                    disabled_at, created_at, updated_at
             FROM creators WHERE creator_id = ANY ($1)",
            &wanted,
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let id = CreatorId::from_uuid(row.creator_id);
            let org = OrgId::from_uuid(row.org_id);
            let creator = row.into_creator()?;
            if touched.creators.contains_key(&id.as_uuid()) {
                let was_removed = creator.status == CreatorStatus::Removed;
                self.creators_before.insert(id, was_removed);
            }
            let state = self.states.entry(org).or_default();
            state.creators.insert(id, creator);
        }
        Ok(())
    }

    async fn load_videos(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<(), ApplyError> {
        let rows = sqlx::query_as!(
            VideoRow,
            "SELECT video_id, org_id, project_id, creator_id, platform, platform_video_id, url,
                    media_type, posted_at, readme, metadata, tracking_status,
                    tracking_disabled_reason, removed, reviewed_at, reviewed_by, created_at,
                    updated_at
             FROM videos WHERE video_id = ANY ($1)",
            &ids(&touched.videos),
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let id = VideoId::from_uuid(row.video_id);
            let org = OrgId::from_uuid(row.org_id);
            let video = row.into_video()?;
            self.videos_before.insert(id, video.clone());
            let state = self.states.entry(org).or_default();
            state.videos.insert(id, video);
        }
        Ok(())
    }
}

struct CreatorRow {
    creator_id: Uuid,
    org_id: Uuid,
    project_id: Uuid,
    platform: String,
    handle: String,
    display_name_sealed: Option<String>,
    readme: Option<String>,
    metadata: String,
    tracking_mode: String,
    tracking_start_date: Option<NaiveDate>,
    status: String,
    disabled_reason: Option<String>,
    disabled_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl CreatorRow {
    fn into_creator(self) -> Result<Creator, CorruptRow> {
        let row = Row {
            table: "creators",
            key: self.creator_id,
        };
        let platform = row.read("platform", &self.platform, str::parse::<Platform>)?;
        let sealed = self.display_name_sealed.as_deref();
        Ok(Creator {
            project_id: ProjectId::from_uuid(self.project_id),
            platform,
            handle: row.read("handle", &self.handle, |text| Handle::parse(platform, text))?,
            display_name: row.named_optional::<Sealed>("display_name_sealed", sealed)?,
            readme: row.read_optional("readme", self.readme.as_deref(), Readme::parse)?,
            metadata: row.metadata(&self.metadata)?,
            tracking_mode: row.named("tracking_mode", &self.tracking_mode)?,
            tracking_start_date: self.tracking_start_date,
            status: row.named("status", &self.status)?,
            disabled_reason: self.disabled_reason,
            disabled_at: self.disabled_at.map(timestamp),
            created_at: timestamp(self.created_at),
            updated_at: timestamp(self.updated_at),
        })
    }
}

struct VideoRow {
    video_id: Uuid,
    org_id: Uuid,
    project_id: Uuid,
    creator_id: Option<Uuid>,
    platform: String,
    platform_video_id: String,
    url: String,
    media_type: String,
    posted_at: Option<DateTime<Utc>>,
    readme: Option<String>,
    metadata: String,
    tracking_status: String,
    tracking_disabled_reason: Option<String>,
    removed: bool,
    reviewed_at: Option<DateTime<Utc>>,
    reviewed_by: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl VideoRow {
    fn into_video(self) -> Result<Video, CorruptRow> {
        let row = Row {
            table: "videos",
            key: self.video_id,
        };
        let platform = row.read("platform", &self.platform, str::parse::<Platform>)?;
        let parse_id = |text: &str| PlatformVideoId::parse(platform, text);
        let review = match (self.reviewed_at, self.reviewed_by) {
            (Some(at), Some(by)) => Some(Review {
                at: timestamp(at),
                by: row.read("reviewed_by", &by, str::parse)?,
            }),
            _ => None,
        };
        Ok(Video {
            project_id: ProjectId::from_uuid(self.project_id),
            creator_id: self.creator_id.map(CreatorId::from_uuid),
            platform,
            platform_video_id: row.read("platform_video_id", &self.platform_video_id, parse_id)?,
            url: self.url,
            media_type: row.named("media_type", &self.media_type)?,
            posted_at: self.posted_at.map(timestamp),
            readme: row.read_optional("readme", self.readme.as_deref(), Readme::parse)?,
            metadata: row.metadata(&self.metadata)?,
            tracking_status: row.named("tracking_status", &self.tracking_status)?,
            tracking_disabled: row.named_optional(
                "tracking_disabled_reason",
                self.tracking_disabled_reason.as_deref(),
            )?,
            removed: self.removed,
            review,
            created_at: timestamp(self.created_at),
            updated_at: timestamp(self.updated_at),
        })
    }
}
