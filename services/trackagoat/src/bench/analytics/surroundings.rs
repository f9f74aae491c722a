//! What else the org and the system hold, written as rows: an event for each reading would take
//! hours and leave the same rows.
//!
//! Half of the creators are in the subjects' own project, a quarter in other projects of their org, a
//! quarter in other orgs. Each fifth creator is in a campaign of their own.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, PgConnection};

use super::Effort;
use super::subjects::Place;
use crate::bench::error::BenchError;

/// Quarter hours since 1970 are counted from here in slots.
const QUARTER_SECONDS: i64 = 900;
/// Creators that are added at once.
const AT_ONCE: i64 = 250;

/// Ids in an order, as those of version 7 are.
const MADE: &str = "create function pg_temp.made(kind integer, n bigint) returns uuid
    immutable language sql as
    $$ select (lpad(to_hex(kind), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$";

const ORGS: &str =
    "insert into orgs (org_id, name, plan, timezone, suspended, created_at, updated_at)
    select pg_temp.made(5, n), 'Another', 'ultra', 'UTC', false, now(), now()
    from generate_series(0, 19) n";
const PROJECTS: &str = "insert into projects (project_id, org_id, name, search, metadata, removed,
        created_at, updated_at)
    select pg_temp.made(6, n), case when n < 10 then $1::uuid else pg_temp.made(5, n - 10) end, 'Another',
        'another', '{}', false, now(), now()
    from generate_series(0, 29) n";

/// $1 and $2: the org and the project; $3 and $4: the first creator and the one behind the last.
const AROUND: &str = "create temporary table around as
    select n, pg_temp.made(1, n) as creator_id, pg_temp.made(3, n) as campaign_id,
        case when n % 4 < 3 then $1 else pg_temp.made(5, n / 4 % 20) end as org_id,
        case when n % 2 = 0 then $2 when n % 4 = 1 then pg_temp.made(6, n / 4 % 10)
             else pg_temp.made(6, 10 + n / 4 % 20) end as project_id
    from generate_series($3, $4 - 1) n";
const NO_LONGER_AROUND: &str = "drop table around";

const CREATORS: &str =
    "insert into creators (creator_id, org_id, project_id, platform, handle, search,
        metadata, tracking_mode, status, created_at, updated_at)
    select creator_id, org_id, project_id, 'tiktok', 'around.' || n, 'around.' || n, '{}', 'auto',
        'active', now(), now()
    from around";
const PROFILES: &str = "insert into creator_profiles (creator_id, org_id, profile_at, followers,
        followers_at)
    select creator_id, org_id, now(), 1000 + n, now() from around";

/// $1: videos of each; $2: when the first slot begins.
const VIDEOS: &str = "insert into videos (video_id, org_id, project_id, creator_id, platform,
        platform_video_id, url, media_type, posted_at, metadata, tracking_status, removed,
        creator_removed, created_at, updated_at)
    select pg_temp.made(2, n * $1 + v), org_id, project_id, creator_id, 'tiktok',
        (7600000000000000000 + n * $1 + v)::text,
        'https://www.tiktok.com/@around.' || n || '/video/' || 7600000000000000000 + n * $1 + v,
        'video', $2::timestamptz - interval '1 hour' * v, '{}', 'auto_tracked', false, false, now(), now()
    from around, generate_series(0, $1::bigint - 1) v";
const DETAILS: &str =
    "insert into video_details (video_id, org_id, title, title_at, search, posted_at,
        posted_at_at)
    select pg_temp.made(2, n * $1 + v), org_id, 'Video ' || v, $2, 'video ' || v,
        $2::timestamptz - interval '1 hour' * v, $2
    from around, generate_series(0, $1::bigint - 1) v";
const STATS: &str = "insert into video_stats (video_id, org_id, stats_at, views, views_at, likes,
        likes_at, comments, comments_at)
    select pg_temp.made(2, n * $1 + v), org_id, $2, 8000, $2, 800, $2, 80, $2
    from around, generate_series(0, $1::bigint - 1) v";
/// $3: readings of each; $4: days.
const READINGS: &str = "insert into video_readings (video_id, observed_at, org_id, views, likes,
        comments, shares, saves)
    select pg_temp.made(2, n * $1 + v), $2 + interval '1 day' * (r * $4::bigint / $3)
            + interval '15 minutes' * (v % 96), org_id,
        1000 * r, 100 * r, 10 * r, r, r
    from around, generate_series(0, $1::bigint - 1) v, generate_series(0, $3::bigint - 1) r";

/// Four slots a day. $1: the first slot; $2: days.
const SLOTS: &str = "insert into slots (unit_id, slot, org_id, views_delta, likes_delta,
        comments_delta, shares_delta, saves_delta, followers_delta)
    select creator_id, $1::bigint + quarter * 24 + n % 24, org_id, 1000 + n, 100, 10, 1, 1, 7
    from around, generate_series(0, $2::bigint * 4 - 1) quarter";
const CAMPAIGN_SLOTS: &str = "insert into slots (unit_id, slot, org_id, views_delta, likes_delta,
        comments_delta, shares_delta, saves_delta, followers_delta)
    select campaign_id, $1::bigint + quarter * 24 + n % 24, org_id, 1000 + n, 100, 10, 1, 1, 7
    from around, generate_series(0, $2::bigint * 4 - 1) quarter
    where n % 5 = 0";
/// The same by days.
const DAYS: &str =
    "insert into days (unit_id, day, org_id, views_delta, likes_delta, comments_delta,
        shares_delta, saves_delta, followers_delta)
    select unit, day, around.org_id, s.views_delta * 4, 400, 40, 4, 4, 28
    from around
    cross join lateral (select creator_id union all select campaign_id where n % 5 = 0) units (unit)
    cross join lateral (select 1000 + n as views_delta) s,
    generate_series($1::bigint / 96, $1 / 96 + $2::bigint - 1) day";

const CAMPAIGNS: &str = "insert into campaigns (campaign_id, org_id, project_id, name, search, metadata,
        removed, item_count, is_rolled, created_at, updated_at)
    select campaign_id, org_id, project_id, 'around ' || n, 'around ' || n, '{}', false, 1, true, now(),
        now()
    from around where n % 5 = 0";
const ITEMS: &str = "insert into campaign_items (campaign_id, item_type, item_id, org_id, added_at)
    select campaign_id, 'creator', creator_id, org_id, now() from around where n % 5 = 0";
/// $1: videos of each.
const CAMPAIGN_VIDEOS: &str = "insert into campaign_videos (campaign_id, video_id, org_id)
    select campaign_id, pg_temp.made(2, n * $1 + v), org_id
    from around, generate_series(0, $1::bigint - 1) v where n % 5 = 0";
const CAMPAIGN_CREATORS: &str = "insert into campaign_creators (campaign_id, creator_id, org_id,
        is_item, videos)
    select campaign_id, creator_id, org_id, true, $1::bigint from around where n % 5 = 0";
const MARKS: &str =
    "insert into annotations (annotation_id, org_id, project_id, entity_type, entity_id,
        kind, source, date, label, created_by, removed, created_at, updated_at)
    select pg_temp.made(4, n), org_id, project_id, 'creator', creator_id, 'note', 'system',
        current_date - 30, 'Around', 'system', false, now(), now()
    from around";

/// What is told of the tables.
const COUNTED: [&str; 7] = [
    "creators",
    "videos",
    "video_readings",
    "slots",
    "days",
    "campaigns",
    "campaign_videos",
];

/// What is around the subjects, and grows.
pub struct Surroundings {
    place: Place,
    creators: i64,
    /// When the first slot begins, and which one it is.
    begin: DateTime<Utc>,
    first_slot: i64,
}

impl Surroundings {
    /// Only orgs and projects, as yet.
    pub async fn make(
        database: &mut PgConnection,
        place: Place,
        effort: &Effort,
    ) -> Result<Self, BenchError> {
        sqlx::query(MADE).execute(&mut *database).await?;
        sqlx::query(ORGS).execute(&mut *database).await?;
        sqlx::query(PROJECTS)
            .bind(place.org.as_uuid())
            .execute(database)
            .await?;
        let first_day = effort.first_day(place.last_day);
        let begin = first_day.and_time(chrono::NaiveTime::MIN).and_utc();
        Ok(Self {
            place,
            creators: 0,
            begin,
            first_slot: begin.timestamp() / QUARTER_SECONDS,
        })
    }

    /// Adds until there are `times` of what there is at first.
    pub async fn grow(
        &mut self,
        database: &mut PgConnection,
        times: usize,
        effort: &Effort,
    ) -> Result<(), BenchError> {
        let creators = bigint(times * effort.around);
        while self.creators < creators {
            let end = creators.min(self.creators + AT_ONCE);
            self.add_until(end, database, effort).await?;
            // Else the log of Postgres takes as much room again.
            sqlx::query("checkpoint").execute(&mut *database).await?;
        }
        // Leaves nothing to be tidied up or written out meanwhile.
        for statement in ["vacuum analyze", "checkpoint"] {
            sqlx::query(statement).execute(&mut *database).await?;
        }
        Ok(())
    }

    async fn add_until(
        &mut self,
        end: i64,
        database: &mut PgConnection,
        effort: &Effort,
    ) -> Result<(), BenchError> {
        let days = bigint(effort.days_of_readings());
        let videos = bigint(effort.around_videos);
        // Such a statement takes no parameters; these are numbers and ids of ours.
        let around = AROUND
            .replace("$1", &format!("'{}'::uuid", self.place.org))
            .replace("$2", &format!("'{}'::uuid", self.place.project))
            .replace("$3", &self.creators.to_string())
            .replace("$4", &end.to_string());
        sqlx::query(AssertSqlSafe(around))
            .execute(&mut *database)
            .await?;
        for statement in [CREATORS, PROFILES, CAMPAIGNS, ITEMS, MARKS] {
            sqlx::query(statement).execute(&mut *database).await?;
        }
        for statement in [VIDEOS, DETAILS, STATS] {
            sqlx::query(statement)
                .bind(videos)
                .bind(self.begin)
                .execute(&mut *database)
                .await?;
        }
        sqlx::query(READINGS)
            .bind(videos)
            .bind(self.begin)
            .bind(bigint(effort.around_readings))
            .bind(days)
            .execute(&mut *database)
            .await?;
        for statement in [CAMPAIGN_VIDEOS, CAMPAIGN_CREATORS] {
            sqlx::query(statement)
                .bind(videos)
                .execute(&mut *database)
                .await?;
        }
        for statement in [SLOTS, CAMPAIGN_SLOTS, DAYS] {
            sqlx::query(statement)
                .bind(self.first_slot)
                .bind(days)
                .execute(&mut *database)
                .await?;
        }
        sqlx::query(NO_LONGER_AROUND)
            .execute(&mut *database)
            .await?;
        self.creators = end;
        Ok(())
    }

    /// Rows of the tables, about, and bytes of all.
    pub async fn size(&self, database: &mut PgConnection) -> Result<Value, BenchError> {
        let mut size = Map::new();
        for table in COUNTED {
            let rows: Option<f32> =
                sqlx::query_scalar("select reltuples from pg_class where oid = to_regclass($1)")
                    .bind(table)
                    .fetch_optional(&mut *database)
                    .await?;
            size.insert(table.to_owned(), rows.map(f64::from).into());
        }
        let bytes: i64 = sqlx::query_scalar("select pg_database_size(current_database())")
            .fetch_one(database)
            .await?;
        size.insert("database_bytes".to_owned(), bytes.into());
        Ok(size.into())
    }
}

fn bigint(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
