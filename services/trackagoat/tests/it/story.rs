//! The main job, end to end: what a new user does in the first minutes, and on the first bad day.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::eventually;

use crate::dev::{Dev, answer, binary, client, run};
use crate::figures::real_list;
use crate::serve::check_docs;

const NZ: &str = "youtube_trending_NZ.csv.zst";
const IMPORT_WITHIN: std::time::Duration = std::time::Duration::from_mins(5);

/// A small list with the traps of real ones: 3 channels, 4 videos, 8 readings.
fn small_list(folder: &Path) -> PathBuf {
    let header = "video_id,country,fetched_at,published_at,title,channel_title,channel_id,tags,\
                  views,likes,comments\n";
    let channel = |n: u32| format!("UCtest{n:018}");
    let row = |video: u32, fetched: &str, channel: &str, views: &str| {
        format!(
            "video{video:06},NZ,{fetched},2025-12-01 10:00:00 +00:00,\"T, \"\"{video}\"\"\nx\",\
             =Goats,{channel},\"a,\nb\",{views},5,\n"
        )
    };
    let body = [
        row(1, "2025-12-10 05:37:52.685771+00:00", &channel(1), "100"),
        row(2, "2025-12-10 05:37:52.685772+00:00", &channel(1), "0"),
        row(3, "2025-12-10 05:37:53+00:00", &channel(2), "148419.0"),
        row(1, "2025-12-11T05:37:52.685771+00:00", &channel(1), "90"),
        row(3, "2025-12-11T05:37:53.000001+00:00", &channel(3), "150000"),
        row(4, "2025-12-12T05:37:52.685771+00:00", &channel(3), "7"),
        row(1, "2025-12-12T05:37:52.685771+00:00", &channel(1), "250"),
        row(4, "2025-12-13T05:37:52.685771+00:00", &channel(3), "9"),
    ];
    let path = folder.join("small.csv");
    fs::write(&path, header.to_owned() + &body.concat()).unwrap();
    path
}

/// Enough rows that an import of them can be broken off: 4 days of 3,000 videos of 300 channels.
/// Its path, and what [`figures`] must say of it.
fn long_list(folder: &Path) -> (PathBuf, (usize, usize, Value)) {
    let (channels, videos, days) = (300, 3_000, 4);
    let header =
        "channel_id,channel_title,video_id,title,published_at,fetched_at,views,likes,comments\n";
    let row = |day: usize, video: usize| {
        let (channel, views) = (video % channels, (video + 1) * (day + 1));
        let fetched = format!("2025-12-1{day}T05:00:00Z");
        format!(
            "UClong{channel:018},Goat {channel},video{video:06},Film {video},\
             2025-12-01T10:00:00Z,{fetched},{views},1,\n"
        )
    };
    let rows: Vec<String> = (0..days)
        .flat_map(|day| (0..videos).map(move |video| (day, video)))
        .map(|(day, video)| row(day, video))
        .collect();
    let path = folder.join("long.csv");
    fs::write(&path, header.to_owned() + &rows.concat()).unwrap();
    let last_views: usize = (1..=videos).map(|video| video * days).sum();
    (path, (channels, videos, json!(last_views)))
}

async fn count(dev: &Dev, path: &str) -> usize {
    let mut cursor = String::new();
    let mut total = 0;
    loop {
        let page = dev.get(&format!("{path}&limit=100{cursor}")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        total += page.body["data"].as_array().unwrap().len();
        match page.body["meta"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return total,
        }
    }
}

/// Creators, videos and the last cumulative value of the project's views.
async fn figures(dev: &Dev, project: &str) -> (usize, usize, Value) {
    let creators = count(dev, &format!("/creators?project_id={project}")).await;
    let videos = count(dev, &format!("/videos?project_id={project}")).await;
    let series = dev
        .get(&format!(
            "/analytics?entity=project&entity_id={project}&metric=views&mode=cumulative\
             &granularity=week&from=2025-12-01&to=2026-08-31"
        ))
        .await;
    assert_eq!(series.status, StatusCode::OK, "{}", series.body);
    (
        creators,
        videos,
        series.body["data"]["series"][0]["total"].clone(),
    )
}

#[tokio::test]
async fn the_demo_answers_and_a_revoked_key_is_refused_on_the_next_request() {
    let dev = Dev::start(&[]).await;
    let permissions = fs::metadata(dev.ready_file()).unwrap().permissions().mode();
    assert_eq!(permissions & 0o777, 0o600);
    for absent in ["mcp", "setup_token"] {
        assert_eq!(dev.ready[absent], Value::Null);
    }
    let origin = dev.api().strip_suffix("api/v1").unwrap();
    assert_eq!(dev.ready["console"], origin);

    check_docs(dev.api()).await;
    let projects = dev.get("/projects").await;
    assert_eq!(projects.status, StatusCode::OK, "{}", projects.body);
    assert_eq!(projects.body["data"][0]["id"], dev.project());
    assert!(count(&dev, "/creators?platform=tiktok").await >= 100);
    let views = dev
        .get(&format!(
            "/analytics?entity=project&entity_id={}&metric=views",
            dev.project()
        ))
        .await;
    assert_eq!(
        views.body["data"]["series"][0]["points"]
            .as_array()
            .unwrap()
            .len(),
        30
    );

    let body = json!({"name": "Dashboard", "scopes": ["read"]});
    let made = dev
        .call(Method::POST, "/api-keys", dev.demo_key(), Some(body))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let key = made.body["data"]["key"].as_str().unwrap().to_owned();
    let id = made.body["data"]["id"].as_str().unwrap().to_owned();
    let used = dev.call(Method::GET, "/projects", &key, None).await;
    assert_eq!(used.status, StatusCode::OK, "{}", used.body);
    assert!(used.headers.contains_key("ratelimit") && used.headers.contains_key("tga-position"));

    let path = format!("/api-keys/{id}");
    let receipt = dev.call(Method::DELETE, &path, dev.demo_key(), None).await;
    assert_eq!(receipt.status, StatusCode::OK, "{}", receipt.body);
    assert!(receipt.body["data"]["effective_at"].is_string());
    let shown = dev.get(&path).await;
    assert_eq!(
        shown.body["data"]["revocation"]["effective_at"],
        receipt.body["data"]["effective_at"]
    );
    let refused = dev.call(Method::GET, "/projects", &key, None).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let expected = json!({
        "data": null, "error": "Invalid or missing API key", "meta": {"code": "invalid_api_key"}
    });
    assert_eq!(refused.body, expected);
    let again = dev.call(Method::DELETE, &path, dev.demo_key(), None).await;
    assert_eq!(
        again.status,
        StatusCode::OK,
        "a denial may be asked for again"
    );
}

#[tokio::test]
async fn what_no_handler_sees_is_answered_in_the_envelope_too() {
    let dev = Dev::start(&[]).await;
    let long = dev
        .get(&format!("/creators?search={}", "x".repeat(9_000)))
        .await;
    assert_eq!(long.status, StatusCode::BAD_REQUEST, "{}", long.body);
    assert_eq!(long.body["meta"]["code"], "invalid_query");
    let message = long.body["meta"]["issues"][0]["message"].as_str().unwrap();
    assert!(message.contains("8192 bytes"), "{message}");
    let url = format!("{}/creators", dev.api());
    let request = client().get(url).header("x-long", "x".repeat(15_000));
    let heavy = answer(request.header("x-longer", "x".repeat(2_000))).await;
    assert_eq!(heavy.status, StatusCode::BAD_REQUEST, "{}", heavy.body);
    assert_eq!(heavy.body["meta"]["code"], "invalid_params");
}

#[tokio::test]
async fn every_replica_refuses_a_key_once_its_revocation_returned() {
    let dev = Dev::start(&["--query-replicas", "3"]).await;
    let replicas = dev.ready["query_replicas"].as_array().unwrap().clone();
    assert_eq!(replicas.len(), 3);
    for round in 0..5 {
        let body = json!({"name": format!("round {round}"), "scopes": ["read"]});
        let made = dev
            .call(Method::POST, "/api-keys", dev.demo_key(), Some(body))
            .await;
        let key = made.body["data"]["key"].as_str().unwrap().to_owned();
        let id = made.body["data"]["id"].as_str().unwrap();
        let get = |replica: &Value| {
            let url = format!("{}/api/v1/projects", replica["url"].as_str().unwrap());
            answer(client().get(url).bearer_auth(&key))
        };
        for replica in &replicas {
            assert_eq!(get(replica).await.status, StatusCode::OK);
        }
        let path = format!("/api-keys/{id}");
        let receipt = dev.call(Method::DELETE, &path, dev.demo_key(), None).await;
        assert_eq!(
            receipt.body["data"]["barrier"]["acked"], 3,
            "{}",
            receipt.body
        );
        for replica in &replicas {
            assert_eq!(get(replica).await.status, StatusCode::UNAUTHORIZED);
        }
    }
}

#[tokio::test]
async fn importing_twice_across_a_restart_gives_the_same_figures() {
    let mut dev = Dev::start(&[]).await;
    let project = dev.new_project().await;
    let list = small_list(dev.folder());
    let expected = (3, 4, json!(250 + 150_000 + 9));

    let first = run(dev.import(&project, std::slice::from_ref(&list))).await;
    let said = String::from_utf8_lossy(&first.stdout).into_owned();
    assert!(
        first.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&first.stderr)
    );
    assert_eq!(figures(&dev, &project).await, expected);

    let old_key = dev.demo_key().to_owned();
    assert!(dev.interrupt().await.success());
    assert!(
        !dev.ready_file().exists(),
        "the ready-file is removed at exit"
    );
    dev.restart(&[]).await;
    assert_ne!(dev.demo_key(), old_key, "each start makes a new demo key");
    let former = dev.call(Method::GET, "/projects", &old_key, None).await;
    assert_eq!(
        former.status,
        StatusCode::UNAUTHORIZED,
        "and revokes the former"
    );

    // The read after it waits until the projection has that, and so all that the start did.
    dev.new_project().await;
    let position = dev.get("/projects").await.headers["tga-position"].clone();
    let second = run(dev.import(&project, &[list])).await;
    let said = String::from_utf8_lossy(&second.stdout).into_owned();
    assert!(second.status.success(), "{said}");
    assert!(
        said.contains("0 new, 3 known already") && said.contains("0 accepted"),
        "{said}"
    );
    assert_eq!(figures(&dev, &project).await, expected);
    assert_eq!(dev.get("/projects").await.headers["tga-position"], position);
}

#[tokio::test]
async fn a_demo_whose_project_was_deleted_gets_another() {
    let mut dev = Dev::start(&[]).await;
    let former = dev.project().to_owned();
    let path = format!("/projects/{former}");
    let deleted = dev.call(Method::DELETE, &path, dev.demo_key(), None).await;
    assert_eq!(deleted.status, StatusCode::OK, "{}", deleted.body);
    assert!(dev.interrupt().await.success());
    dev.restart(&[]).await;
    assert_ne!(dev.project(), former);
    let project = dev.get(&format!("/projects/{}", dev.project())).await;
    assert_eq!(project.status, StatusCode::OK, "{}", project.body);
    let creators = format!("/creators?project_id={}", dev.project());
    assert!(count(&dev, &creators).await >= 100);
}

#[tokio::test]
async fn an_import_that_a_kill_broke_off_is_finished_by_the_next() {
    let dev = Dev::start(&[]).await;
    let (list, expected) = long_list(dev.folder());
    is_finished_after_a_kill(dev, &list, expected).await;
}

#[tokio::test]
async fn a_real_import_that_a_kill_broke_off_is_finished_by_the_next() {
    let Some(list) = real_list(NZ) else { return };
    let dev = Dev::start(&[]).await;
    is_finished_after_a_kill(dev, &list, (601, 2_008, json!(9_084_253_201_u64))).await;
}

async fn is_finished_after_a_kill(mut dev: Dev, list: &Path, expected: (usize, usize, Value)) {
    let list = list.to_owned();
    let project = dev.new_project().await;
    let mut import = dev
        .import(&project, std::slice::from_ref(&list))
        .spawn()
        .unwrap();
    // Creators come first, so most is still to be sent.
    let path = format!("/creators?project_id={project}&limit=1");
    eventually(IMPORT_WITHIN, "the import has begun", async || {
        let page = dev.get(&path).await;
        page.body["data"]
            .as_array()
            .is_some_and(|creators| !creators.is_empty())
    })
    .await;
    assert_eq!(
        import.try_wait().unwrap(),
        None,
        "the import is over already"
    );
    dev.kill().await;
    import.kill().unwrap();
    import.wait().unwrap();
    dev.restart(&[]).await;
    for _ in 0..2 {
        let done = run(dev.import(&project, std::slice::from_ref(&list))).await;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            done.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&done.stderr)
        );
        assert_eq!(figures(&dev, &project).await, expected);
    }
}

#[tokio::test]
async fn an_import_with_a_wrong_key_or_file_says_what_to_do() {
    let dev = Dev::start(&[]).await;
    let nobody = "00000000-0000-7000-8000-000000000000";
    let list = small_list(dev.folder());
    let unknown = run(dev.import(nobody, &[list])).await;
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("not_found"));
    let broken = dev.folder().join("broken.csv");
    fs::write(&broken, "a,b\n1,2\n").unwrap();
    let refused = run(dev.import(dev.project(), &[broken])).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("column channel_id is missing"));
    let no_command = run(binary()).await;
    assert!(String::from_utf8_lossy(&no_command.stderr).contains("Usage"));
}
