//! Events of creators. Display names are sealed under the creator's subject key.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::cleared;
use crate::ids::{CreatorId, ProjectId};
use crate::named::named;
use crate::platform::{Handle, Platform};
use crate::sealed::Sealed;
use crate::text::{Metadata, Readme};

named! {
    /// What becomes of a creator's new videos.
    #[derive(Default)]
    TrackingMode {
        /// They are tracked at once.
        #[default]
        Auto = "auto",
        /// They wait in the inbox.
        Selective = "selective",
    }
}

/// A creator is followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CreatorAdded {
    /// The creator.
    pub creator_id: CreatorId,
    /// Their project.
    pub project_id: ProjectId,
    /// Their platform.
    pub platform: Platform,
    /// Their account.
    pub handle: Handle,
    /// What becomes of new videos.
    pub tracking_mode: TrackingMode,
    /// Videos posted before this day in the org's zone are not taken up; null: all are.
    #[schemars(with = "Option<String>")]
    pub tracking_start_date: Option<NaiveDate>,
    /// The name people gave in place of the platform's, sealed.
    pub display_name: Option<Sealed>,
    /// People's notes to agents.
    pub readme: Option<Readme>,
    /// The agents' own space.
    pub metadata: Metadata,
}

/// Something about a creator changed; absent fields stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CreatorChanged {
    /// The creator.
    pub creator_id: CreatorId,
    /// The new mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_mode: Option<TrackingMode>,
    /// The new first day; null: none.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub tracking_start_date: Option<Option<NaiveDate>>,
    /// The new name, sealed; null: the platform's.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub display_name: Option<Option<Sealed>>,
    /// The new notes; null: none.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub readme: Option<Option<Readme>>,
    /// The new metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

impl CreatorChanged {
    /// A change of nothing.
    pub const fn nothing(creator_id: CreatorId) -> Self {
        Self {
            creator_id,
            tracking_mode: None,
            tracking_start_date: None,
            display_name: None,
            readme: None,
            metadata: None,
        }
    }
}

/// The account has another handle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CreatorRenamed {
    /// The creator.
    pub creator_id: CreatorId,
    /// The new handle.
    pub handle: Handle,
    /// The former handle.
    pub previous: Handle,
}

/// A removed creator is followed again, with videos, history and notes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CreatorReactivated {
    /// The creator.
    pub creator_id: CreatorId,
}

/// A creator and their videos left answers and counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CreatorRemoved {
    /// The creator.
    pub creator_id: CreatorId,
}

/// The platform says that the account is gone; not counted in the limit any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CreatorAutoDisabled {
    /// The creator.
    pub creator_id: CreatorId,
    /// What the platform said.
    pub reason: String,
}

/// An auto-disabled creator is followed again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CreatorReenabled {
    /// The creator.
    pub creator_id: CreatorId,
}
