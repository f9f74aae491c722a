//! No question reads a large table from end to end, and the indexes that this rests on are there.

use std::collections::BTreeMap;

use domain::event::TrackingStatus;
use domain::ids::{CreatorId, KeyId, OrgId, ProjectId, VideoId};
use read_model::analytics::{EntityKind, Inputs};
use read_model::{
    CreatorFilter, Cursor, InboxFilter, KeyFilter, OrgReader, Page, ProjectionVersion, ReadModel,
    VideoFilter,
};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor, PgPool};
use testkit::TestDatabase;
use uuid::Uuid;

use crate::support::{instant, projection};

/// Twenty orgs with ten projects each, 100 creators and 2,000 videos an org.
pub const SEED: &str = "
    CREATE FUNCTION pg_temp.id(kind text, n bigint) RETURNS uuid LANGUAGE sql AS
        $$ SELECT md5(kind || n)::uuid $$;
    INSERT INTO orgs SELECT pg_temp.id('org', n), 'Org', 'ultra', 'UTC', false, now(), now()
        FROM generate_series(0, 19) n;
    INSERT INTO api_keys (key_id, org_id, name, prefix, search, scopes, strict, created_at,
            created_by, rate_limit_per_minute)
        SELECT pg_temp.id('key', n), pg_temp.id('org', n % 20), 'Key', 'tga', 'key', 3, false,
            now(), 'system', 60 FROM generate_series(0, 9999) n;
    INSERT INTO projects SELECT pg_temp.id('project', n), pg_temp.id('org', n % 20), 'P', 'p', NULL,
            '{}', false, now(), now() FROM generate_series(0, 199) n;
    INSERT INTO creators (creator_id, org_id, project_id, platform, handle, search, metadata,
            tracking_mode, status, created_at, updated_at)
        SELECT pg_temp.id('creator', n), pg_temp.id('org', n % 20), pg_temp.id('project', n % 200),
            'tiktok', 'h' || n, 'h' || n, '{}', 'auto', 'active', now(), now()
        FROM generate_series(0, 3999) n;
    INSERT INTO creator_profiles (creator_id, org_id, profile_at)
        SELECT creator_id, org_id, now() FROM creators;
    INSERT INTO creator_readings (creator_id, observed_at, org_id, followers)
        SELECT creator_id, now() - interval '1 hour' * n, org_id, n
        FROM creators, generate_series(1, 10) n;
    INSERT INTO videos (video_id, org_id, project_id, creator_id, platform, platform_video_id, url,
            media_type, metadata, tracking_status, removed, creator_removed, created_at, updated_at)
        SELECT pg_temp.id('video', n), pg_temp.id('org', n % 20), pg_temp.id('project', n % 200),
            CASE WHEN n % 40 >= 20 THEN pg_temp.id('creator', n % 2000) END, 'tiktok',
            n::text, 'https://example.com', 'video', '{}',
            CASE WHEN n % 40 >= 20 THEN 'auto_tracked' ELSE 'direct_add' END, false, false,
            now() - interval '1 minute' * n, now()
        FROM generate_series(0, 39999) n;
    INSERT INTO video_details (video_id, org_id, title, search, posted_at, posted_at_at)
        SELECT video_id, org_id, 'Title', 'title', posted, posted FROM (
            SELECT video_id, org_id, CASE WHEN n % 2 = 0 THEN now() - interval '1 hour' * n END AS posted
            FROM (SELECT video_id, org_id, platform_video_id::bigint / 200 AS n FROM videos) v) d;
    INSERT INTO video_stats (video_id, org_id, stats_at, views, views_at)
        SELECT video_id, org_id, now(), 1, now() FROM videos;
    INSERT INTO video_readings (video_id, observed_at, org_id, views)
        SELECT video_id, now() - interval '1 day' * n, org_id, n
        FROM videos, generate_series(1, 4) n;
    INSERT INTO slots (unit_id, slot, org_id, views_delta)
        SELECT project_id, n, org_id, 1 FROM projects, generate_series(1960000, 1960499) n
        UNION ALL SELECT creator_id, n, org_id, 1 FROM creators, generate_series(1960000, 1960049) n;
    INSERT INTO days (unit_id, day, org_id, views_delta)
        SELECT project_id, n, org_id, 1 FROM projects, generate_series(20400, 20899) n
        UNION ALL SELECT creator_id, n, org_id, 1 FROM creators, generate_series(20400, 20449) n;
    ANALYZE;
";

/// Whom the seeded rows are read as: ids of org 7.
pub async fn seeded(pool: &PgPool, kind: &str, number: i64) -> Uuid {
    sqlx::query_scalar("SELECT md5($1 || $2)::uuid")
        .bind(kind)
        .bind(number.to_string())
        .fetch_one(pool)
        .await
        .unwrap()
}

/// The tables that [`SEED`] makes large.
pub const LARGE: [&str; 10] = [
    "api_keys",
    "creators",
    "creator_profiles",
    "creator_readings",
    "videos",
    "video_details",
    "video_stats",
    "video_readings",
    "slots",
    "days",
];

/// One connection, so that what it has counted is known; as a superuser, or as who reads.
pub async fn one_connection(database: &TestDatabase, role: Option<&str>) -> PgPool {
    let options = ProjectionVersion::CURRENT.in_schema(database.options().clone());
    let options = options.options(role.map(|role| ("role", role)));
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options);
    pool.await.unwrap()
}

/// Sequential scans so far, by table, of these tables.
pub async fn scans(pool: &PgPool, tables: &[&str]) -> BTreeMap<String, i64> {
    counted(pool, tables, "seq_scan").await
}

/// Look-ups by index so far, of a table.
pub async fn lookups(pool: &PgPool, table: &str) -> i64 {
    counted(pool, &[table], "idx_scan").await[table]
}

async fn counted(pool: &PgPool, tables: &[&str], what: &str) -> BTreeMap<String, i64> {
    // The one connection's own counts are sent at the end of this transaction.
    sqlx::query("SELECT pg_stat_force_next_flush()")
        .execute(pool)
        .await
        .unwrap();
    let query = format!(
        "SELECT relname::text, {what} FROM pg_stat_user_tables
         WHERE schemaname = current_schema() AND relname = ANY ($1)"
    );
    let rows: Vec<(String, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(query))
        .bind(tables)
        .fetch_all(pool)
        .await
        .unwrap();
    rows.into_iter().collect()
}

/// A search walks its org's index until the page is full, never the table.
async fn find_nothing(reader: &mut OrgReader, page: Page) {
    let search = Some("nothing is called so".to_owned());
    let filter = CreatorFilter {
        search: search.clone(),
        ..CreatorFilter::default()
    };
    let found = reader.creators(&filter, page).await.unwrap();
    assert!(found.items.is_empty());
    let filter = VideoFilter {
        search,
        ..VideoFilter::default()
    };
    let found = reader.videos(&filter, page).await.unwrap();
    assert!(found.items.is_empty());
}

#[tokio::test]
async fn no_question_reads_a_large_table_from_end_to_end() {
    let database = projection().await;
    let pool = one_connection(&database, None).await;
    pool.execute(SEED).await.unwrap();
    let org = OrgId::from_uuid(seeded(&pool, "org", 7).await);
    let project = seeded(&pool, "project", 27).await;
    let creator = seeded(&pool, "creator", 27).await;
    let video = seeded(&pool, "video", 27).await;
    let key = KeyId::from_uuid(seeded(&pool, "key", 7).await);
    let model = ReadModel::new(pool.clone());
    let edges = [
        instant("2026-01-01T00:00:00Z"),
        instant("2026-02-01T00:00:00Z"),
    ];
    let first = Page::default();
    let second = Page {
        after: Some(Cursor {
            created_at: instant("2099-01-01T00:00:00Z"),
            id: video,
        }),
        ..first
    };
    let before = scans(&pool, &LARGE).await;
    // Often enough that a generic plan would be taken, were it thought as good.
    for _ in 0..7 {
        for page in [first, second] {
            let mut reader = model.org(org).await.unwrap();
            let now = edges[0];
            reader
                .api_keys(&KeyFilter::default(), now, page)
                .await
                .unwrap();
            reader.api_key(key).await.unwrap().unwrap();
            reader.projects(None, page).await.unwrap();
            reader
                .project(ProjectId::from_uuid(project))
                .await
                .unwrap()
                .unwrap();
            let of_project = Some(ProjectId::from_uuid(project));
            for project_id in [None, of_project] {
                let filter = CreatorFilter {
                    project_id,
                    ..CreatorFilter::default()
                };
                let listed = reader.creators(&filter, page).await.unwrap();
                assert!(!listed.items.is_empty());
                let filter = VideoFilter {
                    project_id,
                    ..VideoFilter::default()
                };
                let listed = reader.videos(&filter, page).await.unwrap();
                assert_eq!(listed.items.len(), 50);
            }
            find_nothing(&mut reader, page).await;
            let filter = VideoFilter {
                creator_id: Some(CreatorId::from_uuid(creator)),
                ..VideoFilter::default()
            };
            let listed = reader.videos(&filter, page).await.unwrap();
            assert_eq!(listed.items.len(), 20);
            reader
                .creator(CreatorId::from_uuid(creator))
                .await
                .unwrap()
                .unwrap();
            reader
                .video(VideoId::from_uuid(video))
                .await
                .unwrap()
                .unwrap();
            let inbox = InboxFilter {
                project_id: ProjectId::from_uuid(project),
                status: TrackingStatus::PendingReview,
                creator_id: None,
                platform: None,
                search: None,
            };
            reader.inbox(&inbox, page).await.unwrap();
            reader.limit_counts(now).await.unwrap();
            reader
                .rolled_up(&[project, creator], &edges, Inputs::ALL)
                .await
                .unwrap();
            for (kind, id) in [(EntityKind::Video, video), (EntityKind::Creator, creator)] {
                reader
                    .from_raw(kind, &[id], &edges, Inputs::ALL)
                    .await
                    .unwrap();
            }
        }
    }
    assert_eq!(scans(&pool, &LARGE).await, before);

    pool.execute("SELECT count(*) FROM slots WHERE views_delta = 7")
        .await
        .unwrap();
    assert_ne!(
        scans(&pool, &LARGE).await,
        before,
        "a scan would have been seen"
    );
}

#[tokio::test]
async fn no_statement_of_a_question_takes_longer_than_its_answer_may() {
    let database = projection().await;
    let version = ProjectionVersion::CURRENT;
    let pool = PgPoolOptions::new()
        .connect_with(version.connect_options(database.url()).unwrap())
        .await
        .unwrap();
    let shown = |name: &'static str| sqlx::query_scalar::<_, String>(name).fetch_one(&pool);
    assert_eq!(shown("SHOW statement_timeout").await.unwrap(), "14s");
    assert_eq!(
        shown("SHOW search_path").await.unwrap(),
        version.to_string()
    );
    assert_eq!(shown("SHOW work_mem").await.unwrap(), "16MB");
    assert_eq!(shown("SHOW jit").await.unwrap(), "off");
}

#[tokio::test]
async fn the_indexes_that_questions_rest_on_are_there() {
    let database = projection().await;
    let indexes: Vec<String> = sqlx::query_scalar(
        "SELECT replace(indexdef, current_schema() || '.', '') FROM pg_indexes
         WHERE schemaname = current_schema() AND indexname NOT LIKE '%_pkey' ORDER BY indexname",
    )
    .fetch_all(database.pool())
    .await
    .unwrap();
    assert_eq!(
        indexes,
        [
            "CREATE INDEX annotations_newest ON annotations USING btree (project_id, date DESC, \
             annotation_id DESC) WHERE (NOT removed)",
            "CREATE INDEX annotations_of_entity ON annotations USING btree (entity_id, date DESC, \
             annotation_id DESC) WHERE ((NOT removed) AND (entity_id IS NOT NULL))",
            "CREATE INDEX annotations_of_people ON annotations USING btree (project_id) WHERE ((NOT \
             removed) AND (source = 'user'::text))",
            "CREATE INDEX annotations_of_project ON annotations USING btree (project_id, date DESC, \
             annotation_id DESC) WHERE ((NOT removed) AND (entity_id IS NULL))",
            "CREATE INDEX api_keys_newest ON api_keys USING btree (org_id, created_at DESC, key_id DESC)",
            "CREATE INDEX api_keys_owner ON api_keys USING btree (org_id, owner_id) WHERE \
             (owner_id IS NOT NULL)",
            "CREATE INDEX audit_events_of_actor ON audit_events USING btree (org_id, actor, type, \
             \"position\")",
            "CREATE INDEX audit_events_of_subject ON audit_events USING btree (org_id, subject, type, \
             \"position\")",
            "CREATE INDEX audit_events_of_type ON audit_events USING btree (org_id, type, \"position\")",
            "CREATE INDEX campaign_creators_of ON campaign_creators USING btree (campaign_id, \
             creator_id)",
            "CREATE INDEX campaign_items_holders ON campaign_items USING btree (item_id) WHERE \
             (item_type = 'campaign'::text)",
            "CREATE INDEX campaign_items_newest ON campaign_items USING btree (campaign_id, added_at \
             DESC, item_id DESC)",
            "CREATE INDEX campaign_videos_of ON campaign_videos USING btree (campaign_id, video_id)",
            "CREATE INDEX campaigns_newest ON campaigns USING btree (project_id, created_at DESC, \
             campaign_id DESC) WHERE (NOT removed)",
            "CREATE INDEX campaigns_unrolled ON campaigns USING btree (campaign_id) WHERE (NOT \
             is_rolled)",
            "CREATE INDEX creators_by_handle ON creators USING btree (project_id, lower((handle \
             COLLATE \"C\")), creator_id) WHERE (status = 'active'::text)",
            "CREATE INDEX creators_newest ON creators USING btree (project_id, created_at DESC, \
             creator_id DESC) WHERE (status <> 'removed'::text)",
            "CREATE INDEX goals_newest ON goals USING btree (project_id, created_at DESC, goal_id DESC) \
             WHERE (NOT removed)",
            "CREATE INDEX goals_of_creator ON goals USING btree (creator_id) WHERE (NOT removed)",
            "CREATE INDEX invitations_newest ON invitations USING btree (org_id, created_at DESC, \
             invitation_id DESC)",
            "CREATE INDEX members_joined ON members USING btree (org_id, joined_at, user_id)",
            "CREATE INDEX projects_newest ON projects USING btree (org_id, created_at DESC, \
             project_id DESC) WHERE (NOT removed)",
            "CREATE INDEX sessions_newest ON sessions USING btree (org_id, user_id, created_at DESC, \
             session_id DESC)",
            "CREATE INDEX video_details_posted ON video_details USING btree (org_id, posted_at) WHERE \
             (posted_at IS NOT NULL)",
            "CREATE INDEX videos_direct_adds ON videos USING btree (org_id) WHERE \
             ((tracking_status = 'direct_add'::text) AND (tracking_disabled_reason IS NULL) AND \
             (NOT removed))",
            "CREATE INDEX videos_inbox ON videos USING btree (project_id, tracking_status, created_at \
             DESC, video_id DESC) WHERE ((NOT removed) AND (NOT creator_removed) AND \
             ((tracking_status = 'pending_review'::text) OR (reviewed_at IS NOT NULL)))",
            "CREATE INDEX videos_newest ON videos USING btree (project_id, created_at DESC, \
             video_id DESC) WHERE ((NOT removed) AND (NOT creator_removed) AND (tracking_status <> \
             'excluded'::text))",
            "CREATE INDEX videos_of_creator ON videos USING btree (creator_id, created_at DESC, \
             video_id DESC) WHERE (creator_id IS NOT NULL)",
            "CREATE INDEX videos_posted ON videos USING btree (project_id, COALESCE(posted_at, \
             created_at)) WHERE ((NOT removed) AND (NOT creator_removed) AND (tracking_status = ANY \
             (ARRAY['auto_tracked'::text, 'included'::text, 'direct_add'::text])))",
            "CREATE INDEX webhooks_newest ON webhooks USING btree (org_id, created_at DESC, webhook_id \
             DESC) WHERE (NOT removed)",
        ]
    );
}
