//! `GET /analytics/aggregate/posting-consistency`.

use api::envelope::Meta;
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::openapi;
use api::v1::PostingConsistencyRow;
use axum::extract::State;
use axum::response::Response;
use read_model::analytics::Consistency;
use read_model::{CreatorCard, Rows};

use super::{RESTS_ON, RowsDoc, Scope, ScopeDoc, page_of_rows};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::figures::{creator_card, decimal_figure};

/// The parameters.
pub struct PostingConsistency {
    scope: Scope,
    rows: Rows,
}

impl FromQuery for PostingConsistency {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let scope = Scope::read(params);
        let rows = page_of_rows(params);
        Ok(Self {
            scope: scope?,
            rows: rows?,
        })
    }
}

/// Shows how regularly the creators of a project post.
///
/// `consistency` is the share of the weeks that the range touches in which a creator posted: the
/// highest first, ties by id. Gaps lie between two posts of the range. Days and weeks are local,
/// weeks begin on Monday.
#[utoipa::path(
    get,
    path = "/analytics/aggregate/posting-consistency",
    operation_id = "get_posting_consistency",
    params(ScopeDoc, RowsDoc),
    responses((status = 200, description = "Creators", body = openapi::Rows<PostingConsistencyRow>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<PostingConsistency>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, query.value).await
}

impl Question for PostingConsistency {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let seen = snapshot.seen(&self.scope).await?;
        let found = snapshot
            .reader
            .posting_consistency(self.scope.project_id, &seen.period, self.rows)
            .await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        seen.answer_rows(&found, |(card, found)| wire(card, found), Meta::none())
    }
}

fn wire(card: &CreatorCard, found: &Consistency) -> PostingConsistencyRow {
    PostingConsistencyRow {
        creator: creator_card(card),
        posts: found.posts,
        active_days: found.active_days,
        days: found.days,
        weeks_with_posts: found.weeks_with_posts,
        weeks: found.weeks,
        consistency: decimal_figure(found.share),
        longest_gap_days: found.longest_gap_days.map(decimal_figure),
        median_gap_hours: found.median_gap_hours.map(decimal_figure),
    }
}
