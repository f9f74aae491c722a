//! Days that were not written with their slots: those of a schema that was there before them.

use domain::event::{ObservationRecorded, Reading};
use domain::ids::{CreatorId, OrgId, ProjectId, VideoId};
use domain::plan::Plan;
use sqlx::Executor;

use crate::support::{Journal, apply, dump, id, projection, sample};

const MIGRATION: &str = include_str!("../../../../migrations/read/20261130000330_create_days.sql");

#[tokio::test]
async fn slots_that_were_there_before_have_days_too() {
    let database = projection().await;
    let org = OrgId::from_uuid(id(1, 0, 0));
    let project = ProjectId::from_uuid(id(2, 0, 0));
    let creator = CreatorId::from_uuid(id(3, 0, 0));
    let video = VideoId::from_uuid(id(4, 0, 0));
    let mut journal = Journal::new(org);
    journal.record(sample::org(Plan::Ultra));
    journal.record(sample::project(project, "Project"));
    journal.record(sample::creator(project, creator, "creator"));
    journal.record(sample::video(project, creator, video, 0));
    let readings = [
        ("2026-01-02T00:00:00Z", 5),
        ("2026-01-02T23:59:59Z", 7),
        ("2026-01-03T00:00:00Z", 4),
        ("2026-01-05T12:00:00Z", 9),
    ];
    let readings = readings.map(|(at, views)| Reading::VideoStats(sample::views(video, at, views)));
    let readings = readings.to_vec();
    journal.record(ObservationRecorded { readings });
    apply(database.pool(), &journal.events).await;
    let written = dump(database.pool(), org).await;
    let days = written.iter().filter(|row| row.starts_with("days "));
    assert!(
        days.count() >= 6,
        "three of the creator, and of the project"
    );

    let mut connection = database.pool().acquire().await.unwrap();
    connection.execute("DROP TABLE days").await.unwrap();
    let migration = format!("SET search_path TO read_2; {MIGRATION}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(migration))
        .execute(&mut *connection)
        .await
        .unwrap();
    assert_eq!(dump(database.pool(), org).await, written);
}
