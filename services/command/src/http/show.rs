//! The objects of answers: what was decided, with what was reported.

use api::v1::{self, ApiKey, KeyContext};
use domain::event::{CreatorProfile, EntityRef, Reading, VideoDetails, VideoStats};
use domain::ids::{AnnotationId, CampaignId, CreatorId, GoalId, KeyId, OrgId, ProjectId, VideoId};
use domain::org::{self, Outcome};
use domain::sealed::{Sealed, SubjectKey};
use gate::{State, Used};
use runtime::telemetry::chain;
use uuid::Uuid;

use super::App;
use super::answer::unanswered;
use super::carry::Done;
use crate::app::{CommandError, Denial};

/// [`Reading::kind_number`] of what an answer shows.
const VIDEO_STATS: i16 = 1;
const VIDEO: i16 = 2;
const CREATOR_PROFILE: i16 = 3;

impl Done {
    /// A key as it is now.
    pub(super) async fn key(&self, id: KeyId) -> Result<ApiKey, CommandError> {
        let (key, replaced) = {
            let state = self.executed.state().await;
            let key = found(state.keys.get(&id))?.clone();
            let replaced = key.replaces.and_then(|old| state.keys.get(&old)).cloned();
            (key, replaced)
        };
        let now = self.app.commander().now();
        let (used, partner) = self.used(id, key.partner()).await;
        let context = KeyContext {
            replaced: replaced.as_ref(),
            last_used_at: used.last_used_at,
            requests_by_day: used.by_day,
            requests_last_hour: used.last_hour,
            partner_requests_last_hour: partner.last_hour,
            needed: used.needed,
            revocation_effective_at: self.settled_at(&key),
        };
        Ok(ApiKey::new(id, &key, now, context))
    }

    /// When the key's revocation was in force everywhere, if that is what was waited for.
    fn settled_at(&self, key: &org::Key) -> Option<domain::time::Timestamp> {
        let denial = self.executed.denial.as_ref()?;
        let is_its_own = key
            .revoked
            .is_some_and(|revoked| revoked.position == denial.position);
        let settled = denial.settled.as_ref().filter(|_| is_its_own)?;
        Some(settled.effective_at)
    }

    /// How a key and the other one of its rotation were used. It is asked after the commit: an
    /// answer without these counts is worth more than none, and the answer to a new key, which has
    /// no use yet, tells its secret.
    async fn used(&self, id: KeyId, partner: Option<KeyId>) -> (Used, Used) {
        if self.created() == Some(id.as_uuid()) && !self.is_replay {
            return Default::default();
        }
        let ids: Vec<Uuid> = [Some(id), partner]
            .into_iter()
            .flatten()
            .map(KeyId::as_uuid)
            .collect();
        let now = self.app.commander().now().datetime();
        match gate::used(self.app.primary(), self.org, &ids, now).await {
            Ok(used) => {
                let of = |id: KeyId| used.get(&id.as_uuid()).copied().unwrap_or_default();
                (of(id), partner.map(of).unwrap_or_default())
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the use of a key could not be read");
                Default::default()
            }
        }
    }

    /// The org.
    pub(super) async fn org(&self) -> Result<v1::Org, CommandError> {
        let state = self.executed.state().await;
        Ok(v1::Org::new(self.org, found(state.profile.as_ref())?))
    }

    /// A project, also one that was just removed.
    pub(super) async fn project(&self, id: ProjectId) -> Result<v1::Project, CommandError> {
        let state = self.executed.state().await;
        Ok(v1::Project::new(
            self.org,
            id,
            found(state.projects.get(&id))?,
        ))
    }

    /// A creator, also one that was just removed.
    pub(super) async fn creator(&self, id: CreatorId) -> Result<v1::Creator, CommandError> {
        let creator = {
            let state = self.executed.state().await;
            found(state.creators.get(&id))?.clone()
        };
        let log = self.app.commander().log();
        let subject = id.as_uuid();
        let keys = log.find_subject_keys(self.org, &[subject]).await;
        let key = keys.map_err(unanswered)?.pop().map(|(_, key)| key);
        let reported = match latest(&self.app, self.org, CREATOR_PROFILE, subject).await? {
            Some(Reading::CreatorProfile(profile)) => Some(profile),
            _ => None,
        };
        let profile = profile(&creator, reported, key.as_ref());
        Ok(v1::Creator::new(id, &creator, profile))
    }

    /// A video, also one that was just removed.
    pub(super) async fn video(&self, id: VideoId) -> Result<v1::Video, CommandError> {
        let video = {
            let state = self.executed.state().await;
            found(state.videos.get(&id))?.clone()
        };
        let subject = id.as_uuid();
        let details = match latest(&self.app, self.org, VIDEO, subject).await? {
            Some(Reading::Video(details)) => Some(details),
            _ => None,
        };
        let stats = match latest(&self.app, self.org, VIDEO_STATS, subject).await? {
            Some(Reading::VideoStats(stats)) => Some(stats),
            _ => None,
        };
        Ok(v1::Video::new(id, &video, readings(details, stats)))
    }

    /// A campaign, also one that was just removed.
    pub(super) async fn campaign(&self, id: CampaignId) -> Result<v1::Campaign, CommandError> {
        let state = self.executed.state().await;
        let campaign = found(state.campaigns.get(&id))?;
        let item_count = campaign.items.len() as u64;
        Ok(v1::Campaign::new(id, campaign, item_count))
    }

    /// What a campaign holds, or held until just now.
    pub(super) async fn campaign_item(
        &self,
        campaign: CampaignId,
        item: EntityRef,
    ) -> Result<v1::CampaignItem, CommandError> {
        let added_at = if let Outcome::ItemRemoved { added_at } = self.executed.outcome {
            added_at
        } else {
            let state = self.executed.state().await;
            let campaign = found(state.campaigns.get(&campaign))?;
            // Taken out again since: a replay whose answer was not kept.
            let since = campaign.items.get(&item).copied();
            since.unwrap_or(campaign.updated_at)
        };
        let label = match item {
            EntityRef::Creator(id) => {
                let creator = self.creator(id).await?;
                creator.display_name.unwrap_or(creator.handle)
            }
            EntityRef::Video(id) => {
                let video = self.video(id).await?;
                video.title.unwrap_or(video.platform_video_id)
            }
            EntityRef::Campaign(id) => self.campaign(id).await?.name,
        };
        Ok(v1::CampaignItem::new(item, label, added_at))
    }

    /// A goal, also one that was just removed.
    pub(super) async fn goal(&self, id: GoalId) -> Result<v1::Goal, CommandError> {
        let state = self.executed.state().await;
        let goal = found(state.goals.get(&id))?;
        let creator = found(state.creators.get(&goal.creator_id))?;
        Ok(v1::Goal::new(id, goal, creator.project_id))
    }

    /// A mark of people, also one that was just removed.
    pub(super) async fn annotation(
        &self,
        id: AnnotationId,
    ) -> Result<v1::Annotation, CommandError> {
        let state = self.executed.state().await;
        let annotation = found(state.annotations.get(&id))?;
        Ok(v1::Annotation::new(id, annotation))
    }

    /// The receipt of what was taken away, if something was.
    pub(super) fn receipt(&self, subject: Uuid) -> Option<v1::Receipt> {
        let denial = self.executed.denial.as_ref()?;
        Some(receipt(subject, denial))
    }
}

/// The wire form of a denial.
pub(super) fn receipt(subject: Uuid, denial: &Denial) -> v1::Receipt {
    let settled = denial.settled.as_ref();
    v1::Receipt {
        id: subject,
        revoked_at: denial.at,
        position: denial.position,
        effective_at: settled.map(|settled| settled.effective_at),
        barrier: settled.map(|settled| barrier(&settled.barrier)),
        log_epoch: denial.epoch,
        ledger: if settled.is_some_and(|settled| settled.in_ledger) {
            v1::Ledger::Written
        } else {
            v1::Ledger::Pending
        },
        event_hash: denial.event_hash.to_string(),
    }
}

fn barrier(report: &gate::Report) -> v1::Barrier {
    let count = |state| u32::try_from(report.count(state)).unwrap_or(u32::MAX);
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    v1::Barrier {
        acked: count(State::Acked),
        lease_expired: count(State::Expired),
        left: count(State::Left),
        waited_ms: millis(report.waited),
        bound_ms: millis(report.bound),
        replicas: report
            .replicas
            .iter()
            .map(|replica| v1::ReplicaWait {
                incarnation: replica.incarnation,
                state: match replica.state {
                    State::Acked => v1::ReplicaState::Acked,
                    State::Expired => v1::ReplicaState::Expired,
                    State::Left => v1::ReplicaState::Left,
                },
                after_ms: millis(replica.after),
            })
            .collect(),
    }
}

/// The newest figures of one subject.
async fn latest(
    app: &App,
    org: OrgId,
    kind: i16,
    subject: Uuid,
) -> Result<Option<Reading>, CommandError> {
    let log = app.commander().log();
    let latest = log.latest_readings(org, kind, &[subject]).await;
    Ok(latest.map_err(unanswered)?.remove(&subject))
}

/// What people said of an account, else what was reported. Without the key the person was erased.
fn profile(
    creator: &org::Creator,
    reported: Option<CreatorProfile>,
    key: Option<&SubjectKey>,
) -> v1::CreatorProfile {
    let open = |field: &str, sealed: Option<&Sealed>| key?.open(field, sealed?).ok();
    let display_name = open("display_name", creator.display_name.as_ref());
    let Some(reported) = reported else {
        return v1::CreatorProfile {
            display_name,
            ..v1::CreatorProfile::default()
        };
    };
    v1::CreatorProfile {
        display_name: display_name.or_else(|| open("display_name", reported.display_name.as_ref())),
        avatar_url: open("avatar_url", reported.avatar_url.as_ref()),
        follower_count: reported.follower_count,
        following_count: reported.following_count,
        like_count: reported.like_count,
        video_count: reported.video_count,
        profile_at: Some(reported.observed_at),
    }
}

fn readings(details: Option<VideoDetails>, stats: Option<VideoStats>) -> v1::VideoReadings {
    let mut readings = v1::VideoReadings::default();
    if let Some(details) = details {
        readings.title = details.title;
        readings.url = details.url;
        readings.media_type = details.media_type;
        readings.thumbnail_url = details.thumbnail_url;
        readings.posted_at = details.posted_at;
    }
    if let Some(stats) = stats {
        readings.view_count = stats.view_count;
        readings.like_count = stats.like_count;
        readings.comment_count = stats.comment_count;
        readings.share_count = stats.share_count;
        readings.save_count = stats.save_count;
        readings.stats_at = Some(stats.observed_at);
    }
    readings
}

/// What was just decided about is in the state.
pub(super) fn found<T>(thing: Option<T>) -> Result<T, CommandError> {
    thing.ok_or_else(|| unanswered("the object is not in the org's state"))
}
