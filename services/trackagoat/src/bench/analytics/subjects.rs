//! Whose figures are asked for: a creator, a campaign nested five deep and the project that both are
//! of, the same at every size. Appended as events, as the command service would, and projected.

use std::time::Duration;

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use domain::event::{
    Actor, CampaignAdded, CampaignItemsAdded, CreatorAdded, CreatorProfile, EntityRef, Event,
    MediaType, ObservationRecorded, Reading, TrackingMode, TrackingStatus, VideoDiscovered,
    VideoStats,
};
use domain::ids::{CampaignId, CreatorId, GlobalPosition, OrgId, ProjectId, VideoId};
use domain::platform::{Handle, Platform, PlatformVideoId};
use domain::text::{CampaignName, Metadata};
use domain::time::Timestamp;
use event_log::AppendRequest;
use read_model::ProjectionVersion;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Effort;
use crate::bench::Setting;
use crate::bench::append::ours::CORRELATION_ID;
use crate::bench::error::BenchError;
use crate::bench::open_log::OpenLog;

/// Campaigns in one another.
pub const DEPTH: usize = 5;
/// Campaigns of the project whose creators and campaigns are ranked, and creators of each.
const RANKED_CAMPAIGNS: usize = 20;
const RANKED_CREATORS: usize = 12;
/// What ingest writes: no event has more.
const READINGS_EACH: usize = 500;
/// Days from one reading of a video of the campaign to the next; the creator's are read daily.
const DAYS_BETWEEN: usize = 4;
const QUARTERS: usize = 96;
const PLATFORM: Platform = Platform::Tiktok;
const LOOK: Duration = Duration::from_millis(20);
const PROJECTED_WITHIN: Duration = Duration::from_mins(5);
const ROLLED_WITHIN: Duration = Duration::from_mins(5);

/// Of which org and project, and up to which day.
#[derive(Clone, Copy)]
pub struct Place {
    pub org: OrgId,
    /// What grows around the subjects grows in here too.
    pub project: ProjectId,
    /// A project that nothing is added to.
    pub ranked: ProjectId,
    pub last_day: NaiveDate,
}

/// What is asked about, once it is projected and rolled up.
pub struct Subjects {
    pub place: Place,
    pub creator: CreatorId,
    pub campaign: CampaignId,
    /// From the append of what campaigns hold until all are rolled up.
    pub roll_up_seconds: f64,
    pub readings: usize,
}

/// A creator with their videos, and how often those are read.
struct Account {
    id: CreatorId,
    videos: Vec<VideoId>,
    days_between: usize,
    /// Readings of the profile in a day.
    profiles: usize,
}

/// Appends to the log of one org.
struct Writer<'a> {
    open_log: OpenLog,
    place: Place,
    now: Timestamp,
    setting: &'a Setting,
    last: GlobalPosition,
    readings: usize,
}

impl Subjects {
    /// Makes them, and waits until they are rolled up. `database` looks at the read model.
    pub async fn make(
        url: &str,
        place: Place,
        effort: &Effort,
        database: &mut PgConnection,
        setting: &Setting,
    ) -> Result<Self, BenchError> {
        let Setting { clock, entropy, .. } = setting;
        let mut writer = Writer {
            open_log: OpenLog::open(url, clock, entropy).await?,
            place,
            now: Timestamp::from_datetime(clock.now()),
            setting,
            last: GlobalPosition::ZERO,
            readings: 0,
        };
        let accounts = writer.add_accounts(effort).await?;
        for day in 0..effort.days_of_readings() {
            let date = effort.first_day(place.last_day) + TimeDelta::days(signed(day));
            writer.read_all(&accounts, day, date).await?;
        }
        writer.until_projected(database).await?;
        let ranked: Vec<Uuid> = sqlx::query_scalar(
            "select creator_id from creators where project_id = $1 order by creator_id",
        )
        .bind(place.ranked.as_uuid())
        .fetch_all(&mut *database)
        .await?;
        let began = clock.monotonic();
        let campaign = writer.add_campaigns(&accounts).await?;
        writer.add_ranked_campaigns(&ranked).await?;
        writer.until_projected(database).await?;
        until_rolled(database, setting).await?;
        let seconds = clock.monotonic().saturating_since(began).as_secs_f64();
        let readings = writer.readings;
        writer.open_log.close().await;
        let held: i64 =
            sqlx::query_scalar("select count(*) from campaign_videos where campaign_id = $1")
                .bind(campaign.as_uuid())
                .fetch_one(database)
                .await?;
        let expected: usize = accounts.iter().map(|account| account.videos.len()).sum();
        if held != signed(expected) {
            let text = format!("the campaign holds {held} videos in place of {expected}");
            return Err(BenchError::Wrong(text));
        }
        Ok(Self {
            place,
            creator: accounts[0].id,
            campaign,
            roll_up_seconds: seconds,
            readings,
        })
    }
}

impl Writer<'_> {
    /// The creator, and those whose videos the campaign holds beside theirs.
    async fn add_accounts(&mut self, effort: &Effort) -> Result<Vec<Account>, BenchError> {
        let mut accounts = Vec::new();
        for number in 0..=effort.others {
            let is_first = number == 0;
            let videos = if is_first {
                effort.videos
            } else {
                effort.videos_each
            };
            let handle = parsed(Handle::parse(PLATFORM, &format!("subject.{number}")))?;
            let id = CreatorId::generate(self.now, self.setting.entropy.bytes());
            let mut account = Account {
                id,
                videos: Vec::new(),
                days_between: if is_first { 1 } else { DAYS_BETWEEN },
                profiles: if is_first { 4 } else { 1 },
            };
            let mut events = vec![Event::CreatorAdded(CreatorAdded {
                creator_id: id,
                project_id: self.place.project,
                platform: PLATFORM,
                handle: handle.clone(),
                tracking_mode: TrackingMode::Auto,
                tracking_start_date: None,
                display_name: None,
                readme: None,
                metadata: Metadata::empty(),
            })];
            for video in 0..videos {
                let event = self.discovered(id, &handle, number, video, effort)?;
                account.videos.push(event.video_id);
                events.push(Event::VideoDiscovered(event));
            }
            self.append(events).await?;
            accounts.push(account);
        }
        Ok(accounts)
    }

    fn discovered(
        &self,
        creator_id: CreatorId,
        handle: &Handle,
        number: usize,
        video: usize,
        effort: &Effort,
    ) -> Result<VideoDiscovered, BenchError> {
        let id = PlatformVideoId::parse(PLATFORM, &format!("75{number:08}{video:08}"));
        let platform_video_id = parsed(id)?;
        // All are older than what is asked for.
        let age = effort.days_of_readings() + 1 + video % effort.days;
        let date = self.place.last_day - TimeDelta::days(signed(age));
        Ok(VideoDiscovered {
            video_id: VideoId::generate(self.now, self.setting.entropy.bytes()),
            project_id: self.place.project,
            creator_id,
            platform: PLATFORM,
            url: platform_video_id.url(PLATFORM, Some(handle)),
            platform_video_id,
            media_type: MediaType::Video,
            tracking_status: TrackingStatus::AutoTracked,
            posted_at: Some(instant(date, video % QUARTERS, 0)),
        })
    }

    /// Appends what is read in one day: each video in a quarter hour of its own, so that those of the
    /// creator, and those of the campaign, are read in all of them.
    async fn read_all(
        &mut self,
        accounts: &[Account],
        day: usize,
        date: NaiveDate,
    ) -> Result<(), BenchError> {
        let mut readings = Vec::new();
        for (number, account) in accounts.iter().enumerate() {
            for (video, id) in account.videos.iter().enumerate() {
                if (day + video).is_multiple_of(account.days_between) {
                    // Of a video that is read every few days, so many of those went by.
                    let at = instant(date, (number + video) % QUARTERS, video / QUARTERS);
                    readings.push(Reading::VideoStats(stats(*id, at, day, video)));
                }
            }
            for turn in 0..account.profiles {
                let quarter = (number + turn * QUARTERS / account.profiles) % QUARTERS;
                let followers = 10_000 + (day * account.profiles + turn) * 7;
                readings.push(Reading::CreatorProfile(CreatorProfile {
                    creator_id: account.id,
                    observed_at: instant(date, quarter, 0),
                    display_name: None,
                    avatar_url: None,
                    follower_count: Some(followers as u64),
                    following_count: None,
                    like_count: None,
                    video_count: None,
                }));
            }
        }
        readings.sort_by_key(Reading::observed_at);
        self.readings += readings.len();
        let chunks = readings.chunks(READINGS_EACH).map(<[Reading]>::to_vec);
        let events = chunks
            .map(|readings| Event::ObservationRecorded(ObservationRecorded { readings }))
            .collect();
        self.append(events).await
    }

    /// Campaigns in one another; the outermost. Each holds creators, single videos of others and the
    /// next one; the innermost the creator with the many videos.
    async fn add_campaigns(&mut self, accounts: &[Account]) -> Result<CampaignId, BenchError> {
        let (first, others) = accounts
            .split_first()
            .ok_or_else(|| BenchError::Wrong("no creators".into()))?;
        let mut inner = self
            .add_campaign(self.place.project, "innermost", vec![creator(first)])
            .await?;
        for (number, share) in others.chunks(others.len().div_ceil(DEPTH - 1)).enumerate() {
            let (whole, single) = share.split_at(share.len() / 2);
            let mut items = vec![EntityRef::Campaign(inner)];
            items.extend(whole.iter().map(creator));
            let videos = single.iter().flat_map(|account| &account.videos);
            items.extend(videos.copied().map(EntityRef::Video));
            let name = format!("around {}", number + 1);
            inner = self.add_campaign(self.place.project, &name, items).await?;
        }
        Ok(inner)
    }

    async fn add_ranked_campaigns(&mut self, creators: &[Uuid]) -> Result<(), BenchError> {
        let shares = creators.chunks(RANKED_CREATORS).take(RANKED_CAMPAIGNS);
        for (number, share) in shares.enumerate() {
            let items = share.iter().map(|id| CreatorId::from_uuid(*id));
            let items = items.map(EntityRef::Creator).collect();
            let name = format!("ranked {number}");
            self.add_campaign(self.place.ranked, &name, items).await?;
        }
        Ok(())
    }

    async fn add_campaign(
        &mut self,
        project_id: ProjectId,
        name: &str,
        items: Vec<EntityRef>,
    ) -> Result<CampaignId, BenchError> {
        let campaign_id = CampaignId::generate(self.now, self.setting.entropy.bytes());
        let added = CampaignAdded {
            campaign_id,
            project_id,
            name: parsed(CampaignName::parse(name))?,
            readme: None,
            metadata: Metadata::empty(),
            target_views: None,
            target_at: None,
        };
        let items = CampaignItemsAdded { campaign_id, items };
        let events = vec![
            Event::CampaignAdded(added),
            Event::CampaignItemsAdded(items),
        ];
        self.append(events).await?;
        Ok(campaign_id)
    }

    async fn append(&mut self, events: Vec<Event>) -> Result<(), BenchError> {
        let request = AppendRequest {
            org_id: self.place.org,
            expected: None,
            events,
            actor: Actor::System,
            correlation_id: CORRELATION_ID.to_owned(),
            idempotency: None,
            guard: None,
        };
        let appended = self.open_log.log.append(request).await;
        self.last = appended.map_err(BenchError::Append)?.last;
        Ok(())
    }

    async fn until_projected(&self, database: &mut PgConnection) -> Result<(), BenchError> {
        let clock = &self.setting.clock;
        let projected = async {
            loop {
                let position: i64 =
                    sqlx::query_scalar("select position from read.versions where version = $1")
                        .bind(ProjectionVersion::CURRENT.get())
                        .fetch_one(&mut *database)
                        .await?;
                if position >= self.last.as_i64() {
                    return Ok(());
                }
                clock.sleep(LOOK).await;
            }
        };
        within(PROJECTED_WITHIN, "the projection", projected, self.setting).await
    }
}

async fn until_rolled(database: &mut PgConnection, setting: &Setting) -> Result<(), BenchError> {
    let rolled = async {
        loop {
            let is_rolled: bool =
                sqlx::query_scalar("select not exists (select from campaigns where not is_rolled)")
                    .fetch_one(&mut *database)
                    .await?;
            if is_rolled {
                return Ok(());
            }
            setting.clock.sleep(LOOK).await;
        }
    };
    within(ROLLED_WITHIN, "the campaigns' roll-up", rolled, setting).await
}

async fn within(
    limit: Duration,
    what: &'static str,
    done: impl Future<Output = Result<(), BenchError>>,
    setting: &Setting,
) -> Result<(), BenchError> {
    let done = setting.clock.timeout(limit, done).await;
    done.map_err(|source| BenchError::Late { what, source })?
}

fn creator(account: &Account) -> EntityRef {
    EntityRef::Creator(account.id)
}

/// Every count grows with every reading.
fn stats(video_id: VideoId, observed_at: Timestamp, day: usize, video: usize) -> VideoStats {
    let views = (1_000 + video + day * (50 + video % 50)) as u64;
    VideoStats {
        video_id,
        observed_at,
        view_count: Some(views),
        like_count: Some(views / 3),
        comment_count: Some(views / 5),
        share_count: Some(views / 7),
        save_count: Some(views / 11),
    }
}

fn instant(date: NaiveDate, quarter: usize, minute: usize) -> Timestamp {
    let offset = TimeDelta::minutes(signed(quarter * 15 + minute % 15));
    Timestamp::from_datetime(date.and_time(NaiveTime::MIN).and_utc()).plus(offset)
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn parsed<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, BenchError> {
    result.map_err(|error| BenchError::Wrong(error.to_string()))
}
