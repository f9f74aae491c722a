#![expect(clippy::unwrap_used, reason = "tests")]

use std::io;

use axum::body::Body;
use axum::extract::{FromRequest as _, Request};
use axum::routing::get;
use axum::{Router, response::IntoResponse as _};
use bytes::Bytes;
use chrono::NaiveDate;
use domain::ids::ProjectId;
use domain::limits::BODY_BYTES;
use domain::plan::Plan;
use domain::text::{Metadata, Name, Readme};
use domain::time::Timestamp;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::body::{Fields, FromBody, Ndjson, NoFields, OptionalJson, Patch, StrictJson, from_json};
use super::issue::Invalid;
use super::node::Node;
use super::path::PathId;
use super::query::{FromQuery, NoParams, PageParams, Params, RangeParams, from_query};
use super::text::Text;
use crate::error::{ApiError, ErrorCode};

#[derive(Debug, PartialEq)]
struct Thing {
    name: Name,
    count: Option<u64>,
    at: Patch<Timestamp>,
    notes: Patch<Readme>,
    metadata: Option<Metadata>,
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq)]
struct Part {
    id: ProjectId,
    plan: Plan,
}

impl FromBody for Thing {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let name = fields.required("name", |it| it.parse(Name::parse));
        let count = fields.optional("count", |it| it.integer(0..=1_000_000));
        let at = fields.patch("at", Node::instant);
        let notes = fields.notes();
        let metadata = fields.metadata();
        let parts = fields.optional("parts", |it| it.list(1..=2, Node::object));
        Ok(Self {
            name: name?,
            count: count?,
            at: at?,
            notes: notes?,
            metadata: metadata?,
            parts: parts?.unwrap_or_default(),
        })
    }
}

impl FromBody for Part {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let id = fields.required("id", Node::from_str);
        let plan = fields.required("plan", |it| it.one_of(&Plan::ALL, Plan::name));
        Ok(Self {
            id: id?,
            plan: plan?,
        })
    }
}

const ID: &str = "0192f0c1-2b7e-7c00-8000-00000000abcd";

fn issues_of(error: &ApiError) -> Vec<(String, String)> {
    let issues = error.issues().iter();
    issues
        .map(|issue| (issue.path.clone(), issue.message.to_string()))
        .collect()
}

fn paths_of<T: FromBody + std::fmt::Debug>(body: &Value) -> Vec<String> {
    let error = from_json::<T>(body.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidBody);
    issues_of(&error)
        .into_iter()
        .map(|(path, _)| path)
        .collect()
}

#[test]
fn a_good_body_is_read() {
    let body = json!({
        "name": " A ", "count": 148_419, "at": "2026-01-05T05:37:52+01:00", "readme": null,
        "metadata": {"a": [1]}, "parts": [{"id": ID, "plan": "ultra"}],
    });
    let (thing, _) = from_json::<Thing>(body.to_string().as_bytes()).unwrap();
    assert_eq!(thing.name.as_str(), "A");
    assert_eq!(thing.count, Some(148_419));
    let at = Timestamp::parse("2026-01-05T04:37:52Z").unwrap();
    assert_eq!(thing.at.into_change(), Some(Some(at)));
    assert_eq!(thing.notes, Patch::Null);
    assert_eq!(thing.parts[0].plan, Plan::Ultra);
}

#[test]
fn every_mistake_is_named_at_once_with_its_place() {
    let body = json!({
        "name": "", "count": 148_419.0, "at": 5, "metadata": [], "parts": [
            {"id": "x", "plan": "pro", "extra": 1}, {"plan": null},
        ], "colour": "red",
    });
    assert_eq!(
        paths_of::<Thing>(&body),
        [
            "name",
            "count",
            "at",
            "metadata",
            "parts[0].id",
            "parts[0].plan",
            "parts[0].extra",
            "parts[1].id",
            "parts[1].plan",
            "colour",
        ]
    );
}

#[test]
fn the_messages_say_what_is_allowed() {
    let body = json!({"count": -1, "parts": [], "colour": "red"});
    let error = from_json::<Thing>(body.to_string().as_bytes()).unwrap_err();
    let issues = issues_of(&error);
    let messages: Vec<_> = issues.iter().map(|(_, message)| message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "is required",
            "must be an integer from 0 to 1000000",
            "must have 1 to 2 items",
            "is unknown; allowed are name, count, at, readme, description, metadata, parts",
        ]
    );
    assert_eq!(
        error.message(),
        "Invalid body: name: is required (and 3 more)"
    );
}

#[test]
fn what_is_not_an_object_is_refused_as_a_whole() {
    for body in [json!(null), json!([]), json!("x"), json!(1)] {
        assert_eq!(paths_of::<Thing>(&body), ["$"]);
    }
    let error = from_json::<Thing>(br#"{"name":"a","name":"b"}"#).unwrap_err();
    assert_eq!(
        issues_of(&error),
        [("name".to_owned(), "is repeated".to_owned())]
    );
}

#[test]
fn no_more_than_twenty_issues_are_told_and_no_name_is_told_whole() {
    let many: serde_json::Map<_, _> = (0..50).map(|n| (format!("f{n}"), json!(n))).collect();
    assert_eq!(paths_of::<Thing>(&many.into()).len(), 20);
    let long = json!({"name": "a", "x".repeat(100_000): 1});
    assert!(paths_of::<Thing>(&long)[0].len() < 100);
}

#[test]
fn notes_have_two_names_and_one_text() {
    let notes = |body: Value| {
        let mut body = body;
        body["name"] = json!("a");
        from_json::<Thing>(body.to_string().as_bytes()).map(|(thing, _)| thing.notes)
    };
    let text = || Patch::Value(Readme::parse("x").unwrap());
    assert_eq!(notes(json!({})).unwrap(), Patch::Absent);
    assert_eq!(notes(json!({"readme": "x"})).unwrap(), text());
    assert_eq!(notes(json!({"description": "x"})).unwrap(), text());
    assert_eq!(
        notes(json!({"readme": "x", "description": "x"})).unwrap(),
        text()
    );
    assert_eq!(notes(json!({"description": null})).unwrap(), Patch::Null);
    assert!(notes(json!({"readme": "x", "description": "y"})).is_err());
    assert!(notes(json!({"readme": "x", "description": null})).is_err());
}

#[test]
fn an_empty_patch_is_refused() {
    #[derive(Debug)]
    struct Change;
    impl FromBody for Change {
        fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
            let any = fields.refuse_empty();
            let name = fields.optional("name", |it| it.parse(Name::parse));
            any?;
            name?;
            Ok(Self)
        }
    }
    assert_eq!(paths_of::<Change>(&json!({})), ["$"]);
    assert_eq!(paths_of::<Change>(&json!({"name": null})), ["name"]);
    assert!(from_json::<Change>(br#"{"name":"a"}"#).is_ok());
}

#[test]
fn equal_json_has_an_equal_fingerprint_and_other_json_another() {
    let of = |text: &str| from_json::<Thing>(text.as_bytes()).unwrap().1;
    assert_eq!(
        of(r#"{"name":"a","count":1}"#),
        of("{ \"count\" : 1,\n \"name\" : \"\\u0061\" }")
    );
    assert_ne!(of(r#"{"name":"a"}"#), of(r#"{"name":"b"}"#));
    assert_ne!(of(r#"{"name":"a"}"#), of(r#"{"name":"a","readme":null}"#));
}

async fn read_body<T: FromBody>(request: Request) -> Result<T, ApiError> {
    StrictJson::<T>::from_request(request, &())
        .await
        .map(|body| body.value)
}

fn post(content_type: &str, body: impl Into<Body>) -> Request {
    Request::post("/")
        .header(CONTENT_TYPE, content_type)
        .body(body.into())
        .unwrap()
}

#[tokio::test]
async fn the_media_type_is_json_and_nothing_is_encoded() {
    for good in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
    ] {
        assert!(
            read_body::<Thing>(post(good, r#"{"name":"a"}"#))
                .await
                .is_ok(),
            "{good}"
        );
    }
    for bad in [
        "",
        "text/plain",
        "application/json; charset=latin1",
        "application/jsonp",
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
    ] {
        let error = read_body::<Thing>(post(bad, r#"{"name":"a"}"#))
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::UnsupportedMediaType, "{bad}");
    }
    let mut encoded = post("application/json", r#"{"name":"a"}"#);
    encoded
        .headers_mut()
        .insert(CONTENT_ENCODING, "gzip".parse().unwrap());
    let error = read_body::<Thing>(encoded).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UnsupportedMediaType);
    let mut twice = post("application/json", r#"{"name":"a"}"#);
    twice
        .headers_mut()
        .append(CONTENT_TYPE, "application/json".parse().unwrap());
    assert!(read_body::<Thing>(twice).await.is_err());
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_declared_or_not() {
    let exact = format!(r#"{{"name":"a"}}{}"#, " ".repeat(BODY_BYTES - 12));
    assert_eq!(exact.len(), BODY_BYTES);
    assert!(
        read_body::<Thing>(post("application/json", exact.clone()))
            .await
            .is_ok()
    );

    let error = read_body::<Thing>(post("application/json", format!("{exact} ")))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::PayloadTooLarge);
    assert_eq!(error.meta("max"), Some(&json!(BODY_BYTES)));

    let mut declared = post("application/json", "{}");
    declared
        .headers_mut()
        .insert(CONTENT_LENGTH, "1048577".parse().unwrap());
    let error = read_body::<Thing>(declared).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PayloadTooLarge);
}

#[tokio::test]
async fn a_body_that_is_too_slow_is_408_and_one_that_breaks_off_400() {
    for (kind, code) in [
        (io::ErrorKind::TimedOut, ErrorCode::RequestTimeout),
        (io::ErrorKind::ConnectionReset, ErrorCode::InvalidBody),
    ] {
        let breaks_off = futures_util::stream::iter([Err::<Bytes, _>(io::Error::from(kind))]);
        let request = post("application/json", Body::from_stream(breaks_off));
        let error = read_body::<Thing>(request).await.unwrap_err();
        assert_eq!(error.code(), code);
    }
}

#[tokio::test]
async fn no_body_is_allowed_only_where_nothing_is_required() {
    let empty = || Request::post("/").body(Body::empty()).unwrap();
    let error = read_body::<Thing>(empty()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidBody);

    assert!(
        OptionalJson::<NoFields>::from_request(empty(), &())
            .await
            .is_ok()
    );
    let fields = OptionalJson::<NoFields>::from_request(post("application/json", "{}"), &()).await;
    assert!(fields.is_ok());
    for bad in [r#"{"a":1}"#, "[]", "null", " "] {
        let request = post("application/json", bad);
        let error = OptionalJson::<NoFields>::from_request(request, &())
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidBody, "{bad}");
    }
}

#[tokio::test]
async fn lines_come_as_they_are() {
    let request = post("application/x-ndjson", "{}\n\n{}\n");
    let lines = Ndjson::from_request(request, &()).await.unwrap();
    assert_eq!(lines.bytes, "{}\n\n{}\n");
    let error = Ndjson::from_request(post("application/json", "{}"), &())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::UnsupportedMediaType);
    let large = vec![b' '; domain::limits::INGEST_BODY_BYTES + 1];
    let error = Ndjson::from_request(post("application/x-ndjson", large), &())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::PayloadTooLarge);
}

#[derive(Debug)]
struct ListThings {
    search: Option<String>,
    page: PageParams,
    range: RangeParams,
}

impl FromQuery for ListThings {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let search = params.optional("search", Text::search);
        let page = params.page();
        let range = params.range();
        Ok(Self {
            search: search?,
            page: page?,
            range: range?,
        })
    }
}

#[test]
fn a_good_query_is_read_and_has_one_spelling() {
    let read =
        from_query::<ListThings>("limit=100&search=a+b%26%C3%A9&from=2026-01-01&cursor=x").unwrap();
    assert_eq!(read.value.search.as_deref(), Some("a b&é"));
    assert_eq!(read.value.page.limit, 100);
    assert_eq!(read.value.page.cursor.as_deref(), Some("x"));
    assert_eq!(read.value.range.to, None);
    assert_eq!(read.filters, "from=2026-01-01&search=a%20b%26%C3%A9");
    let other = from_query::<ListThings>("from=2026-01-01&search=a%20b%26%c3%a9").unwrap();
    assert_eq!(other.filters, read.filters);
    assert_eq!(other.value.page.limit, 50);
}

#[test]
fn every_mistake_of_a_query_is_named_at_once() {
    let error =
        from_query::<ListThings>("limit=0&limit=1&colour=red&from=soon&search=").unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidQuery);
    let issues = issues_of(&error);
    let paths: Vec<_> = issues.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["search", "limit", "from", "limit", "colour"]);
    assert_eq!(issues[3].1, "is repeated");
    assert_eq!(
        issues[4].1,
        "is unknown; allowed are search, limit, cursor, from, to"
    );
}

#[test]
fn what_does_not_decode_is_refused() {
    for query in [
        "search=%",
        "search=%4",
        "search=%zz",
        "search=%ff",
        "%ff=1",
        "search=%00",
    ] {
        assert!(from_query::<ListThings>(query).is_err(), "{query}");
    }
    for query in ["", "&", "&&"] {
        assert!(from_query::<NoParams>(query).is_ok(), "{query}");
    }
    let long = format!("cursor={}", "x".repeat(513));
    for query in ["a", "a=", "=a", "limit=50"] {
        assert!(from_query::<NoParams>(query).is_err(), "{query}");
    }
    assert!(from_query::<ListThings>(&long).is_err());
    assert!(from_query::<ListThings>("cursor=").is_err());
}

#[test]
fn a_range_ends_today_and_has_thirty_days_by_default() {
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    let today = day("2026-03-01");
    let resolve = |query: &str| {
        from_query::<ListThings>(query).and_then(|read| read.value.range.resolve(today))
    };
    assert_eq!(resolve("").unwrap(), (day("2026-01-31"), today));
    assert_eq!(
        resolve("to=2026-01-30").unwrap(),
        (day("2026-01-01"), day("2026-01-30"))
    );
    assert_eq!(resolve("from=2026-03-01").unwrap(), (today, today));
    for bad in ["from=2026-03-02", "from=2026-01-02&to=2026-01-01"] {
        assert_eq!(resolve(bad).unwrap_err().code(), ErrorCode::InvalidQuery);
    }
}

#[tokio::test]
async fn an_id_of_a_path_is_a_uuid() {
    let router: Router = Router::new().route(
        "/projects/{id}",
        get(|PathId(id): PathId<ProjectId>| async move { id.to_string() }),
    );
    let ask = async |id: &str| {
        let request = Request::get(format!("/projects/{id}")).body(Body::empty());
        router.clone().oneshot(request.unwrap()).await.unwrap()
    };
    assert_eq!(ask(ID).await.status(), 200);
    assert_eq!(ask(&ID.to_uppercase()).await.status(), 200);
    for bad in ["1", "%ff", &ID[1..], "0192f0c12b7e7c00800000000000abcd"] {
        let response = ask(bad).await;
        assert_eq!(response.status(), 400, "{bad}");
        let body = super::body::collect(response.into_body()).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["meta"]["code"], "invalid_params");
        assert_eq!(body["meta"]["issues"][0]["path"], "id");
    }
    let refused = ApiError::not_found().into_response();
    assert_eq!(refused.status(), 404);
}

proptest! {
    #[test]
    fn any_query_is_read_or_refused_and_its_spelling_is_stable(query in "[a-z=&%+0-9;.é-]{0,60}") {
        if let Ok(read) = from_query::<ListThings>(&query) {
            let again = from_query::<ListThings>(&read.filters).unwrap();
            prop_assert_eq!(again.filters, read.filters);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = from_json::<Thing>(&bytes);
    }
}
