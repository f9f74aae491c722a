//! No series and no summary reads a large table from end to end: neither where predicates stand
//! alone nor under row security, which plans differ for.

use chrono::Days;
use chrono_tz::Tz;
use domain::ids::{OrgId, ProjectId};
use domain::time::Timestamp;
use read_model::analytics::{
    Calendar, Direction, EntityKind, Granularity, Measure, Metric, Mode, Period, Scale, Threshold,
};
use read_model::{
    AnalyticsRequest, CreatorFigure, OrgReader, OutlierQuestion, OutlierScope, ReadModel, Rows,
    Source, VideoOrder,
};
use sqlx::Executor;
use uuid::Uuid;

use crate::plans::{LARGE, SEED, one_connection, scans, seeded};
use crate::support::projection;

/// Series of creators, by video too, and every summary of a project, over days that hold a part of
/// what there is.
async fn ask_for_figures(
    reader: &mut OrgReader,
    project: ProjectId,
    creator: Uuid,
    now: Timestamp,
) {
    let (from, to) = (now.date() - Days::new(3), now.date());
    let request = AnalyticsRequest {
        entity: EntityKind::Creator,
        ids: vec![creator],
        measure: Measure::new(Metric::Views, None).unwrap(),
        mode: Mode::New,
        calendar: Calendar::try_new(from, to, Tz::Europe__Berlin, Granularity::Day).unwrap(),
        now,
        known_from: None,
        with_prior: true,
        by_video: true,
    };
    for metric in [Metric::Views, Metric::EngagementRateByViews] {
        let measure = Measure::new(metric, None).unwrap();
        let request = AnalyticsRequest {
            measure,
            ..request.clone()
        };
        let answer = reader.analytics(&request, Source::RollUps).await.unwrap();
        assert_eq!(answer.unwrap().breakdown.len(), 11);
    }
    let period = Period::new(from, to, Tz::Europe__Berlin, now);
    let rows = Rows {
        limit: 50,
        offset: 0,
    };
    for order in VideoOrder::ALL {
        let found = reader
            .video_leaderboard(project, &period, order, rows)
            .await
            .unwrap();
        assert!(found.total_count > 20, "{found:?}");
    }
    for order in [CreatorFigure::Views, CreatorFigure::EngagementRateByViews] {
        let found = reader
            .creator_leaderboard(project, &period, order, rows)
            .await
            .unwrap();
        assert_eq!(found.total_count, 20);
    }
    let axes = [CreatorFigure::Followers, CreatorFigure::AvgViewsPerPost];
    let found = reader
        .creator_scatter(project, &period, axes, rows)
        .await
        .unwrap();
    assert_eq!(found.rows.len(), 20);
    let cells = reader.posting_heatmap(project, &period).await.unwrap();
    assert!(!cells.is_empty());
    reader
        .posting_consistency(project, &period, rows)
        .await
        .unwrap();
    let spread = reader
        .view_distribution(project, &period, Scale::Log)
        .await
        .unwrap();
    assert!(spread.count > 20);
    for scope in OutlierScope::ALL {
        let question = OutlierQuestion {
            scope,
            threshold: Threshold::DEFAULT,
            direction: Direction::Both,
        };
        let found = reader
            .outliers(project, &period, question, rows)
            .await
            .unwrap();
        assert!(found.skipped_groups > 0, "all views are equal");
    }
}

#[tokio::test]
async fn no_figure_costs_a_large_table() {
    let database = projection().await;
    let pool = database.pool();
    pool.execute(SEED).await.unwrap();
    let org = OrgId::from_uuid(seeded(pool, "org", 7).await);
    let project = ProjectId::from_uuid(seeded(pool, "project", 27).await);
    let creator = seeded(pool, "creator", 27).await;
    let now = sqlx::query_scalar("SELECT now()").fetch_one(pool).await;
    let now = Timestamp::from_datetime(now.unwrap());
    for role in [None, Some("tga_query")] {
        let pool = one_connection(&database, role).await;
        let model = ReadModel::new(pool.clone());
        let before = scans(&pool, &LARGE).await;
        // Often enough that a generic plan would be taken, were it thought as good.
        for _ in 0..7 {
            let mut reader = model.org(org).await.unwrap();
            ask_for_figures(&mut reader, project, creator, now).await;
        }
        assert_eq!(scans(&pool, &LARGE).await, before, "{role:?}");
        pool.execute("SELECT count(*) FROM slots WHERE views_delta = 7")
            .await
            .unwrap();
        assert_ne!(
            scans(&pool, &LARGE).await,
            before,
            "a scan would have been seen"
        );
    }
}
