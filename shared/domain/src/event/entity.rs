//! What parts of a project are named by.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{CampaignId, CreatorId, VideoId};
use crate::named::named;

/// Something of a project that has figures: a campaign holds it, or an annotation is about it.
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
#[serde(tag = "type", content = "id", rename_all = "snake_case")]
pub enum EntityRef {
    /// A creator; in a campaign all their counted videos.
    Creator(CreatorId),
    /// A video; in a campaign if it is counted.
    Video(VideoId),
    /// A campaign; in another all that is below it.
    Campaign(CampaignId),
}

named! {
    /// What kind of thing it is.
    EntityType {
        /// A creator.
        Creator = "creator",
        /// A video.
        Video = "video",
        /// A campaign.
        Campaign = "campaign",
    }
}

impl EntityType {
    /// The one of this kind with this id.
    pub const fn of(self, id: Uuid) -> EntityRef {
        match self {
            Self::Creator => EntityRef::Creator(CreatorId::from_uuid(id)),
            Self::Video => EntityRef::Video(VideoId::from_uuid(id)),
            Self::Campaign => EntityRef::Campaign(CampaignId::from_uuid(id)),
        }
    }
}

impl EntityRef {
    /// What kind of thing it is.
    pub const fn entity_type(self) -> EntityType {
        match self {
            Self::Creator(_) => EntityType::Creator,
            Self::Video(_) => EntityType::Video,
            Self::Campaign(_) => EntityType::Campaign,
        }
    }

    /// The bare id.
    pub const fn id(self) -> Uuid {
        match self {
            Self::Creator(id) => id.as_uuid(),
            Self::Video(id) => id.as_uuid(),
            Self::Campaign(id) => id.as_uuid(),
        }
    }
}
