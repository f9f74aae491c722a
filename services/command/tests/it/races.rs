//! Many at once, in one process and in several: limits are exact, and a key that ends makes
//! nothing more.

use domain::org::Command;
use domain::plan::LimitKey;
use domain::scope::Scopes;
use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use crate::support::{Answer, TestApp};

fn statuses(answers: &[Answer]) -> Vec<u16> {
    let mut statuses: Vec<_> = answers
        .iter()
        .map(|answer| answer.status.as_u16())
        .collect();
    statuses.sort_unstable();
    statuses
}

#[tokio::test]
async fn a_hundred_that_come_at_once_are_all_carried_out() {
    let (app, _) = TestApp::without_time(&[]).await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let path = format!("/projects/{project}/creators");
    let bodies: Vec<_> = (0..100)
        .map(|index| json!({"handle": format!("h{index}")}))
        .collect();
    let asks = bodies.iter().map(|body| {
        let ask = app.request(&Method::POST, &path).with_key(&org.secret);
        ask.json(body).send()
    });
    let answers = join_all(asks).await;
    assert_eq!(statuses(&answers), [201; 100]);
}

#[tokio::test]
async fn of_those_racing_for_the_last_place_one_gets_it() {
    let app = TestApp::new().await;
    let other = app.neighbour();
    let org = app.org().await;
    let project = app.project(&org).await;
    for (limit_key, value) in [
        (LimitKey::MaxProjectsPerOrg, 2),
        (LimitKey::MaxCreatorsPerOrg, 1),
        (LimitKey::MaxTrackedVideosPerOrg, 1),
        (LimitKey::MaxApiKeysPerOrg, 2),
    ] {
        let value = Some(value);
        app.operate(org.id, Command::SetLimit { limit_key, value })
            .await;
    }
    let path = |what: &str| format!("/projects/{project}/{what}");
    let (creators, videos) = (path("creators"), path("videos"));
    let handles = ["a", "b", "c", "d"].map(|handle| json!({"handle": handle}));
    let ids = ["1", "2", "3", "4"].map(|id| json!({"platform": "tiktok", "platform_video_id": id}));
    let same = |body: serde_json::Value| std::array::from_fn(|_| body.clone());
    for (path, bodies) in [
        ("/projects", same(json!({"name": "P"}))),
        (creators.as_str(), handles),
        (videos.as_str(), ids),
        ("/api-keys", same(json!({"name": "K"}))),
    ] {
        let asks = bodies.into_iter().enumerate().map(|(index, body)| {
            let app = if index.is_multiple_of(2) {
                &app
            } else {
                &other
            };
            app.post(&org, path, body)
        });
        let answers = join_all(asks).await;
        assert_eq!(statuses(&answers), [201, 402, 402, 402], "{path}");
    }
}

#[tokio::test]
async fn processes_that_decide_for_one_org_wait_for_each_others_decisions() {
    let (app, _) = TestApp::without_time(&[]).await;
    let others = [app.neighbour(), app.neighbour()];
    let org = app.org().await;
    let limit_key = LimitKey::MaxProjectsPerOrg;
    let value = Some(1_000);
    app.operate(org.id, Command::SetLimit { limit_key, value })
        .await;
    let before = app.head().await;
    let apps = [&app, &others[0], &others[1]];
    let asks = (0..60).map(|index: usize| {
        let ask = apps[index % 3].request(&Method::POST, "/projects");
        let body = json!({"name": format!("P{index}")});
        ask.with_key(&org.secret).json(&body).send()
    });
    let answers = join_all(asks).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "conflict");
    }
    let events = app.events_after(before).await;
    let added = events
        .iter()
        .filter(|(_, event)| event == "project.added")
        .count();
    assert_eq!(added, made);
    assert!(made >= 30, "{made} of 60");
}

#[tokio::test]
async fn what_one_process_made_another_knows_at_once() {
    let app = TestApp::new().await;
    let other = app.neighbour();
    let world = app.world().await;
    // The neighbour has read the org once, and would not look again by itself.
    other.project(&world.org).await;
    let project = app.project(&world.org).await;
    let path = format!("/projects/{project}");
    let changed = other
        .patch(&world.org, &path, json!({"name": "Found"}))
        .await;
    assert_eq!(changed.data(200)["name"], "Found");
    let handle = json!({"handle": "late"});
    app.post(&world.org, &format!("{path}/creators"), handle.clone())
        .await
        .data(201);
    let twice = other
        .post(&world.org, &format!("{path}/creators"), handle)
        .await;
    twice.refused(409, "duplicate");
    app.delete(&world.org, &path).await.data(200);
    other
        .delete(&world.org, &path)
        .await
        .refused(404, "not_found");
    let unchanged = other
        .patch(&world.org, &path, json!({"name": "Found"}))
        .await;
    unchanged.refused(404, "not_found");
    // A video that one removed the other does not read any more.
    app.delete(&world.org, &format!("/videos/{}", world.direct_video))
        .await
        .data(200);
    let line = r#"{"kind":"video_stats","platform":"tiktok","platform_video_id":"7000000000000000003","observed_at":"2026-01-05T05:00:00Z","view_count":5}"#;
    let answer = other.ingest(&world.org, line).await;
    assert_eq!(answer.data(200)["errors"][0]["code"], "video_removed");
}

#[tokio::test]
async fn a_key_that_is_revoked_while_it_makes_keys_makes_none_afterwards() {
    let app = TestApp::new().await;
    let other = app.neighbour();
    let org = app.org().await;
    let limit_key = LimitKey::MaxApiKeysPerOrg;
    let value = Some(10_000);
    app.operate(org.id, Command::SetLimit { limit_key, value })
        .await;
    for round in 0..3 {
        let (key_id, secret) = app.key(org.id, Scopes::ORG_ADMIN).await;
        let before = app.head().await;
        let body = json!({"name": "Child"});
        let thief = async |app: &TestApp| {
            for _ in 0..25 {
                let made = app
                    .call(&Method::POST, "/api-keys", &secret, Some(&body))
                    .await;
                if made.status == 401 {
                    return;
                }
            }
        };
        let path = format!("/api-keys/{key_id}");
        let owner = async {
            for _ in 0..=round {
                app.project(&org).await;
            }
            app.delete(&org, &path).await
        };
        let ((), (), (), revoked) = tokio::join!(thief(&app), thief(&other), thief(&other), owner);
        let revoked_at = revoked.position();
        let actor = format!("key:{key_id}");
        let events = app.service.log().read(before, 5_000).await.unwrap();
        let of_thief = events
            .iter()
            .filter(|event| event.actor.to_string() == actor);
        let newest = of_thief.map(|event| event.position.get()).max();
        assert!(
            newest.is_none_or(|newest| newest < revoked_at),
            "{newest:?} {revoked_at}"
        );
    }
}

#[tokio::test]
async fn equal_readings_at_the_same_instant_are_kept_once_or_said_so_twice() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let body: String = (1..=200)
        .map(|minute| {
            let at = format!("2026-01-05T{:02}:{:02}:00Z", minute / 60, minute % 60);
            crate::support::ingest_line(&json!({"kind": "video_stats", "platform": "tiktok",
                "platform_video_id": "7000000000000000003", "observed_at": at, "view_count": 5}))
        })
        .collect();
    let answers = join_all((0..4).map(|_| app.ingest(&world.org, body.clone()))).await;
    for answer in &answers {
        let data = answer.data(200);
        let count = |name: &str| data[name].as_u64().unwrap();
        assert_eq!(count("accepted") + count("duplicate"), 200);
    }
    let last = app.ingest(&world.org, body).await;
    assert_eq!(last.data(200)["duplicate"], 200);
    let keys = app
        .db_count("select count(*) from log.reading_keys where kind = 1")
        .await;
    assert_eq!(keys, 200);
}

#[tokio::test]
async fn lines_that_discover_meet_decisions_of_others_and_none_is_lost() {
    let app = TestApp::new().await;
    let other = app.neighbour();
    let world = app.world().await;
    let line = |id: usize| {
        crate::support::ingest_line(&json!({"kind": "video", "platform": "tiktok",
            "platform_video_id": id.to_string(), "creator_handle": "charli",
            "observed_at": "2026-01-05T05:00:00Z"}))
    };
    let before = app.head().await;
    let finds = (0..12).map(|index: usize| {
        let app = if index.is_multiple_of(2) {
            &app
        } else {
            &other
        };
        // Each video is found by two requests.
        let from = index / 2 * 50;
        app.ingest(
            &world.org,
            (from..from + 50)
                .map(|id| line(1_000 + id))
                .collect::<String>(),
        )
    });
    let path = format!("/projects/{}", world.project);
    let renames =
        (0..6).map(|index| app.patch(&world.org, &path, json!({"name": format!("N{index}")})));
    let (found, _) = tokio::join!(join_all(finds), join_all(renames));
    for answer in &found {
        answer.data(200);
    }
    let events = app.events_after(before).await;
    let discovered = events
        .iter()
        .filter(|(_, event)| event == "video.discovered")
        .count();
    assert_eq!(discovered, 300);
}
