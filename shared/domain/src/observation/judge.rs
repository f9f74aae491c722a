//! Lines against the state: what is discovered, what is read of whom, and what is refused.

use std::collections::HashMap;

use super::line::{Line, LineError, LineErrorCode};
use crate::event::{
    CommentId, CommentReading, CreatorProfile, Event, Reading, TrackingMode, TrackingStatus,
    VideoDetails, VideoDiscovered, VideoStats,
};
use crate::ids::{CreatorId, ProjectId, VideoId};
use crate::org::{Context, Creator, OrgState, Rejection};
use crate::platform::{Handle, Platform, PlatformVideoId};
use crate::time::Timestamp;

/// What became of all lines.
#[derive(Debug, Default)]
pub struct Judged {
    /// Events of the stream of decisions, to stand before the readings.
    pub discoveries: Vec<Event>,
    /// One entry a line, in their order.
    pub lines: Vec<JudgedLine>,
}

/// What became of one line.
#[derive(Debug)]
pub struct JudgedLine {
    /// Whether it discovered a video: then it is accepted whatever becomes of its readings.
    pub discovered: bool,
    /// Its readings, one for each project that has the thing; or why it is refused.
    pub readings: Result<Vec<Reading>, LineError>,
}

/// Judges lines in order; a video discovered by an earlier line is known to the later ones.
///
/// `project` restricts everything to one project. `random` gives the random part of new ids.
///
/// # Errors
/// [`Rejection::SubjectKeysNeeded`] with every key that is missing;
/// [`Rejection::NotFound`] if the project does not exist.
pub fn judge(
    state: &OrgState,
    project: Option<ProjectId>,
    lines: &[Result<Line, LineError>],
    context: &Context<'_>,
    random: &mut dyn FnMut() -> [u8; 10],
) -> Result<Judged, Rejection> {
    let projects = match project {
        Some(id) => {
            state.project(id).ok_or(Rejection::NotFound)?;
            vec![id]
        }
        None => state.live_projects().map(|(id, _)| id).collect(),
    };
    let mut judge = Judge {
        state,
        projects,
        context,
        random,
        found: HashMap::new(),
        missing: Vec::new(),
        discoveries: Vec::new(),
    };
    let judged = lines.iter().map(|line| judge.line(line)).collect();
    if judge.missing.is_empty() {
        Ok(Judged {
            discoveries: judge.discoveries,
            lines: judged,
        })
    } else {
        judge.missing.sort_unstable();
        judge.missing.dedup();
        Err(Rejection::SubjectKeysNeeded(judge.missing))
    }
}

struct Judge<'a> {
    state: &'a OrgState,
    projects: Vec<ProjectId>,
    context: &'a Context<'a>,
    random: &'a mut dyn FnMut() -> [u8; 10],
    /// Videos that earlier lines discovered.
    found: HashMap<(ProjectId, Platform, PlatformVideoId), VideoId>,
    missing: Vec<uuid::Uuid>,
    discoveries: Vec<Event>,
}

impl<'a> Judge<'a> {
    fn line(&mut self, line: &Result<Line, LineError>) -> JudgedLine {
        let before = self.discoveries.len();
        let readings = match line {
            Err(error) => Err(error.clone()),
            Ok(line) => match line {
                Line::CreatorProfile { .. } => self.creator_profile(line),
                Line::Video { .. } => self.video(line),
                Line::VideoStats { .. } => self.video_stats(line),
                Line::Comment { .. } => self.comment(line),
            },
        };
        JudgedLine {
            discovered: self.discoveries.len() > before,
            readings,
        }
    }

    fn creator_profile(&mut self, line: &Line) -> Result<Vec<Reading>, LineError> {
        let Line::CreatorProfile {
            platform,
            handle,
            observed_at,
            display_name,
            avatar_url,
            follower_count,
            following_count,
            like_count,
            video_count,
        } = line
        else {
            return Ok(vec![]);
        };
        let mut readings = Vec::new();
        for project in self.projects.clone() {
            let Some((creator_id, _)) = self.creator(project, *platform, handle) else {
                continue;
            };
            let subject = creator_id.as_uuid();
            readings.push(Reading::CreatorProfile(CreatorProfile {
                creator_id,
                observed_at: *observed_at,
                display_name: self.seal(subject, "display_name", display_name.as_deref()),
                avatar_url: self.seal(subject, "avatar_url", avatar_url.as_deref()),
                follower_count: *follower_count,
                following_count: *following_count,
                like_count: *like_count,
                video_count: *video_count,
            }));
        }
        if readings.is_empty() {
            Err(unknown_creator(handle))
        } else {
            Ok(readings)
        }
    }

    fn video(&mut self, line: &Line) -> Result<Vec<Reading>, LineError> {
        let Line::Video {
            platform,
            platform_video_id,
            creator_handle,
            observed_at,
            url,
            title,
            posted_at,
            media_type,
            thumbnail_url,
        } = line
        else {
            return Ok(vec![]);
        };
        let mut readings = Vec::new();
        let mut refusal = None;
        for project in self.projects.clone() {
            let known = self.known(project, *platform, platform_video_id);
            let video_id = match known {
                Known::Live(id) => id,
                Known::Removed => {
                    refusal = Some(video_removed());
                    continue;
                }
                Known::CreatorRemoved => {
                    refusal = Some(creator_removed());
                    continue;
                }
                Known::No => match self.discover(project, line) {
                    Ok(id) => id,
                    Err(error) => {
                        refusal = refusal.or(Some(error));
                        continue;
                    }
                },
            };
            readings.push(Reading::Video(VideoDetails {
                video_id,
                observed_at: *observed_at,
                url: url.clone(),
                title: title.clone(),
                posted_at: *posted_at,
                media_type: *media_type,
                thumbnail_url: thumbnail_url.clone(),
            }));
        }
        if readings.is_empty() {
            let unknown = || match creator_handle {
                Some(handle) => unknown_creator(handle),
                None => unknown_video(),
            };
            return Err(refusal.unwrap_or_else(unknown));
        }
        Ok(readings)
    }

    /// Takes up a video that is not known in the project, under its creator.
    fn discover(&mut self, project: ProjectId, line: &Line) -> Result<VideoId, LineError> {
        let Line::Video {
            platform,
            platform_video_id,
            creator_handle,
            url,
            posted_at,
            media_type,
            ..
        } = line
        else {
            return Err(unknown_video());
        };
        let handle = creator_handle.as_ref().ok_or_else(unknown_video)?;
        let (creator_id, creator) = self
            .creator(project, *platform, handle)
            .ok_or_else(|| unknown_creator(handle))?;
        if self.is_before_start(creator, *posted_at) {
            return Err(LineError {
                code: LineErrorCode::BeforeTrackingStart,
                message: "the video was posted before the creator's tracking_start_date".to_owned(),
            });
        }
        let tracking_status = match creator.tracking_mode {
            TrackingMode::Auto => TrackingStatus::AutoTracked,
            TrackingMode::Selective => TrackingStatus::PendingReview,
        };
        let page = || platform_video_id.url(*platform, Some(&creator.handle));
        let video_id = VideoId::generate(self.context.now, (self.random)());
        let discovered = VideoDiscovered {
            video_id,
            project_id: project,
            creator_id,
            platform: *platform,
            platform_video_id: platform_video_id.clone(),
            url: url.clone().unwrap_or_else(page),
            media_type: media_type.unwrap_or_default(),
            tracking_status,
            posted_at: *posted_at,
        };
        self.discoveries.push(discovered.into());
        self.found
            .insert((project, *platform, platform_video_id.clone()), video_id);
        Ok(video_id)
    }

    fn is_before_start(&self, creator: &Creator, posted_at: Option<Timestamp>) -> bool {
        match (creator.tracking_start_date, posted_at) {
            (Some(start), Some(posted)) => {
                posted
                    .datetime()
                    .with_timezone(&self.state.timezone())
                    .date_naive()
                    < start
            }
            _ => false,
        }
    }

    fn video_stats(&mut self, line: &Line) -> Result<Vec<Reading>, LineError> {
        let Line::VideoStats {
            platform,
            platform_video_id,
            observed_at,
            view_count,
            like_count,
            comment_count,
            share_count,
            save_count,
        } = line
        else {
            return Ok(vec![]);
        };
        let videos = self.live_videos(*platform, platform_video_id)?;
        let reading = |video_id| {
            Reading::VideoStats(VideoStats {
                video_id,
                observed_at: *observed_at,
                view_count: *view_count,
                like_count: *like_count,
                comment_count: *comment_count,
                share_count: *share_count,
                save_count: *save_count,
            })
        };
        Ok(videos.into_iter().map(reading).collect())
    }

    fn comment(&mut self, line: &Line) -> Result<Vec<Reading>, LineError> {
        let Line::Comment {
            platform,
            platform_video_id,
            platform_comment_id,
            observed_at,
            posted_at,
            text,
            author_handle,
            parent_comment_id,
            like_count,
            reply_count,
        } = line
        else {
            return Ok(vec![]);
        };
        let mut readings = Vec::new();
        for video_id in self.live_videos(*platform, platform_video_id)? {
            let comment_id = CommentId::of(video_id, platform_comment_id);
            let subject = comment_id.as_uuid();
            let author_handle = self.seal(subject, "author_handle", author_handle.as_deref());
            let Some(text) = self.seal(subject, "text", Some(text)) else {
                continue;
            };
            readings.push(Reading::Comment(CommentReading {
                comment_id,
                video_id,
                platform_comment_id: platform_comment_id.clone(),
                observed_at: *observed_at,
                posted_at: *posted_at,
                text,
                author_handle,
                parent_comment_id: parent_comment_id.clone(),
                like_count: *like_count,
                reply_count: *reply_count,
            }));
        }
        Ok(readings)
    }

    /// The videos of this platform id in the projects asked for.
    fn live_videos(
        &self,
        platform: Platform,
        id: &PlatformVideoId,
    ) -> Result<Vec<VideoId>, LineError> {
        let mut videos = Vec::new();
        let mut refusal = None;
        for project in &self.projects {
            match self.known(*project, platform, id) {
                Known::Live(video) => videos.push(video),
                Known::Removed => refusal = Some(video_removed()),
                Known::CreatorRemoved => refusal = Some(creator_removed()),
                Known::No => {}
            }
        }
        if videos.is_empty() {
            return Err(refusal.unwrap_or_else(unknown_video));
        }
        Ok(videos)
    }

    fn known(&self, project: ProjectId, platform: Platform, id: &PlatformVideoId) -> Known {
        if let Some(found) = self.found.get(&(project, platform, id.clone())) {
            return Known::Live(*found);
        }
        match self.state.video_by_platform_id(project, platform, id) {
            None => Known::No,
            Some(video)
                if self
                    .state
                    .videos
                    .get(&video)
                    .is_some_and(|video| video.removed) =>
            {
                Known::Removed
            }
            // A removed creator takes the videos along: they are not tracked until it is back.
            Some(video) if self.state.video(video).is_none() => Known::CreatorRemoved,
            Some(video) => Known::Live(video),
        }
    }

    fn creator(
        &self,
        project: ProjectId,
        platform: Platform,
        handle: &Handle,
    ) -> Option<(CreatorId, &'a Creator)> {
        let state = self.state;
        let id = state.creator_by_handle(project, platform, handle)?;
        state.creator(id).map(|creator| (id, creator))
    }

    fn seal(
        &mut self,
        subject: uuid::Uuid,
        field: &str,
        text: Option<&str>,
    ) -> Option<crate::sealed::Sealed> {
        let (text, keys) = (text?, self.context.subject_keys);
        // Of who was erased nothing of the kind is kept again; the rest of the line is.
        if !keys.knows(subject) {
            self.missing.push(subject);
        }
        keys.get(subject).map(|key| key.seal(field, text))
    }
}

enum Known {
    Live(VideoId),
    Removed,
    CreatorRemoved,
    No,
}

fn unknown_creator(handle: &Handle) -> LineError {
    LineError {
        code: LineErrorCode::UnknownCreator,
        message: format!(
            "creator {} is not followed here: add it first",
            handle.as_str()
        ),
    }
}

fn unknown_video() -> LineError {
    LineError {
        code: LineErrorCode::UnknownVideo,
        message: "the video is not tracked here: send a video line with its creator_handle, or \
                  add it by URL first"
            .to_owned(),
    }
}

fn video_removed() -> LineError {
    LineError {
        code: LineErrorCode::VideoRemoved,
        message: "the video was removed: only adding it by URL brings it back".to_owned(),
    }
}

fn creator_removed() -> LineError {
    LineError {
        code: LineErrorCode::VideoRemoved,
        message: "the creator of the video was removed: adding the creator again brings it back"
            .to_owned(),
    }
}
