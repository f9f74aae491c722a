//! Campaigns by what their unions gained in a period.

use std::collections::HashMap;

use domain::ids::ProjectId;
use domain::time::Timestamp;
use uuid::Uuid;

use super::campaigns::{Campaign, CampaignFigures};
use super::creator_figures::{CreatorFigure, Gains};
use super::rows::{Ranked, Rows};
use crate::analytics::{Counter, EntityKind, Inputs, Levels, Period, saturated};
use crate::error::ReadError;
use crate::reader::OrgReader;

/// A campaign's figures.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 16")]
pub struct CampaignStanding {
    pub campaign: Campaign,
    pub gains: Gains,
    pub figures: CampaignFigures,
    /// All views at the period's end.
    pub cumulative_views: Option<i128>,
}

impl CampaignStanding {
    /// All views in percent of the target, rounded down; `None` without one of them.
    pub fn target_percentage(&self) -> Option<i64> {
        let target = i128::from(self.campaign.campaign.target_views?);
        let views = self.cumulative_views?;
        (target > 0).then(|| saturated((views * 100).div_euclid(target)))
    }
}

impl OrgReader {
    /// The project's campaigns, those with the highest figure first, null last, ties by id.
    pub async fn campaign_leaderboard(
        &mut self,
        project: ProjectId,
        period: &Period,
        order: CreatorFigure,
        rows: Rows,
    ) -> Result<Ranked<CampaignStanding>, ReadError> {
        let edges = [period.start(), period.end()];
        let all = self.campaign_ids(project).await?;
        let (rolled, others) = self.rolled_campaigns(&all).await?;
        // Readings are read once, for everything, and so are the roll-ups of who all stand on the
        // page; else these are read for the order first.
        let fits = rows.offset == 0 && all.len() as u64 <= rows.limit;
        let first = if fits { Gains::INPUTS } else { order.inputs() };
        let mut levels = self.rolled_up(&rolled, &edges, first).await?;
        if !others.is_empty() {
            let raw = self.from_raw(EntityKind::Campaign, &others, &edges, Gains::INPUTS);
            levels.extend(raw.await?);
        }
        let ranked = levels
            .iter()
            .map(|(id, levels)| (order.of(levels), *id))
            .collect();
        let page = rows.of(ranked, |one| *one);
        let ids: Vec<Uuid> = page.rows.iter().map(|(_, id)| *id).collect();
        if !fits {
            let of_page = rolled.into_iter().filter(|id| ids.contains(id));
            let of_page: Vec<Uuid> = of_page.collect();
            levels.extend(self.rolled_up(&of_page, &edges, Gains::INPUTS).await?);
        }
        let mut campaigns = self.campaigns_by_id(&ids).await?;
        let mut figures = self.figures_of_campaigns(&ids).await?;
        let standing = |id: &Uuid| {
            let levels = levels.get(id)?;
            Some(CampaignStanding {
                campaign: campaigns.remove(id)?,
                gains: Gains::of(levels),
                figures: figures.remove(id)?,
                cumulative_views: levels.counter(Counter::Views, 1).known(),
            })
        };
        Ok(Ranked {
            rows: ids.iter().filter_map(standing).collect(),
            total_count: page.total_count,
        })
    }

    /// Levels from roll-ups of those that have them, else from readings.
    pub(super) async fn levels_of_campaigns(
        &mut self,
        ids: &[Uuid],
        edges: &[Timestamp],
        inputs: Inputs,
    ) -> Result<HashMap<Uuid, Levels>, ReadError> {
        let (rolled, others) = self.rolled_campaigns(ids).await?;
        let mut levels = self.rolled_up(&rolled, edges, inputs).await?;
        if !others.is_empty() {
            levels.extend(
                self.from_raw(EntityKind::Campaign, &others, edges, inputs)
                    .await?,
            );
        }
        Ok(levels)
    }

    async fn campaign_ids(&mut self, project: ProjectId) -> Result<Vec<Uuid>, ReadError> {
        Ok(sqlx::query_scalar!(
            "SELECT campaign_id FROM campaigns
             WHERE org_id = $1 AND project_id = $2 AND NOT removed",
            self.org.as_uuid(),
            project.as_uuid(),
        )
        .fetch_all(&mut *self.tx)
        .await?)
    }

    /// Campaigns whose roll-ups are those of what they hold now, and the others.
    async fn rolled_campaigns(
        &mut self,
        ids: &[Uuid],
    ) -> Result<(Vec<Uuid>, Vec<Uuid>), ReadError> {
        let rolled = sqlx::query_scalar!(
            "SELECT campaign_id FROM campaigns
             WHERE org_id = $1 AND campaign_id = ANY ($2) AND is_rolled",
            self.org.as_uuid(),
            ids,
        )
        .fetch_all(&mut *self.tx)
        .await?;
        Ok(ids.iter().partition(|id| rolled.contains(id)))
    }
}
