//! `GET /audit/export`.

use std::io;
use std::vec;

use api::envelope::Streamed;
use api::error::ApiError;
use api::header::{APPLICATION_NDJSON, PRIVATE_NO_STORE, QueryHeaders, TGA_POSITION};
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use domain::ids::GlobalPosition;
use event_log::StoredEvent;
use futures_util::stream;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use read_model::TypeFilter;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use super::events::SpanDoc;
use super::params::{self, Bounds, Span, StreamChoice};
use super::require_reached;
use super::seal::Sealing;
use crate::ahead::{Ahead, Goal, Reader};
use crate::app::Shared;
use crate::call::Call;
use crate::guard::Guard;
use crate::metrics::EXPORTS;
use crate::places::Place;
use crate::routes::choices::choices;

/// Bytes of one part, before which the caller is looked at again.
const PART_BYTES: usize = 128 * 1024;

const EXAMPLE: &str = "{\"actor\":\"system\",\"correlationid\":\"0192f0c1-2b7e-7c00-8000-00000000abcd\",\
    \"data\":{},\"datacontenttype\":\"application/json\",\
    \"dataschema\":\"/schemas/events/org.reinstated.v1.json\",\
    \"hash\":\"0b3f1c6a7d2e4f5890a1b2c3d4e5f60718293a4b5c6d7e8f9001122334455667\",\
    \"id\":\"0192f0c1-2b7e-7c00-8000-00000000abce\",\"position\":\"184467\",\
    \"prevhash\":\"2c12ebdf350ae4aa9b599c9809a1f7658bd9d3dc2703d6c420d03a58fac9ded9\",\
    \"source\":\"/orgs/0192f0c1-2b7e-7c00-8000-00000000abcf\",\"specversion\":\"1.0\",\
    \"stream\":\"decisions\",\"streamversion\":\"912\",\
    \"subject\":\"orgs/0192f0c1-2b7e-7c00-8000-00000000abcf\",\
    \"time\":\"2026-01-05T05:37:52.685771Z\",\"type\":\"com.trackagoat.org.reinstated.v1\"}\n";

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportEvents {
    /// After this position: that of the last line that arrived, to go on from there.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64, default = 0, example = 0)]
    after_position: Option<GlobalPosition>,
    /// Up to this position; the end of the log at the start by default.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 1)]
    to_position: Option<GlobalPosition>,
    /// Of these types: up to 20 events such as `key.revoked`, or all of an entity such as `key.*`,
    /// separated by commas.
    #[param(rename = "type", value_type = Option<String>, min_length = 1, example = "key.*")]
    types: Option<Vec<TypeFilter>>,
    /// Of this stream of the org.
    #[param(value_type = Option<AnyStreams>, inline)]
    stream: StreamChoice,
    /// Whether the file ends with a seal: one more line, with what the log's key signed about the ends
    /// of the org's streams, by which the file alone proves that nothing is missing at its end. It
    /// holds all events after `after_position` then, and neither `to_position` nor a filter goes with it.
    #[param(value_type = Option<bool>, default = false, example = false)]
    seal: bool,
    #[param(ignore)]
    span: Span,
}

choices! {
    AnyStreams: StreamChoice::NAMES, Some("all");
}

impl FromQuery for ExportEvents {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let after_position = params::position(params, "after_position");
        let to_position = params::position(params, "to_position");
        let types = params::types(params);
        let stream = StreamChoice::read(params, StreamChoice::All);
        let seal = params.optional("seal", |it| it.one_of(&[true, false], yes_or_no));
        let span = Span::read(params);
        let (after_position, to_position) = (after_position?, to_position?);
        if to_position.is_some_and(|to| to < after_position.unwrap_or_default()) {
            return Err(params.invalid("to_position", "must not be before after_position"));
        }
        let (types, stream, span) = (types?, stream?, span?);
        let seal = seal?.unwrap_or(false);
        let is_part = to_position.is_some()
            || types.is_some()
            || stream != StreamChoice::All
            || !span.is_open();
        if seal && is_part {
            let message =
                "is about all events up to now: not with to_position, type, stream, from or to";
            return Err(params.invalid("seal", message));
        }
        Ok(Self {
            after_position,
            to_position,
            types,
            stream,
            seal,
            span,
        })
    }
}

const fn yes_or_no(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}

/// Exports what happened in the org as a file: one event a line, by position.
///
/// The file is whole if the body ended as HTTP says that it does. One that was broken off, because
/// the credential ended or the log could not be read, is gone on with after the position of the last
/// whole line.
#[utoipa::path(
    get,
    path = "/audit/export",
    operation_id = "export_audit_events",
    params(ExportEvents, SpanDoc),
    responses((status = 200, description = "The events", content(
        (String = "application/x-ndjson", example = json!(EXAMPLE)),
    )))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ExportEvents>,
    asked: QueryHeaders,
    guard: Guard,
) -> Result<Response, ApiError> {
    let params = query.value;
    app.wait_for(asked.min_position).await?;
    let head = app.head().await?.position;
    require_reached("after_position", params.after_position, head)?;
    require_reached("to_position", params.to_position, head)?;
    let place = app.exports.enter(call.org());
    let place = place.map_err(|_| app.unavailable())?;
    let sealing = if params.seal {
        let sealing = Sealing::ask(&app.log, &app.entropy, call.org()).await;
        Some(sealing.map_err(|error| ApiError::not_signed(app.jitter()).because(error))?)
    } else {
        None
    };
    let sealed = sealing.as_ref().map(|sealing| sealing.until);
    let end = sealed.or(params.to_position).unwrap_or(head);
    let Bounds { after, to } = params.span.bounds(&app, &call, end).await?;
    let after = after.max(params.after_position.unwrap_or_default());
    let wanted = params::wanted(params.stream, params.types);
    let bounds = Bounds { after, to };
    app.require_kept(&call, &wanted.streams, bounds).await?;
    let walk = app
        .log
        .walk_org(call.org(), &wanted.streams, after, to.max(after));
    let reader = Reader {
        log: app.log.clone(),
        clock: app.clock.clone(),
        entropy: app.entropy.clone(),
        org: call.org(),
        wanted,
        goal: Goal::Walk,
    };
    let export = Export {
        guard,
        ahead: reader.start(walk, &app.tasks),
        page: Vec::new().into_iter(),
        seal: sealing.map(|sealing| sealing.line),
        is_read: false,
        is_over: false,
        _place: place,
    };
    let parts = stream::unfold(export, async |mut export| {
        let part = export.next_part().await?;
        Some((part, export))
    });
    Ok(respond(Body::from_stream(parts), after, to, end))
}

fn respond(body: Body, after: GlobalPosition, to: GlobalPosition, end: GlobalPosition) -> Response {
    let mut response = Response::new(body);
    response.extensions_mut().insert(Streamed);
    let name = format!("attachment; filename=\"audit-{after}-{to}.ndjson\"");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(APPLICATION_NDJSON));
    if let Ok(name) = HeaderValue::try_from(name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    headers.insert(CACHE_CONTROL, PRIVATE_NO_STORE);
    headers.insert(TGA_POSITION, HeaderValue::from(end.get()));
    response
}

/// An export under way.
struct Export {
    guard: Guard,
    ahead: mpsc::Receiver<Ahead>,
    page: vec::IntoIter<StoredEvent>,
    /// The last line, if it was asked for.
    seal: Option<String>,
    /// There is nothing more to come.
    is_read: bool,
    /// Its body has ended or was broken off.
    is_over: bool,
    _place: Place,
}

impl Export {
    /// The next part of the body; an error breaks it off.
    async fn next_part(&mut self) -> Option<io::Result<Bytes>> {
        if self.is_over {
            return None;
        }
        let mut part = self.fill().await;
        // The end, too, is told only to whom it may be.
        if part.is_ok() && self.guard.admit().await.is_err() {
            part = Err(broken_off("the credential ended"));
        }
        let ended = match &part {
            Ok(part) if part.is_empty() => Some("whole"),
            Ok(_) => None,
            Err(_) => Some("broken_off"),
        };
        if let Some(outcome) = ended {
            self.is_over = true;
            metrics::counter!(EXPORTS, "outcome" => outcome).increment(1);
        }
        let is_whole = ended == Some("whole");
        (!is_whole).then(|| part.map(Bytes::from))
    }

    /// Lines until they are a part; none at the end.
    async fn fill(&mut self) -> io::Result<Vec<u8>> {
        let mut part = Vec::new();
        loop {
            for event in self.page.by_ref() {
                if part.is_empty() {
                    part.reserve(PART_BYTES + PART_BYTES / 8);
                }
                part.extend_from_slice(event.to_cloud_event().as_bytes());
                part.push(b'\n');
                if part.len() >= PART_BYTES {
                    return Ok(part);
                }
            }
            if self.is_read {
                if let Some(seal) = self.seal.take() {
                    part.extend_from_slice(seal.as_bytes());
                    part.push(b'\n');
                }
                return Ok(part);
            }
            let next = tokio::select! {
                biased;
                next = self.ahead.recv() => next,
                () = self.guard.stirred() => {
                    if self.guard.admit().await.is_err() {
                        return Err(broken_off("the credential ended"));
                    }
                    continue;
                }
            };
            match next {
                Some(Ahead::Page(page)) => self.page = page.into_iter(),
                Some(Ahead::End) => self.is_read = true,
                Some(Ahead::Live(..)) | None => {
                    return Err(broken_off("the log could not be read"));
                }
            }
        }
    }
}

fn broken_off(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, why)
}
