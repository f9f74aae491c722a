//! Projects.

use serde::Serialize;
use utoipa::ToSchema;

use crate::v1::MetadataJson;

/// `POST /projects`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateProject {
    /// Need not be unique.
    #[schema(min_length = 1, max_length = 200, example = "Spring launch")]
    pub name: String,
    /// People's notes to agents, markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20_000, example = "Target: 1 M views by May.")]
    pub readme: Option<String>,
    /// Another name of `readme`: send one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20_000, example = "Target: 1 M views by May.", extensions(("x-alias-of" = json!("readme"))))]
    pub description: Option<String>,
    /// The agents' own space; default `{}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, example = json!({"phase": 2}))]
    pub metadata: Option<MetadataJson>,
}

/// `PATCH /projects/{id}`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeProject {
    /// Need not be unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, min_length = 1, max_length = 200, required = false, example = "Summer launch")]
    pub name: Option<String>,
    /// People's notes to agents, markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 20_000, example = json!(null))]
    pub readme: Option<Option<String>>,
    /// Another name of `readme`: send one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 20_000, example = json!(null), extensions(("x-alias-of" = json!("readme"))))]
    pub description: Option<Option<String>>,
    /// The agents' own space, replaced whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, example = json!({"phase": 3}))]
    pub metadata: Option<MetadataJson>,
}
