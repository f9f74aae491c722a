//! Every object as it is answered, and only to its own org.

use domain::event::{
    CampaignItemsAdded, CreatorProfile, CreatorRemoved, EntityRef, KeyRevoked, ObservationRecorded,
    ProjectRemoved, Reading, RevocationReason, TrackingStatus, VideoDetails, VideoReviewed,
};
use domain::plan::Plan;
use domain::scope::Scopes;
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Org, World, bearer, instant, views};

#[tokio::test]
async fn projects_creators_and_videos_are_answered_as_v1_shows_them() {
    let world = World::start().await;
    let org = world.org().await;
    let project = world.project(&org, "Spring launch").await;
    let creator = world.creator(&org, project, "charli").await;
    let status = TrackingStatus::AutoTracked;
    let video = world.video(&org, project, creator, 7301, status).await;
    let profile = CreatorProfile {
        follower_count: Some(5),
        following_count: None,
        like_count: Some(0),
        video_count: None,
        display_name: None,
        avatar_url: None,
        creator_id: creator,
        observed_at: instant("2026-01-02T00:00:00Z"),
    };
    let details = VideoDetails {
        video_id: video,
        observed_at: instant("2026-01-02T00:00:00Z"),
        url: None,
        title: Some("a new dance".to_owned()),
        posted_at: None,
        media_type: None,
        thumbnail_url: None,
    };
    let readings = vec![
        Reading::CreatorProfile(profile),
        Reading::Video(details),
        Reading::VideoStats(views(video, "2026-01-03T00:00:00Z", 12)),
    ];
    world
        .append(&org, vec![ObservationRecorded { readings }.into()])
        .await;

    let mut shown = world
        .get(&org.key, &format!("/projects/{project}"))
        .await
        .data();
    redact(&mut shown);
    assert_eq!(
        shown,
        json!({"id": project, "name": "Spring launch", "description": null, "readme": null,
            "org_id": org.id, "metadata": {}, "created_at": "…", "updated_at": "…"})
    );
    let mut shown = world
        .get(&org.key, &format!("/creators/{creator}"))
        .await
        .data();
    redact(&mut shown);
    assert_eq!(
        shown,
        json!({"id": creator, "project_id": project, "platform": "tiktok", "handle": "charli",
            "tiktok_handle": "charli", "display_name": null, "description": null, "readme": null,
            "metadata": {}, "tracking_mode": "auto", "tracking_start_date": null,
            "status": "active", "disabled_reason": null, "disabled_at": null,
            "profile_url": "https://www.tiktok.com/@charli", "avatar_url": null,
            "follower_count": 5, "following_count": null, "like_count": 0, "video_count": null,
            "profile_at": "2026-01-02T00:00:00.000000Z", "created_at": "…", "updated_at": "…"})
    );
    let mut shown = world
        .get(&org.key, &format!("/videos/{video}"))
        .await
        .data();
    redact(&mut shown);
    assert_eq!(
        shown,
        json!({"id": video, "project_id": project, "creator_id": creator, "platform": "tiktok",
            "platform_video_id": "7301", "tiktok_video_id": "7301",
            "url": shown["url"], "title": "a new dance", "description": null, "readme": null,
            "metadata": {}, "tracking_status": "auto_tracked", "tracking_enabled": true,
            "tracking_disabled_reason": null, "media_type": "video", "thumbnail_url": null,
            "posted_at": "2026-01-01T12:00:00.000000Z", "view_count": 12, "like_count": null,
            "comment_count": null, "share_count": null, "save_count": null,
            "stats_at": "2026-01-03T00:00:00.000000Z", "created_at": "…", "updated_at": "…"})
    );
    for (list, id) in [
        ("/projects", project.as_uuid()),
        ("/creators", creator.as_uuid()),
        ("/videos", video.as_uuid()),
    ] {
        let listed = world.get(&org.key, list).await.data();
        assert_eq!(ids(&listed), [id], "{list}");
    }
}

#[tokio::test]
async fn lists_are_filtered_and_hide_what_is_removed() {
    let world = World::start().await;
    let org = world.org().await;
    let (first, second) = (
        world.project(&org, "Straße 100%").await,
        world.project(&org, "Other").await,
    );
    let ada = world.creator(&org, first, "ada").await;
    let bob = world.creator(&org, second, "bob_").await;
    let found = TrackingStatus::AutoTracked;
    let one = world.video(&org, first, ada, 1, found).await;
    let two = world.video(&org, second, bob, 2, found).await;
    let hidden = world
        .video(&org, second, bob, 3, TrackingStatus::Excluded)
        .await;
    let titled = VideoDetails {
        video_id: one,
        observed_at: instant("2026-01-02T00:00:00Z"),
        url: None,
        title: Some("50% off_".to_owned()),
        posted_at: None,
        media_type: None,
        thumbnail_url: None,
    };
    let readings = vec![Reading::Video(titled)];
    world
        .append(&org, vec![ObservationRecorded { readings }.into()])
        .await;

    let first = first.as_uuid();
    let (ada, bob) = (ada.as_uuid(), bob.as_uuid());
    let (one, two) = (one.as_uuid(), two.as_uuid());
    for (path, expected) in [
        ("/projects?search=stra%C3%9Fe".to_owned(), vec![first]),
        ("/projects?search=100%25".to_owned(), vec![first]),
        ("/projects?search=%25".to_owned(), vec![first]),
        ("/projects?search=_".to_owned(), vec![]),
        (format!("/creators?project_id={first}"), vec![ada]),
        ("/creators?search=B_".to_owned(), vec![bob]),
        ("/creators?platform=youtube".to_owned(), vec![]),
        (
            "/creators?status=active&platform=tiktok".to_owned(),
            vec![bob, ada],
        ),
        ("/creators?status=auto_disabled".to_owned(), vec![]),
        ("/videos".to_owned(), vec![two, one]),
        (format!("/videos?project_id={first}"), vec![one]),
        (format!("/videos?creator_id={bob}"), vec![two]),
        (
            format!("/videos?creator_id={bob}&project_id={first}"),
            vec![],
        ),
        (
            "/videos?tracking_status=auto_tracked".to_owned(),
            vec![two, one],
        ),
        ("/videos?tracking_status=included".to_owned(), vec![]),
        ("/videos?search=50%25%20OFF_".to_owned(), vec![one]),
    ] {
        assert_eq!(
            ids(&world.get(&org.key, &path).await.data()),
            expected,
            "{path}"
        );
    }
    assert_eq!(
        world
            .get(&org.key, &format!("/videos/{hidden}"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn what_is_removed_leaves_every_answer() {
    let world = World::start().await;
    let org = world.org().await;
    let (first, second) = (
        world.project(&org, "Spring").await,
        world.project(&org, "Other").await,
    );
    let (ada, bob) = (
        world.creator(&org, first, "ada").await,
        world.creator(&org, second, "bob").await,
    );
    let found = TrackingStatus::AutoTracked;
    let one = world.video(&org, first, ada, 1, found).await.as_uuid();
    let two = world.video(&org, second, bob, 2, found).await.as_uuid();
    let (first, second) = (first.as_uuid(), second.as_uuid());
    let (ada, bob) = (ada.as_uuid(), bob.as_uuid());
    let removed = CreatorRemoved {
        creator_id: domain::ids::CreatorId::from_uuid(bob),
    };
    world.append(&org, vec![removed.into()]).await;
    assert_eq!(ids(&world.get(&org.key, "/creators").await.data()), [ada]);
    assert_eq!(ids(&world.get(&org.key, "/videos").await.data()), [one]);
    assert_eq!(
        world
            .get(&org.key, &format!("/creators/{bob}"))
            .await
            .code(),
        "not_found"
    );
    assert_eq!(
        world.get(&org.key, &format!("/videos/{two}")).await.code(),
        "not_found"
    );
    let removed = ProjectRemoved {
        project_id: domain::ids::ProjectId::from_uuid(first),
    };
    world.append(&org, vec![removed.into()]).await;
    assert_eq!(
        ids(&world.get(&org.key, "/projects").await.data()),
        [second]
    );
    assert_eq!(
        ids(&world.get(&org.key, "/videos").await.data()),
        [] as [Uuid; 0]
    );
    let gone = world
        .get(&org.key, &format!("/creators?project_id={first}"))
        .await;
    assert_eq!(gone.code(), "not_found");
    assert!(gone.position() > 0, "an error is of a position too");
}

#[tokio::test]
async fn the_inbox_shows_what_waits_and_what_a_person_decided() {
    let world = World::start().await;
    let org = world.org().await;
    let project = world.project(&org, "Spring").await;
    let creator = world.creator(&org, project, "ada").await;
    let pending = TrackingStatus::PendingReview;
    let waits = world.video(&org, project, creator, 1, pending).await;
    let decided = world.video(&org, project, creator, 2, pending).await;
    world
        .video(&org, project, creator, 3, TrackingStatus::Included)
        .await;
    let reviewed = VideoReviewed {
        video_id: decided,
        tracking_status: TrackingStatus::Excluded,
        previous: pending,
    };
    world.append(&org, vec![reviewed.into()]).await;

    let inbox = format!("/projects/{project}/inbox");
    let shown = world.get(&org.key, &inbox).await.data();
    assert_eq!(ids(&shown), [waits.as_uuid()]);
    let named = json!({"id": creator, "platform": "tiktok", "handle": "ada", "display_name": null});
    assert_eq!(shown[0]["creator"], named);
    assert_eq!(
        (&shown[0]["reviewed_at"], &shown[0]["reviewed_by"]),
        (&Value::Null, &Value::Null)
    );
    let shown = world
        .get(&org.key, &format!("{inbox}?status=excluded"))
        .await
        .data();
    assert_eq!(ids(&shown), [decided.as_uuid()]);
    assert_eq!(
        shown[0]["reviewed_by"],
        json!({"type": "system", "id": null})
    );
    assert_ne!(shown[0]["reviewed_at"], Value::Null);
    let shown = world
        .get(&org.key, &format!("{inbox}?status=included"))
        .await
        .data();
    assert_eq!(ids(&shown), [] as [Uuid; 0], "nobody decided it");
    for (query, code) in [
        ("status=auto_tracked", "invalid_query"),
        ("creator_id=x", "invalid_query"),
        (
            "creator_id=0192f0c1-2b7e-7c00-8000-00000000abcd",
            "not_found",
        ),
    ] {
        assert_eq!(
            world
                .get(&org.key, &format!("{inbox}?{query}"))
                .await
                .code(),
            code
        );
    }
}

#[tokio::test]
async fn keys_are_listed_without_secrets_and_with_their_use() {
    let world = World::start().await;
    let org = world.org().await;
    let (old, _, event) = world.new_key(Scopes::DEFAULT, 60);
    world.append(&org, vec![event]).await;
    let revoked = KeyRevoked {
        key_id: old,
        reason: RevocationReason::Requested,
    };
    let position = world.append(&org, vec![revoked.into()]).await;

    let own = world.get(&org.key, "/api-keys/self").await.data();
    assert_eq!(own["id"], json!(org.key_id));
    assert_eq!(
        own["org"],
        json!({"id": org.id, "name": "Acme", "plan": "ultra", "timezone": "UTC"})
    );
    assert_eq!(own["requests_by_day"].as_array().unwrap().len(), 7);
    let listed = world.get(&org.key, "/api-keys").await;
    assert_eq!(ids(&listed.data()), [org.key_id.as_uuid()]);
    assert_ne!(listed.json()["meta"]["validUntil"], Value::Null);
    assert_eq!(listed.json()["meta"]["nextCursor"], Value::Null);
    let all = world
        .get(&org.key, "/api-keys?status=active,revoked")
        .await
        .data();
    assert_eq!(ids(&all), [old.as_uuid(), org.key_id.as_uuid()]);
    let one = world
        .get(&org.key, &format!("/api-keys/{old}"))
        .await
        .data();
    assert_eq!(one["status"], "revoked");
    assert_eq!(one["revocation"]["position"], json!(position));
    assert_eq!(one["revoked_by"], json!({"type": "system", "id": null}));
    assert!(one["prefix"].as_str().unwrap().contains('…'));
    assert!(!String::from_utf8_lossy(&listed.body).contains(&org.key[12..40]));
    for (query, code) in [
        ("status=dead", "invalid_query"),
        ("status=active,active", "invalid_query"),
        ("expires_before=tomorrow", "invalid_query"),
        ("owner_id=1", "invalid_query"),
    ] {
        let reply = world.get(&org.key, &format!("/api-keys?{query}")).await;
        assert_eq!(reply.code(), code, "{query}");
    }
}

#[tokio::test]
async fn orgs_limits_and_the_data_model_are_answered() {
    let world = World::start().await;
    let org = world.org_on(Plan::Starter).await;
    world.project(&org, "Spring").await;
    let mut own = world.get(&org.key, "/orgs/self").await.data();
    redact(&mut own);
    let expected = json!({"id": org.id, "name": "Acme", "plan": "starter", "timezone": "UTC",
        "suspended": false, "created_at": "…", "updated_at": "…"});
    assert_eq!(own, expected);
    let listed = world.get(&org.key, "/orgs").await;
    assert_eq!(ids(&listed.data()), [org.id.as_uuid()]);
    assert_eq!(listed.data()[0]["role"], Value::Null);
    assert_eq!(
        world.get(&org.key, "/orgs?cursor=x").await.code(),
        "invalid_query"
    );

    let limits = world.get(&org.key, "/limits").await.data();
    assert_eq!(limits["plan"], "starter");
    let limit = |key: &str| {
        let mut limits = limits["limits"].as_array().unwrap().iter();
        limits.find(|limit| limit["key"] == key).unwrap().clone()
    };
    assert_eq!(
        limit("max_projects_per_org"),
        json!({"key": "max_projects_per_org", "current": 1, "max": 3, "plan_max": 3,
            "override": null, "unit": "count", "resets_at": null})
    );
    let hours = limit("min_video_stats_hours");
    assert_eq!((&hours["current"], &hours["max"]), (&json!(12), &json!(12)));
    let requests = limit("max_api_requests_per_day");
    assert_eq!(
        (&requests["max"], &requests["plan_max"]),
        (&json!(1_000_000), &json!(1_000))
    );
    assert!(
        requests["resets_at"]
            .as_str()
            .unwrap()
            .ends_with("T00:00:00.000000Z")
    );
    assert_eq!(
        limit("stats_history_retention_days")["current"],
        Value::Null
    );

    let schema = world.get(&org.key, "/schema").await.data();
    assert_eq!(
        schema["entities"]["video"]["fields"]["view_count"]["type"],
        "integer"
    );
    let metrics = schema["metrics"].as_array().unwrap();
    let posts = metrics
        .iter()
        .find(|metric| metric["id"] == "posts")
        .unwrap();
    assert_eq!(posts["entities"], json!(["creator", "campaign", "project"]));
    assert_eq!(metrics.len(), 12);
    for metric in metrics {
        assert_ne!(metric["formula"], "", "{metric}");
    }
}

#[tokio::test]
async fn removed_endpoints_say_what_to_use() {
    let world = World::start().await;
    let org = world.org().await;
    for (path, replacement) in [
        ("/creators/x/stats", "/api/v1/analytics"),
        (
            "/videos/0192f0c1-2b7e-7c00-8000-00000000abcd/stats",
            "/api/v1/analytics",
        ),
        ("/campaigns/1/stats", "/api/v1/analytics"),
        ("/analytics/schema", "/api/v1/openapi.json"),
    ] {
        let reply = world.get(&org.key, path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (410, "gone"),
            "{path}"
        );
        assert_eq!(reply.json()["meta"]["replacement"], replacement);
    }
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let world = World::start().await;
    let org = world.org().await;
    let [project, ..] = furnish(&world, &org).await;
    for path in [
        "/projects".to_owned(),
        format!("/projects/{project}"),
        "/nothing".to_owned(),
    ] {
        world.get(&org.key, &path).await;
        for _ in 0..2 {
            let got = world
                .replica
                .send(Method::GET, &path, &[bearer(&org.key)])
                .await;
            let head = world
                .replica
                .send(Method::HEAD, &path, &[bearer(&org.key)])
                .await;
            assert_eq!((head.status, head.body.len()), (got.status, 0), "{path}");
            assert_eq!(head.header("content-length"), got.body.len().to_string());
            for name in ["content-type", "etag", "tga-position", "cache-control"] {
                assert_eq!(head.header(name), got.header(name), "{path} {name}");
            }
        }
    }
}

#[tokio::test]
async fn large_answers_are_compressed_where_that_is_asked_for() {
    let world = World::start().await;
    let org = world.org().await;
    let accept = [bearer(&org.key), ("accept-encoding", "gzip")];
    for _ in 0..2 {
        let plain = world.replica.get(&org.key, "/schema").await;
        assert_eq!(plain.header("content-encoding"), "");
        let packed = world.replica.send(Method::GET, "/schema", &accept).await;
        assert_eq!(packed.header("content-encoding"), "gzip");
        assert!(packed.body.len() < plain.body.len() / 2);
        assert_eq!(packed.header("etag"), plain.header("etag"));
        assert_ne!(packed.header("x-request-id"), "");
    }
}

/// A project, a creator, a video, a key.
pub async fn furnish(world: &World, org: &Org) -> [Uuid; 5] {
    let project = world.project(org, "Secret plan").await;
    let creator = world.creator(org, project, "ada").await;
    let status = TrackingStatus::AutoTracked;
    let video = world.video(org, project, creator, 1, status).await;
    let readings = vec![Reading::VideoStats(views(
        video,
        "2026-01-03T00:00:00Z",
        12,
    ))];
    world
        .append(org, vec![ObservationRecorded { readings }.into()])
        .await;
    let campaign = world.campaign(org, project, "Secret campaign").await;
    let items = vec![EntityRef::Creator(creator), EntityRef::Video(video)];
    let held = CampaignItemsAdded {
        campaign_id: campaign,
        items,
    };
    world.append(org, vec![held.into()]).await;
    [
        project.as_uuid(),
        creator.as_uuid(),
        video.as_uuid(),
        org.key_id.as_uuid(),
        campaign.as_uuid(),
    ]
}

pub fn ids(listed: &Value) -> Vec<Uuid> {
    let items = listed.as_array().unwrap().iter();
    items
        .map(|item| item["id"].as_str().unwrap().parse().unwrap())
        .collect()
}

/// Instants of now tell nothing.
fn redact(object: &mut Value) {
    for name in ["created_at", "updated_at"] {
        object[name] = json!("…");
    }
}
