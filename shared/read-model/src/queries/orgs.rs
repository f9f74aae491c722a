//! The org itself, its plan, and how much of its limits is used.

use domain::ids::OrgId;
use domain::org::Profile;
use domain::plan::{LimitKey, Limits, Plan};
use domain::text::Name;
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::columns::{Row, timestamp};
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;

/// The org.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Org {
    /// Its id.
    pub id: OrgId,
    /// Name, zone, plan and limits, as the write side folds them.
    pub profile: Profile,
    /// What a downgrade left standing for a while.
    pub kept_history: Option<KeptHistory>,
    /// Readings before this are gone but for the last ones, or are about to go: days that begin before
    /// it cannot be told of, whatever the plan is by now.
    pub pruned_before: Option<Timestamp>,
}

/// Days of history that answers reach back after a downgrade (v1-contract.md 15.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptHistory {
    /// The former days; `None` is unlimited.
    pub days: Option<u64>,
    /// Until when they hold.
    pub until: Timestamp,
}

impl Org {
    /// Days of history that answers reach back now; `None` is unlimited.
    pub fn history_days(&self, now: Timestamp) -> Option<u64> {
        let plan = self.profile.limits.max(LimitKey::StatsHistoryRetentionDays);
        match self.kept_history.filter(|kept| now < kept.until) {
            Some(kept) => longer(plan, kept.days),
            None => plan,
        }
    }
}

/// The longer of two histories; `None` is unlimited.
pub(crate) fn longer(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.zip(b).map(|(a, b)| a.max(b))
}

/// How many there are of what limits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitCounts {
    creators: u64,
    tracked_videos: u64,
    projects: u64,
    members: u64,
    api_keys: u64,
    /// Of the project, campaign or creator that has most.
    campaigns: u64,
    campaign_items: u64,
    goals: u64,
    annotations: u64,
}

impl LimitCounts {
    /// `None` for limits that count no things of the read model.
    pub const fn current(&self, key: LimitKey) -> Option<u64> {
        match key {
            LimitKey::MaxCreatorsPerOrg => Some(self.creators),
            LimitKey::MaxTrackedVideosPerOrg => Some(self.tracked_videos),
            LimitKey::MaxProjectsPerOrg => Some(self.projects),
            LimitKey::MaxMembersPerOrg => Some(self.members),
            LimitKey::MaxApiKeysPerOrg => Some(self.api_keys),
            LimitKey::MaxCampaignsPerProject => Some(self.campaigns),
            LimitKey::MaxCampaignItemsPerCampaign => Some(self.campaign_items),
            LimitKey::MaxGoalsPerCreator => Some(self.goals),
            LimitKey::MaxAnnotationsPerProject => Some(self.annotations),
            _ => None,
        }
    }
}

pub(crate) struct OrgRow {
    pub org_id: Uuid,
    pub name: String,
    pub plan: String,
    pub timezone: String,
    pub suspended: bool,
    pub created_at: chrono::DateTime<chrono::Utc>,
    pub updated_at: chrono::DateTime<chrono::Utc>,
    pub kept_history_days: Option<i64>,
    pub kept_history_until: Option<chrono::DateTime<chrono::Utc>>,
    pub pruned_before: Option<chrono::DateTime<chrono::Utc>>,
    pub limit_keys: Vec<String>,
    pub limit_values: Vec<i64>,
}

impl OrgReader {
    /// The org; `None` if it does not exist.
    pub async fn profile(&mut self) -> Result<Option<Org>, ReadError> {
        let rows = rows(&mut self.tx, &[self.org.as_uuid()]).await?;
        Ok(rows.into_iter().next().map(OrgRow::into_org).transpose()?)
    }

    /// How much of the limits is used; `now` decides which keys and invitations have
    /// expired.
    pub async fn limit_counts(&mut self, now: Timestamp) -> Result<LimitCounts, ReadError> {
        let row = sqlx::query!(
            r#"SELECT
                 (SELECT count(*) FROM projects p JOIN creators c ON c.project_id = p.project_id
                  WHERE p.org_id = $1 AND NOT p.removed AND c.org_id = $1
                    AND c.status = 'active') AS "creators!",
                 (SELECT count(*) FROM videos v JOIN projects p ON p.project_id = v.project_id
                  WHERE v.org_id = $1 AND v.tracking_status = 'direct_add'
                    AND v.tracking_disabled_reason IS NULL AND NOT v.removed
                    AND p.org_id = $1 AND NOT p.removed) AS "tracked_videos!",
                 (SELECT count(*) FROM projects WHERE org_id = $1 AND NOT removed) AS "projects!",
                 (SELECT count(*) FROM members WHERE org_id = $1)
                 + (SELECT count(*) FROM invitations
                    WHERE org_id = $1 AND closed IS NULL AND expires_at > $2) AS "members!",
                 (SELECT count(*) FROM api_keys
                  WHERE org_id = $1 AND revoked_at IS NULL
                    AND coalesce(least(expires_at, overlap_ends_at) > $2, true)) AS "api_keys!",
                 (SELECT coalesce(max(c.campaigns), 0) FROM projects p, LATERAL (
                      SELECT count(*) AS campaigns FROM campaigns
                      WHERE project_id = p.project_id AND org_id = $1 AND NOT removed) c
                  WHERE p.org_id = $1 AND NOT p.removed) AS "campaigns!",
                 (SELECT coalesce(max(c.item_count), 0) FROM projects p
                  JOIN campaigns c ON c.project_id = p.project_id
                  WHERE p.org_id = $1 AND NOT p.removed AND c.org_id = $1 AND NOT c.removed)
                     AS "campaign_items!",
                 (SELECT coalesce(max(g.goals), 0) FROM projects p, LATERAL (
                      SELECT count(*) AS goals FROM goals g
                      JOIN creators c ON c.creator_id = g.creator_id AND c.status <> 'removed'
                      WHERE g.project_id = p.project_id AND g.org_id = $1 AND c.org_id = $1
                        AND NOT g.removed
                      GROUP BY g.creator_id) g
                  WHERE p.org_id = $1 AND NOT p.removed) AS "goals!",
                 (SELECT coalesce(max(a.annotations), 0) FROM projects p, LATERAL (
                      SELECT count(*) AS annotations FROM annotations
                      WHERE project_id = p.project_id AND org_id = $1 AND NOT removed
                        AND source = 'user') a
                  WHERE p.org_id = $1 AND NOT p.removed) AS "annotations!""#,
            self.org.as_uuid(),
            now.datetime(),
        )
        .fetch_one(&mut *self.tx)
        .await?;
        Ok(LimitCounts {
            creators: row.creators.unsigned_abs(),
            tracked_videos: row.tracked_videos.unsigned_abs(),
            projects: row.projects.unsigned_abs(),
            members: row.members.unsigned_abs(),
            api_keys: row.api_keys.unsigned_abs(),
            campaigns: row.campaigns.unsigned_abs(),
            campaign_items: row.campaign_items.unsigned_abs(),
            goals: row.goals.unsigned_abs(),
            annotations: row.annotations.unsigned_abs(),
        })
    }
}

/// The rows of orgs with their limits.
pub(crate) async fn rows(
    connection: &mut PgConnection,
    orgs: &[Uuid],
) -> Result<Vec<OrgRow>, sqlx::Error> {
    sqlx::query_as!(
        OrgRow,
        r#"SELECT o.org_id, o.name, o.plan, o.timezone, o.suspended, o.created_at, o.updated_at,
                  o.kept_history_days, o.kept_history_until, o.pruned_before,
                  coalesce(l.keys, '{}') AS "limit_keys!", coalesce(l.values, '{}') AS "limit_values!"
           FROM orgs o
           LEFT JOIN LATERAL (
               SELECT array_agg(limit_key) AS keys, array_agg(value) AS values
               FROM org_limits WHERE org_id = o.org_id
           ) l ON true
           WHERE o.org_id = ANY ($1)"#,
        orgs,
    )
    .fetch_all(connection)
    .await
}

impl OrgRow {
    pub fn into_org(self) -> Result<Org, CorruptRow> {
        let row = Row {
            table: "orgs",
            key: self.org_id,
        };
        let mut limits = Limits::of(row.read("plan", &self.plan, str::parse::<Plan>)?);
        let limit = Row {
            table: "org_limits",
            key: self.org_id,
        };
        for (key, value) in self.limit_keys.iter().zip(self.limit_values) {
            let key = limit.read("limit_key", key, str::parse::<LimitKey>)?;
            let value = u64::try_from(value).map_err(|_| limit.corrupt("value"))?;
            limits.overrides.insert(key, value);
        }
        let kept = |until| KeptHistory {
            days: super::columns::count(self.kept_history_days),
            until: timestamp(until),
        };
        Ok(Org {
            id: OrgId::from_uuid(self.org_id),
            profile: Profile {
                name: row.read("name", &self.name, Name::parse)?,
                timezone: self.timezone,
                limits,
                suspended: self.suspended,
                created_at: timestamp(self.created_at),
                updated_at: timestamp(self.updated_at),
            },
            kept_history: self.kept_history_until.map(kept),
            pruned_before: self.pruned_before.map(timestamp),
        })
    }
}
