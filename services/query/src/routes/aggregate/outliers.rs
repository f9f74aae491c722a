//! `GET /analytics/aggregate/outliers`.

use api::envelope::Meta;
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::openapi;
use api::v1::{DirectionName, OutlierRow};
use axum::extract::State;
use axum::response::Response;
use read_model::analytics::{Direction, Threshold};
use read_model::{Outlier, OutlierQuestion, OutlierScope, Rows};
use utoipa::IntoParams;

use super::{RESTS_ON, RowsDoc, Scope, ScopeDoc, page_of_rows};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::choices::choices;
use crate::routes::figures::{creator_card, decimal_figure};

/// The parameters.
pub struct Outliers {
    scope: Scope,
    question: OutlierQuestion,
    rows: Rows,
}

/// The same, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here")]
struct Described {
    /// Whether a video is held against the others of its creator, or against all of the project.
    #[param(value_type = Option<Scopes>, inline)]
    scope: Option<String>,
    /// From which |z| on a video is told of.
    #[param(minimum = 1, maximum = 10, default = 3.5, example = 3.5)]
    threshold: Option<f64>,
    /// Videos with many views, with few, or both.
    #[param(value_type = Option<Directions>, inline)]
    direction: Option<String>,
}

choices! {
    Scopes: OutlierScope::ALL.map(OutlierScope::name), Some("creator");
    Directions: Direction::ALL.map(Direction::name), Some("both");
}

impl FromQuery for Outliers {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let scope = Scope::read(params);
        let held_against = params.optional("scope", |it| {
            it.one_of(&OutlierScope::ALL, OutlierScope::name)
        });
        let threshold = params.optional("threshold", |it| {
            let refused = || it.invalid("must be a number from 1 to 10");
            Threshold::parse(it.as_str()).ok_or_else(refused)
        });
        let direction = params.optional("direction", |it| {
            it.one_of(&Direction::ALL, Direction::name)
        });
        let rows = page_of_rows(params);
        Ok(Self {
            scope: scope?,
            question: OutlierQuestion {
                scope: held_against?.unwrap_or_default(),
                threshold: threshold?.unwrap_or(Threshold::DEFAULT),
                direction: direction?.unwrap_or_default(),
            },
            rows: rows?,
        })
    }
}

/// Finds the videos posted in a range whose views stand out.
///
/// By the modified z-score of Iglewicz and Hoaglin (1993): with x = log₁₀(views + 1),
/// z = 0.6745 (x − median) / MAD over the videos of each creator, or of the project; the highest
/// |z| first, ties by id. Groups with fewer than five videos of known views, or with a MAD of 0,
/// are skipped and counted in `meta.skipped_groups`.
#[utoipa::path(
    get,
    path = "/analytics/aggregate/outliers",
    operation_id = "get_outliers",
    params(ScopeDoc, Described, RowsDoc),
    responses((status = 200, description = "Videos", body = openapi::GroupedRows<OutlierRow>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<Outliers>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, query.value).await
}

impl Question for Outliers {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let seen = snapshot.seen(&self.scope).await?;
        let found = snapshot
            .reader
            .outliers(
                self.scope.project_id,
                &seen.period,
                self.question,
                self.rows,
            )
            .await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        let meta = Meta::none().skipped_groups(found.skipped_groups);
        seen.answer_rows(&found.ranked, wire, meta)
    }
}

fn wire(found: &Outlier) -> OutlierRow {
    OutlierRow {
        video_id: found.video.id,
        title: found.video.title.clone(),
        url: found.video.url.clone(),
        creator: found.video.creator.as_ref().map(creator_card),
        posted_at: found.video.posted_at,
        view_count: found.video.view_count,
        median_views: decimal_figure(found.median_views),
        score: decimal_figure(found.score),
        direction: if found.score.scaled() < 0 {
            DirectionName::Low
        } else {
            DirectionName::High
        },
    }
}
