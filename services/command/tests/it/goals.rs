//! Goals (v1-contract.md 17).

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;

#[tokio::test]
async fn a_goal_is_set_changed_and_removed() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let path = format!("/projects/{}/goals", world.project);
    let body = json!({"creator_id": world.creator, "metric": "followers", "period": "monthly",
        "target_value": 1_000_000_000_000_u64, "start_date": "2026-03-01", "end_date": null});
    let made = app.post(&world.org, &path, body).await;
    let id = made.id(201);
    assert_eq!(made.header("Location"), format!("/api/v1/goals/{id}"));
    let mut goal = made.data(201).clone();
    for field in ["created_at", "updated_at"] {
        goal.as_object_mut().unwrap().remove(field);
    }
    let expected = json!({"id": id, "creator_id": world.creator, "project_id": world.project,
        "metric": "followers", "period": "monthly", "target_value": 1_000_000_000_000_u64,
        "start_date": "2026-03-01", "end_date": null, "is_active": true});
    assert_eq!(goal, expected);

    let goal = format!("/goals/{id}");
    let change = json!({"start_date": null, "is_active": false, "target_value": 7});
    let changed = app.patch(&world.org, &goal, change).await;
    assert_eq!(changed.data(200)["start_date"], Value::Null);
    assert_eq!(changed.data(200)["is_active"], false);
    assert_eq!(changed.data(200)["target_value"], 7);
    let removed = app.delete(&world.org, &goal).await;
    assert_eq!(removed.data(200)["target_value"], 7);
    app.delete(&world.org, &goal)
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn one_goal_is_active_of_each_creator_metric_and_period() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let path = format!("/projects/{}/goals", world.project);
    let body = json!({"creator_id": world.creator, "metric": "posts", "period": "weekly",
        "target_value": 9});
    let refused = app.post(&world.org, &path, body.clone()).await;
    assert_eq!(
        refused.refused(409, "duplicate")["id"],
        world.goal.to_string()
    );
    let first = format!("/goals/{}", world.goal);
    let pause = json!({"is_active": false});
    app.patch(&world.org, &first, pause).await.data(200);
    let second = app.post(&world.org, &path, body).await.id(201);
    let refused = app
        .patch(&world.org, &first, json!({"is_active": true}))
        .await;
    assert_eq!(refused.refused(409, "duplicate")["id"], second.to_string());
}

#[tokio::test]
async fn bad_goals_are_refused() {
    let app = TestApp::new().await;
    let (world, other) = (app.world().await, app.world().await);
    let before = app.head().await;
    let path = format!("/projects/{}/goals", world.project);
    let good = json!({"creator_id": world.creator, "metric": "views", "period": "daily",
        "target_value": 5, "start_date": "2026-03-01"});
    for (field, bad) in [
        ("creator_id", json!("x")),
        ("creator_id", Value::Null),
        ("metric", json!("likes")),
        ("period", json!("yearly")),
        ("target_value", json!(0)),
        ("target_value", json!(1_000_000_000_001_u64)),
        ("target_value", json!(5.5)),
        ("start_date", json!("2026-3-1")),
        ("end_date", json!("2026-02-28")),
        ("end_date", json!("2026-02-30")),
    ] {
        let mut body = good.clone();
        body[field] = bad.clone();
        let refused = app.post(&world.org, &path, body).await;
        let meta = refused.refused(400, "invalid_body");
        assert_eq!(meta["issues"][0]["path"], field, "{bad}");
    }
    for field in ["creator_id", "metric", "period", "target_value"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(field);
        let refused = app.post(&world.org, &path, body).await;
        assert_eq!(
            refused.refused(400, "invalid_body")["issues"][0]["path"],
            field
        );
    }
    for creator in [other.creator, Uuid::nil()] {
        let mut body = good.clone();
        body["creator_id"] = json!(creator);
        let refused = app.post(&world.org, &path, body).await;
        refused.refused(404, "not_found");
    }
    let goal = format!("/goals/{}", world.goal);
    for (body, path) in [
        (json!({"metric": "views"}), "metric"),
        (json!({"is_active": "yes"}), "is_active"),
        (
            json!({"start_date": "2026-03-02", "end_date": "2026-03-01"}),
            "end_date",
        ),
    ] {
        let refused = app.patch(&world.org, &goal, body).await;
        let issues = refused.refused(400, "invalid_body")["issues"].clone();
        assert_eq!(issues[0]["path"], path);
    }
    assert_eq!(app.head().await, before);
}
