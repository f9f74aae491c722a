//! Creators by what they gained in a period.

use domain::ids::ProjectId;

use super::cards::CreatorCard;
use super::creator_figures::{CreatorFigure, Gains, gained};
use super::rows::{Ranked, Rows};
use crate::analytics::{Counter, Inputs, Levels, Period, Value};
use crate::error::ReadError;
use crate::reader::OrgReader;

/// A creator's figures.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 16")]
pub struct CreatorStanding {
    pub creator: CreatorCard,
    pub gains: Gains,
    /// At the period's end.
    pub followers: Option<Value>,
    pub followers_gained: Option<i64>,
}

impl OrgReader {
    /// The project's creators, those with the highest figure first, null last, ties by id.
    pub async fn creator_leaderboard(
        &mut self,
        project: ProjectId,
        period: &Period,
        order: CreatorFigure,
        rows: Rows,
    ) -> Result<Ranked<CreatorStanding>, ReadError> {
        let ranked = self
            .ranked_creators(project, period, order, Inputs::ALL, rows)
            .await?;
        let standings = ranked
            .rows
            .into_iter()
            .map(|(card, levels)| standing(card, &levels));
        Ok(Ranked {
            rows: standings.collect(),
            total_count: ranked.total_count,
        })
    }
}

fn standing(creator: CreatorCard, levels: &Levels) -> CreatorStanding {
    CreatorStanding {
        creator,
        gains: Gains::of(levels),
        followers: CreatorFigure::Followers.of(levels),
        followers_gained: gained(levels, Counter::Followers),
    }
}
