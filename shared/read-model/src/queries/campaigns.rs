//! Campaigns, what they hold, and what is in them.

use std::collections::{BTreeMap, HashMap};

use domain::event::EntityRef;
use domain::event::EntityType;
use domain::ids::{CampaignId, ProjectId};
use domain::org;
use domain::text::{CampaignName, Readme};
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::columns::{Row, count, timestamp};
use super::page::{Cursor, Listed, Page};
use super::raw::COUNTED;
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;
use crate::text::containing;

/// A campaign with its id; its items are asked for by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// The campaign's id.
    pub id: CampaignId,
    /// The campaign, as the write side folds it, without items.
    pub campaign: org::Campaign,
    /// How many things it holds at first hand.
    pub item_count: u64,
}

/// Figures of a campaign's union.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CampaignFigures {
    /// Last-known views of its counted videos; `None` if none was ever reported.
    pub views: Option<i64>,
    /// Creators in it, and owners of counted videos in it.
    pub creators: u64,
    /// Counted videos.
    pub videos: u64,
}

/// What a campaign holds at first hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignItem {
    /// The thing.
    pub item: EntityRef,
    /// Its name, title or handle.
    pub label: String,
    /// Since when.
    pub added_at: Timestamp,
}

pub(crate) struct CampaignRow {
    pub campaign_id: Uuid,
    pub org_id: Uuid,
    pub project_id: Uuid,
    pub name: String,
    pub readme: Option<String>,
    pub metadata: String,
    pub target_views: Option<i64>,
    pub target_at: Option<chrono::DateTime<chrono::Utc>>,
    pub removed: bool,
    pub item_count: i64,
    pub created_at: chrono::DateTime<chrono::Utc>,
    pub updated_at: chrono::DateTime<chrono::Utc>,
}

impl OrgReader {
    /// A page of campaigns whose name contains `search`, of one project or of all.
    pub async fn campaigns(
        &mut self,
        project: Option<ProjectId>,
        search: Option<&str>,
        page: Page,
    ) -> Result<Listed<Campaign>, ReadError> {
        // The newest of each project, merged: one index serves both.
        let rows = sqlx::query_as!(
            CampaignRow,
            r#"SELECT c.campaign_id AS "campaign_id!", c.org_id AS "org_id!",
                      c.project_id AS "project_id!", c.name AS "name!", c.readme,
                      c.metadata AS "metadata!", c.target_views, c.target_at,
                      c.removed AS "removed!", c.item_count AS "item_count!",
                      c.created_at AS "created_at!", c.updated_at AS "updated_at!"
               FROM projects p
               CROSS JOIN LATERAL (
                   SELECT * FROM campaigns
                   WHERE org_id = $1 AND project_id = p.project_id AND NOT removed
                     AND (created_at, campaign_id) <
                         (coalesce($3, 'infinity'::timestamptz),
                          coalesce($4, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
                     AND search LIKE $5
                   ORDER BY created_at DESC, campaign_id DESC
                   LIMIT $6
               ) c
               WHERE p.org_id = $1 AND NOT p.removed AND ($2::uuid IS NULL OR p.project_id = $2)
               ORDER BY c.created_at DESC, c.campaign_id DESC
               LIMIT $6"#,
            self.org.as_uuid(),
            project.map(ProjectId::as_uuid),
            page.after_created_at(),
            page.after_id(),
            containing(search),
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let campaigns: Result<Vec<_>, _> = rows.into_iter().map(CampaignRow::into_listed).collect();
        Ok(page.listed(campaigns?, |campaign| Cursor {
            created_at: campaign.campaign.created_at,
            id: campaign.id.as_uuid(),
        }))
    }

    /// A campaign that was not removed, nor was its project.
    pub async fn campaign(&mut self, id: CampaignId) -> Result<Option<Campaign>, ReadError> {
        let mut found = self.campaigns_by_id(&[id.as_uuid()]).await?;
        Ok(found.remove(&id.as_uuid()))
    }

    /// Those of these campaigns that were not removed, nor was their project.
    pub(super) async fn campaigns_by_id(
        &mut self,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Campaign>, ReadError> {
        let rows = sqlx::query_as!(
            CampaignRow,
            "SELECT c.campaign_id, c.org_id, c.project_id, c.name, c.readme, c.metadata,
                    c.target_views, c.target_at, c.removed, c.item_count, c.created_at, c.updated_at
             FROM campaigns c JOIN projects p ON p.project_id = c.project_id AND p.org_id = $1
             WHERE c.org_id = $1 AND c.campaign_id = ANY ($2) AND NOT c.removed AND NOT p.removed",
            self.org.as_uuid(),
            ids,
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let campaigns = rows
            .into_iter()
            .map(|row| Ok((row.campaign_id, row.into_listed()?)));
        Ok(campaigns.collect::<Result<_, CorruptRow>>()?)
    }

    /// What is in a campaign at any depth, each video once.
    pub async fn campaign_figures(&mut self, id: CampaignId) -> Result<CampaignFigures, ReadError> {
        let mut figures = self.figures_of_campaigns(&[id.as_uuid()]).await?;
        Ok(figures.remove(&id.as_uuid()).unwrap_or_default())
    }

    /// The same of several. Each video is looked up for itself (`LIMIT 1` says so): a guess about
    /// the unions' size must not lead to a scan.
    pub(super) async fn figures_of_campaigns(
        &mut self,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, CampaignFigures>, ReadError> {
        let rows = sqlx::query!(
            r#"WITH counted AS MATERIALIZED (
                   SELECT u.campaign_id, v.video_id, v.creator_id
                   FROM unnest($2::uuid[]) AS u (campaign_id)
                   CROSS JOIN LATERAL videos_within(u.campaign_id) AS within (video_id)
                   CROSS JOIN LATERAL (
                       SELECT * FROM videos WHERE video_id = within.video_id LIMIT 1
                   ) v
                   WHERE v.org_id = $1 AND NOT v.removed AND NOT v.creator_removed
                     AND v.tracking_status = ANY ($3)
               ), videos_in AS (
                   -- Sums of absurd readings are cut off.
                   SELECT c.campaign_id, count(*) AS videos,
                          least(sum(s.views), 9223372036854775807)::bigint AS views
                   FROM counted c
                   LEFT JOIN LATERAL (
                       SELECT views FROM video_stats
                       WHERE org_id = $1 AND video_id = c.video_id LIMIT 1
                   ) s ON true
                   GROUP BY c.campaign_id
               ), creators_in AS (
                   SELECT campaign_id, count(*) AS creators FROM (
                       SELECT u.campaign_id, c.creator_id
                       FROM unnest($2::uuid[]) AS u (campaign_id)
                       CROSS JOIN LATERAL creators_within(u.campaign_id) AS within (creator_id)
                       CROSS JOIN LATERAL (
                           SELECT * FROM creators WHERE creator_id = within.creator_id LIMIT 1
                       ) c
                       WHERE c.org_id = $1 AND c.status <> 'removed'
                       UNION
                       SELECT campaign_id, creator_id FROM counted WHERE creator_id IS NOT NULL
                   ) AS each GROUP BY campaign_id
               )
               SELECT u.campaign_id AS "campaign_id!", coalesce(v.videos, 0) AS "videos!",
                      v.views AS "views?", coalesce(c.creators, 0) AS "creators!"
               FROM unnest($2::uuid[]) AS u (campaign_id)
               LEFT JOIN videos_in v USING (campaign_id)
               LEFT JOIN creators_in c USING (campaign_id)"#,
            self.org.as_uuid(),
            ids,
            &COUNTED.map(str::to_owned),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let figures = rows.into_iter().map(|row| {
            let figures = CampaignFigures {
                views: row.views,
                creators: row.creators.unsigned_abs(),
                videos: row.videos.unsigned_abs(),
            };
            (row.campaign_id, figures)
        });
        Ok(figures.collect())
    }

    /// A page of what a campaign holds at first hand, the newest first.
    pub async fn campaign_items(
        &mut self,
        id: CampaignId,
        item_type: Option<EntityType>,
        page: Page,
    ) -> Result<Listed<CampaignItem>, ReadError> {
        let rows = sqlx::query!(
            r#"SELECT i.item_type, i.item_id, i.added_at,
                      CASE i.item_type
                          WHEN 'creator' THEN
                              coalesce(CASE WHEN c.display_name_sealed IS NULL THEN f.display_name
                                            ELSE c.display_name END, c.handle)
                          WHEN 'video' THEN coalesce(d.title, v.platform_video_id)
                          ELSE n.name
                      END AS label
               FROM campaign_items i
               LEFT JOIN creators c ON i.item_type = 'creator' AND c.creator_id = i.item_id
                    AND c.org_id = $1
               LEFT JOIN creator_profiles f ON f.creator_id = c.creator_id AND f.org_id = $1
               LEFT JOIN videos v ON i.item_type = 'video' AND v.video_id = i.item_id
                    AND v.org_id = $1
               LEFT JOIN video_details d ON d.video_id = v.video_id AND d.org_id = $1
               LEFT JOIN campaigns n ON i.item_type = 'campaign' AND n.campaign_id = i.item_id
                    AND n.org_id = $1
               WHERE i.org_id = $1 AND i.campaign_id = $2
                 AND ($3::text IS NULL OR i.item_type = $3)
                 AND (i.added_at, i.item_id) <
                     (coalesce($4, 'infinity'::timestamptz),
                      coalesce($5, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
               ORDER BY i.added_at DESC, i.item_id DESC
               LIMIT $6"#,
            self.org.as_uuid(),
            id.as_uuid(),
            item_type.map(EntityType::name),
            page.after_created_at(),
            page.after_id(),
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let items: Result<Vec<_>, CorruptRow> = rows
            .into_iter()
            .map(|row| {
                Ok(CampaignItem {
                    item: item(id.as_uuid(), &row.item_type, row.item_id)?,
                    label: row.label.unwrap_or_default(),
                    added_at: timestamp(row.added_at),
                })
            })
            .collect();
        Ok(page.listed(items?, |item| Cursor {
            created_at: item.added_at,
            id: item.item.id(),
        }))
    }
}

/// The rows of campaigns, removed ones too.
pub(crate) async fn rows(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<CampaignRow>, sqlx::Error> {
    sqlx::query_as!(
        CampaignRow,
        "SELECT campaign_id, org_id, project_id, name, readme, metadata, target_views, target_at,
                removed, item_count, created_at, updated_at
         FROM campaigns WHERE campaign_id = ANY ($1)",
        ids,
    )
    .fetch_all(connection)
    .await
}

impl CampaignRow {
    fn into_listed(self) -> Result<Campaign, CorruptRow> {
        let item_count = self.item_count.unsigned_abs();
        let (id, campaign) = self.into_campaign()?;
        Ok(Campaign {
            id,
            campaign,
            item_count,
        })
    }

    pub fn into_campaign(self) -> Result<(CampaignId, org::Campaign), CorruptRow> {
        let row = Row {
            table: "campaigns",
            key: self.campaign_id,
        };
        let campaign = org::Campaign {
            project_id: ProjectId::from_uuid(self.project_id),
            name: row.read("name", &self.name, CampaignName::parse)?,
            readme: row.read_optional("readme", self.readme.as_deref(), Readme::parse)?,
            metadata: row.metadata(&self.metadata)?,
            target_views: count(self.target_views),
            target_at: self.target_at.map(timestamp),
            items: BTreeMap::new(),
            removed: self.removed,
            created_at: timestamp(self.created_at),
            updated_at: timestamp(self.updated_at),
        };
        Ok((CampaignId::from_uuid(self.campaign_id), campaign))
    }
}

/// An item as it is stored.
pub(crate) fn item(campaign: Uuid, item_type: &str, id: Uuid) -> Result<EntityRef, CorruptRow> {
    let row = Row {
        table: "campaign_items",
        key: campaign,
    };
    Ok(row.named::<EntityType>("item_type", item_type)?.of(id))
}
