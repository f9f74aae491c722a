//! Campaigns and what they hold (v1-contract.md 13).

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Org, TestApp};

async fn put(app: &TestApp, org: &Org, campaign: Uuid, kind: &str, id: Uuid) -> Answer {
    let path = format!("/campaigns/{campaign}/items");
    app.post(org, &path, json!({"item_type": kind, "item_id": id}))
        .await
}

#[tokio::test]
async fn a_campaign_is_made_changed_and_removed() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let body = json!({"name": " Launch ", "readme": "1 M", "metadata": {"a": 1},
        "target_views": 1_000_000, "target_at": "2026-06-01T02:00:00+02:00"});
    let made = app
        .post(&org, &format!("/projects/{project}/campaigns"), body)
        .await;
    let id = made.id(201);
    assert_eq!(made.header("Location"), format!("/api/v1/campaigns/{id}"));
    let mut campaign = made.data(201).clone();
    for field in ["created_at", "updated_at"] {
        assert!(campaign[field].is_string());
        campaign.as_object_mut().unwrap().remove(field);
    }
    let expected = json!({"id": id, "project_id": project, "name": "Launch", "readme": "1 M",
        "description": "1 M", "metadata": {"a": 1}, "target_views": 1_000_000,
        "target_at": "2026-06-01T00:00:00.000000Z", "item_count": 0});
    assert_eq!(campaign, expected);

    let path = format!("/campaigns/{id}");
    let change = json!({"target_views": null, "name": "Other"});
    let changed = app.patch(&org, &path, change.clone()).await;
    assert_eq!(changed.data(200)["target_views"], Value::Null);
    assert_eq!(changed.data(200)["name"], "Other");
    assert_eq!(changed.data(200)["target_at"], expected["target_at"]);
    let before = app.head().await;
    let unchanged = app.patch(&org, &path, change).await;
    assert_eq!(unchanged.data(200), changed.data(200));
    assert_eq!(app.head().await, before);

    let removed = app.delete(&org, &path).await;
    assert_eq!(removed.data(200)["name"], "Other");
    app.delete(&org, &path).await.refused(404, "not_found");
    put(&app, &org, id, "campaign", id)
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn items_of_three_kinds_are_held_once_within_the_project_and_without_cycles() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let (org, outer) = (&world.org, world.campaign);
    let inner = app.campaign(org, world.project, "Inner").await;
    let added = put(&app, org, outer, "campaign", inner).await;
    let item = added.data(201).clone();
    assert_eq!(item["item_type"], "campaign");
    assert_eq!(item["item_id"], inner.to_string());
    assert_eq!(item["label"], "Inner");
    let location = format!("/api/v1/campaigns/{outer}/items?item_type=campaign&item_id={inner}");
    assert_eq!(added.header("Location"), location);
    let video = put(&app, org, inner, "video", world.direct_video).await;
    assert_eq!(video.data(201)["label"], "7000000000000000003");

    let twice = put(&app, org, outer, "campaign", inner).await;
    assert_eq!(twice.refused(409, "duplicate")["id"], inner.to_string());
    let cycle = put(&app, org, inner, "campaign", outer).await;
    let path = cycle.refused(409, "campaign_cycle")["path"].clone();
    assert_eq!(path, json!([outer, inner]));
    let itself = put(&app, org, inner, "campaign", inner).await;
    itself.refused(409, "campaign_cycle");
    let elsewhere = app.project(org).await;
    let elsewhere = app.campaign(org, elsewhere, "Elsewhere").await;
    let foreign = put(&app, org, elsewhere, "video", world.direct_video).await;
    foreign.refused(409, "cross_project");
    let other = app.world().await;
    for (kind, id) in [
        ("creator", other.creator),
        ("video", other.direct_video),
        ("campaign", other.campaign),
        ("creator", world.direct_video),
    ] {
        put(&app, org, outer, kind, id)
            .await
            .refused(404, "not_found");
    }

    let path = location.strip_prefix("/api/v1").unwrap();
    let taken = app.delete(org, path).await;
    assert_eq!(taken.data(200), &item, "as it last was");
    app.delete(org, path).await.refused(404, "not_found");
}

#[tokio::test]
async fn many_items_have_a_result_each() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let campaign = app.campaign(&world.org, world.project, "Many").await;
    let item = |kind: &str, id: Uuid| json!({"item_type": kind, "item_id": id});
    let items = json!({"items": [item("creator", world.creator), item("creator", world.creator),
        item("campaign", campaign), item("video", Uuid::nil())]});
    let path = format!("/campaigns/{campaign}/items");
    let answer = app.post(&world.org, &path, items).await;
    let data = answer.data(200);
    let codes: Vec<_> = data["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| (result["status"].clone(), result["code"].clone()))
        .collect();
    let expected = [
        (json!("created"), Value::Null),
        (json!("error"), json!("duplicate")),
        (json!("error"), json!("campaign_cycle")),
        (json!("error"), json!("not_found")),
    ];
    assert_eq!(codes, expected);
    assert_eq!(data["summary"], json!({"ok": 1, "error": 3}));
}

#[tokio::test]
async fn a_removed_creator_takes_their_videos_out_of_campaigns() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let campaign = world.campaign;
    put(&app, &world.org, campaign, "video", world.auto_video)
        .await
        .data(201);
    let path = format!("/creators/{}", world.creator);
    app.delete(&world.org, &path).await.data(200);
    let path = format!("/campaigns/{campaign}");
    let campaign = app.patch(&world.org, &path, json!({"name": "N"})).await;
    assert_eq!(campaign.data(200)["item_count"], 0);
}

#[tokio::test]
async fn bad_campaigns_and_items_are_refused() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let before = app.head().await;
    let create = format!("/projects/{}/campaigns", world.project);
    let change = format!("/campaigns/{}", world.campaign);
    for (field, bad) in [
        ("name", json!("")),
        ("name", json!("x".repeat(201))),
        ("name", json!("a\u{202e}b")),
        ("name", json!("a\nb")),
        ("name", json!(5)),
        ("readme", json!("x".repeat(20_001))),
        ("metadata", json!([])),
        ("target_views", json!(0)),
        ("target_views", json!(-1)),
        ("target_views", json!(1.5)),
        ("target_views", json!("5")),
        ("target_at", json!("tomorrow")),
        ("target_at", json!("2026-06-01")),
    ] {
        let mut body = json!({"name": "N"});
        body[field] = bad.clone();
        let refused = app.post(&world.org, &create, body).await;
        let meta = refused.refused(400, "invalid_body");
        assert_eq!(meta["issues"][0]["path"], field, "{bad}");
        let refused = app.patch(&world.org, &change, json!({field: bad})).await;
        let meta = refused.refused(400, "invalid_body");
        assert_eq!(meta["issues"][0]["path"], field);
    }
    let items = format!("{change}/items");
    for (body, path) in [
        (json!({"item_type": "creator"}), "item_id"),
        (json!({"item_id": world.creator}), "item_type"),
        (
            json!({"item_type": "project", "item_id": world.project}),
            "item_type",
        ),
        (json!({"item_type": "creator", "item_id": "x"}), "item_id"),
        (json!({"items": []}), "items"),
        (
            json!({"items": vec![json!({"item_type": "video", "item_id": Uuid::nil()}); 101]}),
            "items",
        ),
        (
            json!({"items": [{"item_type": "video"}]}),
            "items[0].item_id",
        ),
    ] {
        let refused = app.post(&world.org, &items, body).await;
        let meta = refused.refused(400, "invalid_body");
        assert_eq!(meta["issues"][0]["path"], path);
    }
    for (query, path) in [
        ("", "item_type"),
        ("?item_type=creator", "item_id"),
        ("?item_type=project&item_id=x", "item_type"),
    ] {
        let refused = app.delete(&world.org, &format!("{items}{query}")).await;
        let meta = refused.refused(400, "invalid_query");
        assert_eq!(meta["issues"][0]["path"], path);
    }
    assert_eq!(app.head().await, before);
}
