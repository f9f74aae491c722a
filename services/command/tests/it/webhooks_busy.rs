//! Webhooks while attempts at others, or at themselves, are under way.

use serde_json::json;
use testkit::eventually;

use crate::deliveries::while_time_passes;
use crate::support::{Receiver, Reply, TestApp};
use crate::webhooks::SOON;

/// Whether another org's event comes while a webhook takes one delivery after the other.
async fn another_orgs_event_comes(app: &TestApp) {
    let (org, other) = (app.org().await, app.org().await);
    let (busy, server) = (Receiver::new().await, Receiver::new().await);
    app.webhook(&org, &busy.url("in"), &["project.*"]).await;
    app.webhook(&other, &server.url("in"), &["project.*"]).await;
    for _ in 0..8 {
        app.project(&org).await;
    }
    eventually(SOON, "the backlog is there", async || {
        busy.received().len() >= 8
    })
    .await;
    let made = app.project(&other).await;
    let subject = format!("projects/{made}");
    // What was taken is due again at once, so attempts end all the time.
    eventually(SOON, "the other org's event comes", async || {
        app.db_execute(
            "update hooks.deliveries
             set status = 'pending', ready = true, apart = true, next_attempt_at = created_at
             where status <> 'pending' and org_id = (
                 select org_id from hooks.deliveries order by position limit 1)",
        )
        .await;
        server.received().iter().any(|it| it.subject() == subject)
    })
    .await;
}

#[tokio::test]
async fn the_log_is_followed_while_attempts_end_all_the_time() {
    another_orgs_event_comes(&TestApp::new().await).await;
}

#[tokio::test]
async fn the_log_is_followed_with_nats_while_attempts_end_all_the_time() {
    let nats = testkit::nats().await;
    another_orgs_event_comes(&TestApp::mirrored(&nats).await).await;
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
