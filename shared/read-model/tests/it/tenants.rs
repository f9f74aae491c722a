//! Nobody sees another org's rows: by the queries' own predicates, and by row security alone.

use domain::event::{ObservationRecorded, Reading};
use domain::ids::{CreatorId, KeyId, OrgId, ProjectId, VideoId};
use domain::plan::Plan;
use read_model::analytics::EntityKind;
use read_model::{CreatorFilter, KeyFilter, Page, ReadModel, VideoFilter};
use sqlx::error::DatabaseError;
use sqlx::{Connection, Row};

use crate::support::{Journal, apply, id, instant, projection, read_model, sample};

const TABLES: [&str; 15] = [
    "orgs",
    "org_limits",
    "members",
    "invitations",
    "sessions",
    "api_keys",
    "projects",
    "creators",
    "creator_profiles",
    "creator_readings",
    "videos",
    "video_details",
    "video_stats",
    "video_readings",
    "slots",
];

fn org(case: u64) -> OrgId {
    OrgId::from_uuid(id(1, case, 0))
}

/// An org with one of each thing.
fn journal(case: u64) -> Journal {
    let mut journal = Journal::new(org(case));
    let project = ProjectId::from_uuid(id(2, case, 0));
    let creator = CreatorId::from_uuid(id(3, case, 0));
    let video = VideoId::from_uuid(id(4, case, 0));
    journal.record(sample::org(Plan::Ultra));
    journal.record(sample::key(KeyId::from_uuid(id(6, case, 0)), "Key"));
    journal.record(sample::project(project, "Project"));
    journal.record(sample::creator(project, creator, "creator"));
    journal.record(sample::video(project, creator, video, 1));
    let reading = sample::views(video, "2026-01-02T00:00:00Z", 5);
    journal.record(ObservationRecorded {
        readings: vec![Reading::VideoStats(reading)],
    });
    journal
}

async fn asks_for_the_other(model: &ReadModel) {
    let page = Page::default();
    let now = instant("2026-01-02T00:00:00Z");
    let edges = [
        instant("2025-01-01T00:00:00Z"),
        instant("2027-01-01T00:00:00Z"),
    ];
    let mut reader = model.org(org(1)).await.unwrap();
    let (project, creator, video) = (id(2, 2, 0), id(3, 2, 0), id(4, 2, 0));
    let key = KeyId::from_uuid(id(6, 2, 0));
    assert!(reader.api_key(key).await.unwrap().is_none());
    assert!(
        reader
            .project(ProjectId::from_uuid(project))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        reader
            .creator(CreatorId::from_uuid(creator))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        reader
            .video(VideoId::from_uuid(video))
            .await
            .unwrap()
            .is_none()
    );
    let of_project = Some(ProjectId::from_uuid(project));
    let filter = CreatorFilter {
        project_id: of_project,
        ..CreatorFilter::default()
    };
    assert!(
        reader
            .creators(&filter, page)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    for filter in [
        VideoFilter {
            project_id: of_project,
            ..VideoFilter::default()
        },
        VideoFilter {
            creator_id: Some(CreatorId::from_uuid(creator)),
            ..VideoFilter::default()
        },
    ] {
        assert!(reader.videos(&filter, page).await.unwrap().items.is_empty());
    }
    let keys = reader
        .api_keys(&KeyFilter::default(), now, page)
        .await
        .unwrap();
    assert_eq!(keys.items.len(), 1);
    let all = reader.videos(&VideoFilter::default(), page).await.unwrap();
    assert_eq!(all.items.len(), 1);
    for unit in [project, creator] {
        let nothing = reader.rolled_up(&[id(9, 9, 9)], &edges).await.unwrap();
        let levels = reader.rolled_up(&[unit], &edges).await.unwrap();
        assert_eq!(levels[&unit], nothing[&id(9, 9, 9)]);
    }
    for (kind, entity) in [
        (EntityKind::Project, project),
        (EntityKind::Creator, creator),
        (EntityKind::Video, video),
    ] {
        let levels = reader.from_raw(kind, &[entity], &edges).await.unwrap();
        assert_eq!(levels[&entity].posts(1), 0);
        let views = levels[&entity].counter(read_model::analytics::Counter::Views, 1);
        assert_eq!(views.units, 0);
    }
}

#[tokio::test]
async fn another_orgs_things_are_not_there() {
    let database = projection().await;
    for case in [1, 2] {
        apply(database.pool(), &journal(case).events).await;
    }
    // A superuser passes row security: here the predicates stand alone.
    asks_for_the_other(&read_model(&database)).await;
    asks_for_the_other(&ReadModel::new(database.pool_as("tga_query"))).await;
}

#[tokio::test]
async fn row_security_alone_keeps_orgs_apart() {
    let database = projection().await;
    for case in [1, 2] {
        apply(database.pool(), &journal(case).events).await;
    }
    let pool = database.pool_as("tga_query");
    let mut connection = pool.acquire().await.unwrap();
    for table in TABLES {
        let count = format!("SELECT count(*), count(*) FILTER (WHERE org_id = $1) FROM {table}");
        // Without an org, nothing; inside a transaction of one org, its rows; afterwards, nothing.
        for (named, expected) in [(None, false), (Some(org(1)), true), (None, false)] {
            let mut tx = connection.begin().await.unwrap();
            if let Some(named) = named {
                sqlx::query("SELECT set_config('tga.org_id', $1, true)")
                    .bind(named.to_string())
                    .execute(&mut *tx)
                    .await
                    .unwrap();
            }
            let row = sqlx::query(sqlx::AssertSqlSafe(count.clone()))
                .bind(org(1).as_uuid())
                .fetch_one(&mut *tx)
                .await
                .unwrap();
            let (all, own): (i64, i64) = (row.get(0), row.get(1));
            assert_eq!(all, own, "{table}");
            if ![
                "org_limits",
                "members",
                "invitations",
                "sessions",
                "creator_profiles",
                "creator_readings",
                "video_details",
            ]
            .contains(&table)
            {
                assert_eq!(all > 0, expected, "{table}");
            }
        }
    }
}

#[tokio::test]
async fn every_table_has_forced_row_security_and_readers_only_read() {
    let database = projection().await;
    let tables: Vec<(String, bool, bool)> = sqlx::query_as(
        "SELECT relname::text, relrowsecurity, relforcerowsecurity FROM pg_class
         WHERE relkind = 'r' AND relnamespace = 'read_1'::regnamespace
           AND relname <> '_sqlx_migrations'
         ORDER BY relname",
    )
    .fetch_all(database.pool())
    .await
    .unwrap();
    let mut expected = TABLES.map(|table| (table.to_owned(), true, true));
    expected.sort();
    assert_eq!(tables, expected);
    let pool = database.pool_as("tga_query");
    for statement in [
        "INSERT INTO orgs SELECT * FROM orgs",
        "UPDATE videos SET removed = true",
        "DELETE FROM slots",
        "TRUNCATE video_readings",
        "UPDATE read.versions SET position = 0",
    ] {
        let refused = sqlx::query(statement).execute(&pool).await.unwrap_err();
        let code = refused.as_database_error().and_then(DatabaseError::code);
        assert_eq!(code.as_deref(), Some("42501"), "{statement}");
    }
}
