//! Webhooks while attempts at others, or at themselves, are under way.

use serde_json::json;
use testkit::eventually;

use crate::deliveries::while_time_passes;
use crate::support::{Receiver, Reply, TestApp};
use crate::webhooks::SOON;

/// So many are due at any moment that attempts end all the time.
const BACKLOG: usize = 200;

/// Waits until the sender was told, after it had followed all there is, that nothing more came: from then
/// on it waits for what is new.
async fn nothing_more_comes(app: &TestApp) {
    eventually(SOON, "all is followed", async || {
        let behind = "select head.position - cursor.position from log.head, hooks.cursor";
        app.db_count(behind).await == 0
    })
    .await;
    // Whoever is to be switched off is looked for each time that the log was looked at. The first look
    // may be that at the last event.
    for _ in 0..2 {
        app.db_execute(
            "insert into hooks.endpoints (webhook_id, org_id, url, types, enabled, secret_id, waiting,
                 failures, to_disable)
             select gen_random_uuid(), org_id, 'https://hooks.example.com/', '{}', true,
                 gen_random_uuid(), 0, 0, 'gone'
             from hooks.endpoints limit 1",
        )
        .await;
        eventually(SOON, "it is looked for", async || {
            let open = "select count(*) from hooks.endpoints where to_disable is not null";
            app.db_count(open).await == 0
        })
        .await;
    }
}

#[tokio::test]
async fn the_log_is_followed_while_attempts_end_all_the_time() {
    let app = TestApp::new().await;
    let (org, other) = (app.org().await, app.org().await);
    let (busy, server) = (Receiver::new().await, Receiver::new().await);
    app.webhook(&org, &busy.url("in"), &["project.changed"])
        .await;
    app.webhook(&other, &server.url("in"), &["project.added"])
        .await;
    let project = app.project(&org).await;
    for round in 0..BACKLOG {
        app.rename(&org, project, &round.to_string()).await;
    }
    eventually(SOON, "the backlog is there", async || {
        let queued = "select count(*) from hooks.deliveries where event_type = 'project.changed'";
        app.db_count(queued).await == i64::try_from(BACKLOG).unwrap()
    })
    .await;
    let neighbour = app.neighbour();
    // It knows the org.
    neighbour.project(&other).await;
    nothing_more_comes(&app).await;
    let due_again = "update hooks.deliveries
         set status = 'pending', ready = true, apart = true, next_attempt_at = created_at
         where event_type = 'project.changed' and (status <> 'pending' or not ready)";
    let before = busy.received().len();
    eventually(SOON, "attempts end all the time", async || {
        app.db_execute(due_again).await;
        busy.received().len() >= before + BACKLOG
    })
    .await;
    // By another process: nothing in that of the sender tells that there is something new.
    let made = neighbour.project(&other).await;
    let subject = format!("projects/{made}");
    eventually(SOON, "the other org's event comes", async || {
        app.db_execute(due_again).await;
        server.received().iter().any(|it| it.subject() == subject)
    })
    .await;
}

#[tokio::test]
async fn what_a_former_url_answers_does_not_switch_the_new_one_off() {
    let (app, hand) = TestApp::without_time(&[]).await;
    let org = app.org().await;
    let (former, server) = (Receiver::new().await, Receiver::new().await);
    let (webhook, _) = app
        .webhook(&org, &former.url("in"), &["project.added"])
        .await;
    former.answer_all(Reply::Hang);
    while_time_passes((&app, &hand), "it is known", async || {
        let known = app.db_count("select count(*) from hooks.endpoints").await;
        (known == 1).then_some(())
    })
    .await;
    // The next failure is one too many.
    app.db_execute("update hooks.endpoints set failures = 1, failing_since = '2000-01-01'")
        .await;
    app.project(&org).await;
    while_time_passes((&app, &hand), "an attempt is under way", async || {
        former.received().pop()
    })
    .await;
    let path = format!("/webhooks/{webhook}");
    let body = json!({"url": server.url("moved")});
    app.patch(&org, &path, body).await.data(200);
    while_time_passes((&app, &hand), "the new URL is known", async || {
        let moved = "select count(*) from hooks.endpoints where url like '%/moved'";
        (app.db_count(moved).await == 1).then_some(())
    })
    .await;
    let pending = app.deliveries(webhook).await;
    assert_eq!(pending[0].3, 0, "the attempt is still under way");
    while_time_passes((&app, &hand), "it is taken there", async || {
        let all = app.deliveries(webhook).await;
        (all[0].2 == "delivered" && all[0].3 == 2).then_some(())
    })
    .await;
    let failing = "select count(*) from hooks.endpoints
                   where failures > 0 or to_disable is not null or not enabled";
    assert_eq!(app.db_count(failing).await, 0);
    let kept = app.patch(&org, &path, json!({"description": null})).await;
    assert_eq!(kept.data(200)["enabled"], true);
}

#[tokio::test]
async fn what_failed_at_a_former_url_switches_off_nothing_that_is_known_to_be_elsewhere() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let server = Receiver::new().await;
    let (webhook, _) = app
        .webhook(&org, &server.url("in"), &["project.added"])
        .await;
    app.project(&org).await;
    eventually(SOON, "it is known", async || server.received().len() == 1).await;
    // As if the log, which has another URL, were not followed so far.
    app.db_execute(
        "update hooks.endpoints set url = 'http://127.0.0.1:9/former', to_disable = 'failing'",
    )
    .await;
    eventually(SOON, "it is judged", async || {
        let judged = "select count(*) from hooks.endpoints where to_disable is null and enabled";
        app.db_count(judged).await == 1
    })
    .await;
    let path = format!("/webhooks/{webhook}");
    let kept = app.patch(&org, &path, json!({"description": null})).await;
    assert_eq!(kept.data(200)["enabled"], true);
}
