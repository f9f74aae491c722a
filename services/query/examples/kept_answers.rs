//! What a kept answer costs beside a bare handler that answers the same bytes, without a network:
//! `cargo run --release -p query --example kept_answers`. Prints nanoseconds a request, best of several
//! rounds, so that a busy machine does not count.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement, run by hand"
)]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "made for tests")]
mod support;

use std::net::{IpAddr, Ipv4Addr};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use runtime::clock::Clock;
use runtime::http::{PeerAddr, RequestId};
use tower::ServiceExt;

use crate::support::World;

const ROUNDS: usize = 30;
const REQUESTS: u32 = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let world = World::start().await;
    let org = world.org().await;
    let project = world.project(&org, "Spring").await;
    let analytics = format!("/analytics?entity=project&entity_id={project}&metric=views");
    for path in ["/projects", &analytics] {
        world.get(&org.key, path).await;
        let answer = world.replica.get(&org.key, path).await;
        let body = answer.body.clone();
        let handler = async move || ([(CONTENT_TYPE, "application/json")], body.clone());
        let route = format!("/api/v1{}", path.split('?').next().unwrap());
        let bare = Router::new().route(&route, get(handler));
        let bearer = format!("Bearer {}", org.key);
        let uri = format!("/api/v1{path}");
        let request = || {
            let mut request = Request::get(&uri)
                .header("host", "127.0.0.1")
                .header("authorization", &bearer)
                .body(Body::empty())
                .unwrap();
            let id = RequestId::of(request.headers(), &world.clock, &world.entropy);
            request.extensions_mut().insert(id);
            let peer = PeerAddr(IpAddr::V4(Ipv4Addr::LOCALHOST));
            request.extensions_mut().insert(peer);
            request
        };
        let ours = world.replica.router.clone();
        let (mut of_ours, mut of_bare) = (f64::MAX, f64::MAX);
        if let Some(only) = std::env::args().nth(1) {
            let router = if only == "bare" { &bare } else { &ours };
            for _ in 0..500 {
                of_ours = of_ours.min(time(router, &request, &world.clock).await);
            }
            println!("{path:.10}: {only} {of_ours:.0} ns");
            continue;
        }
        for _ in 0..ROUNDS {
            of_bare = of_bare.min(time(&bare, &request, &world.clock).await);
            of_ours = of_ours.min(time(&ours, &request, &world.clock).await);
        }
        println!("{path:.10}: bare {of_bare:.0} ns, ours {of_ours:.0} ns");
    }
    let lookups = support::metric("tga_query_cache_lookups_total{outcome=\"hit\"}");
    println!("{lookups} hits");
}

async fn time(
    router: &Router,
    request: &(impl Fn() -> Request<Body> + Sync),
    clock: &Clock,
) -> f64 {
    let began = clock.monotonic();
    for _ in 0..REQUESTS {
        let response = router.clone().oneshot(request()).await.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.unwrap();
    }
    let took = clock.monotonic().saturating_since(began);
    took.as_secs_f64() * 1e9 / f64::from(REQUESTS)
}
