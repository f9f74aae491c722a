//! Creators (v1-contract.md 10).

use domain::ids::CreatorId;
use domain::org::Command;
use domain::plan::LimitKey;
use domain::platform::{Handle, Platform};
use serde_json::{Value, json};

use crate::support::{TestApp, ingest_line};

const CHANNEL: &str = "UCX6OQ3DkcsbYNE6H8uQQuVA";

#[tokio::test]
async fn a_creator_is_named_by_handle_or_url() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let path = format!("/projects/{project}/creators");
    let today = app.service.commander().now().datetime();
    let today = today.with_timezone(&chrono_tz::Europe::Berlin).date_naive();
    for (body, platform, handle) in [
        (json!({"handle": " @Charli "}), "tiktok", "Charli"),
        (json!({"tiktok_handle": "a.b_c-d"}), "tiktok", "a.b_c-d"),
        (
            json!({"url": "https://www.tiktok.com/@one?x=1"}),
            "tiktok",
            "one",
        ),
        (
            json!({"handle": "nasa", "platform": "instagram"}),
            "instagram",
            "nasa",
        ),
        (
            json!({"url": "https://www.instagram.com/two/"}),
            "instagram",
            "two",
        ),
        (
            json!({"handle": CHANNEL, "platform": "youtube"}),
            "youtube",
            CHANNEL,
        ),
        (
            json!({"handle": "Three", "url": "https://tiktok.com/@three"}),
            "tiktok",
            "Three",
        ),
    ] {
        let answer = app.post(&org, &path, body).await;
        let creator = answer.data(201);
        assert_eq!(
            (&creator["platform"], &creator["handle"]),
            (&json!(platform), &json!(handle))
        );
        let is_tiktok = platform == "tiktok";
        assert_eq!(
            creator["tiktok_handle"],
            if is_tiktok {
                json!(handle)
            } else {
                Value::Null
            }
        );
        assert_eq!(creator["tracking_mode"], "auto");
        assert_eq!(creator["tracking_start_date"], today.to_string());
        assert_eq!(creator["status"], "active");
        assert_eq!(creator["follower_count"], Value::Null);
        let id = creator["id"].as_str().unwrap();
        assert_eq!(answer.header("Location"), format!("/api/v1/creators/{id}"));
    }
    let before = app.head().await;
    for bad in [
        json!({}),
        json!({"handle": ""}),
        json!({"handle": "with space"}),
        json!({"handle": "x".repeat(31)}),
        json!({"handle": "MrBeast", "platform": "youtube"}),
        json!({"handle": "a", "platform": "vimeo"}),
        json!({"url": "https://example.com/@a"}),
        json!({"url": "https://www.tiktok.com/@a", "platform": "instagram"}),
        json!({"tiktok_handle": "a", "platform": "instagram"}),
        json!({"handle": "a", "tiktok_handle": "b"}),
        json!({"handle": "a", "tracking_mode": "manual"}),
        json!({"handle": "a", "tracking_start_date": "2026-02-30"}),
        json!({"handle": "a", "display_name": "x".repeat(201)}),
        json!({"handle": "a", "follower_count": 5}),
        json!({"creators": [], "handle": "a"}),
        json!({"creators": []}),
        json!({"creators": [{"handle": "a"}, {}]}),
        json!({"creators": vec![json!({"handle": "a"}); 51]}),
    ] {
        app.post(&org, &path, bad)
            .await
            .refused(400, "invalid_body");
    }
    assert_eq!(app.head().await, before);
}

#[tokio::test]
async fn what_is_wrong_with_one_field_makes_no_other_unknown() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let (creators, videos) = (
        format!("/projects/{project}/creators"),
        format!("/projects/{project}/videos"),
    );
    for (path, body, wrong) in [
        (
            &creators,
            json!({"platform": "vimeo", "handle": "any one", "tiktok_handle": "a",
                "url": "https://www.tiktok.com/@a", "tracking_mode": "auto", "readme": "x"}),
            "platform",
        ),
        (
            &creators,
            json!({"handle": "a", "tiktok_handle": "no handle", "display_name": "A"}),
            "tiktok_handle",
        ),
        (
            &videos,
            json!({"platform": "vimeo", "platform_video_id": "7", "readme": "x"}),
            "platform",
        ),
        (
            &videos,
            json!({"url": "nowhere", "platform": "tiktok", "platform_video_id": "7"}),
            "url",
        ),
    ] {
        let answer = app.post(&org, path, body).await;
        let issues = answer.refused(400, "invalid_body")["issues"].clone();
        let issues: Vec<_> = issues.as_array().unwrap().iter().collect();
        let paths: Vec<_> = issues.iter().map(|issue| &issue["path"]).collect();
        assert_eq!(paths, [wrong], "{issues:?}");
    }
}

#[tokio::test]
async fn only_a_creator_on_tiktok_is_renamed_by_tiktok_handle() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let body = json!({"handle": "before", "platform": "instagram"});
    let path = format!("/projects/{project}/creators");
    let id = app.post(&org, &path, body).await.id(201);
    let path = format!("/creators/{id}");
    let refused = app
        .patch(&org, &path, json!({"tiktok_handle": "after"}))
        .await;
    let meta = refused.refused(400, "invalid_body");
    assert_eq!(meta["issues"][0]["path"], "tiktok_handle");
    let renamed = app.patch(&org, &path, json!({"handle": "after"})).await;
    assert_eq!(renamed.data(200)["handle"], "after");
}

#[tokio::test]
async fn an_account_is_followed_once_in_a_project_and_comes_back_as_it_was() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let path = format!("/projects/{project}/creators");
    let body = json!({"handle": "charli", "display_name": "Charli", "readme": "Dances",
        "tracking_start_date": null, "tracking_mode": "selective"});
    let first = app.post(&org, &path, body).await;
    let id = first.id(201);
    let twice = app.post(&org, &path, json!({"handle": "CHARLI"})).await;
    assert_eq!(twice.refused(409, "duplicate")["id"], id.to_string());
    // In another project it is another one.
    let other = app.project(&org).await;
    app.creator(&org, other, "charli", "auto").await;

    let profile = json!({"kind": "creator_profile", "platform": "tiktok", "handle": "charli",
        "observed_at": "2026-01-05T05:00:00Z", "display_name": "from outside",
        "avatar_url": "https://example.com/a.jpg", "follower_count": 155, "like_count": 7});
    app.ingest(&org, ingest_line(&profile)).await.data(200);
    let removed = app.delete(&org, &format!("/creators/{id}")).await;
    let creator = removed.data(200);
    assert_eq!(creator["display_name"], "Charli");
    assert_eq!(creator["avatar_url"], "https://example.com/a.jpg");
    assert_eq!(
        (&creator["follower_count"], &creator["video_count"]),
        (&json!(155), &Value::Null)
    );
    assert_eq!(creator["profile_at"], "2026-01-05T05:00:00.000000Z");
    assert_eq!(creator["status"], "active");
    app.delete(&org, &format!("/creators/{id}"))
        .await
        .refused(404, "not_found");

    let back = app
        .post(&org, &path, json!({"handle": "Charli", "readme": "Sings"}))
        .await;
    let back = back.data(200);
    assert_eq!(back["id"], id.to_string());
    assert_eq!(
        (&back["readme"], &back["display_name"]),
        (&json!("Sings"), &json!("Charli"))
    );
    assert_eq!(
        (&back["tracking_mode"], &back["tracking_start_date"]),
        (&json!("selective"), &Value::Null)
    );
    assert_eq!(back["follower_count"], 155);
}

#[tokio::test]
async fn the_names_of_people_stand_in_the_log_only_sealed() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let before = app.head().await;
    let path = format!("/projects/{project}/creators");
    let body = json!({"creators": [
        {"handle": "one", "display_name": "Canary One"},
        {"handle": "two", "display_name": "Canary Two"},
    ]});
    app.post(&org, &path, body).await.data(200);
    let events = app.service.log().read(before, 10).await.unwrap();
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| !event.data.contains("Canary")));
}

#[tokio::test]
async fn items_of_a_list_are_judged_in_order_and_recorded_together() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let limit_key = LimitKey::MaxCreatorsPerOrg;
    let value = Some(2);
    app.operate(org.id, Command::SetLimit { limit_key, value })
        .await;
    let ban = Command::BanHandle {
        platform: Platform::Tiktok,
        handle: Handle::parse(Platform::Tiktok, "banned").unwrap(),
        reason: None,
    };
    app.operate(org.id, ban).await;
    let before = app.head().await;
    let path = format!("/projects/{project}/creators");
    let items = ["one", "ONE", "banned", "two", "three"].map(|handle| json!({"handle": handle}));
    let answer = app.post(&org, &path, json!({"creators": items})).await;
    let data = answer.data(200);
    let results = data["results"].as_array().unwrap();
    let codes: Vec<_> = results.iter().map(|result| &result["code"]).collect();
    let none = &Value::Null;
    assert_eq!(
        codes,
        [
            none,
            &json!("duplicate"),
            &json!("creator_banned"),
            none,
            &json!("limit_reached")
        ]
    );
    assert_eq!(results[3]["status"], "created");
    assert_eq!(results[4]["status"], "error");
    assert!(results[1]["message"].is_string());
    assert_eq!(data["summary"], json!({"ok": 2, "error": 3}));
    let events = app.events_after(before).await;
    let added = events
        .iter()
        .filter(|(_, event)| event == "creator.added")
        .count();
    assert_eq!(added, 2);
    let refused = app.post(&org, &path, json!({"handle": "four"})).await;
    refused.refused(402, "limit_reached");
    let refused = app.post(&org, &path, json!({"handle": "banned"})).await;
    refused.refused(409, "creator_banned");
}

#[tokio::test]
async fn renaming_keeps_the_creator_and_frees_the_handle() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let id = app.creator(&org, project, "before", "auto").await;
    app.creator(&org, project, "taken", "auto").await;
    let ban = Command::BanHandle {
        platform: Platform::Tiktok,
        handle: Handle::parse(Platform::Tiktok, "banned").unwrap(),
        reason: None,
    };
    app.operate(org.id, ban).await;
    let path = format!("/creators/{id}");
    for (handle, code) in [
        ("taken", "handle_taken"),
        ("banned", "creator_banned"),
        ("no handle", "invalid_handle"),
        ("before", "no_change"),
    ] {
        let answer = app.patch(&org, &path, json!({"handle": handle})).await;
        let meta = answer.refused(409, code).clone();
        assert_eq!(answer.body["error"], code);
        assert!(meta["detail"].is_string());
    }
    for bad in [
        json!({}),
        json!({"platform": "tiktok"}),
        json!({"handle": 5}),
        json!({"handle": null}),
        json!({"handle": "a", "tiktok_handle": "b"}),
        json!({"tracking_mode": null}),
        json!({"readme": "a", "description": "b"}),
    ] {
        app.patch(&org, &path, bad)
            .await
            .refused(400, "invalid_body");
    }
    let renamed = app
        .patch(
            &org,
            &path,
            json!({"tiktok_handle": "@after", "readme": "x"}),
        )
        .await;
    let creator = renamed.data(200);
    assert_eq!(
        (&creator["id"], &creator["handle"]),
        (&json!(id.to_string()), &json!("after"))
    );
    assert_eq!(creator["profile_url"], "https://www.tiktok.com/@after");
    app.creator(&org, project, "before", "auto").await;

    let settings = json!({"display_name": "Name", "tracking_mode": "selective",
        "tracking_start_date": "2026-01-01", "metadata": {"a": 1}, "description": null});
    let changed = app.patch(&org, &path, settings).await;
    let creator = changed.data(200);
    assert_eq!(creator["display_name"], "Name");
    assert_eq!(creator["tracking_start_date"], "2026-01-01");
    assert_eq!(
        (&creator["readme"], &creator["metadata"]),
        (&Value::Null, &json!({"a": 1}))
    );
    let cleared = app.patch(&org, &path, json!({"display_name": null})).await;
    assert_eq!(cleared.data(200)["display_name"], Value::Null);
}

#[tokio::test]
async fn creators_are_reenabled_and_removed_in_lists() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let mut ids = Vec::new();
    for handle in ["one", "two", "three"] {
        ids.push(app.creator(&org, project, handle, "auto").await);
    }
    for id in &ids[..2] {
        let disable = Command::AutoDisableCreator {
            creator_id: CreatorId::from_uuid(*id),
            reason: "gone".to_owned(),
        };
        app.operate(org.id, disable).await;
    }
    let limit_key = LimitKey::MaxCreatorsPerOrg;
    let value = Some(2);
    app.operate(org.id, Command::SetLimit { limit_key, value })
        .await;
    let missing = uuid::Uuid::from_u128(9);
    let path = format!("/projects/{project}/creators/bulk-reenable");
    let body = json!({"creator_ids": [ids[0], ids[2], ids[1], missing]});
    let answer = app.post(&org, &path, body).await;
    let results = answer.data(200)["results"].as_array().unwrap().clone();
    let seen: Vec<_> = results
        .iter()
        .map(|result| (result["status"].as_str().unwrap(), result["code"].as_str()))
        .collect();
    let expected = [
        ("changed", None),
        ("unchanged", None),
        ("error", Some("limit_reached")),
        ("error", Some("not_found")),
    ];
    assert_eq!(seen, expected);
    let path = format!("/projects/{project}/creators/bulk-remove");
    let body = json!({"creator_ids": [ids[0], ids[1], ids[0], missing]});
    let answer = app.post(&org, &path, body).await;
    assert_eq!(answer.data(200)["summary"], json!({"ok": 2, "error": 2}));
    for bad in [
        json!({}),
        json!({"creator_ids": []}),
        json!({"creator_ids": ["x"]}),
        json!({"creator_ids": vec![missing; 101]}),
    ] {
        app.post(&org, &path, bad)
            .await
            .refused(400, "invalid_body");
    }
}
