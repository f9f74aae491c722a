//! `GET /analytics/aggregate/view-distribution`.

use api::envelope::Meta;
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::openapi;
use api::v1::{Bin, Percentiles, ViewDistribution};
use axum::extract::State;
use axum::response::Response;
use domain::limits::{BINS_DEFAULT, BINS_MAX};
use read_model::analytics::{Scale, Spread};
use utoipa::IntoParams;

use super::{RESTS_ON, Scope, ScopeDoc};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::choices::choices;
use crate::routes::figures::decimal_figure;

/// The parameters.
pub struct Distribution {
    scope: Scope,
    scale: Scale,
}

/// The same, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here")]
struct Described {
    /// How bins are cut: at 0, 1, 10, 100 up to 10⁹, or equal ones from lowest to highest.
    #[param(value_type = Option<Scales>, inline)]
    scale: Option<String>,
    /// How many bins; with `linear` and only there, 20 unless given.
    #[param(minimum = 1, maximum = 50, example = 20)]
    bins: Option<u8>,
}

const SCALES: [&str; 2] = ["log", "linear"];

choices! {
    Scales: SCALES, Some("log");
}

impl FromQuery for Distribution {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let scope = Scope::read(params);
        let scale = scale(params);
        Ok(Self {
            scope: scope?,
            scale: scale?,
        })
    }
}

fn scale(params: &mut Params<'_>) -> Result<Scale, Invalid> {
    let name = params.optional("scale", |it| it.one_of(&SCALES, |name| name));
    let bins = params.optional("bins", |it| it.decimal(1..=BINS_MAX));
    match (name?.unwrap_or("log"), bins?) {
        ("linear", bins) => {
            let bins = bins.unwrap_or(BINS_DEFAULT);
            Ok(Scale::Linear(u8::try_from(bins).unwrap_or(u8::MAX)))
        }
        (_, Some(_)) => Err(params.invalid("bins", "goes only with scale=linear")),
        (_, None) => Ok(Scale::Log),
    }
}

/// Shows how the views of the videos posted in a range are spread.
///
/// Of the last-known views of counted videos. A bin holds what is at least `from` and below `to`,
/// the last one also what equals it. Percentiles are by nearest rank: the p-th of n is the
/// ⌈p n / 100⌉-th smallest. Without a video everything but `count` is null, and linear bins are
/// none; where all views are equal there is one.
#[utoipa::path(
    get,
    path = "/analytics/aggregate/view-distribution",
    operation_id = "get_view_distribution",
    params(ScopeDoc, Described),
    responses((status = 200, description = "How they are spread", body = openapi::Answer<ViewDistribution>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<Distribution>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, query.value).await
}

impl Question for Distribution {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let seen = snapshot.seen(&self.scope).await?;
        let found = snapshot
            .reader
            .view_distribution(self.scope.project_id, &seen.period, self.scale)
            .await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        seen.answer(&wire(&found), Meta::none())
    }
}

fn wire(found: &Spread) -> ViewDistribution {
    let [p10, p25, p50, p75, p90, p95, p99] = found.percentiles;
    let bins = found.bins.iter().map(|bin| Bin {
        from: decimal_figure(bin.from),
        to: bin.to.map(decimal_figure),
        count: bin.count,
    });
    ViewDistribution {
        count: found.count,
        min: found.min,
        max: found.max,
        mean: found.mean.map(decimal_figure),
        bins: bins.collect(),
        percentiles: Percentiles {
            p10,
            p25,
            p50,
            p75,
            p90,
            p95,
            p99,
        },
    }
}
