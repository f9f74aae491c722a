//! The processes of `trackagoat dev`: how they end, and what they leave behind.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::time::Duration;

use reqwest::StatusCode;
use testkit::eventually;

use crate::dev::{Dev, run};

const GONE_WITHIN: Duration = Duration::from_secs(40);

/// The process ids of the replicas that are processes of their own.
fn replicas(dev: &Dev) -> Vec<u64> {
    let all = dev.ready["query_replicas"].as_array().unwrap();
    let pids = all[1..].iter().map(|replica| replica["pid"].as_u64());
    pids.map(Option::unwrap).collect()
}

fn lives(pid: u64) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

async fn gone(pids: &[u64]) {
    eventually(GONE_WITHIN, "the replicas end", async || {
        pids.iter().all(|pid| !lives(*pid)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_killed_one_leaves_no_replica_and_its_ready_file_is_not_believed() {
    let mut dev = Dev::start(&["--query-replicas", "2"]).await;
    let (own, others) = (dev.ready["pid"].clone(), replicas(&dev));
    assert_eq!(others.len(), 1);
    dev.kill().await;
    gone(&others).await;
    assert!(dev.ready_file().exists(), "nobody was there to remove it");
    dev.restart(&[]).await;
    assert_ne!(dev.ready["pid"], own);
    assert_eq!(dev.get("/projects").await.status, StatusCode::OK);
}

#[tokio::test]
async fn ctrl_c_in_a_terminal_ends_all_in_order() {
    let mut dev = Dev::start(&["--query-replicas", "2"]).await;
    let others = replicas(&dev);
    assert!(dev.interrupt_group().await.success());
    assert!(others.iter().all(|pid| !lives(*pid)));
    assert!(!dev.ready_file().exists());
}

#[tokio::test]
async fn a_second_one_in_the_folder_is_refused_and_harms_nothing() {
    let dev = Dev::start(&[]).await;
    let second = run(dev.another()).await;
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("in use by another process"), "{said}");
    assert!(dev.ready_file().exists());
    let orgs = run(dev.operate(&["orgs", "list"])).await;
    assert!(
        orgs.status.success(),
        "{}",
        String::from_utf8_lossy(&orgs.stderr)
    );
}
