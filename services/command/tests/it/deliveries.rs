//! Deliveries to webhooks: signed, in order, again and again, and never lost.

use std::time::Duration;

use chrono::{DateTime, Utc};
use runtime::clock::ManualClock;
use serde_json::{Value, json};
use testkit::eventually;
use uuid::Uuid;

use crate::support::{Answer, Org, Received, Receiver, Reply, TestApp};
use crate::webhooks::{SOON, is_signed};

/// Waits for something while time passes: to the next attempt at once, and else slowly, so that no
/// attempt is late because of this clock.
pub async fn while_time_passes<T>(
    (app, hand): (&TestApp, &ManualClock),
    what: &str,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    eventually(SOON, what, async || {
        let next: Option<DateTime<Utc>> = sqlx::query_scalar(
            "select min(d.next_attempt_at) from hooks.deliveries d
             join hooks.endpoints e using (webhook_id)
             where d.status = 'pending' and d.ready and e.enabled",
        )
        .fetch_one(app.pool())
        .await
        .unwrap();
        let wait = next.and_then(|next| (next - app.now()).to_std().ok());
        hand.advance(wait.unwrap_or_default().max(Duration::from_millis(250)));
        probe().await
    })
    .await
}

impl TestApp {
    /// Members of deliveries to a webhook, the oldest first.
    pub async fn deliveries(&self, webhook: Uuid) -> Vec<(Uuid, String, String, i32)> {
        sqlx::query_as(
            "select delivery_id, event_type, status, attempts from hooks.deliveries
             where webhook_id = $1 order by created_at, position",
        )
        .bind(webhook)
        .fetch_all(self.pool())
        .await
        .unwrap()
    }

    pub async fn rename(&self, org: &Org, project: Uuid, name: &str) {
        let path = format!("/projects/{project}");
        self.patch(org, &path, json!({"name": name}))
            .await
            .data(200);
    }

    /// Waits until the service has switched a webhook off, for this reason.
    pub async fn is_switched_off(&self, org: &Org, webhook: Uuid, why: &str) {
        let path = format!("/webhooks/{webhook}");
        eventually(SOON, "it is switched off", async || {
            let data = self.patch(org, &path, json!({"description": null})).await;
            data.data(200)["disabled_reason"] == why
        })
        .await;
    }

    async fn resend(&self, org: &Org, webhook: Uuid, delivery: Uuid) -> Answer {
        let path = format!("/webhooks/{webhook}/deliveries/{delivery}/resend");
        self.post(org, &path, json!({})).await
    }
}

#[tokio::test]
async fn an_event_is_sent_as_it_is_and_once() {
    let app = TestApp::new().await;
    let (org, other) = (app.org().await, app.org().await);
    let server = Receiver::new().await;
    let (webhook, secret) = app.webhook(&org, &server.url("in"), &[]).await;
    app.project(&other).await;
    let project = app.project(&org).await;
    let creator = app.creator(&org, project, "goat", "auto").await;
    app.discover(&org, "goat", "7000000000000000001").await;
    let expected = [
        "webhook.added",
        "project.added",
        "creator.added",
        "video.discovered",
    ];
    eventually(SOON, "all is taken", async || {
        let all = app.deliveries(webhook).await;
        let taken = all.iter().filter(|(_, _, status, _)| status == "delivered");
        (taken.count() == expected.len()).then_some(()).ok_or(all)
    })
    .await;
    let received = server.received();
    let mut types: Vec<String> = received.iter().map(Received::event_type).collect();
    types.sort();
    let mut sorted = expected.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(
        types, sorted,
        "observations and other orgs' events are not sent"
    );
    let positions: Vec<_> = received
        .iter()
        .map(|it| domain::ids::GlobalPosition::new(it.position()))
        .collect();
    for (one, event) in received.iter().zip(&positions) {
        let stored = app.service.log().read_at(&[*event]).await.unwrap();
        assert_eq!(one.body, stored[0].to_cloud_event());
        assert_eq!(one.header("webhook-id"), stored[0].event_id.to_string());
        assert!(is_signed(one, &secret));
        assert!(!is_signed(
            one,
            "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        ));
    }
    let deliveries = app.deliveries(webhook).await;
    assert!(deliveries.iter().all(|(.., attempts)| *attempts == 1));
    assert!(
        received
            .iter()
            .any(|it| it.subject() == format!("creators/{creator}"))
    );
}

#[tokio::test]
async fn patterns_say_what_is_sent_and_observations_come_only_if_asked_for() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (some, readings) = (Receiver::new().await, Receiver::new().await);
    app.webhook(&org, &some.url("in"), &["project.*", "creator.added"])
        .await;
    app.webhook(&org, &readings.url("in"), &["observation.recorded"])
        .await;
    let project = app.project(&org).await;
    app.creator(&org, project, "goat", "auto").await;
    app.discover(&org, "goat", "7000000000000000001").await;
    app.rename(&org, project, "Renamed").await;
    eventually(SOON, "what is asked for comes", async || {
        let (some, readings) = (some.types().len(), readings.types().len());
        (some == 3 && readings == 1)
            .then_some(())
            .ok_or((some, readings))
    })
    .await;
    assert_eq!(readings.types(), ["observation.recorded"]);
    let mut types = some.types();
    types.sort();
    assert_eq!(types, ["creator.added", "project.added", "project.changed"]);
}

#[tokio::test]
async fn what_is_about_one_thing_waits_for_what_was_before_it_and_nothing_else_does() {
    let (app, hand) = TestApp::without_time(&[]).await;
    let org = app.org().await;
    let server = Receiver::new().await;
    let [stuck, free] = [app.project(&org).await, app.project(&org).await];
    let (webhook, _) = app
        .webhook(&org, &server.url("in"), &["project.changed"])
        .await;
    let subject = format!("projects/{stuck}");
    server.answer(move |received, _| {
        if received.subject() == subject {
            Reply::Status(503, "later")
        } else {
            Reply::Status(204, "")
        }
    });
    for name in ["one", "two", "three"] {
        app.rename(&org, stuck, name).await;
        app.rename(&org, free, name).await;
    }
    while_time_passes((&app, &hand), "the free one's events come", async || {
        let of_free = format!("projects/{free}");
        let received = server.received();
        (received.iter().filter(|it| it.subject() == of_free).count() == 3).then_some(())
    })
    .await;
    let first_only = |received: &[Received]| {
        let subject = format!("projects/{stuck}");
        let of_stuck = received.iter().filter(|it| it.subject() == subject);
        let ids: std::collections::HashSet<_> = of_stuck
            .map(|it| it.header("webhook-id").to_owned())
            .collect();
        ids.len()
    };
    while_time_passes((&app, &hand), "the first is tried again", async || {
        (app.deliveries(webhook)
            .await
            .iter()
            .any(|(.., attempts)| *attempts >= 3))
        .then_some(())
    })
    .await;
    assert_eq!(first_only(&server.received()), 1, "the others wait");
    server.answer_all(Reply::Status(200, "ok"));
    while_time_passes((&app, &hand), "all is taken", async || {
        let all = app.deliveries(webhook).await;
        all.iter()
            .all(|(_, _, status, _)| status == "delivered")
            .then_some(())
    })
    .await;
    for project in [stuck, free] {
        let names = names_in_order(&server.received(), project);
        assert_eq!(names, ["one", "two", "three"]);
    }
}

/// The names that a project got, repetitions aside.
pub fn names_in_order(received: &[Received], project: Uuid) -> Vec<String> {
    let subject = format!("projects/{project}");
    let mut names: Vec<String> = Vec::new();
    for one in received.iter().filter(|it| it.subject() == subject) {
        let name = one.event()["data"]["name"].as_str().unwrap().to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[tokio::test]
async fn after_three_days_a_webhook_is_switched_off_and_goes_on_when_it_is_switched_on() {
    let (app, hand) = TestApp::without_time(&[]).await;
    let org = app.org().await;
    let (server, watcher) = (Receiver::new().await, Receiver::new().await);
    let project = app.project(&org).await;
    let (webhook, _) = app.webhook(&org, &server.url("in"), &["project.*"]).await;
    app.webhook(&org, &watcher.url("in"), &["webhook.disabled"])
        .await;
    server.answer_all(Reply::Status(500, "never"));
    app.rename(&org, project, "one").await;
    app.rename(&org, project, "two").await;
    let path = format!("/webhooks/{webhook}");
    while_time_passes((&app, &hand), "it is switched off", async || {
        let data = app.patch(&org, &path, json!({"description": null})).await;
        (data.data(200)["disabled_reason"] == "failing").then_some(())
    })
    .await;
    let attempts = server.received();
    assert_eq!(attempts.len(), 10, "one event was tried, the other waited");
    let at = |it: &Received| it.header("webhook-timestamp").parse::<i64>().unwrap();
    let took = at(&attempts[9]) - at(&attempts[0]);
    assert!((60 * 3_600..=72 * 3_600).contains(&took), "{took} s");
    let ids: std::collections::HashSet<_> = attempts
        .iter()
        .map(|it| it.header("webhook-id").to_owned())
        .collect();
    assert_eq!(ids.len(), 1, "an event keeps its id");
    while_time_passes((&app, &hand), "others are told", async || {
        (watcher.types() == ["webhook.disabled"]).then_some(())
    })
    .await;
    let deliveries = app.deliveries(webhook).await;
    let statuses: Vec<&str> = deliveries.iter().map(|it| it.2.as_str()).collect();
    assert_eq!(statuses, ["abandoned", "pending"]);
    let abandoned = deliveries[0].0;
    let refused = app.resend(&org, webhook, abandoned).await;
    refused.refused(409, "state_conflict");

    // What happens meanwhile is not sent later.
    app.rename(&org, project, "three").await;
    server.answer_all(Reply::Status(200, "ok"));
    let on = app.patch(&org, &path, json!({"enabled": true})).await;
    assert_eq!(on.data(200)["disabled_reason"], Value::Null);
    app.rename(&org, project, "four").await;
    while_time_passes((&app, &hand), "what waited goes on", async || {
        (names_in_order(&server.received(), project) == ["one", "two", "four"]).then_some(())
    })
    .await;
    let pending = app.resend(&org, webhook, abandoned).await;
    assert_eq!(pending.data(202)["status"], "pending");
    while_time_passes((&app, &hand), "it is sent again", async || {
        let all = app.deliveries(webhook).await;
        let one = all.iter().find(|it| it.0 == abandoned).unwrap();
        (one.2 == "delivered" && one.3 == 11).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_taken_may_be_sent_again_and_what_waits_not() {
    let app = TestApp::new().await;
    let (org, other) = (app.org().await, app.org().await);
    let server = Receiver::new().await;
    let (webhook, _) = app.webhook(&org, &server.url("in"), &["project.*"]).await;
    app.project(&org).await;
    let taken = eventually(SOON, "it is taken", async || {
        let all = app.deliveries(webhook).await;
        all.first().filter(|it| it.2 == "delivered").map(|it| it.0)
    })
    .await;
    app.resend(&org, webhook, taken).await.data(202);
    eventually(SOON, "it comes again", async || {
        server.received().len() == 2
    })
    .await;
    let [first, second] = &server.received()[..] else {
        panic!("two came")
    };
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    // A repetition is one attempt.
    server.answer_all(Reply::Status(500, "no"));
    eventually(SOON, "it is taken", async || {
        app.deliveries(webhook).await[0].2 == "delivered"
    })
    .await;
    app.resend(&org, webhook, taken).await.data(202);
    eventually(SOON, "it fails once", async || {
        app.deliveries(webhook).await[0].2 == "failed"
    })
    .await;
    app.resend(&other, webhook, taken)
        .await
        .refused(404, "not_found");
    app.resend(&org, webhook, Uuid::nil())
        .await
        .refused(404, "not_found");
    let test = format!("/webhooks/{webhook}/test");
    let test = app.post(&org, &test, json!({})).await.id(200);
    app.resend(&org, webhook, test)
        .await
        .refused(409, "state_conflict");
    app.project(&org).await;
    let waiting = eventually(SOON, "it is tried", async || {
        let all = app.deliveries(webhook).await;
        all.iter()
            .find(|it| it.2 == "pending" && it.3 == 1)
            .map(|it| it.0)
    })
    .await;
    app.resend(&org, webhook, waiting)
        .await
        .refused(409, "state_conflict");
}

#[tokio::test]
async fn whoever_says_that_nothing_is_wanted_gets_nothing_more() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let server = Receiver::new().await;
    let (webhook, _) = app.webhook(&org, &server.url("in"), &["project.*"]).await;
    server.answer_all(Reply::Status(410, "gone"));
    app.project(&org).await;
    app.is_switched_off(&org, webhook, "gone").await;
    app.project(&org).await;
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn whoever_lets_too_much_wait_is_switched_off() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let server = Receiver::new().await;
    let (webhook, _) = app.webhook(&org, &server.url("in"), &["project.*"]).await;
    eventually(SOON, "it is known", async || {
        app.db_count("select count(*) from hooks.endpoints").await == 1
    })
    .await;
    app.db_execute("update hooks.endpoints set waiting = 100000")
        .await;
    app.project(&org).await;
    app.is_switched_off(&org, webhook, "backlog").await;
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_former_secret_signs_for_a_day() {
    let (app, hand) = TestApp::without_time(&[]).await;
    let org = app.org().await;
    let server = Receiver::new().await;
    let (webhook, former) = app.webhook(&org, &server.url("in"), &["project.*"]).await;
    let path = format!("/webhooks/{webhook}/rotate-secret");
    let rotated = app.post(&org, &path, json!({})).await;
    let secret = rotated.data(200)["secret"].as_str().unwrap().to_owned();
    app.project(&org).await;
    while_time_passes((&app, &hand), "it comes", async || server.received().pop()).await;
    let both = server.received().pop().unwrap();
    assert!(is_signed(&both, &secret) && is_signed(&both, &former));
    hand.advance(Duration::from_hours(24));
    app.project(&org).await;
    while_time_passes((&app, &hand), "it comes", async || {
        server.received().get(1).cloned()
    })
    .await;
    let one = server.received().pop().unwrap();
    assert!(is_signed(&one, &secret) && !is_signed(&one, &former));
    while_time_passes((&app, &hand), "the former one is forgotten", async || {
        let kept = app
            .db_count("select count(*) from auth.webhook_secrets")
            .await;
        (kept == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_outlived_is_deleted_and_what_waits_behind_it_is_free() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let server = Receiver::new().await;
    let project = app.project(&org).await;
    let (webhook, _) = app
        .webhook(&org, &server.url("in"), &["project.changed"])
        .await;
    server.answer_all(Reply::Status(500, "no"));
    app.rename(&org, project, "one").await;
    app.rename(&org, project, "two").await;
    eventually(SOON, "both wait", async || {
        let all = app.deliveries(webhook).await;
        all.len() == 2 && all[0].3 > 0
    })
    .await;
    app.db_execute(
        "update hooks.deliveries set created_at = created_at - interval '31 days' where ready",
    )
    .await;
    server.answer_all(Reply::Status(200, "ok"));
    eventually(SOON, "the old one goes, the other is taken", async || {
        let all = app.deliveries(webhook).await;
        all.len() == 1 && all[0].2 == "delivered"
    })
    .await;
    app.delete(&org, &format!("/webhooks/{webhook}"))
        .await
        .data(200);
    eventually(SOON, "deliveries go with their webhook", async || {
        app.deliveries(webhook).await.is_empty()
    })
    .await;
}
