//! Marks on the time axis (v1-contract.md 14).

use domain::ids::GlobalPosition;
use domain::org::Mark;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;

#[tokio::test]
async fn a_mark_is_made_changed_and_removed() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let body = json!({"project_id": world.project, "date": "2026-03-02", "label": " Spring ",
        "entity": {"type": "creator", "id": world.creator}, "kind": "launch", "body": "two\nlines"});
    let made = app.post(&world.org, "/analytics/annotations", body).await;
    let id = made.id(201);
    let location = format!("/api/v1/analytics/annotations/{id}");
    assert_eq!(made.header("Location"), location);
    let mut mark = made.data(201).clone();
    for field in ["created_at", "updated_at"] {
        mark.as_object_mut().unwrap().remove(field);
    }
    let expected = json!({"id": id, "project_id": world.project,
        "entity": {"type": "creator", "id": world.creator}, "kind": "launch", "source": "user",
        "date": "2026-03-02", "label": "Spring", "body": "two\nlines",
        "created_by": {"type": "key", "id": world.org.key_id.to_string()}});
    assert_eq!(mark, expected);

    let path = format!("/analytics/annotations/{id}");
    let change = json!({"body": null, "kind": "incident", "date": "2026-03-03"});
    let changed = app.patch(&world.org, &path, change).await;
    assert_eq!(changed.data(200)["body"], Value::Null);
    assert_eq!(changed.data(200)["kind"], "incident");
    assert_eq!(changed.data(200)["entity"], expected["entity"]);
    let removed = app.delete(&world.org, &path).await;
    assert_eq!(removed.data(200)["kind"], "incident");
    app.delete(&world.org, &path)
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn marks_of_the_system_are_not_changed() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let path = format!("/creators/{}", world.creator);
    let change = json!({"tracking_mode": "selective"});
    let position = app.patch(&world.org, &path, change).await.position();
    let event = app
        .service
        .log()
        .read_at(&[GlobalPosition::new(position)])
        .await;
    let event = event.unwrap().remove(0);
    let mark = Mark::of(&event.decode().unwrap()).unwrap();
    let path = format!("/analytics/annotations/{}", mark.id);
    let refused = app.patch(&world.org, &path, json!({"label": "Mine"})).await;
    refused.refused(409, "state_conflict");
    app.delete(&world.org, &path)
        .await
        .refused(409, "state_conflict");
    let other = app.org().await;
    app.delete(&other, &path).await.refused(404, "not_found");
}

#[tokio::test]
async fn bad_marks_are_refused() {
    let app = TestApp::new().await;
    let (world, other) = (app.world().await, app.world().await);
    let before = app.head().await;
    let good = json!({"project_id": world.project, "date": "2026-03-02", "label": "Spring"});
    let path = format!("/analytics/annotations/{}", world.annotation);
    for (field, bad) in [
        ("date", json!("02.03.2026")),
        ("date", Value::Null),
        ("label", json!(" ")),
        ("label", json!("x".repeat(201))),
        ("label", json!("a\u{7}b")),
        ("kind", json!("creator_added")),
        ("body", json!("x".repeat(2_001))),
        ("body", json!("a\0b")),
    ] {
        let mut body = good.clone();
        body[field] = bad.clone();
        let refused = app.post(&world.org, "/analytics/annotations", body).await;
        let issues = refused.refused(400, "invalid_body")["issues"].clone();
        assert_eq!(issues[0]["path"], field, "{bad}");
        let refused = app.patch(&world.org, &path, json!({field: bad})).await;
        let issues = refused.refused(400, "invalid_body")["issues"].clone();
        assert_eq!(issues[0]["path"], field);
    }
    for (entity, path) in [
        (
            json!({"type": "project", "id": world.project}),
            "entity.type",
        ),
        (json!({"type": "creator"}), "entity.id"),
        (json!({"type": "creator", "id": 5}), "entity.id"),
        (json!("creator"), "entity"),
    ] {
        let mut body = good.clone();
        body["entity"] = entity;
        let refused = app.post(&world.org, "/analytics/annotations", body).await;
        let issues = refused.refused(400, "invalid_body")["issues"].clone();
        assert_eq!(issues[0]["path"], path);
    }
    for (project, entity) in [
        (other.project, Value::Null),
        (Uuid::nil(), Value::Null),
        (
            world.project,
            json!({"type": "creator", "id": other.creator}),
        ),
        (world.project, json!({"type": "video", "id": world.creator})),
    ] {
        let mut body = good.clone();
        body["project_id"] = json!(project);
        body["entity"] = entity;
        let refused = app.post(&world.org, "/analytics/annotations", body).await;
        refused.refused(404, "not_found");
    }
    assert_eq!(app.head().await, before);
}
