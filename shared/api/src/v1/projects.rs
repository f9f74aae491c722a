//! Projects (v1-contract.md 9).

use domain::ids::{OrgId, ProjectId};
use domain::text::Readme;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::MetadataJson;

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// The project's id.
    #[schema(value_type = Uuid)]
    pub id: ProjectId,
    /// Its name.
    #[schema(min_length = 1, max_length = 200, example = "Spring launch")]
    pub name: String,
    /// The same as `readme`.
    #[schema(max_length = 20_000, example = "Target: 1 M views by May.", required)]
    pub description: Option<String>,
    /// People's notes to agents, markdown.
    #[schema(max_length = 20_000, example = "Target: 1 M views by May.", required)]
    pub readme: Option<String>,
    /// The org it belongs to.
    #[schema(value_type = Uuid)]
    pub org_id: OrgId,
    /// The agents' own space.
    #[schema(value_type = Object, example = json!({"phase": 2}))]
    pub metadata: MetadataJson,
    /// When it was made.
    #[schema(value_type = DateTime<Utc>)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = DateTime<Utc>)]
    pub updated_at: Timestamp,
}

impl Project {
    /// The project as it is decided.
    pub fn new(org_id: OrgId, id: ProjectId, project: &domain::org::Project) -> Self {
        let notes = notes(project.readme.as_ref());
        Self {
            id,
            name: project.name.as_str().to_owned(),
            description: notes.clone(),
            readme: notes,
            org_id,
            metadata: (&project.metadata).into(),
            created_at: project.created_at,
            updated_at: project.updated_at,
        }
    }
}

pub(super) fn notes(readme: Option<&Readme>) -> Option<String> {
    readme.map(|readme| readme.as_str().to_owned())
}
