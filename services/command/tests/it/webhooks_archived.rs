//! Deliveries of events whose part of the log is archived.

use std::path::Path;

use domain::event::{Actor, Event, ProjectAdded, Stream};
use domain::ids::{GlobalPosition, OrgId, ProjectId};
use domain::plan::Plan;
use domain::signed::NoteSigner;
use domain::text::{Metadata, ProjectName};
use domain::time::Timestamp;
use event_log::archive::{Archiver, Before, Next};
use event_log::{AppendRequest, EventLog, Signer, SignerConfig, StoredEvent, Sweeper};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use serde_json::json;
use testkit::eventually;
use uuid::Uuid;

use crate::support::{Receiver, TestApp};
use crate::webhooks::SOON;

/// Events of a partition; those of the first one are archived.
const SIZE: u64 = 300;
/// Projects that are appended at once.
const AT_ONCE: usize = 50;

impl TestApp {
    /// Fills the first partition, with what nobody wants.
    async fn fill(&self, org: OrgId) {
        while self.head().await.get() <= SIZE {
            let project = || -> Event {
                ProjectAdded {
                    project_id: ProjectId::from_uuid(Entropy::os().uuid_v4()),
                    name: ProjectName::parse("Spring").unwrap(),
                    readme: None,
                    metadata: Metadata::empty(),
                }
                .into()
            };
            let request = AppendRequest {
                org_id: org,
                expected: None,
                events: (0..AT_ONCE).map(|_| project()).collect(),
                actor: Actor::System,
                correlation_id: "test".to_owned(),
                idempotency: None,
                guard: None,
            };
            self.service.log().append(request).await.unwrap();
        }
    }

    /// Archives the first partition.
    async fn archive(&self, folder: &Path) {
        let own = self.service.log();
        Sweeper::new(own.clone()).fold().await.unwrap();
        let key = NoteSigner::new("trackagoat".parse().unwrap(), &[7; 32].into());
        let signer = Signer::new(own.clone(), None, SignerConfig::new(key));
        signer.sign_once().await.unwrap();
        eventually(SOON, "webhooks have come so far", async || {
            let cursor = "select position from hooks.cursor";
            self.db_count(cursor).await >= i64::try_from(SIZE).unwrap()
        })
        .await;
        let (clock, entropy) = (Clock::system(), Entropy::os());
        let config = event_log::Config::default();
        let (log, _) = EventLog::new(self.pool().clone(), clock, entropy, config);
        let mut archiver = Archiver::begin(&log, folder.to_owned()).await.unwrap();
        let all = GlobalPosition::new(SIZE + 1);
        let after = archiver.resume().await.unwrap();
        let before = Before {
            position: Some(all),
            instant: Timestamp::from_datetime(self.now()),
        };
        let next = archiver.next(after, before, all).await;
        let Next::Due(stretch) = next.unwrap() else {
            panic!("a partition is full");
        };
        archiver.archive(stretch, |_, _| {}).await.unwrap();
    }

    /// Has deliveries sent again that are begun together.
    async fn resend_together(&self, deliveries: &[Uuid]) {
        sqlx::query(
            "update hooks.deliveries
             set status = 'pending', ready = true, apart = true, next_attempt_at = $2
             where delivery_id = any($1)",
        )
        .bind(deliveries)
        .bind(self.now())
        .execute(self.pool())
        .await
        .unwrap();
    }

    /// How deliveries stand, and why the last attempt failed, once none is pending.
    async fn settled(&self, deliveries: [Uuid; 2]) -> [(String, Option<String>); 2] {
        eventually(SOON, "all are settled", async || {
            let mut settled = Vec::new();
            for delivery in deliveries {
                let row: (String, Option<String>) = sqlx::query_as(
                    "select status, last_error from hooks.deliveries where delivery_id = $1",
                )
                .bind(delivery)
                .fetch_one(self.pool())
                .await
                .unwrap();
                settled.push(row);
            }
            let is_pending = settled.iter().any(|(status, _)| status == "pending");
            <[_; 2]>::try_from(settled).ok().filter(|_| !is_pending)
        })
        .await
    }
}

/// The stored event of a delivery's position.
async fn of_position(app: &TestApp, position: u64) -> StoredEvent {
    let position = GlobalPosition::new(position);
    let events = app.service.log().read_at(&[position]).await;
    events.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_archived_and_not_at_hand_is_not_sent_again_and_holds_up_nothing_else() {
    let app = TestApp::new().await;
    app.db_execute("select log.resize_partitions(300)").await;
    let (org, filler) = (app.org().await, app.bare_org(Plan::Ultra).await);
    let server = Receiver::new().await;
    let types = ["project.added", "observation.recorded"];
    let (webhook, _) = app.webhook(&org, &server.url("in"), &types).await;
    let project = app.project(&org).await;
    app.creator(&org, project, "goat", "auto").await;
    app.discover(&org, "goat", "7000000000000000001").await;
    for hour in [6, 7] {
        let line = json!({"kind": "video_stats", "platform": "tiktok",
            "platform_video_id": "7000000000000000001",
            "observed_at": format!("2026-01-05T0{hour}:00:00Z"), "view_count": hour});
        let answer = app.ingest(&org, format!("{line}\n")).await;
        assert_eq!(answer.data(200)["accepted"], 1, "{}", answer.body);
    }
    eventually(SOON, "all is taken", async || {
        let all = app.deliveries(webhook).await;
        all.len() == 4 && all.iter().all(|it| it.2 == "delivered")
    })
    .await;
    // Of the figures the newer ones stay online.
    let observed = server.received().into_iter().find(|it| {
        it.event_type() == "observation.recorded" && it.body.contains("\"view_count\":6")
    });
    let observed = of_position(&app, observed.unwrap().position()).await;
    assert_eq!(observed.stream, Stream::Observations);
    let all: Vec<(Uuid, i64)> = sqlx::query_as(
        "select delivery_id, position from hooks.deliveries where webhook_id = $1
         order by event_type = 'observation.recorded', position",
    )
    .bind(webhook)
    .fetch_all(app.pool())
    .await
    .unwrap();
    let of_observed = all.iter().find(|it| it.1 == observed.position.as_i64());
    let both = [all[0].0, of_observed.unwrap().0];

    app.fill(filler).await;
    let folder = tempfile::tempdir().unwrap();
    app.archive(folder.path()).await;
    let before = server.received().len();
    app.resend_together(&both).await;
    let [sent, lost] = app.settled(both).await;
    assert_eq!(sent, ("delivered".to_owned(), None));
    assert_eq!(lost, ("failed".to_owned(), Some("internal".to_owned())));
    let came = &server.received()[before..];
    assert_eq!(came.len(), 1);
    assert_eq!(came[0].event_type(), "project.added");

    // Whoever has the folder sends both, as they were.
    let neighbour = app.neighbour_with_archive(folder.path());
    app.stop(SOON).await;
    neighbour.resend_together(&both).await;
    let settled = neighbour.settled(both).await;
    assert!(settled.iter().all(|it| it.0 == "delivered"), "{settled:?}");
    let came = &server.received()[before + 1..];
    let mut bodies: Vec<_> = came.iter().map(|it| it.body.clone()).collect();
    bodies.retain(|body| *body == observed.to_cloud_event());
    assert_eq!((came.len(), bodies.len()), (2, 1));
}
