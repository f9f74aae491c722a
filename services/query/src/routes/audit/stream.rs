//! `GET /audit/stream`: server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use std::vec;

use api::envelope::Streamed;
use api::error::ApiError;
use api::header::{PRIVATE_NO_STORE, QueryHeaders, TGA_POSITION};
use api::input::issue::{Invalid, Issues};
use api::input::query::{FromQuery, Params, StrictQuery};
use api::rate::{Policy, Refusal};
use axum::extract::State;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response, Sse};
use domain::ids::GlobalPosition;
use domain::limits::{ORG_STREAMS, STREAM_COMMENT_SECONDS};
use event_log::StoredEvent;
use futures_util::stream;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue};
use read_model::TypeFilter;
use runtime::clock::Monotonic;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use super::params::{self, Bounds, StreamChoice};
use super::{STREAM_AGAIN_SECONDS, require_reached};
use crate::ahead::{Ahead, Goal, Reader};
use crate::app::Shared;
use crate::call::Call;
use crate::guard::Guard;
use crate::hub::{Closed, Mailbox, Told};
use crate::metrics::STREAMS_ENDED;
use crate::places::{Full, Place};
use crate::routes::choices::choices;

/// `Last-Event-ID`: where a client that comes back has stopped.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Between two comments, while nothing else is sent.
const COMMENT: Duration = Duration::from_secs(STREAM_COMMENT_SECONDS);

const EXAMPLE: &str = ": open\n\nid: 184467\nevent: key.revoked\ndata: {\"actor\":\"system\"}\n\n";

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StreamEvents {
    /// Of these types: up to 20 events such as `key.revoked`, or all of an entity such as `key.*`,
    /// separated by commas.
    #[param(rename = "type", value_type = Option<String>, min_length = 1, example = "key.*")]
    types: Option<Vec<TypeFilter>>,
    /// Of this stream of the org.
    #[param(value_type = Option<AnyStreams>, inline)]
    stream: StreamChoice,
    /// From the event after this position on; from now on by default.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 0)]
    after_position: Option<GlobalPosition>,
}

choices! {
    AnyStreams: StreamChoice::NAMES, Some("all");
}

impl FromQuery for StreamEvents {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let types = params::types(params);
        let stream = StreamChoice::read(params, StreamChoice::All);
        let after_position = params::position(params, "after_position");
        Ok(Self {
            types: types?,
            stream: stream?,
            after_position: after_position?,
        })
    }
}

/// Streams what happens in the org, as it happens.
///
/// Each event has its position as `id`, its type as `event` and itself as `data`. A client that comes
/// back with `Last-Event-ID` goes on after it; the header counts before `after_position`. A comment
/// comes every 15 s. An event `end` says why the stream ends: `{"code": "invalid_api_key"}` once the
/// credential may have it no more, `{"code": "verification_unavailable"}` if that could not be
/// found out for too long, `{"code": "slow_consumer"}` for a reader more than 4 MiB behind. Whatever
/// else ends it, it is gone on with from the last `id`.
#[utoipa::path(
    get,
    path = "/audit/stream",
    operation_id = "stream_audit_events",
    params(StreamEvents),
    responses((status = 200, description = "Events as they happen", content(
        (String = "text/event-stream", example = json!(EXAMPLE)),
    )))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<StreamEvents>,
    asked: QueryHeaders,
    headers: HeaderMap,
    guard: Guard,
) -> Result<Response, ApiError> {
    let params = query.value;
    let last = last_event_id(&headers)?;
    app.wait_for(asked.min_position).await?;
    let head = app.head().await?.position;
    if last.is_some_and(|last| last > head) {
        let issues = Issues::one("Last-Event-ID", "is beyond the head of the log");
        return Err(ApiError::invalid_query(&issues));
    }
    require_reached("after_position", params.after_position, head)?;
    let after = last.or(params.after_position).unwrap_or(head);
    let wanted = params::wanted(params.stream, params.types);
    let bounds = Bounds { after, to: head };
    app.require_kept(&call, &wanted.streams, bounds).await?;
    let place = app.streams.enter(call.org());
    let place = place.map_err(|full| match full {
        Full::Org => ApiError::rate_limited(Refusal {
            policy: Policy::OrgStreams,
            limit: ORG_STREAMS as u64,
            retry_after_seconds: STREAM_AGAIN_SECONDS,
        }),
        Full::All => app.unavailable(),
    })?;
    let walk = app
        .log
        .walk_org(call.org(), &wanted.streams, after, head.max(after));
    let reader = Reader {
        log: app.log.clone(),
        clock: app.clock.clone(),
        entropy: app.entropy.clone(),
        org: call.org(),
        wanted,
        goal: Goal::Now(Arc::clone(&app.hub)),
    };
    let open = Open {
        source: Source::Log {
            ahead: reader.start(walk, &app.tasks),
            page: Vec::new().into_iter(),
        },
        comment_at: app.clock.monotonic(),
        app,
        guard,
        is_over: false,
        _place: place,
    };
    let events = stream::unfold(open, async |mut open| {
        let event = open.next_event().await?;
        Some((Ok::<_, Infallible>(event), open))
    });
    let mut response = Sse::new(events).into_response();
    response.extensions_mut().insert(Streamed);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, PRIVATE_NO_STORE);
    headers.insert(TGA_POSITION, HeaderValue::from(after.get()));
    Ok(response)
}

/// The header, if it was sent.
fn last_event_id(headers: &HeaderMap) -> Result<Option<GlobalPosition>, ApiError> {
    let mut values = headers.get_all(&LAST_EVENT_ID).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_decimal);
    match (number, values.next()) {
        (Some(number), None) => Ok(Some(GlobalPosition::new(number))),
        _ => Err(ApiError::invalid_params(&Issues::one(
            "Last-Event-ID",
            "must be sent once, as a decimal integer",
        ))),
    }
}

/// An open stream.
struct Open {
    app: Shared,
    guard: Guard,
    source: Source,
    comment_at: Monotonic,
    is_over: bool,
    _place: Place,
}

/// Where its events come from.
enum Source {
    /// The past.
    Log {
        ahead: mpsc::Receiver<Ahead>,
        page: vec::IntoIter<StoredEvent>,
    },
    /// What happens, above a position.
    Hub {
        mailbox: Mailbox,
        above: GlobalPosition,
    },
}

/// What a stream wakes up for.
enum Woken {
    Told(Arc<Told>),
    Slow,
    Stirred,
    Comment,
    /// The process stops, or the log is followed anew or not at all.
    Ends,
}

impl Open {
    /// What is sent next; nothing at the end. The caller is looked at last of all, with the event at
    /// hand: one that was recorded after the credential's end is never sent.
    async fn next_event(&mut self) -> Option<Event> {
        if self.is_over {
            return None;
        }
        loop {
            let event = match self.woken().await {
                Woken::Ends => {
                    self.is_over = true;
                    ended("stopped");
                    return None;
                }
                Woken::Told(told) => Some(event_of(&told)),
                Woken::Comment => Some(Event::default().comment("open")),
                Woken::Stirred => None,
                Woken::Slow => {
                    self.is_over = true;
                    ended("slow");
                    Some(end("slow_consumer"))
                }
            };
            if let Err(over) = self.guard.admit().await {
                self.is_over = true;
                ended(over.name());
                return Some(end(over.code()));
            }
            if let Some(event) = event {
                self.comment_at = self.app.clock.monotonic() + COMMENT;
                return Some(event);
            }
        }
    }

    async fn woken(&mut self) -> Woken {
        let draining = self.app.tasks.draining();
        let told = self.source.next();
        tokio::select! {
            biased;
            () = draining.cancelled() => Woken::Ends,
            () = self.guard.stirred() => Woken::Stirred,
            told = told => told,
            () = self.app.clock.sleep_until(self.comment_at) => Woken::Comment,
        }
    }
}

impl Source {
    /// Dropping the future loses nothing.
    async fn next(&mut self) -> Woken {
        loop {
            match self {
                Self::Log { ahead, page } => {
                    if let Some(event) = page.next() {
                        return Woken::Told(Arc::new(Told::from(&event)));
                    }
                    match ahead.recv().await {
                        Some(Ahead::Page(next)) => *page = next.into_iter(),
                        Some(Ahead::Live(mailbox, above)) => {
                            *self = Self::Hub { mailbox, above };
                        }
                        Some(Ahead::End) | None => return Woken::Ends,
                    }
                }
                Self::Hub { mailbox, above } => match mailbox.next().await {
                    // It was read from the log.
                    Ok(told) if told.position <= *above => {}
                    Ok(told) => return Woken::Told(told),
                    Err(Closed::Slow) => return Woken::Slow,
                    Err(Closed::Restarted) => return Woken::Ends,
                },
            }
        }
    }
}

fn event_of(told: &Told) -> Event {
    Event::default()
        .id(told.position.to_string())
        .event(&*told.type_name)
        .data(&*told.json)
}

fn ended(reason: &'static str) {
    metrics::counter!(STREAMS_ENDED, "reason" => reason).increment(1);
}

/// Why nothing more comes.
fn end(code: &'static str) -> Event {
    Event::default()
        .event("end")
        .data(format!("{{\"code\": \"{code}\"}}"))
}
