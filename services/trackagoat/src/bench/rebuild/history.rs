//! A log of readings such as ingest leaves: an org that follows creators, and every video's figures
//! read once a day.

use chrono::TimeDelta;
use domain::event::{
    CreatorAdded, Event, MediaType, ObservationRecorded, OrgCreated, ProjectAdded, Reading,
    TrackingMode, TrackingStatus, VideoDiscovered, VideoStats,
};
use domain::ids::{CreatorId, OrgId, ProjectId, VideoId};
use domain::plan::Plan;
use domain::platform::{Handle, Platform, PlatformVideoId};
use domain::text::{Metadata, Name, ProjectName};
use domain::time::Timestamp;

use crate::bench::Setting;
use crate::bench::error::BenchError;
use crate::bench::open_log::OpenLog;

const PLATFORM: Platform = Platform::Tiktok;
/// What ingest writes: no event has more.
const READINGS_EACH: usize = 500;
const VIDEOS_EACH: usize = 50;

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct History {
    pub creators: usize,
    pub days: usize,
}

impl History {
    pub const fn readings(self) -> usize {
        self.creators * VIDEOS_EACH * self.days
    }

    /// Appends it to a log that has nothing.
    pub async fn write(self, open_log: &OpenLog, setting: &Setting) -> Result<(), BenchError> {
        let now = Timestamp::from_datetime(setting.clock.now());
        let org = OrgId::generate(now, setting.entropy.bytes());
        let project_id = ProjectId::generate(now, setting.entropy.bytes());
        let made = OrgCreated {
            name: parsed(Name::parse("Measured"))?,
            plan: Plan::Ultra,
            timezone: "UTC".to_owned(),
        };
        let project = ProjectAdded {
            project_id,
            name: parsed(ProjectName::parse("measured"))?,
            readme: None,
            metadata: Metadata::empty(),
        };
        let events = vec![Event::OrgCreated(made), Event::ProjectAdded(project)];
        open_log.append(org, events).await?;
        let mut videos = Vec::new();
        for number in 0..self.creators {
            let creator_id = CreatorId::generate(now, setting.entropy.bytes());
            let handle = parsed(Handle::parse(PLATFORM, &format!("measured.{number}")))?;
            let mut events = vec![creator(creator_id, project_id, handle.clone())];
            for video in 0..VIDEOS_EACH {
                let video_id = VideoId::generate(now, setting.entropy.bytes());
                let id = PlatformVideoId::parse(PLATFORM, &format!("75{number:08}{video:08}"));
                let platform_video_id = parsed(id)?;
                videos.push(video_id);
                events.push(Event::VideoDiscovered(VideoDiscovered {
                    video_id,
                    project_id,
                    creator_id,
                    platform: PLATFORM,
                    url: platform_video_id.url(PLATFORM, Some(&handle)),
                    platform_video_id,
                    media_type: MediaType::Video,
                    tracking_status: TrackingStatus::AutoTracked,
                    posted_at: None,
                }));
            }
            open_log.append(org, events).await?;
        }
        for day in 0..self.days {
            let at = now.plus(TimeDelta::days(signed(day) - signed(self.days)));
            for some in videos.chunks(READINGS_EACH) {
                let readings = some.iter().enumerate();
                let readings = readings
                    .map(|(number, id)| Reading::VideoStats(stats(*id, at, day, number)))
                    .collect();
                let event = Event::ObservationRecorded(ObservationRecorded { readings });
                open_log.append(org, vec![event]).await?;
            }
        }
        Ok(())
    }
}

fn creator(creator_id: CreatorId, project_id: ProjectId, handle: Handle) -> Event {
    Event::CreatorAdded(CreatorAdded {
        creator_id,
        project_id,
        platform: PLATFORM,
        handle,
        tracking_mode: TrackingMode::Auto,
        tracking_start_date: None,
        display_name: None,
        readme: None,
        metadata: Metadata::empty(),
    })
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

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn parsed<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, BenchError> {
    result.map_err(|error| BenchError::Wrong(error.to_string()))
}
