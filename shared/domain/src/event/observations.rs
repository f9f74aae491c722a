//! Facts from outside: many readings in one event. Personal data is sealed per subject.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::MediaType;
use crate::ids::{CreatorId, VideoId};
use crate::sealed::Sealed;
use crate::time::Timestamp;

/// Readings of one scrape, at most 500 and 256 KiB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ObservationRecorded {
    /// In the order they were sent.
    pub readings: Vec<Reading>,
}

/// One reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reading {
    /// Counts of a video.
    VideoStats(VideoStats),
    /// What a platform says of a video.
    Video(VideoDetails),
    /// What a platform says of an account.
    CreatorProfile(CreatorProfile),
    /// A comment under a video.
    Comment(CommentReading),
}

impl Reading {
    /// When it was taken.
    pub const fn observed_at(&self) -> Timestamp {
        match self {
            Self::VideoStats(reading) => reading.observed_at,
            Self::Video(reading) => reading.observed_at,
            Self::CreatorProfile(reading) => reading.observed_at,
            Self::Comment(reading) => reading.observed_at,
        }
    }

    /// Stored number of its kind in `log.reading_keys`; stable.
    pub const fn kind_number(&self) -> i16 {
        match self {
            Self::VideoStats(_) => 1,
            Self::Video(_) => 2,
            Self::CreatorProfile(_) => 3,
            Self::Comment(_) => 4,
        }
    }

    /// What it is of: a video, a creator or a comment.
    pub const fn subject(&self) -> Uuid {
        match self {
            Self::VideoStats(reading) => reading.video_id.as_uuid(),
            Self::Video(reading) => reading.video_id.as_uuid(),
            Self::CreatorProfile(reading) => reading.creator_id.as_uuid(),
            Self::Comment(reading) => reading.comment_id.as_uuid(),
        }
    }

    /// Which of its optional fields it carries, one bit each in the order they stand in the type;
    /// stored in `log.reading_keys`, stable.
    pub fn carries(&self) -> i16 {
        fn bits(fields: &[bool]) -> i16 {
            fields
                .iter()
                .rev()
                .fold(0, |bits, carried| bits << 1 | i16::from(*carried))
        }
        match self {
            Self::VideoStats(r) => bits(&[
                r.view_count.is_some(),
                r.like_count.is_some(),
                r.comment_count.is_some(),
                r.share_count.is_some(),
                r.save_count.is_some(),
            ]),
            Self::Video(r) => bits(&[
                r.url.is_some(),
                r.title.is_some(),
                r.posted_at.is_some(),
                r.media_type.is_some(),
                r.thumbnail_url.is_some(),
            ]),
            Self::CreatorProfile(r) => bits(&[
                r.display_name.is_some(),
                r.avatar_url.is_some(),
                r.follower_count.is_some(),
                r.following_count.is_some(),
                r.like_count.is_some(),
                r.video_count.is_some(),
            ]),
            Self::Comment(_) => 1,
        }
    }

    /// Which fields of a kind last until another value of them comes, as in [`Reading::carries`]: a
    /// correction (another reading of the same instant) that lacks them leaves them as they are.
    /// The others are figures, one reading as a whole: what its correction lacks was never read.
    pub const fn lasting(kind_number: i16) -> i16 {
        match kind_number {
            2 => 0b1_1111,
            3 => 0b11,
            _ => 0,
        }
    }

    /// Takes over fields, named as in [`Reading::carries`], of another reading of its kind.
    pub fn take(&mut self, fields: i16, from: &Self) {
        let mut is_taken = (0..16).map(|bit| fields & 1 << bit != 0);
        macro_rules! take {
            ($to:ident, $from:ident, $($field:ident),+) => {
                $(if is_taken.next() == Some(true) {
                    $to.$field.clone_from(&$from.$field);
                })+
            };
        }
        match (self, from) {
            (Self::VideoStats(to), Self::VideoStats(from)) => {
                take!(
                    to,
                    from,
                    view_count,
                    like_count,
                    comment_count,
                    share_count,
                    save_count
                );
            }
            (Self::Video(to), Self::Video(from)) => {
                take!(to, from, url, title, posted_at, media_type, thumbnail_url);
            }
            (Self::CreatorProfile(to), Self::CreatorProfile(from)) => {
                take!(to, from, display_name, avatar_url, follower_count);
                take!(to, from, following_count, like_count, video_count);
            }
            // A comment is one text; its newest reading is all of it.
            _ => {}
        }
    }

    /// SHA-256 of its canonical form: equal digests at the same instant are duplicates.
    pub fn digest(&self) -> [u8; 32] {
        self.digest_and_bytes().0
    }

    /// The digest, and how many bytes the canonical form takes in an event.
    pub fn digest_and_bytes(&self) -> ([u8; 32], usize) {
        let canonical = crate::jcs::to_string(self);
        (Sha256::digest(canonical.as_bytes()).into(), canonical.len())
    }
}

/// Counts of a video; at least one is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VideoStats {
    /// The video.
    pub video_id: VideoId,
    /// When the counts were read.
    pub observed_at: Timestamp,
    /// Views so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_count: Option<u64>,
    /// Likes so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like_count: Option<u64>,
    /// Comments so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment_count: Option<u64>,
    /// Shares so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_count: Option<u64>,
    /// Saves so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save_count: Option<u64>,
}

/// What a platform says of a video; the newest that is not null holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VideoDetails {
    /// The video.
    pub video_id: VideoId,
    /// When it was read.
    pub observed_at: Timestamp,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its title or caption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When it was posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted_at: Option<Timestamp>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// A picture of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail_url: Option<String>,
}

/// What a platform says of an account; the newest that is not null holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CreatorProfile {
    /// The creator.
    pub creator_id: CreatorId,
    /// When it was read.
    pub observed_at: Timestamp,
    /// The account's own name, sealed under the creator's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Sealed>,
    /// A picture, sealed under the creator's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<Sealed>,
    /// Followers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follower_count: Option<u64>,
    /// Accounts it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub following_count: Option<u64>,
    /// Likes of all its posts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like_count: Option<u64>,
    /// Posts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_count: Option<u64>,
}

/// A comment's id: UUID version 8 of its video and its id on the platform, so that the same
/// comment seen again is the same subject.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct CommentId(Uuid);

impl CommentId {
    /// The id of a video's comment.
    pub fn of(video: VideoId, platform_comment_id: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(video.as_uuid().as_bytes());
        hash.update(platform_comment_id.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The bare UUID.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }
}

/// A comment under a video; text and author are sealed under the comment's key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CommentReading {
    /// The comment.
    pub comment_id: CommentId,
    /// The video it stands under.
    pub video_id: VideoId,
    /// Its id on the platform.
    pub platform_comment_id: String,
    /// When it was read.
    pub observed_at: Timestamp,
    /// When it was written.
    pub posted_at: Timestamp,
    /// What it says, sealed.
    pub text: Sealed,
    /// Who wrote it, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_handle: Option<Sealed>,
    /// The comment it answers, by its id on the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_comment_id: Option<String>,
    /// Likes so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like_count: Option<u64>,
    /// Replies so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_count: Option<u64>,
}
