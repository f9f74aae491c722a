//! Campaigns and what they hold at first hand.

use std::collections::BTreeMap;

use domain::event::EntityRef;
use domain::ids::{CampaignId, OrgId};
use domain::org::Campaign;
use domain::text::Readme;
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::decisions::Decisions;
use super::store::{Instant, bounded, each};
use super::touched::{Touched, ids};
use crate::queries::campaigns;
use crate::queries::columns::timestamp;
use crate::text::fold;

/// What a campaign holds, and since when.
pub(super) type Items = BTreeMap<EntityRef, Timestamp>;

type Held = (Uuid, Uuid, &'static str, Uuid, Instant);

impl Decisions {
    pub(super) async fn load_campaigns(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<(), ApplyError> {
        if touched.campaigns.is_empty() {
            return Ok(());
        }
        let wanted = ids(&touched.campaigns);
        for row in campaigns::rows(&mut *connection, &wanted).await? {
            let org = OrgId::from_uuid(row.org_id);
            let (id, campaign) = row.into_campaign()?;
            let state = self.states.entry(org).or_default();
            state.campaigns.insert(id, campaign);
        }
        let rows = sqlx::query!(
            "SELECT campaign_id, org_id, item_type, item_id, added_at FROM campaign_items
             WHERE campaign_id = ANY ($1)",
            &wanted,
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let id = CampaignId::from_uuid(row.campaign_id);
            let item = campaigns::item(row.campaign_id, &row.item_type, row.item_id)?;
            let state = self.states.entry(OrgId::from_uuid(row.org_id)).or_default();
            if let Some(campaign) = state.campaigns.get_mut(&id) {
                campaign.items.insert(item, timestamp(row.added_at));
            }
        }
        for state in self.states.values() {
            for (id, campaign) in &state.campaigns {
                self.items_before.insert(*id, campaign.items.clone());
            }
        }
        Ok(())
    }

    /// Writes campaigns back; those whose items changed, and those around them, are unrolled.
    pub(super) async fn store_campaigns(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), ApplyError> {
        let mut rows: Vec<(Uuid, Uuid, &Campaign)> = Vec::new();
        for (id, org) in &self.campaigns {
            let state = self.states.get(org);
            let campaign = state.and_then(|state| state.campaigns.get(&CampaignId::from_uuid(*id)));
            rows.extend(campaign.map(|campaign| (*id, org.as_uuid(), campaign)));
        }
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO campaigns (campaign_id, org_id, project_id, name, search, readme, metadata,
                    target_views, target_at, removed, item_count, created_at, updated_at, is_rolled)
             SELECT u.*, true FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[],
                    $6::text[], $7::text[], $8::bigint[], $9::timestamptz[], $10::bool[],
                    $11::bigint[], $12::timestamptz[], $13::timestamptz[]) AS u
             ON CONFLICT (campaign_id) DO UPDATE SET
                    name = excluded.name, search = excluded.search, readme = excluded.readme,
                    metadata = excluded.metadata, target_views = excluded.target_views,
                    target_at = excluded.target_at, removed = excluded.removed,
                    item_count = excluded.item_count, updated_at = excluded.updated_at",
            &each(&rows, |(id, ..)| *id),
            &each(&rows, |(_, org, _)| *org),
            &each(&rows, |(.., c)| c.project_id.as_uuid()),
            &each(&rows, |(.., c)| c.name.as_str()) as &[&str],
            &each(&rows, |(.., c)| fold(c.name.as_str())),
            &each(&rows, |(.., c)| c.readme.as_ref().map(Readme::as_str)) as &[Option<&str>],
            &each(&rows, |(.., c)| c.metadata.as_json()) as &[&str],
            &each(&rows, |(.., c)| c.target_views.map(bounded)) as &[Option<i64>],
            &each(&rows, |(.., c)| c.target_at.map(Timestamp::datetime)) as &[Option<Instant>],
            &each(&rows, |(.., c)| c.removed),
            &each(&rows, |(.., c)| bounded(c.items.len() as u64)),
            &each(&rows, |(.., c)| c.created_at.datetime()),
            &each(&rows, |(.., c)| c.updated_at.datetime()),
        )
        .execute(&mut *connection)
        .await?;
        self.store_items(connection, &rows).await
    }

    /// Campaigns that hold something else now, and those around them, are rolled up anew.
    async fn store_items(
        &self,
        connection: &mut PgConnection,
        rows: &[(Uuid, Uuid, &Campaign)],
    ) -> Result<(), ApplyError> {
        let none = Items::new();
        let (mut gained, mut lost): (Vec<Held>, Vec<Held>) = (Vec::new(), Vec::new());
        for (id, org, campaign) in rows {
            let before = self.items_before.get(&CampaignId::from_uuid(*id));
            let before = before.unwrap_or(&none);
            let after = if campaign.removed {
                &none
            } else {
                &campaign.items
            };
            let held = |(item, at): (&EntityRef, &Timestamp)| {
                let name = item.entity_type().name();
                (*id, *org, name, item.id(), at.datetime())
            };
            let is_new = |(item, at): &(&EntityRef, &Timestamp)| before.get(item) != Some(at);
            gained.extend(after.iter().filter(is_new).map(held));
            let is_gone = |(item, _): &(&EntityRef, &Timestamp)| !after.contains_key(item);
            lost.extend(before.iter().filter(is_gone).map(held));
        }
        // Most changes are of something else.
        if lost.is_empty() && gained.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "DELETE FROM campaign_items i
             USING unnest($1::uuid[], $2::text[], $3::uuid[]) AS u (campaign_id, item_type, item_id)
             WHERE i.campaign_id = u.campaign_id AND i.item_type = u.item_type
               AND i.item_id = u.item_id",
            &each(&lost, |(id, ..)| *id),
            &each(&lost, |(_, _, name, ..)| *name) as &[&str],
            &each(&lost, |(.., item, _)| *item),
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query!(
            "INSERT INTO campaign_items (campaign_id, org_id, item_type, item_id, added_at)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[],
                    $5::timestamptz[])
             ON CONFLICT (campaign_id, item_type, item_id) DO UPDATE SET
                    added_at = excluded.added_at",
            &each(&gained, |(id, ..)| *id),
            &each(&gained, |(_, org, ..)| *org),
            &each(&gained, |(_, _, name, ..)| *name) as &[&str],
            &each(&gained, |(.., item, _)| *item),
            &each(&gained, |(.., at)| *at),
        )
        .execute(&mut *connection)
        .await?;
        let changed: Vec<Uuid> = lost.iter().chain(&gained).map(|(id, ..)| *id).collect();
        sqlx::query!(
            "UPDATE campaigns SET is_rolled = false
             FROM (SELECT DISTINCT around.id FROM unnest($1::uuid[]) AS u (id),
                          LATERAL campaigns_around(u.id) AS around (id)) AS changed
             WHERE campaign_id = changed.id AND is_rolled",
            &changed,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
