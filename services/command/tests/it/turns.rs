//! Who goes before whom in deliveries, and who has to wait.

use std::time::Duration;

use domain::org::Command;
use serde_json::{Value, json};
use testkit::eventually;

use crate::deliveries::while_time_passes;
use crate::support::{Receiver, Reply, TestApp};
use crate::webhooks::SOON;

#[tokio::test]
async fn endpoints_of_one_org_that_never_answer_keep_no_other_org_waiting() {
    let (app, hand) = TestApp::without_time(&[]).await;
    let (slow, other) = (app.org().await, app.org().await);
    let (hanging, server) = (Receiver::new().await, Receiver::new().await);
    hanging.answer_all(Reply::Hang);
    for _ in 0..4 {
        app.webhook(&slow, &hanging.url("in"), &["creator.added"])
            .await;
    }
    app.webhook(&other, &server.url("in"), &["project.added"])
        .await;
    let project = app.project(&slow).await;
    for number in 0..20 {
        app.creator(&slow, project, &format!("goat{number}"), "auto")
            .await;
    }
    // Less than an attempt may take in all: none of them ends.
    let mut left = Duration::from_secs(12);
    let step = Duration::from_millis(50);
    let mut passes = || {
        if let Some(less) = left.checked_sub(step) {
            left = less;
            hand.advance(step);
        }
    };
    eventually(SOON, "as many as may be are under way", async || {
        passes();
        let (all, came) = (
            app.db_count("select count(*) from hooks.deliveries").await,
            hanging.received().len(),
        );
        (all == 80 && came >= 16).then_some(()).ok_or((all, came))
    })
    .await;
    app.project(&other).await;
    eventually(SOON, "the other org's event comes", async || {
        passes();
        server.received().len() == 1
    })
    .await;
    assert_eq!(hanging.received().len(), 16, "an org has so many places");
}

#[tokio::test]
async fn a_suspended_orgs_events_wait_until_it_is_reinstated() {
    let app = TestApp::new().await;
    let (org, other) = (app.org().await, app.org().await);
    let (server, watcher) = (Receiver::new().await, Receiver::new().await);
    app.webhook(&org, &server.url("in"), &["org.*"]).await;
    app.webhook(&other, &watcher.url("in"), &["project.added"])
        .await;
    app.operate(org.id, Command::Suspend { reason: None }).await;
    // Whatever is due goes in the order of the log, so these go after it.
    for number in 1..=3 {
        app.project(&other).await;
        eventually(SOON, "the other org's event comes", async || {
            watcher.received().len() == number
        })
        .await;
    }
    let waits = "select count(*) from hooks.deliveries where status = 'pending' and attempts = 0";
    assert_eq!(app.db_count(waits).await, 1);
    assert!(server.received().is_empty());
    app.operate(org.id, Command::Reinstate).await;
    eventually(SOON, "what waited comes, and more", async || {
        server.types() == ["org.suspended", "org.reinstated"]
    })
    .await;
}

#[tokio::test]
async fn whoever_took_nothing_for_three_days_is_switched_off_whatever_is_left_to_try() {
    let (app, hand) = TestApp::without_time(&[]).await;
    let org = app.org().await;
    let server = Receiver::new().await;
    let (webhook, _) = app.webhook(&org, &server.url("in"), &["project.*"]).await;
    server.answer_all(Reply::Status(503, "later"));
    app.project(&org).await;
    let attempts = async || {
        let all = app.deliveries(webhook).await;
        all.first().map_or(0, |(.., attempts)| *attempts)
    };
    while_time_passes((&app, &hand), "it is tried", async || {
        (attempts().await >= 2).then_some(())
    })
    .await;
    let path = format!("/webhooks/{webhook}");
    let own = app.patch(&org, &path, json!({"description": null})).await;
    assert_eq!(own.data(200)["enabled"], true);
    // As whoever never answers is slow to be tried: three days for a few attempts.
    hand.advance(Duration::from_hours(72));
    while_time_passes((&app, &hand), "it is switched off", async || {
        let data = app.patch(&org, &path, json!({"description": null})).await;
        (data.data(200)["disabled_reason"] == "failing").then_some(())
    })
    .await;
    let all = app.deliveries(webhook).await;
    assert_eq!(all[0].2, "pending", "it waits for who switches it on");
    assert!(all[0].3 < 10, "{} attempts", all[0].3);
    server.answer_all(Reply::Status(200, "ok"));
    let on = app.patch(&org, &path, json!({"enabled": true})).await;
    assert_eq!(on.data(200)["disabled_reason"], Value::Null);
    while_time_passes((&app, &hand), "it is taken", async || {
        (app.deliveries(webhook).await[0].2 == "delivered").then_some(())
    })
    .await;
    let failing = "select count(*) from hooks.endpoints where failing_since is not null";
    assert_eq!(app.db_count(failing).await, 0);
}

#[tokio::test]
async fn a_secret_goes_with_the_second_rotation_or_an_hour_after_nothing_named_it() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let server = Receiver::new().await;
    let (webhook, _) = app.webhook(&org, &server.url("in"), &["goal.*"]).await;
    let secrets = async || {
        app.db_count("select count(*) from auth.webhook_secrets")
            .await
    };
    let path = format!("/webhooks/{webhook}/rotate-secret");
    for _ in 0..3 {
        app.post(&org, &path, json!({})).await.data(200);
    }
    eventually(SOON, "the newest and the one before are left", async || {
        let kept = secrets().await;
        (kept == 2).then_some(()).ok_or(kept)
    })
    .await;
    // As processes leave them that die before the event.
    app.db_execute(
        "insert into auth.webhook_secrets (id, webhook_id, secret, created_at)
         select gen_random_uuid(), w.id, decode(repeat('ab', 32), 'hex'), now() - w.old
         from (select gen_random_uuid(), interval '2 hours'
               union all select webhook_id, interval '2 hours' from hooks.endpoints
               union all select webhook_id, interval '50 minutes' from hooks.endpoints)
             as w (id, old)",
    )
    .await;
    app.project(&org).await;
    eventually(SOON, "the old ones go", async || {
        let kept = secrets().await;
        (kept == 3).then_some(()).ok_or(kept)
    })
    .await;
    let young =
        "select count(*) from auth.webhook_secrets where secret = decode(repeat('ab', 32), 'hex')
                     and created_at > now() - interval '1 hour'";
    assert_eq!(app.db_count(young).await, 1);
}
