//! `trackagoat projections` on a running system, under requests.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use testkit::eventually;
use tokio::sync::watch;

use crate::dev::{Dev, run};

const SOON: Duration = Duration::from_secs(20);

async fn projections(dev: &Dev, arguments: &[&str]) -> Result<String, String> {
    let arguments = [&["projections"][..], arguments].concat();
    let output = run(dev.operate(&arguments)).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

/// As it is answered to whoever has seen nothing yet.
async fn name_of_project(dev: &Dev) -> (Value, u64) {
    let path = format!("/projects/{}", dev.project());
    let answer = dev.call(Method::GET, &path, dev.demo_key(), None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let position = answer.headers["tga-position"].to_str().unwrap();
    (
        answer.body["data"]["name"].clone(),
        position.parse().unwrap(),
    )
}

#[tokio::test]
async fn a_spoilt_projection_is_rebuilt_and_switched_to_under_requests() {
    let dev = Dev::start(&[]).await;
    let status = projections(&dev, &["status"]).await.unwrap();
    assert!(
        status.contains("read_4") && status.contains("answers"),
        "{status}"
    );
    let (right, _) = name_of_project(&dev).await;
    let url = dev.ready["database_url"].as_str().unwrap();
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query("UPDATE read_4.projects SET name = 'Spoilt'")
        .execute(&mut connection)
        .await
        .unwrap();
    // An event of the org, so that nothing kept from before is given any more.
    let path = "/projects";
    let made = async |name: &str| {
        let body = json!({"name": name});
        let made = dev
            .call(Method::POST, path, dev.demo_key(), Some(body))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    };
    made("One more").await;
    eventually(SOON, "the spoilt name is answered", async || {
        (name_of_project(&dev).await.0 == "Spoilt").then_some(())
    })
    .await;

    let (done, is_done) = watch::channel(false);
    let asking = async {
        let (mut last, mut asked) = (0, 0);
        while !*is_done.borrow() {
            let (_, position) = name_of_project(&dev).await;
            assert!(position >= last, "{position} after {last}");
            (last, asked) = (position, asked + 1);
        }
        assert!(asked > 20, "{asked}");
    };
    let switching = async {
        let said = projections(&dev, &["rebuild"]).await.unwrap();
        assert!(said.contains("projections switch read_4_b2"), "{said}");
        made("Two more").await;
        let said = projections(&dev, &["switch", "read_4_b2"]).await.unwrap();
        assert!(said.contains("read_4_b2 answers now"), "{said}");
        done.send_replace(true);
    };
    tokio::join!(asking, switching);
    // What was kept of the spoilt tables goes without an event of the org.
    eventually(SOON, "the right name is answered", async || {
        (name_of_project(&dev).await.0 == right).then_some(())
    })
    .await;
    made("Three more").await;
    let answer = dev.get("/projects?limit=100").await;
    let names = answer.body["data"].to_string();
    for name in ["One more", "Two more", "Three more"] {
        eventually(
            SOON,
            "the services project into the new build",
            async || {
                let answer = dev.get("/projects?limit=100").await;
                answer
                    .body
                    .to_string()
                    .contains(name)
                    .then_some(())
                    .ok_or(names.clone())
            },
        )
        .await;
    }

    let refused = projections(&dev, &["drop", "read_4_b2"]).await.unwrap_err();
    assert!(refused.contains("is the build that answers"), "{refused}");
    let beside = projections(&dev, &["rebuild"]).await.unwrap_err();
    assert!(beside.contains("read_4 stands beside already"), "{beside}");
    projections(&dev, &["drop", "read_4"]).await.unwrap();
    let status = projections(&dev, &["status"]).await.unwrap();
    assert!(
        status.contains("read_4_b2") && !status.contains("read_4 "),
        "{status}"
    );
    let (name, _) = name_of_project(&dev).await;
    assert_eq!(name, right);
}

#[tokio::test]
async fn the_new_build_goes_on_after_a_restart() {
    let mut dev = Dev::start(&[]).await;
    projections(&dev, &["rebuild"]).await.unwrap();
    projections(&dev, &["switch", "read_4_b2"]).await.unwrap();
    projections(&dev, &["drop", "read_4"]).await.unwrap();
    dev.interrupt().await;
    dev.restart(&[]).await;
    let body = json!({"name": "After"});
    let made = dev
        .call(Method::POST, "/projects", dev.demo_key(), Some(body))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    eventually(SOON, "it is answered", async || {
        let answer = dev.get("/projects?limit=100").await;
        answer
            .body
            .to_string()
            .contains("After")
            .then_some(())
            .ok_or(answer.body)
    })
    .await;
}
