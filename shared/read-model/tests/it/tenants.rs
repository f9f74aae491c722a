//! Nobody sees another org's rows: by the queries' own predicates, and by row security alone.

use chrono_tz::Tz;
use domain::event::{CampaignItemsAdded, EntityRef, GoalMetric, ObservationRecorded, Reading};
use domain::ids::{
    AnnotationId, CampaignId, CreatorId, GoalId, KeyId, OrgId, ProjectId, VideoId, WebhookId,
};
use domain::plan::Plan;
use read_model::analytics::{
    Calendar, Direction, EntityKind, Granularity, Inputs, Measure, Metric, Mode, Period, Scale,
    Threshold,
};
use read_model::{
    AnalyticsRequest, AnnotationFilter, CreatorFigure, CreatorFilter, GoalFilter, KeyFilter,
    OutlierQuestion, OutlierScope, Page, ReadModel, Rows, Source, VideoFilter, VideoOrder,
};
use sqlx::error::DatabaseError;
use sqlx::{Connection, Row};

use crate::support::{Journal, apply, id, instant, projection, read_model, roll_all, sample};

const TABLES: [&str; 24] = [
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
    "days",
    "webhooks",
    "campaigns",
    "campaign_items",
    "campaign_videos",
    "campaign_creators",
    "goals",
    "annotations",
    "audit_events",
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
    let campaign = CampaignId::from_uuid(id(5, case, 0));
    journal.record(sample::campaign(project, campaign, "Campaign"));
    journal.record(CampaignItemsAdded {
        campaign_id: campaign,
        items: vec![EntityRef::Creator(creator)],
    });
    let goal = GoalId::from_uuid(id(7, case, 0));
    journal.record(sample::goal(creator, goal, GoalMetric::Posts));
    let annotation = AnnotationId::from_uuid(id(8, case, 0));
    journal.record(sample::annotation(project, annotation, None, "2026-01-02"));
    journal.record(sample::webhook(WebhookId::from_uuid(id(9, case, 0))));
    let reading = sample::views(video, "2026-01-02T00:00:00Z", 5);
    journal.record(ObservationRecorded {
        readings: vec![Reading::VideoStats(reading)],
    });
    journal
}

/// Series and summaries of another org's things: not found, or nothing.
async fn asks_for_the_others_figures(model: &ReadModel) {
    let now = instant("2026-01-10T00:00:00Z");
    let mut reader = model.org(org(1)).await.unwrap();
    let (project, creator, video) = (id(2, 2, 0), id(3, 2, 0), id(4, 2, 0));
    let (from, to) = ("2026-01-01".parse().unwrap(), "2026-01-09".parse().unwrap());
    for (entity, id) in [
        (EntityKind::Project, project),
        (EntityKind::Creator, creator),
        (EntityKind::Video, video),
    ] {
        let request = AnalyticsRequest {
            entity,
            ids: vec![id],
            measure: Measure::new(Metric::Views, None).unwrap(),
            mode: Mode::New,
            calendar: Calendar::try_new(from, to, Tz::UTC, Granularity::Day).unwrap(),
            now,
            known_from: None,
            with_prior: true,
            by_video: entity.breaks_down(),
        };
        for source in [Source::RollUps, Source::Raw] {
            assert_eq!(reader.analytics(&request, source).await.unwrap(), None);
        }
    }
    let period = Period::new(from, to, Tz::UTC, now);
    let rows = Rows {
        limit: 10,
        offset: 0,
    };
    // Nobody is asked for a project before it was found; were one, there would be nothing of it.
    for (project, posts) in [(id(2, 1, 0), 1), (project, 0)] {
        let project = ProjectId::from_uuid(project);
        let videos = reader.video_leaderboard(project, &period, VideoOrder::Views, rows);
        assert_eq!(videos.await.unwrap().total_count, posts);
        let figure = CreatorFigure::Views;
        let creators = reader.creator_leaderboard(project, &period, figure, rows);
        assert_eq!(creators.await.unwrap().total_count, posts);
        let places = reader.creator_scatter(project, &period, [figure; 2], rows);
        assert_eq!(places.await.unwrap().total_count, posts);
        let cells = reader.posting_heatmap(project, &period).await.unwrap();
        assert_eq!(cells.len() as u64, posts);
        let regular = reader.posting_consistency(project, &period, rows);
        assert_eq!(regular.await.unwrap().total_count, posts);
        let spread = reader.view_distribution(project, &period, Scale::Log);
        assert_eq!(spread.await.unwrap().count, posts);
        let question = OutlierQuestion {
            scope: OutlierScope::Project,
            threshold: Threshold::DEFAULT,
            direction: Direction::Both,
        };
        let outliers = reader.outliers(project, &period, question, rows);
        assert_eq!(outliers.await.unwrap().skipped_groups, posts);
    }
}

async fn asks_for_the_others_campaigns_goals_and_marks(model: &ReadModel) {
    let page = Page::default();
    let mut reader = model.org(org(1)).await.unwrap();
    let (project, creator, video) = (id(2, 2, 0), id(3, 2, 0), id(4, 2, 0));
    let campaign = CampaignId::from_uuid(id(5, 2, 0));
    assert!(reader.campaign(campaign).await.unwrap().is_none());
    let items = reader.campaign_items(campaign, None, page).await.unwrap();
    assert!(items.items.is_empty());
    let figures = reader.campaign_figures(campaign).await.unwrap();
    assert_eq!(
        (figures.videos, figures.creators, figures.views),
        (0, 0, None)
    );
    let campaigns = reader.campaigns(None, None, page).await.unwrap();
    assert_eq!(campaigns.items.len(), 1);
    let webhook = WebhookId::from_uuid(id(9, 2, 0));
    assert_eq!(reader.webhook(webhook).await.unwrap(), None);
    assert_eq!(reader.webhooks(page).await.unwrap().items.len(), 1);
    let goals = GoalFilter {
        project_id: ProjectId::from_uuid(project),
        creator_id: None,
        metric: None,
        period: None,
        is_active: None,
    };
    assert!(reader.goals(&goals, page).await.unwrap().items.is_empty());
    for filter in [
        AnnotationFilter {
            project_id: Some(ProjectId::from_uuid(project)),
            ..AnnotationFilter::default()
        },
        AnnotationFilter {
            entity: Some(EntityRef::Creator(CreatorId::from_uuid(creator))),
            ..AnnotationFilter::default()
        },
    ] {
        let (marks, _) = reader.annotations(&filter, 50, None).await.unwrap();
        assert!(marks.is_empty());
    }
    let (from, to) = ("2025-01-01".parse().unwrap(), "2027-01-01".parse().unwrap());
    for (kind, id) in [
        (EntityKind::Project, project),
        (EntityKind::Creator, creator),
        (EntityKind::Video, video),
        (EntityKind::Campaign, campaign.as_uuid()),
    ] {
        let shown = reader.annotations_beside(kind, &[id], from, to).await;
        assert!(shown.unwrap().is_empty());
    }
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
        let nothing = reader
            .rolled_up(&[id(9, 9, 9)], &edges, Inputs::ALL)
            .await
            .unwrap();
        let levels = reader
            .rolled_up(&[unit], &edges, Inputs::ALL)
            .await
            .unwrap();
        assert_eq!(levels[&unit], nothing[&id(9, 9, 9)]);
    }
    for (kind, entity) in [
        (EntityKind::Project, project),
        (EntityKind::Creator, creator),
        (EntityKind::Video, video),
        (EntityKind::Campaign, id(5, 2, 0)),
    ] {
        let levels = reader
            .from_raw(kind, &[entity], &edges, Inputs::ALL)
            .await
            .unwrap();
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
    for model in [
        read_model(&database),
        ReadModel::new(database.pool_as("tga_query")),
    ] {
        asks_for_the_other(&model).await;
        asks_for_the_others_campaigns_goals_and_marks(&model).await;
        asks_for_the_others_figures(&model).await;
    }
}

#[tokio::test]
async fn row_security_alone_keeps_orgs_apart() {
    let database = projection().await;
    for case in [1, 2] {
        apply(database.pool(), &journal(case).events).await;
    }
    roll_all(database.pool()).await;
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

/// A view that ran as its owner would show every org's rows.
#[tokio::test]
async fn every_view_reads_as_who_asks() {
    let database = projection().await;
    let views: Vec<(String, Option<bool>)> = sqlx::query_as(
        "SELECT relname::text, 'security_invoker=true' = ANY (reloptions) FROM pg_class
         WHERE relkind IN ('v', 'm') AND relnamespace = current_schema()::regnamespace ORDER BY relname",
    )
    .fetch_all(database.pool())
    .await
    .unwrap();
    assert_eq!(views, [("posted_videos".to_owned(), Some(true))]);
}

#[tokio::test]
async fn every_table_has_forced_row_security_and_readers_only_read() {
    let database = projection().await;
    let tables: Vec<(String, bool, bool)> = sqlx::query_as(
        "SELECT relname::text, relrowsecurity, relforcerowsecurity FROM pg_class
         WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
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
