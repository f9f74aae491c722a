//! `GET /analytics/aggregate/posting-heatmap`.

use api::envelope::Meta;
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::openapi;
use api::v1::HeatmapCell;
use axum::extract::State;
use axum::response::Response;
use chrono::NaiveDate;
use read_model::analytics::HeatCell;
use utoipa::IntoParams;

use super::{RESTS_ON, Scope};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::figures::decimal_figure;

/// The parameters; both days must be given.
pub struct PostingHeatmap(Scope);

/// The same, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here")]
struct Described {
    /// The project.
    project_id: uuid::Uuid,
    /// First day.
    #[param(example = "2026-01-01")]
    from: NaiveDate,
    /// Last day.
    #[param(example = "2026-01-31")]
    to: NaiveDate,
    /// IANA zone of weekdays and hours; the org's unless given.
    #[param(example = "Europe/Berlin")]
    tz: Option<String>,
}

impl FromQuery for PostingHeatmap {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let scope = Scope::read(params);
        for name in ["from", "to"] {
            if !params.has(name) {
                params.invalid(name, "is required");
            }
        }
        scope.map(Self)
    }
}

/// Counts posts by local weekday and hour.
///
/// Only counted videos; `avg_views` is the mean of the last-known views of those that have any.
/// Cells without a post are left out.
#[utoipa::path(
    get,
    path = "/analytics/aggregate/posting-heatmap",
    operation_id = "get_posting_heatmap",
    params(Described),
    responses((status = 200, description = "The cells", body = openapi::List<HeatmapCell>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<PostingHeatmap>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, query.value).await
}

impl Question for PostingHeatmap {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let seen = snapshot.seen(&self.0).await?;
        let found = snapshot
            .reader
            .posting_heatmap(self.0.project_id, &seen.period)
            .await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        let cells: Vec<_> = found.iter().map(wire).collect();
        seen.answer(&cells, Meta::none())
    }
}

fn wire(found: &HeatCell) -> HeatmapCell {
    HeatmapCell {
        dow: found.day_of_week,
        hour: found.hour,
        post_count: found.posts,
        avg_views: found.average_views.map(decimal_figure),
    }
}
