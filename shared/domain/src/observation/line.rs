//! One line of an ingest request.

use thiserror::Error;

use super::fields::{Fields, invalid};
use crate::event::MediaType;
use crate::limits::{DISPLAY_NAME_CHARS, INGEST_LINE_BYTES, TITLE_CHARS};
use crate::named::named;
use crate::platform::{Handle, Platform, PlatformVideoId};
use crate::time::Timestamp;

const COMMENT_CHARS: usize = 5_000;
const COMMENT_ID_CHARS: usize = 128;
const AUTHOR_CHARS: usize = 200;

named! {
    /// Why a line is not taken; stable names on the wire.
    #[expect(missing_docs, reason = "variants are those of v1-contract.md 12")]
    LineErrorCode {
        InvalidJson = "invalid_json",
        UnknownKind = "unknown_kind",
        InvalidLine = "invalid_line",
        LineTooLong = "line_too_long",
        UnknownCreator = "unknown_creator",
        UnknownVideo = "unknown_video",
        VideoRemoved = "video_removed",
        BeforeTrackingStart = "before_tracking_start",
        ObservedInFuture = "observed_in_future",
    }
}

/// Why a line is not taken, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct LineError {
    /// For programs.
    pub code: LineErrorCode,
    /// For people: names the field and what is allowed.
    pub message: String,
}

/// A line that has its form.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 12")]
pub enum Line {
    CreatorProfile {
        platform: Platform,
        handle: Handle,
        observed_at: Timestamp,
        display_name: Option<String>,
        avatar_url: Option<String>,
        follower_count: Option<u64>,
        following_count: Option<u64>,
        like_count: Option<u64>,
        video_count: Option<u64>,
    },
    Video {
        platform: Platform,
        platform_video_id: PlatformVideoId,
        creator_handle: Option<Handle>,
        observed_at: Timestamp,
        url: Option<String>,
        title: Option<String>,
        posted_at: Option<Timestamp>,
        media_type: Option<MediaType>,
        thumbnail_url: Option<String>,
    },
    VideoStats {
        platform: Platform,
        platform_video_id: PlatformVideoId,
        observed_at: Timestamp,
        view_count: Option<u64>,
        like_count: Option<u64>,
        comment_count: Option<u64>,
        share_count: Option<u64>,
        save_count: Option<u64>,
    },
    Comment {
        platform: Platform,
        platform_video_id: PlatformVideoId,
        platform_comment_id: String,
        observed_at: Timestamp,
        posted_at: Timestamp,
        text: String,
        author_handle: Option<String>,
        parent_comment_id: Option<String>,
        like_count: Option<u64>,
        reply_count: Option<u64>,
    },
}

/// Reads one line.
pub fn parse_line(line: &[u8], now: Timestamp) -> Result<Line, LineError> {
    if line.len() > INGEST_LINE_BYTES {
        let message = format!("a line must have at most {INGEST_LINE_BYTES} bytes");
        return Err(LineError {
            code: LineErrorCode::LineTooLong,
            message,
        });
    }
    let mut fields: Fields = serde_json::from_slice(line).map_err(|error| LineError {
        code: LineErrorCode::InvalidJson,
        message: format!("not a JSON object: {error}"),
    })?;
    let kind = fields.required("kind")?;
    let parsed = match kind.as_str() {
        "creator_profile" => creator_profile(&mut fields, now)?,
        "video" => video(&mut fields, now)?,
        "video_stats" => video_stats(&mut fields, now)?,
        "comment" => comment(&mut fields, now)?,
        _ => {
            return Err(LineError {
                code: LineErrorCode::UnknownKind,
                message: "kind must be one of creator_profile, video, video_stats, comment"
                    .to_owned(),
            });
        }
    };
    fields.finish()?;
    Ok(parsed)
}

fn creator_profile(fields: &mut Fields, now: Timestamp) -> Result<Line, LineError> {
    let platform = platform(fields)?;
    Ok(Line::CreatorProfile {
        platform,
        handle: handle(platform, "handle", &fields.required("handle")?)?,
        observed_at: fields.observed_at(now)?,
        display_name: fields.cleaned("display_name", DISPLAY_NAME_CHARS)?,
        avatar_url: fields.url("avatar_url")?,
        follower_count: fields.count("follower_count")?,
        following_count: fields.count("following_count")?,
        like_count: fields.count("like_count")?,
        video_count: fields.count("video_count")?,
    })
}

fn video(fields: &mut Fields, now: Timestamp) -> Result<Line, LineError> {
    let platform = platform(fields)?;
    let platform_video_id = video_id(fields, platform)?;
    let creator_handle = match fields.text("creator_handle")? {
        Some(text) => Some(handle(platform, "creator_handle", &text)?),
        None => None,
    };
    let media_type = match fields.text("media_type")?.as_deref() {
        None => None,
        Some("video") => Some(MediaType::Video),
        Some("photo") => Some(MediaType::Photo),
        Some(_) => return Err(invalid("media_type", "must be video or photo")),
    };
    Ok(Line::Video {
        platform,
        platform_video_id,
        creator_handle,
        observed_at: fields.observed_at(now)?,
        url: fields.url("url")?,
        title: fields.cleaned("title", TITLE_CHARS)?,
        posted_at: fields.instant("posted_at")?,
        media_type,
        thumbnail_url: fields.url("thumbnail_url")?,
    })
}

fn video_stats(fields: &mut Fields, now: Timestamp) -> Result<Line, LineError> {
    let platform = platform(fields)?;
    let platform_video_id = video_id(fields, platform)?;
    let observed_at = fields.observed_at(now)?;
    let view_count = fields.count("view_count")?;
    let like_count = fields.count("like_count")?;
    let comment_count = fields.count("comment_count")?;
    let share_count = fields.count("share_count")?;
    let save_count = fields.count("save_count")?;
    let counts = [
        view_count,
        like_count,
        comment_count,
        share_count,
        save_count,
    ];
    if counts.iter().all(Option::is_none) {
        return Err(invalid("view_count", "or another count must be there"));
    }
    Ok(Line::VideoStats {
        platform,
        platform_video_id,
        observed_at,
        view_count,
        like_count,
        comment_count,
        share_count,
        save_count,
    })
}

fn comment(fields: &mut Fields, now: Timestamp) -> Result<Line, LineError> {
    let platform = platform(fields)?;
    let platform_video_id = video_id(fields, platform)?;
    let required = |text: Option<String>, name| text.ok_or_else(|| invalid(name, "is required"));
    Ok(Line::Comment {
        platform,
        platform_video_id,
        platform_comment_id: required(
            fields.cleaned("platform_comment_id", COMMENT_ID_CHARS)?,
            "platform_comment_id",
        )?,
        observed_at: fields.observed_at(now)?,
        posted_at: fields
            .instant("posted_at")?
            .ok_or_else(|| invalid("posted_at", "is required"))?,
        text: required(fields.cleaned("text", COMMENT_CHARS)?, "text")?,
        author_handle: fields.cleaned("author_handle", AUTHOR_CHARS)?,
        parent_comment_id: fields.cleaned("parent_comment_id", COMMENT_ID_CHARS)?,
        like_count: fields.count("like_count")?,
        reply_count: fields.count("reply_count")?,
    })
}

fn platform(fields: &mut Fields) -> Result<Platform, LineError> {
    fields
        .required("platform")?
        .parse()
        .map_err(|error: crate::platform::PlatformError| invalid("platform", &error.to_string()))
}

fn handle(platform: Platform, field: &str, text: &str) -> Result<Handle, LineError> {
    Handle::parse(platform, text).map_err(|error| invalid(field, &format!("is refused: {error}")))
}

fn video_id(fields: &mut Fields, platform: Platform) -> Result<PlatformVideoId, LineError> {
    PlatformVideoId::parse(platform, &fields.required("platform_video_id")?)
        .map_err(|error| invalid("platform_video_id", &format!("is refused: {error}")))
}
