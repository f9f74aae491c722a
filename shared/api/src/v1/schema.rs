//! `GET /schema`: the data model for agents (v1-contract.md 18.1).

use serde::ser::{Serialize, SerializeMap, Serializer};
use utoipa::ToSchema;

/// Members that stand in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<T, N = &'static str>(pub Vec<(N, T)>);

impl<T: Serialize, N: Serialize> Serialize for Named<T, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The data model; names and types are stable, it may grow.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, ToSchema)]
pub struct SchemaAnswer {
    /// The document's `info.version`.
    #[schema(value_type = String, example = "1.5.0")]
    pub version: &'static str,
    /// What there is, by name.
    #[schema(value_type = std::collections::HashMap<String, EntitySchema>)]
    pub entities: Named<EntitySchema>,
    /// How it hangs together.
    pub relationships: Vec<RelationshipSchema>,
    /// What analytics can show.
    pub metrics: Vec<MetricSchema>,
}

/// One kind of object.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, ToSchema)]
pub struct EntitySchema {
    /// What it is.
    #[schema(value_type = String, example = "A followed account, within one project")]
    pub description: &'static str,
    /// Its fields, by name, in the order of the object.
    #[schema(value_type = std::collections::HashMap<String, FieldSchema>)]
    pub fields: Named<FieldSchema, String>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, ToSchema)]
pub struct FieldSchema {
    /// `string`, `uuid`, `instant`, `date`, `integer`, `number`, `boolean`, `object`, or a list of
    /// names such as `tiktok|youtube|instagram`.
    #[serde(rename = "type")]
    #[schema(example = "uuid")]
    pub kind: String,
    /// Whether it may be null.
    #[schema(example = false)]
    pub nullable: bool,
    /// Whether a command can set it.
    #[schema(example = false)]
    pub writable: bool,
    /// What it says.
    #[schema(example = "The creator's id")]
    pub description: String,
}

/// How two kinds of objects hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, ToSchema)]
pub struct RelationshipSchema {
    /// From which.
    #[schema(value_type = String, example = "video")]
    pub from: &'static str,
    /// To which.
    #[schema(value_type = String, example = "creator")]
    pub to: &'static str,
    /// `many_to_one`, `one_to_many`, `many_to_many`.
    #[schema(value_type = String, example = "many_to_one")]
    pub kind: &'static str,
    /// By which field.
    #[schema(value_type = String, example = "creator_id")]
    pub via: &'static str,
    /// What it says.
    #[schema(value_type = String, example = "A video was found under a creator")]
    pub description: &'static str,
}

/// One metric.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, ToSchema)]
pub struct MetricSchema {
    /// Its name in requests.
    #[schema(value_type = String, example = "views")]
    pub id: &'static str,
    /// What it counts in.
    #[schema(value_type = String, example = "count")]
    pub unit: &'static str,
    /// For which entities it can be asked.
    #[schema(value_type = Vec<String>, example = json!(["video", "creator", "project"]))]
    pub entities: Vec<&'static str>,
    /// How it is computed.
    #[schema(value_type = String, example = "N or C (readings of views)")]
    pub formula: &'static str,
}

impl MetricSchema {
    /// A metric with its formula (v1-contract.md 15.2).
    pub fn new(id: &'static str, unit: &'static str, entities: Vec<&'static str>) -> Self {
        let formula = match id {
            "views" | "likes" | "comments" | "shares" | "saves" => {
                "new: sum over counted videos of the last reading minus the one before the bucket \
                 (the first reading ever adds 0); cumulative: sum of the last readings"
            }
            "followers" => "as views, over creators",
            "posts" => "counted videos posted in the bucket; cumulative: by its end",
            "engagement_rate_by_views" => {
                "(new likes + comments + shares + saves) / new views * 100"
            }
            "engagement_rate_by_followers" => {
                "(new likes + comments + shares + saves) / last followers * 100"
            }
            "posts_per_week" => "posts * 7 / days of the bucket",
            "avg_views_per_post" => "new views / videos posted by the end of the bucket",
            "growth_rate_pop" => "(this bucket - the one before) / the one before * 100",
            _ => "",
        };
        Self {
            id,
            unit,
            entities,
            formula,
        }
    }
}
