//! Videos and the inbox (v1-contract.md 11).

use domain::org::Command;
use domain::plan::LimitKey;
use serde_json::{Value, json};

use crate::support::{TestApp, ingest_line};

const URL: &str = "https://www.tiktok.com/@somebody/video/7301234567890123456";

#[tokio::test]
async fn a_video_is_named_by_url_or_id() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let path = format!("/projects/{project}/videos");
    for (body, platform, id, url, media) in [
        (
            json!({"url": "https://m.tiktok.com/@a/video/1?x=1"}),
            "tiktok",
            "1",
            "https://www.tiktok.com/@a/video/1",
            "video",
        ),
        (
            json!({"url": "https://tiktok.com/@a/photo/2"}),
            "tiktok",
            "2",
            "https://www.tiktok.com/@a/photo/2",
            "photo",
        ),
        (
            json!({"url": "https://youtu.be/dQw4w9WgXcQ"}),
            "youtube",
            "dQw4w9WgXcQ",
            "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
            "video",
        ),
        (
            json!({"platform": "instagram", "platform_video_id": "Cabcde_-"}),
            "instagram",
            "Cabcde_-",
            "https://www.instagram.com/p/Cabcde_-",
            "video",
        ),
    ] {
        let answer = app.post(&org, &path, body).await;
        let video = answer.data(201);
        assert_eq!(
            (&video["platform"], &video["platform_video_id"]),
            (&json!(platform), &json!(id))
        );
        assert_eq!(
            (&video["url"], &video["media_type"]),
            (&json!(url), &json!(media))
        );
        assert_eq!(video["tracking_status"], "direct_add");
        assert_eq!(
            (&video["tracking_enabled"], &video["creator_id"]),
            (&json!(true), &Value::Null)
        );
        let path = format!("/api/v1/videos/{}", video["id"].as_str().unwrap());
        assert_eq!(answer.header("Location"), path);
    }
    let before = app.head().await;
    for bad in [
        json!({}),
        json!({"url": "https://vm.tiktok.com/ZMabc/"}),
        json!({"url": URL, "platform": "youtube"}),
        json!({"url": URL, "platform_video_id": "1"}),
        json!({"platform_video_id": "1"}),
        json!({"platform": "tiktok"}),
        json!({"platform": "youtube", "platform_video_id": "short"}),
        json!({"url": URL, "title": "mine"}),
        json!({"videos": []}),
        json!({"videos": vec![json!({"url": URL}); 51]}),
    ] {
        app.post(&org, &path, bad)
            .await
            .refused(400, "invalid_body");
    }
    assert_eq!(app.head().await, before);
}

#[tokio::test]
async fn a_video_that_counts_is_a_duplicate_and_one_that_does_not_is_taken_up() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let org = &world.org;
    let path = format!("/projects/{}/videos", world.project);
    let by_id = |id: &str| json!({"platform": "tiktok", "platform_video_id": id, "readme": "Look"});
    let counted = app.post(org, &path, by_id("7000000000000000001")).await;
    let meta = counted.refused(409, "duplicate");
    assert_eq!(meta["id"], world.auto_video.to_string());

    let pending = app.post(org, &path, by_id("7000000000000000002")).await;
    let video = pending.data(200);
    assert_eq!(video["id"], world.pending_video.to_string());
    assert_eq!(
        (&video["tracking_status"], &video["readme"]),
        (&json!("direct_add"), &json!("Look"))
    );
    // What was reported of it comes along.
    assert_eq!(
        (&video["title"], &video["creator_id"]),
        (&json!("Hello"), &Value::Null)
    );

    app.delete(org, &format!("/videos/{}", world.direct_video))
        .await
        .data(200);
    app.delete(org, &format!("/videos/{}", world.direct_video))
        .await
        .refused(404, "not_found");
    let items = [
        "7000000000000000003",
        "7000000000000000003",
        "7000000000000000009",
    ]
    .map(by_id);
    let answer = app.post(org, &path, json!({"videos": items})).await;
    let results = &answer.data(200)["results"];
    assert_eq!(results[0]["status"], "reactivated");
    assert_eq!(results[1]["code"], "duplicate");
    assert_eq!(results[2]["status"], "created");
}

#[tokio::test]
async fn an_answer_shows_the_last_known_figures() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let id = "7000000000000000001";
    let stats = |at: &str, counts: Value| {
        let mut line = json!({"kind": "video_stats", "platform": "tiktok", "platform_video_id": id,
            "observed_at": at});
        line.as_object_mut()
            .unwrap()
            .extend(counts.as_object().unwrap().clone());
        ingest_line(&line)
    };
    let lines = [
        stats("2026-01-05T06:00:00Z", json!({"view_count": 20})),
        stats(
            "2026-01-05T05:00:00Z",
            json!({"view_count": 10, "like_count": 3}),
        ),
    ];
    app.ingest(&world.org, lines.concat()).await.data(200);
    let path = format!("/videos/{}", world.auto_video);
    let answer = app
        .patch(&world.org, &path, json!({"metadata": {"seen": true}}))
        .await;
    let video = answer.data(200);
    assert_eq!(
        (&video["view_count"], &video["like_count"]),
        (&json!(20), &json!(3))
    );
    assert_eq!(video["share_count"], Value::Null);
    assert_eq!(video["stats_at"], "2026-01-05T06:00:00.000000Z");
    assert_eq!(video["title"], "Hello");
    assert_eq!(video["posted_at"], "2026-01-04T00:00:00.000000Z");
    assert_eq!(video["creator_id"], world.creator.to_string());
}

#[tokio::test]
async fn decisions_follow_the_table() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let org = &world.org;
    let review = async |id: uuid::Uuid, decision: &str| {
        app.post(
            org,
            &format!("/videos/{id}/review"),
            json!({"decision": decision}),
        )
        .await
    };
    let (pending, auto, direct) = (world.pending_video, world.auto_video, world.direct_video);
    for (id, decision, status) in [
        (pending, "include", "included"),
        (pending, "exclude", "excluded"),
        (pending, "exclude", "excluded"),
        (pending, "include", "included"),
        (auto, "include", "auto_tracked"),
        (auto, "exclude", "excluded"),
        (direct, "include", "direct_add"),
    ] {
        let answer = review(id, decision).await;
        assert_eq!(answer.data(200)["tracking_status"], status);
    }
    let refused = review(direct, "exclude").await;
    refused.refused(409, "state_conflict");
    assert!(refused.body["error"].as_str().unwrap().contains("delete"));
    let refused = app
        .patch(
            org,
            &format!("/videos/{direct}"),
            json!({"tracking_status": "excluded"}),
        )
        .await;
    refused.refused(409, "state_conflict");
    let changed = app
        .patch(
            org,
            &format!("/videos/{auto}"),
            json!({"tracking_status": "included"}),
        )
        .await;
    assert_eq!(changed.data(200)["tracking_status"], "included");
    for bad in [
        json!({}),
        json!({"decision": "maybe"}),
        json!({"decision": null}),
    ] {
        let answer = app.post(org, &format!("/videos/{auto}/review"), bad).await;
        answer.refused(400, "invalid_body");
    }
    for bad in [
        json!({}),
        json!({"tracking_status": "direct_add"}),
        json!({"tracking_enabled": null}),
        json!({"url": URL}),
    ] {
        app.patch(org, &format!("/videos/{auto}"), bad)
            .await
            .refused(400, "invalid_body");
    }
}

#[tokio::test]
async fn the_inbox_is_reviewed_in_lists() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let path = format!("/projects/{}/inbox/review", world.project);
    let missing = uuid::Uuid::from_u128(5);
    let ids = json!([
        world.pending_video,
        world.pending_video,
        world.direct_video,
        missing
    ]);
    let answer = app
        .post(
            &world.org,
            &path,
            json!({"decision": "exclude", "video_ids": ids}),
        )
        .await;
    let results = answer.data(200)["results"].as_array().unwrap().clone();
    let codes: Vec<_> = results
        .iter()
        .map(|result| {
            result["code"]
                .as_str()
                .or(result["status"].as_str())
                .unwrap()
        })
        .collect();
    assert_eq!(
        codes,
        ["changed", "unchanged", "state_conflict", "not_found"]
    );
    for bad in [
        json!({"decision": "include"}),
        json!({"decision": "include", "video_ids": []}),
        json!({"video_ids": [missing]}),
    ] {
        app.post(&world.org, &path, bad)
            .await
            .refused(400, "invalid_body");
    }
}

#[tokio::test]
async fn tracking_ends_and_begins_again_within_the_limit() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let org = &world.org;
    let path = format!("/videos/{}", world.direct_video);
    let disabled = app
        .post(org, &format!("{path}/tracking-disable"), json!({}))
        .await;
    assert_eq!(disabled.data(200)["tracking_enabled"], false);
    assert_eq!(disabled.data(200)["tracking_disabled_reason"], "manual");
    let before = app.head().await;
    app.post(org, &format!("{path}/tracking-disable"), json!({}))
        .await
        .data(200);
    assert_eq!(app.head().await, before);

    let limit_key = LimitKey::MaxTrackedVideosPerOrg;
    let set = async |value| {
        app.operate(org.id, Command::SetLimit { limit_key, value })
            .await;
    };
    set(Some(0)).await;
    let refused = app
        .patch(org, &path, json!({"tracking_enabled": true}))
        .await;
    refused.refused(402, "limit_reached");
    let refused = app
        .post(
            org,
            &format!("/projects/{}/videos", world.project),
            json!({"url": URL}),
        )
        .await;
    refused.refused(402, "limit_reached");
    set(None).await;
    let enabled = app
        .patch(org, &path, json!({"tracking_enabled": true}))
        .await;
    assert_eq!(enabled.data(200)["tracking_enabled"], true);

    let many = format!("/projects/{}/videos/bulk-tracking-disable", world.project);
    let body = json!({"video_ids": [world.direct_video, world.direct_video]});
    let answer = app.post(org, &many, body).await;
    let results = &answer.data(200)["results"];
    assert_eq!(
        (&results[0]["status"], &results[1]["status"]),
        (&json!("changed"), &json!("unchanged"))
    );
    app.post(org, &many, json!({"video_ids": [1]}))
        .await
        .refused(400, "invalid_body");
}
