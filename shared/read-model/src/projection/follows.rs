//! Whose followers are in campaigns' roll-ups.

use std::collections::HashMap;

use domain::ids::OrgId;
use futures_util::TryStreamExt;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::changes::{SlotChanges, Sums};
use super::figures::Change;
use super::store::each;
use crate::analytics::Counter;

/// A creator in a campaign: a row of `campaign_creators`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    is_item: bool,
    /// Their counted videos among the campaign's.
    videos: i32,
}

#[derive(Debug, Clone, Copy)]
struct Follow {
    org: OrgId,
    before: Standing,
    after: Standing,
}

/// The rows that may change, by creator and campaign.
#[derive(Debug, Default)]
pub(super) struct Follows(HashMap<Uuid, HashMap<Uuid, Follow>>);

impl Standing {
    const NONE: Self = Self {
        is_item: false,
        videos: 0,
    };

    const fn is_followed(self) -> bool {
        self.is_item || self.videos > 0
    }
}

impl Follows {
    /// The rows of these creators.
    pub async fn load(
        connection: &mut PgConnection,
        creators: &[Uuid],
    ) -> Result<Self, sqlx::Error> {
        let rows = sqlx::query!(
            "SELECT campaign_id, creator_id, org_id, is_item, videos FROM campaign_creators
             WHERE creator_id = ANY ($1)",
            creators,
        )
        .fetch_all(connection)
        .await?;
        let mut follows = Self::default();
        for row in rows {
            let before = Standing {
                is_item: row.is_item,
                videos: row.videos,
            };
            let follow = Follow {
                org: OrgId::from_uuid(row.org_id),
                before,
                after: before,
            };
            let of_creator = follows.0.entry(row.creator_id).or_default();
            of_creator.insert(row.campaign_id, follow);
        }
        Ok(follows)
    }

    /// The campaigns that hold the creator as such.
    pub fn holding(&self, creator: Uuid) -> Vec<Uuid> {
        let rows = self.0.get(&creator).into_iter().flatten();
        rows.filter(|(_, follow)| follow.after.is_item)
            .map(|(campaign, _)| *campaign)
            .collect()
    }

    /// The campaigns that the creator's followers are part of from now on.
    pub fn following(&self, creator: Uuid) -> impl Iterator<Item = Uuid> {
        let rows = self.0.get(&creator).into_iter().flatten();
        rows.filter(|(_, follow)| follow.after.is_followed())
            .map(|(campaign, _)| *campaign)
    }

    pub fn set_item(&mut self, org: OrgId, campaign: Uuid, creator: Uuid, is_item: bool) {
        self.row(org, campaign, creator).after.is_item = is_item;
    }

    pub fn add_videos(&mut self, org: OrgId, campaign: Uuid, creator: Uuid, videos: i32) {
        self.row(org, campaign, creator).after.videos += videos;
    }

    fn row(&mut self, org: OrgId, campaign: Uuid, creator: Uuid) -> &mut Follow {
        let none = Follow {
            org,
            before: Standing::NONE,
            after: Standing::NONE,
        };
        let of_creator = self.0.entry(creator).or_default();
        of_creator.entry(campaign).or_insert(none)
    }

    /// Moves what was stored of followers that come into a campaign or leave it.
    pub async fn move_stored(
        &self,
        connection: &mut PgConnection,
        changes: &mut SlotChanges,
    ) -> Result<(), ApplyError> {
        let (mut creators, mut campaigns, mut signs) = (Vec::new(), Vec::new(), Vec::new());
        for (creator, rows) in &self.0 {
            for (campaign, follow) in rows {
                let (was, is) = (follow.before.is_followed(), follow.after.is_followed());
                if was != is {
                    creators.push(*creator);
                    campaigns.push(*campaign);
                    signs.push(if is { 1_i32 } else { -1 });
                }
            }
        }
        if creators.is_empty() {
            return Ok(());
        }
        let mut rows = sqlx::query!(
            r#"SELECT u.campaign_id AS "campaign_id!", u.sign AS "sign!", s.org_id, s.slot,
                      s.followers_delta, s.followers_base, s.followers_firsts
               FROM unnest($1::uuid[], $2::uuid[], $3::integer[]) AS u (creator_id, campaign_id, sign)
               JOIN slots s ON s.unit_id = u.creator_id
               WHERE num_nonnulls(s.followers_delta, s.followers_base, s.followers_firsts) > 0"#,
            &creators,
            &campaigns,
            &signs,
        )
        .fetch(connection);
        while let Some(row) = rows.try_next().await? {
            let change = Change {
                delta: row.followers_delta.unwrap_or(0),
                base: row.followers_base.unwrap_or(0),
                firsts: row.followers_firsts.unwrap_or(0),
            };
            let mut sums = Sums::none(OrgId::from_uuid(row.org_id));
            sums.counters[Counter::Followers.index()] = if row.sign < 0 {
                change.negated()
            } else {
                change
            };
            changes.add_sums(row.campaign_id, row.slot, &sums);
        }
        Ok(())
    }

    /// Writes back what changed.
    pub async fn store(&self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        let mut rows: Vec<(Uuid, Uuid, Follow)> = Vec::new();
        for (creator, of_creator) in &self.0 {
            let changed = of_creator.iter().filter(|(_, row)| row.before != row.after);
            rows.extend(changed.map(|(campaign, row)| (*campaign, *creator, *row)));
        }
        if rows.is_empty() {
            return Ok(());
        }
        rows.sort_unstable_by_key(|(campaign, creator, _)| (*creator, *campaign));
        sqlx::query!(
            "INSERT INTO campaign_creators (campaign_id, creator_id, org_id, is_item, videos)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bool[], $5::integer[])
             ON CONFLICT (creator_id, campaign_id) DO UPDATE SET
                    is_item = excluded.is_item, videos = excluded.videos",
            &each(&rows, |(campaign, ..)| *campaign),
            &each(&rows, |(_, creator, _)| *creator),
            &each(&rows, |(.., row)| row.org.as_uuid()),
            &each(&rows, |(.., row)| row.after.is_item),
            &each(&rows, |(.., row)| row.after.videos),
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query!(
            "DELETE FROM campaign_creators
             WHERE creator_id = ANY ($1) AND NOT is_item AND videos = 0",
            &each(&rows, |(_, creator, _)| *creator),
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
