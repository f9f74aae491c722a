//! `PATCH /analytics/annotations/{id}` (v1-contract.md 14).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, Patch, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::input::path::PathId;
use api::v1::Annotation;
use axum::extract::State;
use domain::event::AnnotationKind;
use domain::ids::AnnotationId;
use domain::org::{AnnotationPatch, Command};
use domain::text::{AnnotationBody, Label};

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Changes of a mark.
#[derive(Debug)]
pub(in crate::http) struct ChangeAnnotation(AnnotationPatch);

impl FromBody for ChangeAnnotation {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let any = fields.refuse_empty();
        let kind = fields.optional("kind", |it| {
            it.one_of(&AnnotationKind::ALL, AnnotationKind::name)
        });
        let date = fields.optional("date", Node::date);
        let label = fields.optional("label", |it| it.parse(Label::parse));
        let body = fields.patch("body", |it| it.parse(AnnotationBody::parse));
        any?;
        Ok(Self(AnnotationPatch {
            kind: kind?,
            date: date?,
            label: label?,
            body: body.map(Patch::into_change)?,
        }))
    }
}

/// Changes a mark of people; those of the system stay.
#[utoipa::path(
    patch,
    path = "/analytics/annotations/{id}",
    operation_id = "change_annotation",
    request_body = api::v1::request::ChangeAnnotation,
    responses((status = 200, description = "The mark", body = api::openapi::Answer<Annotation>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(annotation_id): PathId<AnnotationId>,
    body: StrictJson<ChangeAnnotation>,
) -> Result<Success, ApiError> {
    let ChangeAnnotation(patch) = body.value;
    let command = Command::ChangeAnnotation {
        annotation_id,
        patch,
    };
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.annotation(annotation_id).await?),
    )
    .await
}
