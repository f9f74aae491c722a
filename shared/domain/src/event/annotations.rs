//! Events of annotations that people make; those of the system follow from events of creators.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{EntityRef, cleared};
use crate::ids::{AnnotationId, ProjectId};
use crate::named::named;
use crate::text::{AnnotationBody, Label};

named! {
    /// What an annotation of people marks.
    #[derive(Default)]
    AnnotationKind {
        /// Anything.
        #[default]
        Note = "note",
        /// Something begins.
        Launch = "launch",
        /// Something is promoted.
        Promotion = "promotion",
        /// Something went wrong.
        Incident = "incident",
    }
}

/// A mark stands on the time axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AnnotationAdded {
    /// The annotation.
    pub annotation_id: AnnotationId,
    /// Its project.
    pub project_id: ProjectId,
    /// What it is about; null: the whole project.
    pub entity: Option<EntityRef>,
    /// What it marks.
    pub kind: AnnotationKind,
    /// Its day.
    #[schemars(with = "String")]
    pub date: NaiveDate,
    /// What is shown.
    pub label: Label,
    /// What there is to say besides.
    pub body: Option<AnnotationBody>,
}

/// Something about an annotation changed; absent fields stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AnnotationChanged {
    /// The annotation.
    pub annotation_id: AnnotationId,
    /// The new kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<AnnotationKind>,
    /// The new day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub date: Option<NaiveDate>,
    /// The new label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// The new body; null: none.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub body: Option<Option<AnnotationBody>>,
}

impl AnnotationChanged {
    /// A change of nothing.
    pub const fn nothing(annotation_id: AnnotationId) -> Self {
        Self {
            annotation_id,
            kind: None,
            date: None,
            label: None,
            body: None,
        }
    }
}

/// An annotation is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AnnotationRemoved {
    /// The annotation.
    pub annotation_id: AnnotationId,
}
