//! `GET /analytics/aggregate/creator-scatter`.

use api::envelope::Meta;
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::openapi;
use api::v1::ScatterRow;
use axum::extract::State;
use axum::response::Response;
use domain::limits::{SCATTER_ROWS_DEFAULT, SCATTER_ROWS_MAX};
use read_model::{CreatorFigure, CreatorPlace, Rows};
use utoipa::IntoParams;

use super::{RESTS_ON, Scope, ScopeDoc, rows};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::choices::choices;
use crate::routes::figures::{creator_card, figure};

/// The parameters.
pub struct CreatorScatter {
    scope: Scope,
    axes: [CreatorFigure; 2],
    rows: Rows,
}

/// The same, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here")]
struct Described {
    /// The figure along.
    #[param(value_type = Option<Along>, inline)]
    x: Option<String>,
    /// The figure up, by which the rows are ordered: descending, null last.
    #[param(value_type = Option<Up>, inline)]
    y: Option<String>,
    /// Most rows.
    #[param(minimum = 1, maximum = 500, default = 100, example = 100)]
    limit: Option<u16>,
    /// How many rows are passed over.
    #[param(minimum = 0, maximum = 10_000, default = 0, example = 0)]
    offset: Option<u16>,
}

choices! {
    Along: CreatorFigure::OF_SCATTER.map(CreatorFigure::name), Some("followers");
    Up: CreatorFigure::OF_SCATTER.map(CreatorFigure::name), Some("views");
}

impl FromQuery for CreatorScatter {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let scope = Scope::read(params);
        let axes = &CreatorFigure::OF_SCATTER;
        let x = params.optional("x", |it| it.one_of(axes, CreatorFigure::name));
        let y = params.optional("y", |it| it.one_of(axes, CreatorFigure::name));
        let rows = rows(params, SCATTER_ROWS_MAX, SCATTER_ROWS_DEFAULT);
        Ok(Self {
            scope: scope?,
            axes: [
                x?.unwrap_or(CreatorFigure::Followers),
                y?.unwrap_or(CreatorFigure::Views),
            ],
            rows: rows?,
        })
    }
}

/// Sets two figures of each creator of a project against each other.
///
/// Every creator of the project, the highest `y` first, null last, ties by id. The figures are to
/// the digit the totals that `GET /analytics` answers with `mode=new`; `followers` is the last
/// count before the range's end.
#[utoipa::path(
    get,
    path = "/analytics/aggregate/creator-scatter",
    operation_id = "get_creator_scatter",
    params(ScopeDoc, Described),
    responses((status = 200, description = "Creators", body = openapi::Rows<ScatterRow>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<CreatorScatter>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, query.value).await
}

impl Question for CreatorScatter {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let seen = snapshot.seen(&self.scope).await?;
        let found = snapshot
            .reader
            .creator_scatter(self.scope.project_id, &seen.period, self.axes, self.rows)
            .await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        seen.answer_rows(&found, wire, Meta::none())
    }
}

fn wire(found: &CreatorPlace) -> ScatterRow {
    ScatterRow {
        creator: creator_card(&found.creator),
        x: found.x.map(figure),
        y: found.y.map(figure),
        posts: found.posts,
    }
}
