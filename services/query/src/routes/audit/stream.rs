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
use api::rate::Policy;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use domain::ids::GlobalPosition;
use domain::limits::{ORG_STREAMS, STREAM_COMMENT_SECONDS};
use event_log::{Head, StoredEvent};
use futures_util::{FutureExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use read_model::TypeFilter;
use runtime::clock::Monotonic;
use runtime::lifecycle::TaskKind;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use super::params::{self, Bounds, StreamChoice};
use super::{PART_BYTES, not_now, require_reached};
use crate::ahead::{Ahead, Goal, Reader};
use crate::answer::{Giver, Taker, Unasked, hand_over};
use crate::app::Shared;
use crate::call::Call;
use crate::guard::{Guard, Over};
use crate::hub::{Closed, Mailbox, Told};
use crate::metrics::STREAMS_ENDED;
use crate::places::Place;
use crate::routes::choices::choices;

/// `Last-Event-ID`: where a client that comes back has stopped.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
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
/// found out for too long, `{"code": "slow_consumer"}` for a reader more than 4 MiB behind, or who
/// takes nothing for a minute. Whatever else ends it, it is gone on with from the last `id`.
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
    let Head {
        position: head,
        epoch,
        ..
    } = app.head().await?;
    if last.is_some_and(|last| last > head) {
        let issues = Issues::one("Last-Event-ID", "is beyond the head of the log");
        return Err(ApiError::invalid_query(&issues));
    }
    require_reached("after_position", params.after_position, head)?;
    let after = last.or(params.after_position).unwrap_or(head);
    let wanted = params::wanted(params.stream, params.types);
    let place = app.streams.enter(call.org());
    let place = place.map_err(|full| not_now(&app, full, Policy::OrgStreams, ORG_STREAMS))?;
    let mut walk = app
        .log
        .walk_org(call.org(), &wanted.streams, after, head.max(after));
    // It is fixed where it begins before it is asked what is kept: what is archived later is missed.
    walk.begin().await.map_err(|error| app.log_error(error))?;
    let bounds = Bounds { after, to: head };
    let kept = app.require_kept(&call, &wanted.streams, bounds, &mut walk);
    kept.await?;
    let reader = Reader {
        log: app.log.clone(),
        clock: app.clock.clone(),
        entropy: app.entropy.clone(),
        org: call.org(),
        epoch,
        wanted,
        goal: Goal::Now(Arc::clone(&app.hub)),
    };
    let (giver, taker) = hand_over(app.clock.clone());
    let open = Open {
        source: Source::Log {
            ahead: reader.start(walk, &app.tasks),
            page: Vec::new().into_iter(),
        },
        waiting: None,
        comment_at: app.clock.monotonic(),
        app: Arc::clone(&app),
        guard,
        _place: place,
    };
    let sending = open.run(giver);
    app.tasks
        .spawn(TaskKind::Disposable, "audit stream", sending);
    let parts = stream::unfold(taker, async |mut taker: Taker<String>| {
        let part = taker.next().await?;
        Some((Ok::<_, Infallible>(part), taker))
    });
    let mut response = Response::new(Body::from_stream(parts));
    response.extensions_mut().insert(Streamed);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
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
    /// What came when no more went into the part before.
    waiting: Option<Woken>,
    comment_at: Monotonic,
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
    /// The log is followed anew or not at all.
    Ends,
}

/// Why it ends.
enum Ended {
    Over(Over),
    /// The reader is too far behind, or takes nothing at all.
    Slow,
    /// By itself: it may be gone on with.
    Stopped,
}

impl Ended {
    /// For counting.
    const fn name(&self) -> &'static str {
        match self {
            Self::Over(over) => over.name(),
            Self::Slow => "slow",
            Self::Stopped => "stopped",
        }
    }

    /// What the reader is told.
    const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Over(over) => Some(over.code()),
            Self::Slow => Some("slow_consumer"),
            Self::Stopped => None,
        }
    }
}

impl From<Unasked> for Ended {
    fn from(unasked: Unasked) -> Self {
        match unasked {
            Unasked::Over(over) => Self::Over(over),
            Unasked::Untaken | Unasked::Slow => Self::Slow,
        }
    }
}

impl Open {
    /// Makes what is sent, to the end; then nothing is left of the stream but its last word.
    async fn run(mut self, mut giver: Giver<String>) {
        let (draining, gone) = (self.app.tasks.draining(), giver.gone());
        let ended = tokio::select! {
            biased;
            () = gone => return,
            () = draining.cancelled() => Ended::Stopped,
            ended = self.send(&mut giver) => ended,
        };
        metrics::counter!(STREAMS_ENDED, "reason" => ended.name()).increment(1);
        if let Some(code) = ended.code() {
            giver.give(format!("event: end\ndata: {{\"code\": \"{code}\"}}\n\n"));
        }
    }

    async fn send(&mut self, giver: &mut Giver<String>) -> Ended {
        loop {
            if let Err(unasked) = giver.asked(&mut self.guard).await {
                return unasked.into();
            }
            match self.next_part().await {
                Ok(part) => giver.give(part),
                Err(ended) => return ended,
            }
        }
    }

    /// What is sent next: all events that are at hand. The caller is looked at last of all, with them
    /// at hand: one that was recorded after the credential's end is never sent.
    async fn next_part(&mut self) -> Result<String, Ended> {
        loop {
            let mut part = String::new();
            let woken = match self.waiting.take() {
                Some(woken) => woken,
                None => self.woken().await,
            };
            let mut is_slow = false;
            match woken {
                Woken::Ends => return Err(Ended::Stopped),
                Woken::Told(told) => {
                    told.write_to(&mut part);
                    self.fill(&mut part);
                }
                Woken::Comment => part.push_str(": open\n\n"),
                Woken::Stirred => {}
                Woken::Slow => is_slow = true,
            }
            self.guard.admit().await.map_err(Ended::Over)?;
            if is_slow {
                return Err(Ended::Slow);
            }
            if !part.is_empty() {
                self.comment_at = self.app.clock.monotonic() + COMMENT;
                return Ok(part);
            }
        }
    }

    /// Adds what need not be waited for.
    fn fill(&mut self, part: &mut String) {
        while part.len() < PART_BYTES {
            match self.source.next().now_or_never() {
                Some(Woken::Told(told)) => told.write_to(part),
                woken => {
                    self.waiting = woken;
                    return;
                }
            }
        }
    }

    async fn woken(&mut self) -> Woken {
        let told = self.source.next();
        tokio::select! {
            biased;
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

impl Told {
    /// Adds it as a message; none of its parts holds the end of a line.
    fn write_to(&self, part: &mut String) {
        let (position, type_name, json) = (self.position, &self.type_name, &self.json);
        part.reserve(json.len() + 128);
        for piece in [
            "id: ",
            &position.to_string(),
            "\nevent: ",
            type_name,
            "\ndata: ",
            json,
            "\n\n",
        ] {
            part.push_str(piece);
        }
    }
}
