//! Events of projects.

use serde::{Deserialize, Serialize};

use super::cleared;
use crate::ids::ProjectId;
use crate::text::{Metadata, ProjectName, Readme};

/// A project exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProjectAdded {
    /// The project.
    pub project_id: ProjectId,
    /// Its name.
    pub name: ProjectName,
    /// People's notes to agents.
    pub readme: Option<Readme>,
    /// The agents' own space.
    pub metadata: Metadata,
}

/// Something about a project changed; absent fields stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProjectChanged {
    /// The project.
    pub project_id: ProjectId,
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ProjectName>,
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

/// A project and all it holds left all answers and counts, for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProjectRemoved {
    /// The project.
    pub project_id: ProjectId,
}
