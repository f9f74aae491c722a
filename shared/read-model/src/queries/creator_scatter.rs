//! Two figures of each creator, to be set against each other.

use domain::ids::ProjectId;

use super::cards::CreatorCard;
use super::creator_figures::{CreatorFigure, posted};
use super::rows::{Ranked, Rows};
use crate::analytics::{Period, Value};
use crate::error::ReadError;
use crate::reader::OrgReader;

/// A creator's place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 16")]
pub struct CreatorPlace {
    pub creator: CreatorCard,
    pub x: Option<Value>,
    pub y: Option<Value>,
    pub posts: i64,
}

impl OrgReader {
    /// The project's creators, those with the highest `y` first, null last, ties by id.
    pub async fn creator_scatter(
        &mut self,
        project: ProjectId,
        period: &Period,
        [x, y]: [CreatorFigure; 2],
        rows: Rows,
    ) -> Result<Ranked<CreatorPlace>, ReadError> {
        let inputs = x.inputs().and(y.inputs()).with_posts();
        let ranked = self
            .ranked_creators(project, period, y, inputs, rows)
            .await?;
        let place = |(creator, levels)| CreatorPlace {
            creator,
            x: x.of(&levels),
            y: y.of(&levels),
            posts: posted(&levels),
        };
        Ok(Ranked {
            rows: ranked.rows.into_iter().map(place).collect(),
            total_count: ranked.total_count,
        })
    }
}
