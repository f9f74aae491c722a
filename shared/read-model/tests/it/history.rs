//! Random histories of one project: events for the projection and, beside them, what they come to,
//! kept as simply as can be.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use domain::event::{
    CampaignAdded, CampaignItemsAdded, CampaignItemsRemoved, CampaignRemoved, CreatorAdded,
    CreatorProfile, CreatorReactivated, CreatorRemoved, EntityRef, MediaType, ObservationRecorded,
    OrgCreated, ProjectAdded, Reading, TrackingMode, TrackingStatus, VideoAdded, VideoDetails,
    VideoDiscovered, VideoPromoted, VideoRemoved, VideoReviewed, VideoStats,
};
use domain::ids::{CampaignId, CreatorId, OrgId, ProjectId, VideoId};
use domain::plan::Plan;
use domain::platform::{Handle, Platform, PlatformVideoId};
use domain::text::{CampaignName, Metadata, Name, ProjectName};
use domain::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::{Journal, id, instant};

/// What may happen next; what makes no sense at that moment does not happen.
#[derive(Debug, Clone)]
pub enum Step {
    Discover(Index, TrackingStatus, Option<When>),
    AddDirectly,
    Observe(Vec<Observation>),
    Review(Index, bool),
    Promote(Index),
    RemoveVideo(Index),
    RemoveCreator(Index),
    ReactivateCreator(Index),
    Put(Index, Item),
    TakeOut(Index, Index),
    RemoveCampaign(Index),
}

/// What a campaign may hold.
#[derive(Debug, Clone, Copy)]
pub enum Item {
    Creator(Index),
    Video(Index),
    Campaign(Index),
}

#[derive(Debug, Clone)]
pub enum Observation {
    Stats(Index, When, [Option<u64>; 5]),
    Details(Index, When, Option<When>),
    Profile(Index, When, Option<u64>),
}

/// An instant around one of the days on which clocks are changed somewhere.
#[derive(Debug, Clone, Copy)]
pub struct When {
    day: i64,
    quarter: i64,
    micros: i64,
}

impl When {
    pub fn instant(self) -> Timestamp {
        let minutes = self.day * 24 * 60 + self.quarter * 15;
        let first = instant(FIRST_DAY).plus(TimeDelta::minutes(minutes));
        first.plus(TimeDelta::microseconds(self.micros))
    }
}

/// Clocks jump over midnight in São Paulo three days later.
const FIRST_DAY: &str = "2018-11-01T00:00:00Z";

fn when() -> impl Strategy<Value = When> {
    // Few instants, so that readings meet; on the quarter hour and beside it.
    (
        -3_i64..12,
        0_i64..96,
        prop::sample::select(vec![0, 0, 1, -1, 7_000_000]),
    )
        .prop_map(|(day, quarter, micros)| When {
            day,
            quarter,
            micros,
        })
}

fn count() -> impl Strategy<Value = Option<u64>> {
    prop::option::weighted(0.7, 0_u64..1_000)
}

fn observation() -> impl Strategy<Value = Observation> {
    let stats = (
        any::<Index>(),
        when(),
        [count(), count(), count(), count(), count()],
    );
    prop_oneof![
        8 => stats.prop_map(|(video, at, counts)| Observation::Stats(video, at, counts)),
        1 => (any::<Index>(), when(), prop::option::of(when()))
            .prop_map(|(video, at, posted)| Observation::Details(video, at, posted)),
        2 => (any::<Index>(), when(), count())
            .prop_map(|(creator, at, followers)| Observation::Profile(creator, at, followers)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop::sample::select(vec![
        TrackingStatus::AutoTracked,
        TrackingStatus::PendingReview,
    ]);
    prop_oneof![
        3 => (any::<Index>(), status, prop::option::of(when()))
            .prop_map(|(creator, status, posted)| Step::Discover(creator, status, posted)),
        1 => Just(Step::AddDirectly),
        12 => prop::collection::vec(observation(), 1..8).prop_map(Step::Observe),
        3 => (any::<Index>(), any::<bool>()).prop_map(|(video, yes)| Step::Review(video, yes)),
        1 => any::<Index>().prop_map(Step::Promote),
        1 => any::<Index>().prop_map(Step::RemoveVideo),
        1 => any::<Index>().prop_map(Step::RemoveCreator),
        2 => any::<Index>().prop_map(Step::ReactivateCreator),
        5 => (any::<Index>(), item()).prop_map(|(campaign, item)| Step::Put(campaign, item)),
        2 => (any::<Index>(), any::<Index>())
            .prop_map(|(campaign, item)| Step::TakeOut(campaign, item)),
        1 => any::<Index>().prop_map(Step::RemoveCampaign),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        any::<Index>().prop_map(Item::Creator),
        any::<Index>().prop_map(Item::Video),
        any::<Index>().prop_map(Item::Campaign),
    ]
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..40)
}

/// What a history came to.
pub struct World {
    pub journal: Journal,
    pub project: ProjectId,
    pub creators: Vec<Creator>,
    pub videos: Vec<Video>,
    pub campaigns: Vec<Campaign>,
    case: u64,
}

pub struct Campaign {
    pub id: CampaignId,
    pub is_removed: bool,
    pub items: BTreeSet<EntityRef>,
}

/// Of how many campaigns each may hold those after it.
const CAMPAIGNS: u64 = 4;

pub struct Creator {
    pub id: CreatorId,
    pub is_removed: bool,
    pub followers: BTreeMap<Timestamp, Option<u64>>,
}

pub struct Video {
    pub id: VideoId,
    pub creator: Option<usize>,
    pub status: TrackingStatus,
    pub is_removed: bool,
    pub posted: Timestamp,
    posted_seen: Option<Timestamp>,
    pub readings: BTreeMap<Timestamp, [Option<u64>; 5]>,
}

impl Video {
    pub fn is_counted(&self) -> bool {
        !self.is_removed && self.status.is_counted()
    }
}

impl World {
    /// An org, a project, three creators and two videos.
    pub fn new(case: u64) -> Self {
        let org = OrgId::from_uuid(id(1, case, 0));
        let project = ProjectId::from_uuid(id(2, case, 0));
        let mut world = Self {
            journal: Journal::new(org),
            project,
            creators: Vec::new(),
            videos: Vec::new(),
            campaigns: Vec::new(),
            case,
        };
        world.journal.record(OrgCreated {
            name: Name::parse("Org").unwrap(),
            plan: Plan::Ultra,
            timezone: "UTC".to_owned(),
        });
        world.journal.record(ProjectAdded {
            project_id: project,
            name: ProjectName::parse("Project").unwrap(),
            readme: None,
            metadata: Metadata::empty(),
        });
        for number in 0..3 {
            world.add_creator(number);
        }
        for number in 0..CAMPAIGNS {
            world.add_campaign(number);
        }
        world.discover(0, TrackingStatus::AutoTracked, None);
        world.discover(1, TrackingStatus::PendingReview, None);
        world
    }

    pub fn run(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
    }

    /// Whether it counts in the project's figures.
    pub fn is_counted_in_project(&self, video: &Video) -> bool {
        let creator = video.creator.map(|creator| &self.creators[creator]);
        video.is_counted() && creator.is_none_or(|creator| !creator.is_removed)
    }

    fn add_creator(&mut self, number: u64) {
        let creator = CreatorId::from_uuid(id(3, self.case, number));
        self.journal.record(CreatorAdded {
            creator_id: creator,
            project_id: self.project,
            platform: Platform::Tiktok,
            handle: Handle::parse(Platform::Tiktok, &format!("creator{number}")).unwrap(),
            tracking_mode: TrackingMode::Auto,
            tracking_start_date: None,
            display_name: None,
            readme: None,
            metadata: Metadata::empty(),
        });
        self.creators.push(Creator {
            id: creator,
            is_removed: false,
            followers: BTreeMap::new(),
        });
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Discover(creator, status, posted) => {
                let creator = creator.index(self.creators.len());
                if !self.creators[creator].is_removed {
                    self.discover(creator, *status, posted.map(When::instant));
                }
            }
            Step::AddDirectly => self.add_directly(),
            Step::Observe(observations) => self.observe(observations),
            Step::Review(video, include) => self.review(*video, *include),
            Step::Promote(video) => self.promote(*video),
            Step::RemoveVideo(video) => {
                let number = video.index(self.videos.len());
                if !self.videos[number].is_removed && !self.is_hidden(number) {
                    self.videos[number].is_removed = true;
                    let video_id = self.videos[number].id;
                    self.leave_campaigns(&BTreeSet::from([EntityRef::Video(video_id)]));
                    self.journal.record(VideoRemoved { video_id });
                }
            }
            Step::RemoveCreator(creator) => {
                let number = creator.index(3);
                let creator = &mut self.creators[number];
                if !creator.is_removed {
                    creator.is_removed = true;
                    let creator_id = creator.id;
                    let theirs = self.videos.iter().filter(|one| one.creator == Some(number));
                    let mut gone: BTreeSet<_> =
                        theirs.map(|one| EntityRef::Video(one.id)).collect();
                    gone.insert(EntityRef::Creator(creator_id));
                    self.leave_campaigns(&gone);
                    self.journal.record(CreatorRemoved { creator_id });
                }
            }
            Step::Put(campaign, item) => self.put(*campaign, *item),
            Step::TakeOut(campaign, item) => self.take_out(*campaign, *item),
            Step::RemoveCampaign(campaign) => self.remove_campaign(*campaign),
            Step::ReactivateCreator(creator) => {
                let creator = &mut self.creators[creator.index(3)];
                if creator.is_removed {
                    creator.is_removed = false;
                    let creator_id = creator.id;
                    self.journal.record(CreatorReactivated { creator_id });
                }
            }
        }
    }

    fn add_campaign(&mut self, number: u64) {
        let campaign_id = CampaignId::from_uuid(id(5, self.case, number));
        self.journal.record(CampaignAdded {
            campaign_id,
            project_id: self.project,
            name: CampaignName::parse(&format!("Campaign {number}")).unwrap(),
            readme: None,
            metadata: Metadata::empty(),
            target_views: None,
            target_at: None,
        });
        self.campaigns.push(Campaign {
            id: campaign_id,
            is_removed: false,
            items: BTreeSet::new(),
        });
    }

    /// A campaign may hold those after it, so that none holds itself.
    fn put(&mut self, campaign: Index, item: Item) {
        let number = campaign.index(self.campaigns.len());
        let item = match item {
            Item::Creator(creator) => {
                let creator = &self.creators[creator.index(3)];
                (!creator.is_removed).then_some(EntityRef::Creator(creator.id))
            }
            Item::Video(video) => {
                let video = video.index(self.videos.len());
                let is_there = !self.videos[video].is_removed && !self.is_hidden(video);
                is_there.then_some(EntityRef::Video(self.videos[video].id))
            }
            Item::Campaign(other) => {
                let other = other.index(self.campaigns.len());
                let is_there = other > number && !self.campaigns[other].is_removed;
                is_there.then_some(EntityRef::Campaign(self.campaigns[other].id))
            }
        };
        let campaign = &mut self.campaigns[number];
        if let Some(item) = item.filter(|_| !campaign.is_removed)
            && campaign.items.insert(item)
        {
            let campaign_id = campaign.id;
            let items = vec![item];
            self.journal
                .record(CampaignItemsAdded { campaign_id, items });
        }
    }

    fn take_out(&mut self, campaign: Index, item: Index) {
        let number = campaign.index(self.campaigns.len());
        let campaign = &mut self.campaigns[number];
        if campaign.is_removed || campaign.items.is_empty() {
            return;
        }
        let item = *campaign
            .items
            .iter()
            .nth(item.index(campaign.items.len()))
            .unwrap();
        campaign.items.remove(&item);
        let campaign_id = campaign.id;
        let items = vec![item];
        self.journal
            .record(CampaignItemsRemoved { campaign_id, items });
    }

    fn remove_campaign(&mut self, campaign: Index) {
        let number = campaign.index(self.campaigns.len());
        if self.campaigns[number].is_removed {
            return;
        }
        self.campaigns[number].is_removed = true;
        let campaign_id = self.campaigns[number].id;
        self.leave_campaigns(&BTreeSet::from([EntityRef::Campaign(campaign_id)]));
        self.journal.record(CampaignRemoved { campaign_id });
    }

    /// As the write side does it for whatever is gone.
    fn leave_campaigns(&mut self, gone: &BTreeSet<EntityRef>) {
        for campaign in self.campaigns.iter_mut().filter(|one| !one.is_removed) {
            let items: Vec<_> = campaign.items.intersection(gone).copied().collect();
            if !items.is_empty() {
                campaign.items.retain(|item| !gone.contains(item));
                let campaign_id = campaign.id;
                self.journal
                    .record(CampaignItemsRemoved { campaign_id, items });
            }
        }
    }

    /// Creators and videos that a campaign holds at any depth, by number.
    pub fn within(&self, campaign: usize) -> (BTreeSet<usize>, BTreeSet<usize>) {
        let (mut creators, mut videos) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![campaign];
        while let Some(number) = open.pop() {
            for item in &self.campaigns[number].items {
                match item {
                    EntityRef::Creator(id) => {
                        creators.extend(self.creators.iter().position(|one| one.id == *id));
                    }
                    EntityRef::Video(id) => {
                        videos.extend(self.videos.iter().position(|one| one.id == *id));
                    }
                    EntityRef::Campaign(id) => {
                        open.extend(self.campaigns.iter().position(|one| one.id == *id));
                    }
                }
            }
        }
        let theirs = |video: &Video| video.creator.is_some_and(|one| creators.contains(&one));
        let all = self.videos.iter().enumerate();
        videos.extend(
            all.filter(|(_, video)| theirs(video))
                .map(|(number, _)| number),
        );
        (creators, videos)
    }

    fn discover(&mut self, creator: usize, status: TrackingStatus, posted: Option<Timestamp>) {
        let number = self.videos.len() as u64;
        let video = VideoId::from_uuid(id(4, self.case, number));
        let platform_video_id = platform_id(number);
        self.journal.record(VideoDiscovered {
            video_id: video,
            project_id: self.project,
            creator_id: self.creators[creator].id,
            platform: Platform::Tiktok,
            url: platform_video_id.url(Platform::Tiktok, None),
            platform_video_id,
            media_type: MediaType::Video,
            tracking_status: status,
            posted_at: posted,
        });
        self.push_video(video, Some(creator), status, posted);
    }

    fn add_directly(&mut self) {
        let number = self.videos.len() as u64;
        let video = VideoId::from_uuid(id(4, self.case, number));
        let platform_video_id = platform_id(number);
        self.journal.record(VideoAdded {
            video_id: video,
            project_id: self.project,
            platform: Platform::Tiktok,
            url: platform_video_id.url(Platform::Tiktok, None),
            platform_video_id,
            media_type: MediaType::Photo,
            readme: None,
            metadata: Metadata::empty(),
        });
        self.push_video(video, None, TrackingStatus::DirectAdd, None);
    }

    fn push_video(
        &mut self,
        id: VideoId,
        creator: Option<usize>,
        status: TrackingStatus,
        posted: Option<Timestamp>,
    ) {
        self.videos.push(Video {
            id,
            creator,
            status,
            is_removed: false,
            posted: posted.unwrap_or(self.journal.at),
            posted_seen: None,
            readings: BTreeMap::new(),
        });
    }

    fn observe(&mut self, observations: &[Observation]) {
        let readings = observations.iter().map(|one| self.reading(one)).collect();
        self.journal.record(ObservationRecorded { readings });
    }

    fn reading(&mut self, observation: &Observation) -> Reading {
        match observation {
            Observation::Stats(video, at, counts) => {
                let number = video.index(self.videos.len());
                let video = &mut self.videos[number];
                video.readings.insert(at.instant(), *counts);
                let [
                    view_count,
                    like_count,
                    comment_count,
                    share_count,
                    save_count,
                ] = *counts;
                Reading::VideoStats(VideoStats {
                    video_id: video.id,
                    observed_at: at.instant(),
                    view_count,
                    like_count,
                    comment_count,
                    share_count,
                    save_count,
                })
            }
            Observation::Details(video, at, posted) => {
                let number = video.index(self.videos.len());
                let video = &mut self.videos[number];
                let at = at.instant();
                if let Some(posted) = posted
                    && video.posted_seen.is_none_or(|seen| seen <= at)
                {
                    video.posted_seen = Some(at);
                    video.posted = posted.instant();
                }
                Reading::Video(VideoDetails {
                    video_id: video.id,
                    observed_at: at,
                    url: None,
                    title: Some(format!("Title of {}", at.micros())),
                    posted_at: posted.map(When::instant),
                    media_type: None,
                    thumbnail_url: None,
                })
            }
            Observation::Profile(creator, at, followers) => {
                let creator = &mut self.creators[creator.index(3)];
                creator.followers.insert(at.instant(), *followers);
                Reading::CreatorProfile(CreatorProfile {
                    creator_id: creator.id,
                    observed_at: at.instant(),
                    display_name: None,
                    avatar_url: None,
                    follower_count: *followers,
                    following_count: None,
                    like_count: followers.map(|followers| 3 * followers),
                    video_count: None,
                })
            }
        }
    }

    /// Whether its creator was removed, and it with them.
    fn is_hidden(&self, video: usize) -> bool {
        let creator = self.videos[video].creator;
        creator.is_some_and(|creator| self.creators[creator].is_removed)
    }

    fn review(&mut self, video: Index, include: bool) {
        let number = video.index(self.videos.len());
        let status = if include {
            TrackingStatus::Included
        } else {
            TrackingStatus::Excluded
        };
        let is_hidden = self.is_hidden(number);
        let video = &mut self.videos[number];
        if video.is_removed || is_hidden || video.creator.is_none() || video.status == status {
            return;
        }
        let previous = std::mem::replace(&mut video.status, status);
        let video_id = video.id;
        self.journal.record(VideoReviewed {
            video_id,
            tracking_status: status,
            previous,
        });
    }

    /// A direct add of what is pending, excluded, removed, or hidden with its creator.
    fn promote(&mut self, video: Index) {
        let number = video.index(self.videos.len());
        if self.is_counted_in_project(&self.videos[number]) {
            return;
        }
        let video = &mut self.videos[number];
        video.status = TrackingStatus::DirectAdd;
        video.is_removed = false;
        video.creator = None;
        let video_id = video.id;
        self.journal.record(VideoPromoted { video_id });
    }
}

fn platform_id(number: u64) -> PlatformVideoId {
    PlatformVideoId::parse(Platform::Tiktok, &(7_000_000 + number).to_string()).unwrap()
}
