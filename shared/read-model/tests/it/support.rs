//! Events by hand, and a projection to put them into.

use domain::event::{Actor, ChainHash, Event, RecordedEvent};
use domain::ids::{EventId, GlobalPosition, OrgId, StreamVersion};
use domain::time::Timestamp;
use read_model::projection::{Applied, Indexed, apply_in_tx, index_in_tx, roll_in_tx};
use read_model::{ProjectionVersion, ReadModel, SubjectKeyring};
use sqlx::PgPool;
use testkit::TestDatabase;
use uuid::Uuid;

/// An id that tells where it comes from.
pub fn id(kind: u8, case: u64, number: u64) -> Uuid {
    let high = u128::from(kind) << 120 | u128::from(case) << 48 | u128::from(number);
    uuid::Builder::from_custom_bytes(high.to_be_bytes()).into_uuid()
}

pub fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Events of one org, with what stands around them.
pub struct Journal {
    pub org: OrgId,
    pub at: Timestamp,
    pub actor: Actor,
    pub events: Vec<RecordedEvent>,
    /// No position is given twice, whatever was taken out meanwhile.
    last: u64,
}

impl Journal {
    pub fn new(org: OrgId) -> Self {
        Self {
            org,
            at: instant("2026-01-01T00:00:00Z"),
            actor: Actor::System,
            events: Vec::new(),
            last: 0,
        }
    }

    pub fn record(&mut self, event: impl Into<Event>) {
        self.last += 1;
        let number = self.last;
        self.at = self.at.plus(chrono::TimeDelta::seconds(1));
        self.events.push(RecordedEvent {
            position: GlobalPosition::new(number),
            event_id: EventId::from_uuid(id(9, 0, number)),
            org_id: self.org,
            version: StreamVersion::new(number),
            event: event.into(),
            actor: self.actor,
            correlation_id: String::new(),
            recorded_at: self.at,
            auth_prev: None,
            prev_hash: ChainHash::ZERO,
            hash: ChainHash::ZERO,
        });
    }
}

/// A database with tables of the projection, said to be caught up.
pub async fn projection() -> TestDatabase {
    let database = testkit::postgres().await;
    sqlx::query(
        "INSERT INTO read.versions (version, position, started_at, caught_up_at)
         VALUES ($1, 1, now(), now())",
    )
    .bind(ProjectionVersion::CURRENT.get())
    .execute(database.pool())
    .await
    .unwrap();
    database
}

pub fn read_model(database: &TestDatabase) -> ReadModel {
    ReadModel::new(database.pool().clone())
}

pub async fn apply(pool: &PgPool, events: &[RecordedEvent]) -> Applied {
    apply_with(pool, events, &SubjectKeyring::default()).await
}

pub async fn apply_with(pool: &PgPool, events: &[RecordedEvent], keys: &SubjectKeyring) -> Applied {
    let mut tx = pool.begin().await.unwrap();
    let applied = apply_in_tx(&mut tx, events, keys).await.unwrap();
    let indexed: Vec<_> = events.iter().map(Indexed::from).collect();
    index_in_tx(&mut tx, &indexed).await.unwrap();
    tx.commit().await.unwrap();
    applied
}

/// Lets roll-ups of campaigns follow a step further; whether there was one to look at.
pub async fn roll(pool: &PgPool, step: usize) -> bool {
    let mut tx = pool.begin().await.unwrap();
    let has_rolled = roll_in_tx(&mut tx, step).await.unwrap();
    tx.commit().await.unwrap();
    has_rolled
}

/// The same until all have followed.
pub async fn roll_all(pool: &PgPool) {
    while roll(pool, 1_000).await {}
}

const NOT_NOTHING: &str = "num_nonnulls(posts, views_firsts, likes_firsts, comments_firsts,
    shares_firsts, saves_firsts, followers_firsts, views_delta, views_base, likes_delta, likes_base,
    comments_delta, comments_base, shares_delta, shares_base, saves_delta, saves_base,
    followers_delta, followers_base) > 0";

/// Every row of an org in every table, but for roll-ups that come to nothing.
pub async fn dump(pool: &PgPool, org: OrgId) -> Vec<String> {
    let mut rows = Vec::new();
    for (table, condition) in [
        ("orgs", "true"),
        ("org_limits", "true"),
        ("members", "true"),
        ("invitations", "true"),
        ("sessions", "true"),
        ("api_keys", "true"),
        ("projects", "true"),
        ("creators", "true"),
        ("creator_profiles", "true"),
        ("creator_readings", "true"),
        ("videos", "true"),
        ("video_details", "true"),
        ("video_stats", "true"),
        ("video_readings", "true"),
        ("campaigns", "true"),
        ("campaign_items", "true"),
        ("campaign_videos", "true"),
        ("campaign_creators", "true"),
        ("goals", "true"),
        ("annotations", "true"),
        ("webhooks", "true"),
        ("audit_events", "true"),
        ("slots", NOT_NOTHING),
        ("days", NOT_NOTHING),
    ] {
        let query = format!(
            "SELECT '{table} ' || to_jsonb(t)::text FROM {table} t WHERE org_id = $1 AND {condition}
             ORDER BY 1"
        );
        let found: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .bind(org.as_uuid())
            .fetch_all(pool)
            .await
            .unwrap();
        rows.extend(found);
    }
    rows
}

/// Things to record, with what a test does not care about filled in.
pub mod sample {
    use domain::event::TypePattern;
    use domain::event::{
        AnnotationAdded, AnnotationKind, CampaignAdded, CreatorAdded, EntityRef, GoalAdded,
        GoalMetric, GoalPeriod, KeyCreated, MediaType, OrgCreated, ProjectAdded, TrackingMode,
        TrackingStatus, VideoDiscovered, VideoStats, WebhookAdded,
    };
    use domain::ids::{
        AnnotationId, CampaignId, CreatorId, GoalId, KeyId, ProjectId, VideoId, WebhookId,
        WebhookSecretId,
    };
    use domain::plan::Plan;
    use domain::platform::{Handle, Platform, PlatformVideoId};
    use domain::scope::Scopes;
    use domain::text::{CampaignName, Label, Metadata, Name, ProjectName};
    use domain::webhook::WebhookUrl;

    use super::instant;

    pub fn org(plan: Plan) -> OrgCreated {
        OrgCreated {
            name: Name::parse("Org").unwrap(),
            plan,
            timezone: "Europe/Berlin".to_owned(),
        }
    }

    pub fn project(project_id: ProjectId, name: &str) -> ProjectAdded {
        ProjectAdded {
            project_id,
            name: ProjectName::parse(name).unwrap(),
            readme: None,
            metadata: Metadata::empty(),
        }
    }

    pub fn creator(project_id: ProjectId, creator_id: CreatorId, handle: &str) -> CreatorAdded {
        CreatorAdded {
            creator_id,
            project_id,
            platform: Platform::Tiktok,
            handle: Handle::parse(Platform::Tiktok, handle).unwrap(),
            tracking_mode: TrackingMode::Auto,
            tracking_start_date: None,
            display_name: None,
            readme: None,
            metadata: Metadata::empty(),
        }
    }

    pub fn video(
        project_id: ProjectId,
        creator_id: CreatorId,
        video_id: VideoId,
        number: u64,
    ) -> VideoDiscovered {
        let platform_video_id =
            PlatformVideoId::parse(Platform::Tiktok, &number.to_string()).unwrap();
        VideoDiscovered {
            video_id,
            project_id,
            creator_id,
            platform: Platform::Tiktok,
            url: platform_video_id.url(Platform::Tiktok, None),
            platform_video_id,
            media_type: MediaType::Video,
            tracking_status: TrackingStatus::AutoTracked,
            posted_at: None,
        }
    }

    pub fn views(video_id: VideoId, at: &str, views: u64) -> VideoStats {
        VideoStats {
            video_id,
            observed_at: instant(at),
            view_count: Some(views),
            like_count: None,
            comment_count: None,
            share_count: None,
            save_count: None,
        }
    }

    pub fn campaign(project_id: ProjectId, campaign_id: CampaignId, name: &str) -> CampaignAdded {
        CampaignAdded {
            campaign_id,
            project_id,
            name: CampaignName::parse(name).unwrap(),
            readme: None,
            metadata: Metadata::empty(),
            target_views: Some(1_000),
            target_at: None,
        }
    }

    pub fn goal(creator_id: CreatorId, goal_id: GoalId, metric: GoalMetric) -> GoalAdded {
        GoalAdded {
            goal_id,
            creator_id,
            metric,
            period: GoalPeriod::Weekly,
            target_value: 5,
            start_date: None,
            end_date: None,
        }
    }

    pub fn webhook(webhook_id: WebhookId) -> WebhookAdded {
        WebhookAdded {
            webhook_id,
            url: WebhookUrl::parse("https://hooks.example.com/in").unwrap(),
            description: None,
            types: vec![TypePattern::parse("key.*").unwrap()],
            secret_id: WebhookSecretId::from_uuid(webhook_id.as_uuid()),
        }
    }

    pub fn annotation(
        project_id: ProjectId,
        annotation_id: AnnotationId,
        entity: Option<EntityRef>,
        date: &str,
    ) -> AnnotationAdded {
        AnnotationAdded {
            annotation_id,
            project_id,
            entity,
            kind: AnnotationKind::Launch,
            date: date.parse().unwrap(),
            label: Label::parse("Launch").unwrap(),
            body: None,
        }
    }

    pub fn key(key_id: KeyId, name: &str) -> KeyCreated {
        KeyCreated {
            key_id,
            name: Name::parse(name).unwrap(),
            prefix: "tga_01234567…7e5a".to_owned(),
            scopes: Scopes::DEFAULT,
            owner_id: None,
            expires_at: None,
            ip_allowlist: None,
            rate_limit_per_minute: 60,
            strict: false,
            replaces: None,
            hash: None,
        }
    }
}
