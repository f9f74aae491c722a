//! `POST /analytics/annotations` (v1-contract.md 14).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::v1::Annotation;
use axum::extract::State;
use chrono::NaiveDate;
use domain::event::{AnnotationKind, EntityRef};
use domain::ids::{AnnotationId, ProjectId};
use domain::org::{Command, NewAnnotation};
use domain::text::{AnnotationBody, Label};

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// A mark to be made.
#[derive(Debug)]
pub(in crate::http) struct CreateAnnotation {
    project_id: ProjectId,
    entity: Option<Entity>,
    kind: AnnotationKind,
    date: NaiveDate,
    label: Label,
    body: Option<AnnotationBody>,
}

/// What a mark is about.
#[derive(Debug)]
struct Entity(EntityRef);

impl FromBody for Entity {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        fields.entity("type", "id").map(Self)
    }
}

impl FromBody for CreateAnnotation {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let project_id = fields.required("project_id", Node::from_str::<ProjectId>);
        let entity = fields.nullable("entity", Node::object::<Entity>);
        let kind = fields.optional("kind", |it| {
            it.one_of(&AnnotationKind::ALL, AnnotationKind::name)
        });
        let date = fields.required("date", Node::date);
        let label = fields.required("label", |it| it.parse(Label::parse));
        let body = fields.nullable("body", |it| it.parse(AnnotationBody::parse));
        Ok(Self {
            project_id: project_id?,
            entity: entity?,
            kind: kind?.unwrap_or_default(),
            date: date?,
            label: label?,
            body: body?,
        })
    }
}

/// Puts a mark on the time axis of a project, or of something in it.
#[utoipa::path(
    post,
    path = "/analytics/annotations",
    operation_id = "create_annotation",
    request_body = api::v1::request::CreateAnnotation,
    responses((status = 201, description = "The mark", body = api::openapi::Answer<Annotation>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    body: StrictJson<CreateAnnotation>,
) -> Result<Success, ApiError> {
    let create = body.value;
    let annotation_id = app.new_id(AnnotationId::generate);
    let command = Command::AddAnnotation {
        project_id: create.project_id,
        annotation: NewAnnotation {
            annotation_id,
            entity: create.entity.map(|Entity(entity)| entity),
            kind: create.kind,
            date: create.date,
            label: create.label,
            body: create.body,
        },
    };
    carry::once(app, asked, body.fingerprint, command, async move |done| {
        let id = done
            .created()
            .map_or(annotation_id, AnnotationId::from_uuid);
        let annotation = done.annotation(id).await?;
        Answer::created(&annotation, "analytics/annotations", id.as_uuid())
    })
    .await
}
