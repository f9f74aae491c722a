#![expect(clippy::unwrap_used, reason = "tests")]

use std::io;

use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, middleware};
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request};
use tower::ServiceExt as _;

use super::*;
use crate::input::body::collect;
use crate::openapi::sample;

fn body_of(error: &ApiError) -> String {
    String::from_utf8(error.body(Rendering::Envelope).to_vec()).unwrap()
}

fn accepting(value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_str(value).unwrap());
    headers
}

#[test]
fn a_stranger_always_gets_the_same_bytes() {
    let bytes =
        r#"{"data":null,"error":"Invalid or missing API key","meta":{"code":"invalid_api_key"}}"#;
    for (presented, challenge) in [
        (Presented::Nothing, r#"Bearer realm="trackagoat""#),
        (
            Presented::BearerToken,
            r#"Bearer realm="trackagoat", error="invalid_token""#,
        ),
    ] {
        let error = ApiError::invalid_api_key(presented);
        assert_eq!(body_of(&error), bytes);
        let written = serde_json::to_string(&render::Envelope(&error)).unwrap();
        assert_eq!(
            written, bytes,
            "the fixed bytes are those that would be written"
        );
        let response = error.into_response();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], challenge);
        assert_eq!(response.headers()[CACHE_CONTROL], "private, no-store");
    }
}

#[test]
fn every_code_is_written_as_its_section_says() {
    let mut lines = Vec::new();
    for code in ErrorCode::ALL {
        let error = sample(*code);
        assert_eq!(error.code(), *code);
        lines.push(format!("{} {}", error.status().as_u16(), body_of(&error)));
        let problem = error.body(Rendering::Problem);
        lines.push(format!("    {}", String::from_utf8_lossy(&problem)));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_contracts_examples_are_written_to_the_byte() {
    assert_eq!(
        body_of(&sample(ErrorCode::LimitReached)),
        r#"{"data":null,"error":"Limit reached: max_creators_per_org","meta":{"code":"limit_reached","limitKey":"max_creators_per_org","current":5,"max":5}}"#
    );
    assert_eq!(
        body_of(&sample(ErrorCode::InsufficientScope)),
        r#"{"data":null,"error":"This action requires the 'write' scope. Granted: [read]","meta":{"code":"insufficient_scope","required":"write","granted":["read"]}}"#
    );
    assert_eq!(
        body_of(&sample(ErrorCode::RateLimitExceeded)),
        r#"{"data":null,"error":"Rate limit exceeded: 60 requests per minute for this key","meta":{"code":"rate_limit_exceeded","retryAfter":12,"policy":"key-minute","limit":60}}"#
    );
}

#[test]
fn refusals_that_pass_say_when_to_come_back() {
    for byte in 0..=u8::MAX {
        let response = ApiError::not_committed(Jitter::from_random(byte)).into_response();
        let seconds: u64 = response.headers()[RETRY_AFTER]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=3).contains(&seconds));
    }
    for code in ErrorCode::ALL {
        let response = sample(*code).into_response();
        let has_retry = response.headers().contains_key(RETRY_AFTER);
        assert_eq!(
            has_retry,
            matches!(code.status().as_u16(), 429 | 503),
            "{code}"
        );
    }
    let revoking = ApiError::key_revocation_in_progress().into_response();
    assert_eq!(revoking.headers()[RETRY_AFTER], "1");
    let allowed = ApiError::method_not_allowed("GET, HEAD").into_response();
    assert_eq!(allowed.headers()[ALLOW], "GET, HEAD");
}

#[test]
fn the_cause_stays_inside() {
    let error = ApiError::internal(io::Error::other("password of postgres"));
    assert!(std::error::Error::source(&error).is_some());
    for rendering in [Rendering::Envelope, Rendering::Problem] {
        let body = String::from_utf8(error.body(rendering).to_vec()).unwrap();
        assert!(!body.contains("postgres"), "{body}");
    }
}

#[test]
fn a_problem_is_written_where_it_is_wanted() {
    let wanted = |accept: &str| Rendering::wanted_by(&accepting(accept)) == Rendering::Problem;
    for accept in [
        "application/problem+json",
        "Application/Problem+JSON; q=0.5",
        "application/json, application/problem+json",
        "application/json;q=0.8, application/problem+json;q=0.9",
    ] {
        assert!(wanted(accept), "{accept}");
    }
    for accept in [
        "*/*",
        "application/json",
        "application/problem+json;q=0",
        "application/problem+json;q=0.5, application/json",
        "application/problem+json;q=high",
        "application/problem+xml",
        "",
    ] {
        assert!(!wanted(accept), "{accept}");
    }
}

#[tokio::test]
async fn the_layer_rewrites_refusals_and_leaves_successes() {
    async fn refuse() -> ApiError {
        ApiError::limit_reached(domain::plan::LimitKey::MaxProjectsPerOrg, 1, 1)
    }
    let router = Router::new()
        .route("/no", get(refuse))
        .route("/yes", get(|| async { "yes" }))
        .layer(middleware::from_fn(negotiate));
    let ask = async |path: &str, accept: &'static str| {
        let request = Request::get(path)
            .header(ACCEPT, accept)
            .body(Body::empty());
        let response = router.clone().oneshot(request.unwrap()).await.unwrap();
        let content_type = response.headers()[CONTENT_TYPE]
            .to_str()
            .unwrap()
            .to_owned();
        let body = collect(response.into_body()).await.unwrap();
        (content_type, String::from_utf8(body.to_vec()).unwrap())
    };

    let (content_type, body) = ask("/no", "application/problem+json").await;
    assert_eq!(content_type, "application/problem+json");
    assert_eq!(
        body,
        r#"{"type":"/problems/limit_reached","title":"Limit reached","status":402,"detail":"Limit reached: max_projects_per_org","code":"limit_reached","limitKey":"max_projects_per_org","current":1,"max":1}"#
    );
    let (content_type, body) = ask("/no", "*/*").await;
    assert_eq!(content_type, "application/json");
    assert!(body.starts_with(r#"{"data":null,"#));
    let (_, body) = ask("/yes", "application/problem+json").await;
    assert_eq!(body, "yes");
}
