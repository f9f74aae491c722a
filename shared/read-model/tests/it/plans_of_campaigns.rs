//! No question about campaigns, goals or marks reads a large table from end to end.

use chrono_tz::Tz;
use domain::event::EntityRef;
use domain::ids::{CampaignId, CreatorId, OrgId, ProjectId};
use read_model::analytics::{Calendar, EntityKind, Granularity, Measure, Metric, Mode, Period};
use read_model::{
    AnalyticsRequest, AnnotationFilter, ComplianceFilter, CreatorFigure, GoalFilter, MemberKind,
    OrgReader, Page, ReadModel, Rows, Source,
};
use sqlx::{Executor, PgPool};
use uuid::Uuid;

use crate::plans::{LARGE, SEED, lookups, one_connection, scans, seeded};
use crate::support::{instant, projection};

/// Twenty campaigns a project, each holding creators and videos, a half of them rolled up; goals
/// and marks of every creator.
const MORE: &str = "
    INSERT INTO campaigns (campaign_id, org_id, project_id, name, search, metadata, removed,
            item_count, is_rolled, created_at, updated_at)
        SELECT pg_temp.id('campaign', n), pg_temp.id('org', n % 20), pg_temp.id('project', n % 200),
            'C', 'c', '{}', false, 20, n % 400 < 200, now() - interval '1 minute' * n, now()
        FROM generate_series(0, 3999) n;
    INSERT INTO campaign_items (campaign_id, item_type, item_id, org_id, added_at)
        SELECT pg_temp.id('campaign', n), 'creator', pg_temp.id('creator', (n + 200 * m) % 4000),
            pg_temp.id('org', n % 20), now()
        FROM generate_series(0, 3999) n, generate_series(0, 3) m
        UNION ALL
        SELECT pg_temp.id('campaign', n), 'video', pg_temp.id('video', (n + 200 * m) % 40000),
            pg_temp.id('org', n % 20), now()
        FROM generate_series(0, 3999) n, generate_series(0, 9) m
        UNION ALL
        SELECT pg_temp.id('campaign', n), 'campaign', pg_temp.id('campaign', n + 200),
            pg_temp.id('org', n % 20), now()
        FROM generate_series(0, 399) n;
    INSERT INTO campaign_videos (campaign_id, video_id, org_id)
        SELECT campaign_id, item_id, org_id FROM campaign_items WHERE item_type = 'video';
    INSERT INTO campaign_creators (campaign_id, creator_id, org_id, is_item, videos)
        SELECT campaign_id, item_id, org_id, true, 0 FROM campaign_items
        WHERE item_type = 'creator';
    INSERT INTO slots (unit_id, slot, org_id, views_delta)
        SELECT campaign_id, n, org_id, 1 FROM campaigns, generate_series(1960000, 1960009) n;
    INSERT INTO goals (goal_id, org_id, creator_id, project_id, metric, period, target_value,
            is_active, removed, created_at, updated_at)
        SELECT md5('goal' || creator_id || m)::uuid, org_id, creator_id, project_id,
            CASE m WHEN 0 THEN 'views' ELSE 'followers' END, 'monthly', 5, true, false, now(), now()
        FROM creators, generate_series(0, 1) m;
    INSERT INTO annotations (annotation_id, org_id, project_id, entity_type, entity_id, kind, source,
            date, label, created_by, removed, created_at, updated_at)
        SELECT md5('mark' || creator_id || m)::uuid, org_id, project_id, 'creator', creator_id,
            'creator_added', 'system', '2026-01-01'::date + m, 'Mark', 'system', false, now(), now()
        FROM creators, generate_series(0, 4) m
        UNION ALL
        SELECT md5('mark' || project_id || m)::uuid, org_id, project_id, NULL, NULL, 'note', 'user',
            '2026-01-01'::date + m, 'Mark', 'system', false, now(), now()
        FROM projects, generate_series(0, 9) m;
    ANALYZE;
";

/// The tables that it makes large.
const LARGER: [&str; 6] = [
    "campaigns",
    "campaign_items",
    "campaign_videos",
    "campaign_creators",
    "goals",
    "annotations",
];

struct Ids {
    project: ProjectId,
    creator: CreatorId,
    rolled: CampaignId,
    unrolled: CampaignId,
}

async fn ask(reader: &mut OrgReader, ids: &Ids) {
    let page = Page::default();
    for project in [None, Some(ids.project)] {
        let listed = reader.campaigns(project, None, page).await.unwrap();
        assert!(!listed.items.is_empty());
        let filter = AnnotationFilter {
            project_id: project,
            ..AnnotationFilter::default()
        };
        let (marks, _) = reader.annotations(&filter, 50, None).await.unwrap();
        assert_eq!(marks.len(), 50);
    }
    let about = AnnotationFilter {
        entity: Some(EntityRef::Creator(ids.creator)),
        ..AnnotationFilter::default()
    };
    let (marks, _) = reader.annotations(&about, 50, None).await.unwrap();
    assert_eq!(marks.len(), 5);
    for campaign in [ids.rolled, ids.unrolled] {
        reader.campaign(campaign).await.unwrap().unwrap();
        let figures = reader.campaign_figures(campaign).await.unwrap();
        assert!(figures.videos > 0);
        let items = reader.campaign_items(campaign, None, page).await.unwrap();
        assert!(!items.items.is_empty());
        for by_video in [false, true] {
            let request = request(campaign.as_uuid(), by_video);
            let series = reader.analytics(&request, Source::RollUps).await;
            series.unwrap().unwrap();
        }
    }
    let day = |text: &str| text.parse().unwrap();
    let (from, to) = (day("2026-01-01"), day("2026-01-31"));
    for (kind, id) in [
        (EntityKind::Project, ids.project.as_uuid()),
        (EntityKind::Creator, ids.creator.as_uuid()),
        (EntityKind::Campaign, ids.rolled.as_uuid()),
    ] {
        let marks = reader.annotations_beside(kind, &[id], from, to).await;
        assert!(!marks.unwrap().is_empty());
    }
    let rows = Rows {
        limit: 10,
        offset: 0,
    };
    let period = Period::new(from, to, Tz::UTC, instant("2026-02-01T00:00:00Z"));
    let order = CreatorFigure::Views;
    let ranked = reader.campaign_leaderboard(ids.project, &period, order, rows);
    assert_eq!(ranked.await.unwrap().total_count, 20);
    for by in MemberKind::ALL {
        let overlap = reader.member_overlap(ids.project, by, None).await.unwrap();
        assert_eq!(overlap.unwrap().campaigns.len(), 10);
    }
    let goals = GoalFilter {
        project_id: ids.project,
        creator_id: None,
        metric: None,
        period: None,
        is_active: None,
    };
    let listed = reader.goals(&goals, page).await.unwrap();
    assert_eq!(listed.items.len(), 40);
    let filter = ComplianceFilter {
        project_id: ids.project,
        creator_id: None,
        period: None,
        reference_date: day("2026-01-15"),
        tz: Tz::UTC,
        with_goals_only: false,
    };
    let (creators, _) = reader.compliance(&filter, 5, None).await.unwrap();
    assert_eq!(creators.len(), 5);
    reader
        .limit_counts(instant("2026-02-01T00:00:00Z"))
        .await
        .unwrap();
}

fn request(campaign: Uuid, by_video: bool) -> AnalyticsRequest {
    let day = |text: &str| text.parse().unwrap();
    let (from, to) = (day("2026-01-01"), day("2026-01-31"));
    AnalyticsRequest {
        entity: EntityKind::Campaign,
        ids: vec![campaign],
        measure: Measure::new(Metric::Views, None).unwrap(),
        mode: Mode::New,
        calendar: Calendar::try_new(from, to, Tz::UTC, Granularity::Day).unwrap(),
        now: instant("2026-02-01T00:00:00Z"),
        known_from: None,
        with_prior: false,
        by_video,
    }
}

#[tokio::test]
async fn no_question_about_campaigns_goals_or_marks_reads_a_large_table_from_end_to_end() {
    let database = projection().await;
    let pool = &one_connection(&database, None).await;
    pool.execute(SEED).await.unwrap();
    pool.execute(MORE).await.unwrap();
    let org = OrgId::from_uuid(seeded(pool, "org", 7).await);
    let ids = Ids {
        project: ProjectId::from_uuid(seeded(pool, "project", 27).await),
        creator: CreatorId::from_uuid(seeded(pool, "creator", 27).await),
        rolled: CampaignId::from_uuid(seeded(pool, "campaign", 27).await),
        unrolled: CampaignId::from_uuid(seeded(pool, "campaign", 227).await),
    };
    let tables = [LARGE.as_slice(), &LARGER].concat();
    for role in [None, Some("tga_query")] {
        let pool = one_connection(&database, role).await;
        let model = ReadModel::new(pool.clone());
        let before = scans(&pool, &tables).await;
        for _ in 0..7 {
            let mut reader = model.org(org).await.unwrap();
            ask(&mut reader, &ids).await;
        }
        assert_eq!(scans(&pool, &tables).await, before, "{role:?}");
        readings_are_looked_up_for_what_is_asked(&pool, org, &ids).await;

        pool.execute("SELECT count(*) FROM annotations WHERE label = 'None'")
            .await
            .unwrap();
        assert_ne!(
            scans(&pool, &tables).await,
            before,
            "a scan would have been seen"
        );
    }
}

/// Of a campaign that is not rolled up.
async fn readings_are_looked_up_for_what_is_asked(pool: &PgPool, org: OrgId, ids: &Ids) {
    let model = ReadModel::new(pool.clone());
    let cost = async |metric| {
        let request = AnalyticsRequest {
            measure: Measure::new(metric, None).unwrap(),
            ..request(ids.unrolled.as_uuid(), false)
        };
        let tables = ["video_readings", "creator_readings"];
        let [mut videos, mut creators] = [0, 0];
        for (cost, table) in [&mut videos, &mut creators].into_iter().zip(tables) {
            let before = lookups(pool, table).await;
            let mut reader = model.org(org).await.unwrap();
            reader.analytics(&request, Source::RollUps).await.unwrap();
            drop(reader);
            *cost = lookups(pool, table).await - before;
        }
        (videos, creators)
    };
    assert_eq!(cost(Metric::Posts).await, (0, 0));
    let (videos, creators) = cost(Metric::Views).await;
    assert!(videos > 0);
    assert_eq!(creators, 0);
    let (of_all, creators) = cost(Metric::EngagementRateByViews).await;
    // Of each video a look-up for each counter, and one for what lies inside the range.
    assert_eq!(2 * of_all, (5 + 1) * videos);
    assert_eq!(creators, 0);
    let (videos, creators) = cost(Metric::Followers).await;
    assert!(creators > 0);
    assert_eq!(videos, 0);
}
