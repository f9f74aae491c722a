//! `GET /schema` (v1-contract.md 18.1).

use std::sync::LazyLock;

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::query::{NoParams, StrictQuery};
use api::openapi;
use api::v1::{MetricSchema, SchemaAnswer};
use axum::extract::State;
use axum::response::Response;
use read_model::analytics::{EntityKind, Metric};

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;

/// The same for everyone, made once.
static SCHEMA: LazyLock<SchemaAnswer> = LazyLock::new(|| {
    let metric = |metric: Metric| {
        let entities = EntityKind::ALL.into_iter();
        let entities = entities.filter(|entity| metric.applies_to(*entity));
        MetricSchema::new(
            metric.name(),
            metric.unit().name(),
            entities.map(EntityKind::name).collect(),
        )
    };
    SchemaAnswer::new(Metric::ALL.map(metric).into())
});

/// Gets the data model, to be read first.
#[utoipa::path(
    get,
    path = "/schema",
    operation_id = "get_schema",
    responses((status = 200, description = "The data model", body = openapi::Answer<SchemaAnswer>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    _: StrictQuery<NoParams>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, TheSchema).await
}

struct TheSchema;

impl Question for TheSchema {
    /// No event changes it.
    const RESTS_ON: Option<Topics> = Some(Topics::NONE);

    async fn answer(self, _: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        Ok(Answer::lasting(Rendered::json(&*SCHEMA, &Meta::none())?))
    }
}
