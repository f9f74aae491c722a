//! `GET /api-keys/{id}/usage`.

use std::collections::HashMap;

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::{Invalid, Issues};
use api::input::path::PathId;
use api::input::query::{FromQuery, Params, RangeParams, StrictQuery};
use api::openapi;
use api::v1::{ApiKeyUsage, DayUsage, RouteUsage, ScopeUsage};
use axum::extract::State;
use axum::response::Response;
use chrono::{Days, NaiveDate};
use domain::ids::KeyId;
use domain::limits::USAGE_DAYS;
use domain::scope::Scope;
use gate::{UsedDay, UsedRoute};
use utoipa::IntoParams;

use super::FIGURES_LATE;
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;

/// Days of the range, UTC.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `Range` reads")]
pub struct RangeDoc {
    /// The first UTC day, at most 90 days back; by default 29 days before `to`.
    from: Option<NaiveDate>,
    /// The last UTC day; today by default.
    to: Option<NaiveDate>,
}

/// The same, as it came.
pub struct Range(RangeParams);

impl FromQuery for Range {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        params.range().map(Self)
    }
}

/// Shows how an API key was used: by UTC day, by route, and when each of its scopes was last needed.
#[utoipa::path(
    get,
    path = "/api-keys/{id}/usage",
    operation_id = "get_api_key_usage",
    params(RangeDoc),
    responses((status = 200, description = "Its use", body = openapi::Answer<ApiKeyUsage>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    PathId(id): PathId<KeyId>,
    query: StrictQuery<Range>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let today = app.now().date();
    let (from, to) = query.value.0.resolve(today)?;
    if today
        .checked_sub_days(Days::new(USAGE_DAYS))
        .is_some_and(|first| from < first)
    {
        let message = format!("must be at most {USAGE_DAYS} days back");
        return Err(ApiError::invalid_query(&Issues::one("from", message)));
    }
    let to = to.min(today);
    app.answer(&call, &asked, Usage { id, from, to }).await
}

struct Usage {
    id: KeyId,
    from: NaiveDate,
    to: NaiveDate,
}

impl Question for Usage {
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let Self { id, from, to } = self;
        let found = snapshot.reader.api_key(id).await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        let key = found.ok_or_else(ApiError::not_found)?.key;
        let app = snapshot.app;
        let unavailable = |error| app.unavailable().because(error);
        let id = id.as_uuid();
        let days = gate::used_days(&app.primary, id, from, to).await;
        let routes = gate::used_routes(&app.primary, id, from, to).await;
        let needed = gate::used_scopes(&app.primary, id).await;
        let needed = needed.map_err(unavailable)?;
        let used = |scope: &Scope| key.scopes.contains(*scope) || needed.contains_key(scope);
        let usage = ApiKeyUsage {
            by_day: by_day(&days.map_err(unavailable)?, from, to),
            by_route: routes
                .map_err(unavailable)?
                .into_iter()
                .map(route)
                .collect(),
            by_scope: Scope::ALL
                .into_iter()
                .filter(used)
                .map(|scope| ScopeUsage {
                    scope,
                    last_used_at: needed.get(&scope).copied(),
                })
                .collect(),
        };
        let meta = Meta::none().valid_until(Some(snapshot.now.plus(FIGURES_LATE)));
        Ok(Answer::lasting(Rendered::json(&usage, &meta)?))
    }
}

/// Every day of the range, used or not.
fn by_day(used: &[UsedDay], from: NaiveDate, to: NaiveDate) -> Vec<DayUsage> {
    let used: HashMap<_, _> = used.iter().map(|day| (day.day, day)).collect();
    let days = from.iter_days().take_while(|day| *day <= to);
    days.map(|date| {
        let day = used.get(&date);
        DayUsage {
            date,
            requests: day.map_or(0, |day| day.requests),
            refused: day.map_or(0, |day| day.refused),
        }
    })
    .collect()
}

fn route(used: UsedRoute) -> RouteUsage {
    RouteUsage {
        method: used.method,
        route: used.route,
        requests: used.requests,
        last_used_at: Some(used.last_used_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_without_use_is_a_day_of_none() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 2, day).unwrap_or_default();
        let used = UsedDay {
            day: day(28),
            requests: 3,
            refused: 1,
        };
        let days = by_day(&[used], day(27), day(28));
        let counts: Vec<_> = days.iter().map(|day| (day.requests, day.refused)).collect();
        assert_eq!(counts, [(0, 0), (3, 1)]);
        assert_eq!(by_day(&[], day(28), day(27)), []);
    }
}
