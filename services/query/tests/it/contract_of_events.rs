//! What events look like, as those who follow them find it: the AsyncAPI document, and the schema that
//! each event names.

use domain::event::EventType;
use http::{Method, StatusCode};

use crate::support::World;

#[tokio::test]
async fn strangers_get_the_document_of_events() {
    let world = World::start().await;
    let got = world.replica.send(Method::GET, "/asyncapi.json", &[]).await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(got.json()["asyncapi"], "3.0.0");
    let tag = got.header("etag").to_owned();
    let again = [("if-none-match", tag.as_str())];
    let again = world
        .replica
        .send(Method::GET, "/asyncapi.json", &again)
        .await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn every_event_s_schema_is_where_the_event_says() {
    let world = World::start().await;
    for event_type in EventType::ALL {
        let (name, version) = (event_type.name(), event_type.schema_version());
        let path = format!("/schemas/events/{name}.v{version}.json");
        let got = world.replica.ask(Method::GET, &path, &[]).await;
        assert_eq!(got.status, StatusCode::OK, "{path}");
        assert_eq!(got.header("content-type"), "application/schema+json");
        let published = event_type.schema_text(version).unwrap();
        assert_eq!(got.body, published.as_bytes(), "{path}");
    }
    for missing in [
        "key.revoked.v2.json",
        "key.revoked.v1",
        "",
        "../key.revoked.v1.json",
    ] {
        let path = format!("/schemas/events/{missing}");
        let got = world.replica.ask(Method::GET, &path, &[]).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(got.code(), "not_found");
    }
    let path = "/schemas/events/key.revoked.v1.json";
    let posted = world.replica.ask(Method::POST, path, &[]).await;
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
}
