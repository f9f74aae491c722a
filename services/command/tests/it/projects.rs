//! Projects and the org (v1-contract.md 8.1, 9).

use domain::org::Command;
use domain::plan::LimitKey;
use serde_json::{Value, json};

use crate::support::TestApp;

#[tokio::test]
async fn a_project_is_made_changed_and_removed() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let body = json!({"name": " Launch ", "description": "# Target\n1 M", "metadata": {"b": 1, "a": [null]}});
    let made = app.post(&org, "/projects", body).await;
    let id = made.id(201);
    let project = made.data(201).clone();
    assert_eq!(made.header("Location"), format!("/api/v1/projects/{id}"));
    assert_eq!(project["name"], "Launch");
    assert_eq!(project["readme"], "# Target\n1 M");
    assert_eq!(project["description"], project["readme"]);
    assert_eq!(project["metadata"], json!({"a": [null], "b": 1}));
    assert_eq!(project["org_id"], org.id.to_string());
    assert_eq!(project["created_at"], project["updated_at"]);

    let path = format!("/projects/{id}");
    let changed = app
        .patch(&org, &path, json!({"name": "Other", "readme": null}))
        .await;
    assert_eq!(changed.data(200)["name"], "Other");
    assert_eq!(changed.data(200)["readme"], Value::Null);
    assert_eq!(changed.data(200)["metadata"], project["metadata"]);
    assert_ne!(changed.data(200)["updated_at"], project["updated_at"]);

    let before = app.head().await;
    let unchanged = app.patch(&org, &path, json!({"name": "Other"})).await;
    assert_eq!(unchanged.data(200), changed.data(200));
    assert_eq!(unchanged.position(), before.get());
    assert_eq!(app.head().await, before);

    let removed = app.delete(&org, &path).await;
    assert_eq!(removed.data(200)["name"], "Other");
    app.delete(&org, &path).await.refused(404, "not_found");
    let gone = app.patch(&org, &path, json!({"name": "Back"})).await;
    gone.refused(404, "not_found");
    let gone = app
        .post(&org, &format!("{path}/creators"), json!({"handle": "a"}))
        .await;
    gone.refused(404, "not_found");
}

#[tokio::test]
async fn a_bad_project_is_refused() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let before = app.head().await;
    let deep = (0..9).fold(json!(1), |inner, _| json!({"a": inner}));
    for (field, bad) in [
        ("name", json!("  ")),
        ("name", json!("x".repeat(201))),
        ("name", json!("a\u{202e}b")),
        ("readme", json!("x".repeat(20_001))),
        ("readme", json!(1)),
        ("metadata", json!([])),
        ("metadata", json!({"video": 7_301_234_567_890_123_457_u64})),
        ("metadata", json!(null)),
        ("metadata", deep),
        ("metadata", json!({"a": "x".repeat(17_000)})),
        ("org_id", json!(org.id.to_string())),
    ] {
        let mut body = json!({"name": "P"});
        body[field] = bad.clone();
        let answer = app.post(&org, "/projects", body).await;
        answer.refused(400, "invalid_body");
        let changed = app
            .patch(&org, &format!("/projects/{project}"), json!({field: bad}))
            .await;
        changed.refused(400, "invalid_body");
    }
    let both = json!({"name": "P", "readme": "a", "description": "b"});
    app.post(&org, "/projects", both)
        .await
        .refused(400, "invalid_body");
    let none = app
        .patch(&org, &format!("/projects/{project}"), json!({}))
        .await;
    none.refused(400, "invalid_body");
    assert_eq!(app.head().await, before);
}

#[tokio::test]
async fn projects_are_limited_and_a_warning_comes_before() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let limit_key = LimitKey::MaxProjectsPerOrg;
    let value = Some(1);
    app.operate(org.id, Command::SetLimit { limit_key, value })
        .await;
    let before = app.head().await;
    let first = app.project(&org).await;
    let events: Vec<_> = app.events_after(before).await;
    let types: Vec<_> = events.iter().map(|(_, event)| event.as_str()).collect();
    assert_eq!(types, ["project.added", "limit.warned"]);
    let refused = app.post(&org, "/projects", json!({"name": "Second"})).await;
    let meta = refused.refused(402, "limit_reached");
    assert_eq!(
        *meta,
        json!({"code": "limit_reached", "limitKey": "max_projects_per_org", "current": 1, "max": 1})
    );
    app.delete(&org, &format!("/projects/{first}"))
        .await
        .data(200);
    app.project(&org).await;
}

#[tokio::test]
async fn an_org_changes_its_name_and_zone() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let changed = app
        .patch(
            &org,
            "/orgs/self",
            json!({"name": "Neu", "timezone": "Asia/Kathmandu"}),
        )
        .await;
    let data = changed.data(200);
    assert_eq!(data["id"], org.id.to_string());
    assert_eq!(
        (&data["name"], &data["timezone"]),
        (&json!("Neu"), &json!("Asia/Kathmandu"))
    );
    assert_eq!(
        (&data["plan"], &data["suspended"]),
        (&json!("ultra"), &json!(false))
    );
    for bad in [
        json!({}),
        json!({"timezone": "Mars/Olympus"}),
        json!({"name": ""}),
        json!({"plan": "ultra"}),
    ] {
        app.patch(&org, "/orgs/self", bad)
            .await
            .refused(400, "invalid_body");
    }
}
