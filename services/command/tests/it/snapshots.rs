//! Snapshots save time and change nothing.

use std::time::Duration;

use domain::org::Command;
use domain::plan::LimitKey;
use serde_json::json;
use testkit::eventually;

use crate::support::{TestApp, ingest_line};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_snapshot_is_made_behind_and_another_process_goes_on_from_it() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let found: String = (0..1_200)
        .map(|id| {
            ingest_line(&json!({"kind": "video", "platform": "tiktok",
                "platform_video_id": (10_000 + id).to_string(), "creator_handle": "charli",
                "observed_at": "2026-01-05T05:00:00Z"}))
        })
        .collect();
    app.ingest(&world.org, found.clone()).await.data(200);
    eventually(SOON, "a snapshot is stored", async || {
        app.db_count("select count(*) from log.snapshots where version >= 1200")
            .await
            == 1
    })
    .await;
    let limit_key = LimitKey::MaxProjectsPerOrg;
    let value = Some(2);
    app.operate(world.org.id, Command::SetLimit { limit_key, value })
        .await;
    app.project(&world.org).await;

    for broken in [
        None,
        Some("update log.snapshots set state = 'nonsense'"),
        Some("update log.snapshots set version = version + 1"),
        Some("delete from log.snapshots"),
    ] {
        if let Some(statement) = broken {
            app.db_execute(statement).await;
        }
        let other = app.neighbour();
        let answer = other.ingest(&world.org, found.clone()).await;
        assert_eq!(answer.data(200)["duplicate"], 1_200, "{broken:?}");
        let refused = other
            .post(&world.org, "/projects", json!({"name": "P"}))
            .await;
        refused.refused(402, "limit_reached");
    }
}
