//! Marks on the time axis (v1-contract.md 14).

use chrono::NaiveDate;
use domain::event::EntityRef;
use domain::ids::{AnnotationId, ProjectId};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::keys::ActorRef;
use super::names::{AnnotationKindName, AnnotationSourceName, ItemTypeName};

/// A mark on the time axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Annotation {
    /// The mark's id.
    #[schema(value_type = Uuid)]
    pub id: AnnotationId,
    /// The project.
    #[schema(value_type = Uuid)]
    pub project_id: ProjectId,
    /// What it is about; null: the whole project.
    #[schema(required)]
    pub entity: Option<AnnotationEntity>,
    /// What it marks.
    #[schema(value_type = AnnotationKindName)]
    pub kind: String,
    /// Whether people or the system made it.
    #[schema(value_type = AnnotationSourceName)]
    pub source: String,
    /// The day.
    pub date: NaiveDate,
    /// What is shown.
    #[schema(min_length = 1, max_length = 200, example = "Campaign starts")]
    pub label: String,
    /// What there is to say besides.
    #[schema(max_length = 2_000, example = json!(null), required)]
    pub body: Option<String>,
    /// Who made it.
    pub created_by: ActorRef,
    /// When it was made.
    #[schema(value_type = DateTime<Utc>)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = DateTime<Utc>)]
    pub updated_at: Timestamp,
}

/// What a mark is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnnotationEntity {
    /// What it is.
    #[serde(rename = "type")]
    #[schema(value_type = ItemTypeName)]
    pub kind: String,
    /// Its id.
    pub id: Uuid,
}

impl From<EntityRef> for AnnotationEntity {
    fn from(entity: EntityRef) -> Self {
        Self {
            kind: entity.entity_type().name().to_owned(),
            id: entity.id(),
        }
    }
}

impl Annotation {
    /// An annotation of people as it is decided.
    pub fn new(id: AnnotationId, annotation: &domain::org::Annotation) -> Self {
        Self {
            id,
            project_id: annotation.project_id,
            entity: annotation.entity.map(Into::into),
            kind: annotation.kind.name().to_owned(),
            source: "user".to_owned(),
            date: annotation.date,
            label: annotation.label.as_str().to_owned(),
            body: annotation
                .body
                .as_ref()
                .map(|body| body.as_str().to_owned()),
            created_by: annotation.created_by.into(),
            created_at: annotation.created_at,
            updated_at: annotation.updated_at,
        }
    }
}
