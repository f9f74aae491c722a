//! The names of this service's metrics, and handles that are looked up once.

use std::time::Duration;

use api::route::{ROUTES, Route};
use http::StatusCode;
use metrics::{Counter, Histogram};

/// Counter by `service`, `route`, `status`: answers.
pub const REQUESTS: &str = "tga_http_requests_total";
/// Histogram by `service`, `route`: seconds from the complete headers to the answer's.
pub const REQUEST_SECONDS: &str = "tga_http_request_seconds";
/// Counter by `outcome` (`hit`, `joined`, `miss`): what the response cache was asked for.
pub const CACHE_LOOKUPS: &str = "tga_query_cache_lookups_total";
/// Gauge: answers in the response cache.
pub const CACHE_ENTRIES: &str = "tga_query_cache_entries";
/// Gauge: bytes in the response cache, roughly.
pub const CACHE_BYTES: &str = "tga_query_cache_bytes";
/// Gauge: position up to which this replica knows what changed.
pub const FOLLOWED_POSITION: &str = "tga_query_followed_position";
/// Counter by `outcome` (`reached`, `late`): requests that waited for a position.
pub const POSITION_WAITS: &str = "tga_query_position_waits_total";
/// Counter by `reason` (`credential`, `unknown`, `slow`, `stopped`): event streams that ended here.
pub const STREAMS_ENDED: &str = "tga_query_streams_ended_total";
/// Counter by `outcome` (`whole`, `broken_off`, `untaken`, `slow`): exports that ended here.
pub const EXPORTS: &str = "tga_query_exports_total";
/// Counter: times that the follower had to begin again because the log has another past.
pub const FOLLOWER_RESTARTS: &str = "tga_query_follower_restarts_total";
/// Counter by `outcome` (`admitted`, `refused`, `unavailable`, `malformed`, `crowded`): who asked to
/// connect over NATS.
pub const SUBSCRIBER_CONNECTS: &str = "tga_subscriber_connects_total";
/// Gauge: connections of subscribers at the last look.
pub const SUBSCRIBERS: &str = "tga_subscribers";
/// Counter: connections that were ended because their key may not have them any more.
pub const SUBSCRIBERS_ENDED: &str = "tga_subscribers_ended_total";
/// Gauge: consumers of the stream of events at the last look.
pub const SUBSCRIBER_DURABLES: &str = "tga_subscriber_durables";

const SERVICE: &str = "query";
/// What stands for the reference for people and its files.
const DOCS: &str = "/docs";
/// What schemas of events are counted as.
const SCHEMAS: &str = "/schemas/events";
/// What stands for paths that lead to no route.
const NO_ROUTE: &str = "none";

/// Describes every metric of this service, once.
pub(crate) fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

    describe_counter!(REQUESTS, "Answers");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time to answer");
    describe_counter!(CACHE_LOOKUPS, "What the response cache was asked for");
    describe_gauge!(CACHE_ENTRIES, "Answers in the response cache");
    describe_gauge!(CACHE_BYTES, Unit::Bytes, "Bytes in the response cache");
    describe_gauge!(
        FOLLOWED_POSITION,
        "Position up to which this replica knows what changed"
    );
    describe_counter!(POSITION_WAITS, "Requests that waited for a position");
    describe_counter!(STREAMS_ENDED, "Event streams that ended here");
    describe_counter!(EXPORTS, "Exports that ended here");
    describe_counter!(
        FOLLOWER_RESTARTS,
        "Times that the follower had to begin again"
    );
    describe_counter!(SUBSCRIBER_CONNECTS, "Who asked to connect over NATS");
    describe_gauge!(SUBSCRIBERS, "Connections of subscribers");
    describe_counter!(
        SUBSCRIBERS_ENDED,
        "Connections ended because their key may not have them"
    );
    describe_gauge!(SUBSCRIBER_DURABLES, "Consumers of the stream of events");
}

/// Handles of every route.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    routes: Vec<RouteMetrics>,
    docs: RouteMetrics,
    schemas: RouteMetrics,
    none: RouteMetrics,
}

/// Handles of one route: a hit looks up no name.
#[derive(Debug, Clone)]
pub(crate) struct RouteMetrics {
    route: &'static str,
    ok: Counter,
    not_modified: Counter,
    seconds: Histogram,
}

impl HttpMetrics {
    /// Looks all of them up.
    pub fn new() -> Self {
        Self {
            routes: ROUTES
                .iter()
                .map(|route| RouteMetrics::new(route.path))
                .collect(),
            docs: RouteMetrics::new(DOCS),
            schemas: RouteMetrics::new(SCHEMAS),
            none: RouteMetrics::new(NO_ROUTE),
        }
    }

    /// Those of the reference for people, which is in no table.
    pub fn docs(&self) -> &RouteMetrics {
        &self.docs
    }

    /// Of the schemas of events.
    pub fn schemas(&self) -> &RouteMetrics {
        &self.schemas
    }

    /// Those of a route of the table; of no route at all, those of what leads nowhere.
    pub fn of(&self, route: Option<&'static Route>) -> &RouteMetrics {
        let index = route.and_then(|route| ROUTES.iter().position(|one| std::ptr::eq(one, route)));
        index
            .and_then(|index| self.routes.get(index))
            .unwrap_or(&self.none)
    }
}

impl RouteMetrics {
    fn new(route: &'static str) -> Self {
        let answers = |status: &'static str| metrics::counter!(REQUESTS, "service" => SERVICE, "route" => route, "status" => status);
        Self {
            route,
            ok: answers("200"),
            not_modified: answers("304"),
            seconds: metrics::histogram!(
                REQUEST_SECONDS, "service" => SERVICE, "route" => route
            ),
        }
    }

    /// The route's template; none for what leads nowhere.
    pub fn route(&self) -> Option<&'static str> {
        (self.route != NO_ROUTE).then_some(self.route)
    }

    /// Counts an answer.
    pub fn record(&self, status: StatusCode, took: Duration) {
        self.seconds.record(took.as_secs_f64());
        match status {
            StatusCode::OK => self.ok.increment(1),
            StatusCode::NOT_MODIFIED => self.not_modified.increment(1),
            other => metrics::counter!(
                REQUESTS,
                "service" => SERVICE, "route" => self.route, "status" => other.as_str().to_owned()
            )
            .increment(1),
        }
    }
}

/// Handles of the response cache's look-ups.
#[derive(Debug)]
pub(crate) struct CacheMetrics {
    /// The answer was there.
    pub hit: Counter,
    /// Another request computed it meanwhile.
    pub joined: Counter,
    /// It was computed.
    pub miss: Counter,
}

impl CacheMetrics {
    /// Looks all of them up.
    pub fn new() -> Self {
        let lookups =
            |outcome: &'static str| metrics::counter!(CACHE_LOOKUPS, "outcome" => outcome);
        Self {
            hit: lookups("hit"),
            joined: lookups("joined"),
            miss: lookups("miss"),
        }
    }
}
