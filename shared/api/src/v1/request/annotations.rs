//! Marks on the time axis.

use chrono::NaiveDate;
use domain::event::AnnotationKind;
use domain::ids::ProjectId;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::v1::names::{ItemTypeName, PeoplesAnnotationKindName};

/// `POST /analytics/annotations`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAnnotation {
    /// The project.
    #[schema(value_type = Uuid)]
    pub project_id: ProjectId,
    /// What it is about: something of the project; null: the whole project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<MarkedEntity>,
    /// What it marks; default `note`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = PeoplesAnnotationKindName, required = false)]
    pub kind: Option<AnnotationKind>,
    /// The day.
    pub date: NaiveDate,
    /// What is shown.
    #[schema(min_length = 1, max_length = 200, example = "Campaign starts")]
    pub label: String,
    /// What there is to say besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2_000, example = json!(null))]
    pub body: Option<String>,
}

/// What a mark is to be about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkedEntity {
    /// What it is.
    #[serde(rename = "type")]
    #[schema(value_type = ItemTypeName)]
    pub kind: String,
    /// Its id.
    pub id: Uuid,
}

/// `PATCH /analytics/annotations/{id}`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeAnnotation {
    /// What it marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = PeoplesAnnotationKindName, required = false)]
    pub kind: Option<AnnotationKind>,
    /// The day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = NaiveDate, required = false)]
    pub date: Option<NaiveDate>,
    /// What is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, min_length = 1, max_length = 200, required = false, example = "Campaign starts")]
    pub label: Option<String>,
    /// What there is to say besides; null: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 2_000, example = json!(null))]
    pub body: Option<Option<String>>,
}
