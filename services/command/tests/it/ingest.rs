//! `POST /ingest/observations` (v1-contract.md 12).

use std::time::Duration;

use command::app::CommandError;
use domain::limits::{INGEST_LINE_BYTES, INGEST_LINES};
use domain::org::{Command, Rejection};
use domain::scope::{Scope, Scopes};
use futures_util::future::select;
use http::Method;
use runtime::clock::Clock;
use serde_json::{Value, json};

use crate::support::{Org, TestApp, ingest_line};

/// How long a busy machine may take.
const SOON: Duration = Duration::from_mins(1);
const CHANNEL: &str = "UCX6OQ3DkcsbYNE6H8uQQuVA";

fn video(id: &str) -> Value {
    json!({"kind": "video", "platform": "youtube", "platform_video_id": id,
        "creator_handle": CHANNEL, "observed_at": "2026-01-05T05:00:00Z"})
}

fn stats(id: &str, observed_at: &str, views: u64) -> Value {
    json!({"kind": "video_stats", "platform": "youtube", "platform_video_id": id,
        "observed_at": observed_at, "view_count": views})
}

fn lines(lines: &[Value]) -> String {
    lines.iter().map(ingest_line).collect()
}

fn counts(data: &Value) -> [u64; 3] {
    ["accepted", "duplicate", "rejected"].map(|name| data[name].as_u64().unwrap())
}

/// An org that follows one channel.
async fn following(app: &TestApp) -> (Org, uuid::Uuid) {
    let org = app.org().await;
    let project = app.project(&org).await;
    let path = format!("/projects/{project}/creators");
    let body = json!({"platform": "youtube", "handle": CHANNEL, "tracking_start_date": null});
    app.post(&org, &path, body).await.data(201);
    (org, project)
}

#[tokio::test]
async fn lines_that_come_to_too_much_in_all_projects_are_taken_for_one_at_a_time() {
    let app = TestApp::new().await;
    let (org, project) = following(&app).await;
    let body = json!({"platform": "youtube", "handle": CHANNEL, "tracking_start_date": null});
    for _ in 0..4 {
        let project = app.project(&org).await;
        let path = format!("/projects/{project}/creators");
        app.post(&org, &path, body.clone()).await.data(201);
    }
    let found: Vec<_> = (0..INGEST_LINES)
        .map(|index| video(&format!("{index:011}")))
        .collect();
    let body = lines(&found);
    let before = app.head().await;
    let refused = app.ingest(&org, body.clone()).await;
    assert_eq!(refused.refused(413, "payload_too_large")["max"], 20_000);
    let why = refused.body["error"].as_str().unwrap();
    assert!(why.contains("project_id"), "{why}");
    assert_eq!(app.head().await, before);
    let path = format!("/ingest/observations?project_id={project}");
    let ask = app.request(&Method::POST, &path).with_key(&org.secret);
    let taken = ask
        .body("application/x-ndjson", body)
        .send_patiently()
        .await;
    assert_eq!(taken.data(200)["accepted"], 5_000);
}

#[tokio::test]
async fn lines_discover_and_read_in_one_append() {
    let app = TestApp::new().await;
    let (org, _) = following(&app).await;
    let before = app.head().await;
    let body = lines(&[
        video("dQw4w9WgXcQ"),
        stats("dQw4w9WgXcQ", "2026-01-05T05:37:52.685771Z", 148_419),
        json!({"kind": "creator_profile", "platform": "youtube", "handle": CHANNEL,
            "observed_at": "2026-01-05T05:00:00+01:00", "follower_count": 9}),
        json!({"kind": "comment", "platform": "youtube", "platform_video_id": "dQw4w9WgXcQ",
            "platform_comment_id": "c1", "observed_at": "2026-01-05T05:00:00Z",
            "posted_at": "2026-01-04T05:00:00Z", "text": "Canary words", "author_handle": "canary"}),
    ]);
    let answer = app.ingest(&org, body.clone()).await;
    assert_eq!(
        answer.data(200),
        &json!({"accepted": 4, "duplicate": 0, "rejected": 0, "errors": []})
    );
    let events = app.service.log().read(before, 10).await.unwrap();
    let types: Vec<_> = events.iter().map(|event| &*event.type_name).collect();
    assert_eq!(types, ["video.discovered", "observation.recorded"]);
    assert_eq!(answer.position(), events[1].position.get());
    assert!(
        !events[1].data.contains("anary"),
        "texts of people are sealed"
    );

    let again = app.ingest(&org, body).await;
    assert_eq!(counts(again.data(200)), [0, 4, 0]);
    assert_eq!(again.position(), answer.position());
    assert_eq!(app.head().await, events[1].position);
}

#[tokio::test]
async fn a_correction_is_kept_and_a_repeated_one_is_a_duplicate() {
    let app = TestApp::new().await;
    let (org, _) = following(&app).await;
    let at = "2026-01-05T05:37:52Z";
    let id = "dQw4w9WgXcQ";
    let send = async |all: &[Value]| {
        let answer = app.ingest(&org, lines(all)).await;
        counts(answer.data(200))
    };
    assert_eq!(
        send(&[video(id), stats(id, at, 1), stats(id, at, 1)]).await,
        [2, 1, 0]
    );
    assert_eq!(send(&[stats(id, at, 2)]).await, [1, 0, 0]);
    assert_eq!(send(&[stats(id, at, 2)]).await, [0, 1, 0]);
    assert_eq!(send(&[stats(id, at, 1), stats(id, at, 2)]).await, [2, 0, 0]);
    // The same instant, written otherwise.
    assert_eq!(
        send(&[stats(id, "2026-01-05T06:37:52.000+01:00", 2)]).await,
        [0, 1, 0]
    );
    // Older ones are facts of their own time.
    assert_eq!(
        send(&[stats(id, "2020-01-01T00:00:00Z", 1)]).await,
        [1, 0, 0]
    );
}

#[tokio::test]
async fn bad_lines_are_named_and_good_ones_kept() {
    let app = TestApp::new().await;
    let (org, _) = following(&app).await;
    let known = "dQw4w9WgXcQ";
    app.ingest(&org, lines(&[video(known)])).await.data(200);
    let ahead = app
        .service
        .commander()
        .now()
        .plus(chrono::TimeDelta::minutes(6));
    let with = |change: Value| {
        let mut line = stats(known, "2026-01-05T05:00:00Z", 5);
        line.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        line.to_string()
    };
    let table = [
        ("{", "invalid_json"),
        ("[]", "invalid_json"),
        ("null", "invalid_json"),
        (r#"{"kind":"video_stats","kind":"video"}"#, "invalid_json"),
        ("{}", "invalid_line"),
        (&with(json!({"kind": "likes"})), "unknown_kind"),
        (&with(json!({"kind": 5})), "invalid_line"),
        (&with(json!({"platform": "vimeo"})), "invalid_line"),
        (&with(json!({"platform_video_id": "x"})), "invalid_line"),
        (
            &with(json!({"platform_video_id": "AAAAAAAAAAA"})),
            "unknown_video",
        ),
        (&with(json!({"view_count": -1})), "invalid_line"),
        (&with(json!({"view_count": 1.5})), "invalid_line"),
        (&with(json!({"view_count": "5"})), "invalid_line"),
        (
            &with(json!({"view_count": 9_007_199_254_740_992_u64})),
            "invalid_line",
        ),
        (&with(json!({"view_count": null})), "invalid_line"),
        (&with(json!({"views": 5})), "invalid_line"),
        (&with(json!({"observed_at": "yesterday"})), "invalid_line"),
        (
            &with(json!({"observed_at": "2004-12-31T23:59:59Z"})),
            "invalid_line",
        ),
        (
            &with(json!({"observed_at": ahead.to_string()})),
            "observed_in_future",
        ),
        (
            &with(json!({"title": "x".repeat(INGEST_LINE_BYTES)})),
            "line_too_long",
        ),
        (
            &json!({"kind": "creator_profile", "platform": "tiktok", "handle": "nobody",
            "observed_at": "2026-01-05T05:00:00Z"})
            .to_string(),
            "unknown_creator",
        ),
        (
            &json!({"kind": "video", "platform": "youtube", "platform_video_id": "BBBBBBBBBBB",
            "observed_at": "2026-01-05T05:00:00Z"})
            .to_string(),
            "unknown_video",
        ),
        (
            &json!({"kind": "video", "platform": "tiktok", "platform_video_id": "1",
            "creator_handle": "nobody", "observed_at": "2026-01-05T05:00:00Z"})
            .to_string(),
            "unknown_creator",
        ),
    ];
    let mut body = String::new();
    for (index, (line, _)) in table.iter().enumerate() {
        // Each bad line stands between a good one and a blank one.
        body.push_str(&ingest_line(&stats(
            known,
            "2026-01-06T00:00:00Z",
            index as u64,
        )));
        body.push_str(line);
        body.push_str("\r\n\n");
    }
    let answer = app.ingest(&org, body).await;
    let data = answer.data(200);
    assert_eq!(counts(data), [table.len() as u64, 0, table.len() as u64]);
    for (index, (line, code)) in table.iter().enumerate() {
        let error = &data["errors"][index];
        assert_eq!(error["code"], *code, "{line}");
        assert_eq!(error["line"], 3 * index + 2, "{line}");
        assert!(error["message"].as_str().unwrap().len() > 5);
    }
}

#[tokio::test]
async fn nothing_good_is_an_answer_and_nothing_at_all_is_none() {
    let app = TestApp::new().await;
    let (org, project) = following(&app).await;
    let before = app.head().await;
    let answer = app.ingest(&org, "{}\n").await;
    assert_eq!(counts(answer.data(200)), [0, 0, 1]);
    assert_eq!(answer.position(), before.get());
    for empty in ["", "\n\r\n \n"] {
        app.ingest(&org, empty).await.refused(400, "invalid_body");
    }
    let most = "{}\n".repeat(INGEST_LINES);
    assert_eq!(
        counts(app.ingest(&org, most.clone()).await.data(200)),
        [0, 0, 5_000]
    );
    let more = app.ingest(&org, most + "{}").await;
    assert_eq!(more.refused(413, "payload_too_large")["max"], 5_000);

    let of = async |project: &str| {
        let path = format!("/ingest/observations?project_id={project}");
        let ask = app.request(&Method::POST, &path).with_key(&org.secret);
        let body = lines(&[video("dQw4w9WgXcQ")]);
        ask.body("application/x-ndjson", body).send().await
    };
    of("x").await.refused(400, "invalid_query");
    let other = app.world().await;
    of(&uuid::Uuid::from_u128(4).to_string())
        .await
        .refused(404, "not_found");
    of(&other.project.to_string())
        .await
        .refused(404, "not_found");
    assert_eq!(counts(of(&project.to_string()).await.data(200)), [1, 0, 0]);
}

#[tokio::test]
async fn one_line_is_for_every_project_that_has_the_thing() {
    let app = TestApp::new().await;
    let (org, first) = following(&app).await;
    let second = app.project(&org).await;
    let path = format!("/projects/{second}/creators");
    let body = json!({"platform": "youtube", "handle": CHANNEL, "tracking_start_date": null});
    app.post(&org, &path, body).await.data(201);
    let before = app.head().await;
    let all = lines(&[
        video("dQw4w9WgXcQ"),
        stats("dQw4w9WgXcQ", "2026-01-05T05:00:00Z", 7),
    ]);
    let answer = app.ingest(&org, all.clone()).await;
    assert_eq!(counts(answer.data(200)), [2, 0, 0]);
    let events = app.service.log().read(before, 10).await.unwrap();
    let types: Vec<_> = events.iter().map(|event| &*event.type_name).collect();
    assert_eq!(
        types,
        [
            "video.discovered",
            "video.discovered",
            "observation.recorded"
        ]
    );
    let readings: Value = serde_json::from_str(&events[2].data).unwrap();
    assert_eq!(readings["readings"].as_array().unwrap().len(), 4);

    // A project that goes takes its videos along, and is not asked any more.
    app.delete(&org, &format!("/projects/{first}"))
        .await
        .data(200);
    assert_eq!(counts(app.ingest(&org, all).await.data(200)), [0, 2, 0]);
}

#[tokio::test]
async fn removed_and_early_videos_are_not_taken_up() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let org = &world.org;
    let line = json!({"kind": "video_stats", "platform": "tiktok",
        "platform_video_id": "7000000000000000001", "observed_at": "2026-01-05T05:00:00Z",
        "view_count": 1});
    app.delete(org, &format!("/videos/{}", world.auto_video))
        .await
        .data(200);
    let answer = app.ingest(org, ingest_line(&line)).await;
    assert_eq!(answer.data(200)["errors"][0]["code"], "video_removed");
    let found = json!({"kind": "video", "platform": "tiktok", "creator_handle": "charli",
        "platform_video_id": "7000000000000000001", "observed_at": "2026-01-05T05:00:00Z"});
    let answer = app.ingest(org, ingest_line(&found)).await;
    assert_eq!(answer.data(200)["errors"][0]["code"], "video_removed");

    let path = format!("/creators/{}", world.creator);
    app.patch(org, &path, json!({"tracking_start_date": "2026-01-05"}))
        .await
        .data(200);
    let posted = |id: &str, at: &str| {
        ingest_line(
            &json!({"kind": "video", "platform": "tiktok", "creator_handle": "charli",
            "platform_video_id": id, "observed_at": "2026-01-05T05:00:00Z", "posted_at": at}),
        )
    };
    // The day begins at midnight in Berlin.
    let body = posted("81", "2026-01-04T22:59:59Z") + &posted("82", "2026-01-04T23:00:00Z");
    let answer = app.ingest(org, body).await;
    assert_eq!(counts(answer.data(200)), [1, 0, 1]);
    assert_eq!(
        answer.data(200)["errors"][0]["code"],
        "before_tracking_start"
    );
}

#[tokio::test]
async fn many_readings_are_cut_into_events_and_recorded_together() {
    let app = TestApp::new().await;
    let (org, _) = following(&app).await;
    let ids: Vec<_> = (0..1_200).map(|index| format!("video{index:06}")).collect();
    let before = app.head().await;
    let found: Vec<_> = ids.iter().map(|id| video(id)).collect();
    let answer = app.ingest(&org, lines(&found)).await;
    assert_eq!(counts(answer.data(200)), [1_200, 0, 0]);
    let read: Vec<_> = ids
        .iter()
        .flat_map(|id| (1..=4).map(move |day| stats(id, &format!("2026-01-0{day}T00:00:00Z"), day)))
        .collect();
    let answer = app.ingest(&org, lines(&read)).await;
    assert_eq!(counts(answer.data(200)), [4_800, 0, 0]);
    let events = app.events_after(before).await;
    let recorded = events
        .iter()
        .filter(|(_, event)| event == "observation.recorded")
        .count();
    assert_eq!((events.len(), recorded), (1_200 + 3 + 10, 3 + 10));
    let answer = app.ingest(&org, lines(&read)).await;
    assert_eq!(counts(answer.data(200)), [0, 4_800, 0]);
}

#[tokio::test]
async fn readings_of_a_key_that_was_ended_are_not_appended() {
    let app = TestApp::new().await;
    let (org, _) = following(&app).await;
    app.ingest(&org, lines(&[video("dQw4w9WgXcQ")]))
        .await
        .data(200);
    let (key_id, secret) = app.key(org.id, Scopes::NONE.with(Scope::Ingest)).await;
    // Past the gate, as if the key had been ended right after.
    let context = command::app::CommandContext {
        caller: domain::org::Caller::Key(key_id),
        correlation_id: "test".to_owned(),
        wait: true,
    };
    app.operate(org.id, Command::RevokeKey { key_id }).await;
    let before = app.head().await;
    let body = lines(&[stats("dQw4w9WgXcQ", "2026-01-05T05:00:00Z", 1)]);
    let commander = app.service.commander();
    let taken = commander
        .ingest(org.id, None, body.clone().into(), &context, None)
        .await;
    let refused = match taken {
        Err(CommandError::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused, Rejection::CallerInvalid);
    assert_eq!(app.head().await, before);
    let other = Org { secret, ..org };
    app.ingest(&other, body)
        .await
        .refused(401, "invalid_api_key");
}

#[test]
fn lines_that_wait_too_long_for_a_processor_are_refused() {
    // One thread beside the executor: whoever keeps it busy keeps every processor busy.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (app, time) = TestApp::without_time(&["--ingest-places", "1"]).await;
        let (org, _) = following(&app).await;
        let before = app.head().await;
        let (free, busy) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || busy.recv());
        let body = lines(&[video("dQw4w9WgXcQ")]);
        let ask = || Box::pin(app.ingest(&org, body.clone()));
        let passes = async {
            loop {
                time.advance(Duration::from_secs(1));
                tokio::task::yield_now().await;
            }
        };
        let answered = async {
            tokio::select! {
                answered = select(ask(), ask()) => answered.factor_first(),
                () = passes => unreachable!("time passes for ever"),
            }
        };
        let answered = Clock::system().timeout(SOON, answered).await;
        let (refused, other) = answered.expect("an answer");
        refused.refused(503, "not_committed");
        let wait: u64 = refused.header("Retry-After").parse().unwrap();
        assert!((1..=3).contains(&wait));
        assert_eq!(app.head().await, before);
        drop(free);
        busy.await.unwrap().unwrap_err();
        assert_eq!(other.await.data(200)["accepted"], 1);
    });
}
