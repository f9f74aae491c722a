//! `GET /audit/export`.

use std::io;
use std::sync::Arc;
use std::time::Duration;
use std::vec;

use api::envelope::Streamed;
use api::error::ApiError;
use api::header::{APPLICATION_NDJSON, PRIVATE_NO_STORE, QueryHeaders, TGA_POSITION};
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::rate::Policy;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use domain::ids::GlobalPosition;
use domain::limits::ORG_EXPORTS;
use event_log::{Head, StoredEvent};
use futures_util::stream;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use read_model::TypeFilter;
use runtime::lifecycle::TaskKind;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use super::events::SpanDoc;
use super::params::{self, Bounds, Span, StreamChoice};
use super::seal::Sealing;
use super::{PART_BYTES, not_now, require_reached};
use crate::ahead::{Ahead, Goal, Reader};
use crate::answer::{Giver, Taker, Unasked, hand_over};
use crate::app::Shared;
use crate::call::Call;
use crate::guard::Guard;
use crate::metrics::EXPORTS;
use crate::places::Place;
use crate::routes::choices::choices;

/// How long a part waits to be full once it holds something, while the log is slow.
const LINGER: Duration = Duration::from_secs(2);

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
/// The file is whole if the body ended as HTTP says that it does. One that was broken off is gone on
/// with after the position of the last whole line. That is if the credential ended, the log could not
/// be read, nothing was taken for a minute, less than 1 MiB in five minutes of waiting for the reader,
/// or the reader was waited for an hour in all.
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
    let Head {
        position: head,
        epoch,
        ..
    } = app.head().await?;
    require_reached("after_position", params.after_position, head)?;
    require_reached("to_position", params.to_position, head)?;
    let place = app.exports.enter(call.org());
    let place = place.map_err(|full| not_now(&app, full, Policy::OrgExports, ORG_EXPORTS))?;
    let sealing = if params.seal {
        let sealing = Sealing::ask(&app.log, call.org()).await;
        Some(sealing.map_err(|error| ApiError::not_signed(app.jitter()).because(error))?)
    } else {
        None
    };
    let sealed = sealing.as_ref().map(|sealing| sealing.until);
    let end = sealed.or(params.to_position).unwrap_or(head);
    let Bounds { after, to } = params.span.bounds(&app, &call, end).await?;
    let after = after.max(params.after_position.unwrap_or_default());
    let wanted = params::wanted(params.stream, params.types);
    let mut walk = app
        .log
        .walk_org(call.org(), &wanted.streams, after, to.max(after));
    // It is fixed where it begins before it is asked what is kept: what is archived later is missed.
    walk.begin().await.map_err(|error| app.log_error(error))?;
    let bounds = Bounds { after, to };
    let kept = app.require_kept(&call, &wanted.streams, bounds, &mut walk);
    kept.await?;
    let reader = Reader {
        log: app.log.clone(),
        clock: app.clock.clone(),
        entropy: app.entropy.clone(),
        org: call.org(),
        epoch,
        wanted,
        goal: Goal::Walk,
    };
    let (giver, taker) = hand_over(app.clock.clone());
    let giver = giver.paced();
    let export = Export {
        guard,
        ahead: reader.start(walk, &app.tasks),
        page: Vec::new().into_iter(),
        seal: sealing.map(|sealing| sealing.line),
        is_read: false,
        app: Arc::clone(&app),
        _place: place,
    };
    let sending = export.run(giver);
    app.tasks
        .spawn(TaskKind::Disposable, "audit export", sending);
    Ok(respond(body(taker), after, to, end))
}

/// The parts as a body, which ends as HTTP says only after the last word that it is whole.
fn body(taker: Taker<Piece>) -> Body {
    Body::from_stream(stream::unfold(Some(taker), async |taker| {
        let mut taker = taker?;
        match taker.next().await.unwrap_or(Piece::BrokenOff) {
            Piece::Part(part) => Some((Ok(part), Some(taker))),
            Piece::Whole => None,
            Piece::BrokenOff => Some((Err(io::Error::from(io::ErrorKind::UnexpectedEof)), None)),
        }
    }))
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

/// What becomes of the body next.
enum Piece {
    Part(Bytes),
    Whole,
    BrokenOff,
}

/// It cannot be whole.
enum BrokenOff {
    /// The credential ended, the log cannot be read, or the process stops.
    Here,
    /// Nobody took anything for too long.
    Untaken,
    /// It is taken too slowly.
    Slow,
}

impl From<Unasked> for BrokenOff {
    fn from(unasked: Unasked) -> Self {
        match unasked {
            Unasked::Over(_) => Self::Here,
            Unasked::Untaken => Self::Untaken,
            Unasked::Slow => Self::Slow,
        }
    }
}

impl BrokenOff {
    /// For counting.
    const fn name(&self) -> &'static str {
        match self {
            Self::Here => "broken_off",
            Self::Untaken => "untaken",
            Self::Slow => "slow",
        }
    }
}

/// An export under way.
struct Export {
    app: Shared,
    guard: Guard,
    ahead: mpsc::Receiver<Ahead>,
    page: vec::IntoIter<StoredEvent>,
    /// The last line, if it was asked for.
    seal: Option<String>,
    /// There is nothing more to come.
    is_read: bool,
    _place: Place,
}

impl Export {
    /// Makes the parts of the body, to the end; then nothing is left of the export but its last word.
    async fn run(mut self, mut giver: Giver<Piece>) {
        let (draining, gone) = (self.app.tasks.draining(), giver.gone());
        let sent = tokio::select! {
            biased;
            () = gone => return,
            () = draining.cancelled() => Err(BrokenOff::Here),
            sent = self.send(&mut giver) => sent,
        };
        let (outcome, last) = match sent {
            Ok(()) => ("whole", Piece::Whole),
            Err(why) => (why.name(), Piece::BrokenOff),
        };
        metrics::counter!(EXPORTS, "outcome" => outcome).increment(1);
        giver.give(last);
    }

    async fn send(&mut self, giver: &mut Giver<Piece>) -> Result<(), BrokenOff> {
        loop {
            giver.asked(&mut self.guard).await?;
            let part = self.fill().await?;
            // The end, too, is told only to whom it may be.
            self.admit().await?;
            if part.is_empty() {
                return Ok(());
            }
            let bytes = part.len();
            giver.give_bytes(Piece::Part(part.into()), bytes);
        }
    }

    async fn admit(&mut self) -> Result<(), BrokenOff> {
        self.guard.admit().await.map_err(|_| BrokenOff::Here)
    }

    /// Lines until they are a part, or more of them are slow to come; none at the end.
    async fn fill(&mut self) -> Result<String, BrokenOff> {
        let mut part = String::new();
        let clock = self.app.clock.clone();
        let mut linger = clock.monotonic() + LINGER;
        loop {
            for event in self.page.by_ref() {
                if part.is_empty() {
                    part.reserve(PART_BYTES + PART_BYTES / 8);
                    linger = clock.monotonic() + LINGER;
                }
                event.write_line(&mut part);
                if part.len() >= PART_BYTES {
                    return Ok(part);
                }
            }
            if self.is_read {
                if let Some(seal) = self.seal.take() {
                    part.push_str(&seal);
                    part.push('\n');
                }
                return Ok(part);
            }
            let next = tokio::select! {
                biased;
                next = self.ahead.recv() => next,
                () = self.guard.stirred() => {
                    self.admit().await?;
                    continue;
                }
                () = clock.sleep_until(linger), if !part.is_empty() => return Ok(part),
            };
            match next {
                Some(Ahead::Page(page)) => self.page = page.into_iter(),
                Some(Ahead::End) => self.is_read = true,
                Some(Ahead::Live(..)) | None => return Err(BrokenOff::Here),
            }
        }
    }
}
