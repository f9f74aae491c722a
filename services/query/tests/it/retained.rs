//! Readings older than the plan's history go while the service runs, and no answer of within it changes.

use std::time::Duration;

use chrono::{Days, TimeDelta};
use domain::event::{ObservationRecorded, Reading, TrackingStatus};
use domain::plan::Plan;
use http::Method;
use read_model::ProjectionVersion;
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use testkit::eventually;

use crate::support::{Org, World, bearer, views};

/// A step of the projector's a second, and a few of them.
const SOON: Duration = Duration::from_secs(40);
/// Days since the first reading; of each day there is one.
const READ_FOR: u8 = 120;
/// What the plan lets see.
const SEEN: u8 = 30;

async fn readings(pool: &PgPool, org: &Org) -> i64 {
    let version = ProjectionVersion::CURRENT;
    let count = format!("SELECT count(*) FROM {version}.video_readings WHERE org_id = $1");
    let count = sqlx::query_scalar(AssertSqlSafe(count)).bind(org.id.as_uuid());
    count.fetch_one(pool).await.unwrap()
}

async fn is_pruned(pool: &PgPool, org: &Org) -> bool {
    let version = ProjectionVersion::CURRENT;
    let pruned = format!("SELECT pruned_at IS NOT NULL FROM {version}.orgs WHERE org_id = $1");
    let pruned = sqlx::query_scalar(AssertSqlSafe(pruned)).bind(org.id.as_uuid());
    pruned.fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn what_the_plan_does_not_tell_of_goes_and_no_answer_changes() {
    let world = World::start().await;
    // It keeps no answers: each is computed from what there is.
    let flags = ["--projector", "false", "--response-cache-mib", "0"];
    let plain = world.another_replica(&flags).await;
    let pool = PgPoolOptions::new().connect_lazy_with(world.database.options());
    let (free, ultra) = (
        world.org_on(Plan::Free).await,
        world.org_on(Plan::Ultra).await,
    );
    let mut questions = Vec::new();
    let today = world.now().date();
    for org in [&free, &ultra] {
        let project = world.project(org, "Spring").await;
        let creator = world.creator(org, project, "ada").await;
        let video = world
            .video(org, project, creator, 1, TrackingStatus::AutoTracked)
            .await;
        let readings = (0..=READ_FOR).map(|day| {
            let at = world.now().minus(TimeDelta::days((READ_FOR - day).into()));
            Reading::VideoStats(views(video, &at.to_string(), u64::from(day) * 7))
        });
        let readings = readings.collect();
        world
            .append(org, vec![ObservationRecorded { readings }.into()])
            .await;
        let from = today - Days::new(SEEN.into());
        let of_days = format!("metric=views&from={from}&to={today}&tz=UTC");
        for (entity, id) in [
            ("project", project.to_string()),
            ("creator", creator.to_string()),
            ("video", video.to_string()),
        ] {
            for mode in ["new", "cumulative"] {
                questions.push((
                    org,
                    format!("/analytics?entity={entity}&entity_id={id}&mode={mode}&{of_days}"),
                ));
            }
        }
        questions.push((org, format!("/videos/{video}")));
    }
    let answers = async || {
        let head = world.log.head().await.unwrap().position.to_string();
        let mut answers: Vec<Value> = Vec::new();
        for (org, path) in &questions {
            let headers = [bearer(&org.key), ("tga-min-position", &*head)];
            let reply = plain.send(Method::GET, path, &headers).await;
            assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
            answers.push(reply.data());
        }
        answers
    };
    let before = answers().await;
    let all = i64::from(READ_FOR) + 1;
    assert_eq!(readings(&pool, &free).await, all);

    // Whoever projects next looks at once, and not only in an hour.
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'tga-projector' AND datname = current_database()",
    )
    .execute(&pool)
    .await
    .unwrap();
    eventually(SOON, "what is too old has gone", async || {
        is_pruned(&pool, &free).await.then_some(())
    })
    .await;
    // Those of today and of a few days more than are seen, and the last before them.
    let left = readings(&pool, &free).await;
    assert_eq!(left, 1 + 33 + 1, "of {all}");
    assert_eq!(readings(&pool, &ultra).await, all);
    assert!(!is_pruned(&pool, &ultra).await);
    assert_eq!(answers().await, before);
}
