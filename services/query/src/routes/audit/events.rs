//! `GET /audit/events`.

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::openapi::Page;
use api::v1::AuditEvent;
use axum::extract::State;
use axum::response::Response;
use domain::event::Actor;
use domain::ids::GlobalPosition;
use domain::limits::AUDIT_PAGE_BYTES;
use event_log::StoredEvent;
use read_model::{AuditFilter, TypeFilter};
use serde_json::value::RawValue;
use utoipa::IntoParams;

use super::params::{self, Bounds, Span, StreamChoice};
use super::require_reached;
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::choices::choices;
use crate::routes::page::PageDoc;

/// Events that are read at once: so many of the largest come to [`AUDIT_PAGE_BYTES`].
const READ_AT_ONCE: usize = 16;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListEvents {
    /// Of these types: up to 20 events such as `key.revoked`, or all of an entity such as `key.*`,
    /// separated by commas.
    #[param(rename = "type", value_type = Option<String>, min_length = 1, example = "key.*")]
    types: Option<Vec<TypeFilter>>,
    /// Caused by exactly this caller: `user:<id>`, `key:<id>` or `system`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 41, example = "system")]
    actor: Option<Actor>,
    /// About exactly this, for example `keys/<id>`.
    #[param(
        min_length = 1,
        max_length = 200,
        example = "keys/0192f0c1-2b7e-7c00-8000-00000000abcd"
    )]
    subject: Option<String>,
    #[param(ignore)]
    span: Span,
    /// After this position; then the oldest come first.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 0)]
    after_position: Option<GlobalPosition>,
    /// Of this stream of the org. Events of type `observation.recorded` are `observations`, all others
    /// are `decisions`.
    #[param(value_type = Option<Streams>, inline)]
    stream: StreamChoice,
    #[param(ignore)]
    page: PageParams,
}

choices! {
    Streams: StreamChoice::NAMES, Some("decisions");
}

/// The bounds of time, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `Span` reads")]
pub struct SpanDoc {
    /// Recorded on this day of the org's zone or later, or at this instant or later.
    #[param(min_length = 1, max_length = 40, example = "2026-01-01")]
    from: Option<String>,
    /// Recorded on this day of the org's zone or earlier, or at this instant or earlier.
    #[param(min_length = 1, max_length = 40, example = "2036-01-31T23:59:59Z")]
    to: Option<String>,
}

impl FromQuery for ListEvents {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let types = params::types(params);
        let actor = params::actor(params);
        let subject = params::subject(params);
        let span = Span::read(params);
        let after_position = params::position(params, "after_position");
        let stream = StreamChoice::read(params, StreamChoice::Decisions);
        let page = params.page();
        Ok(Self {
            types: types?,
            actor: actor?,
            subject: subject?,
            span: span?,
            after_position: after_position?,
            stream: stream?,
            page: page?,
        })
    }
}

/// Lists what happened in the org, newest first; with `after_position` oldest first.
///
/// Events are given whole, as CloudEvents. A page may hold fewer than `limit` where events are
/// large: `meta.nextCursor` says whether there are more.
#[utoipa::path(
    get,
    path = "/audit/events",
    operation_id = "list_audit_events",
    params(ListEvents, SpanDoc, PageDoc),
    responses((status = 200, description = "A page of events", body = Page<AuditEvent>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ListEvents>,
    mut asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let params = query.value;
    let place: Option<u64> = app.place(call.list(&query.filters), &params.page)?;
    let head = app.head().await?.position;
    require_reached("after_position", params.after_position, head)?;
    // What is asked for stands in the log: the projection has only to come so far.
    let after = params.after_position.unwrap_or_default();
    asked.min_position = asked.min_position.max(after);
    let bounds = params.span.bounds(&app, &call, head).await?;
    let question = Events {
        filter: AuditFilter {
            streams: params.stream.streams(),
            types: params.types,
            actor: params.actor,
            subject: params.subject,
            after: bounds.after,
            to: bounds.to,
        },
        newest_first: params.after_position.is_none(),
        filters: query.filters,
        limit: params.page.limit,
    };
    app.answer(&call, &asked, question.after(after, place))
        .await
}

struct Events {
    filter: AuditFilter,
    newest_first: bool,
    filters: String,
    limit: u16,
}

impl Events {
    /// From where the page before ended, if there was one.
    fn after(mut self, after: GlobalPosition, place: Option<u64>) -> Self {
        let Bounds { after, to } = match place {
            Some(place) if self.newest_first => Bounds {
                after,
                to: GlobalPosition::new(place.saturating_sub(1)),
            },
            place => Bounds {
                after: after.max(GlobalPosition::new(place.unwrap_or(0))),
                to: self.filter.to,
            },
        };
        self.filter.after = self.filter.after.max(after);
        self.filter.to = self.filter.to.min(to);
        self
    }

    /// Events at these positions in the order of the answer, until they are as many bytes as a page
    /// may have, or up to the first that is not kept any more; and whether there is one. What stayed online
    /// behind it is not given, since nothing would tell what is left out between.
    async fn read(
        &self,
        snapshot: &Snapshot<'_>,
        positions: &[GlobalPosition],
    ) -> Result<(Vec<StoredEvent>, bool), ApiError> {
        let (app, org) = (snapshot.app, snapshot.call.org());
        let (mut events, mut bytes): (Vec<StoredEvent>, usize) = (Vec::new(), 0);
        for some in positions.chunks(READ_AT_ONCE) {
            let mut found = app.events_at(org, &self.filter.streams, some).await?;
            if self.newest_first {
                found.reverse();
            }
            let mut found = found.into_iter();
            for due in some {
                // They are in the same order: the next one is it, or it is not there.
                let Some(event) = found.next().filter(|event| event.position == *due) else {
                    return Ok((events, true));
                };
                bytes += event.data.len();
                events.push(event);
                if bytes >= AUDIT_PAGE_BYTES {
                    return Ok((events, false));
                }
            }
        }
        Ok((events, false))
    }
}

impl Question for Events {
    /// Every event changes it, so it would hardly ever be kept for long.
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let limit = self.limit;
        let found = snapshot
            .reader
            .audit_positions(&self.filter, self.newest_first, limit + 1);
        let mut positions = found.await.map_err(|error| snapshot.read_error(error))?;
        let mut has_more = positions.len() > usize::from(limit);
        positions.truncate(usize::from(limit));
        let (events, is_gone) = self.read(snapshot, &positions).await?;
        // Oldest first it is told at once; newest first once the page that would begin with it is asked
        // for.
        if is_gone && (events.is_empty() || !self.newest_first) {
            return Err(ApiError::gone_position(snapshot.app.earliest().await?));
        }
        has_more |= events.len() < positions.len();
        let end = events.last().map(|event| event.position.get());
        let list = snapshot.call.list(&self.filters);
        let next = snapshot.app.next(list, end.filter(|_| has_more))?;
        let events: Result<Vec<_>, _> = events
            .iter()
            .map(|event| RawValue::from_string(event.to_cloud_event()))
            .collect();
        let events = events.map_err(ApiError::internal)?;
        Ok(Answer::lasting(Rendered::json(&events, &Meta::page(next))?))
    }
}
