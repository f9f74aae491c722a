//! Figures of a project's creators over a period: as totals of analytics, to the digit, since they
//! come of the same levels and formulas.

use std::collections::HashMap;

use domain::ids::ProjectId;
use uuid::Uuid;

use super::cards::CreatorCard;
use super::rows::{Ranked, Rows};
use crate::analytics::{Counter, Formula, Inputs, Levels, Mode, Period, Span, Value, saturated};
use crate::error::ReadError;
use crate::reader::OrgReader;

/// So many creators are ranked at a time, which bounds what is held of them.
const AT_ONCE: usize = 2_000;

/// One figure of a creator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreatorFigure {
    /// Views gained.
    Views,
    /// Likes gained.
    Likes,
    /// Comments gained.
    Comments,
    /// Shares gained.
    Shares,
    /// Saves gained.
    Saves,
    /// Videos posted.
    Posts,
    /// Followers at the end.
    Followers,
    /// Engagement gained per 100 views gained.
    EngagementRateByViews,
    /// Views gained per video posted by the end.
    AvgViewsPerPost,
}

impl CreatorFigure {
    /// Those that creators are ranked by.
    pub const OF_LEADERBOARD: [Self; 8] = [
        Self::Views,
        Self::Likes,
        Self::Comments,
        Self::Shares,
        Self::Saves,
        Self::Posts,
        Self::Followers,
        Self::EngagementRateByViews,
    ];
    /// Those that campaigns are ranked by.
    pub const OF_CAMPAIGNS: [Self; 7] = [
        Self::Views,
        Self::Likes,
        Self::Comments,
        Self::Shares,
        Self::Saves,
        Self::Posts,
        Self::EngagementRateByViews,
    ];
    /// Those that are set against each other.
    pub const OF_SCATTER: [Self; 5] = [
        Self::Followers,
        Self::Views,
        Self::Posts,
        Self::EngagementRateByViews,
        Self::AvgViewsPerPost,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Views => "views",
            Self::Likes => "likes",
            Self::Comments => "comments",
            Self::Shares => "shares",
            Self::Saves => "saves",
            Self::Posts => "posts",
            Self::Followers => "followers",
            Self::EngagementRateByViews => "engagement_rate_by_views",
            Self::AvgViewsPerPost => "avg_views_per_post",
        }
    }

    /// Its value between the two edges of levels.
    pub(super) fn of(self, levels: &Levels) -> Option<Value> {
        let mode = match self {
            Self::Followers => Mode::Cumulative,
            _ => Mode::New,
        };
        Span::whole(levels).value(self.formula(), mode)
    }

    /// What it is computed from.
    pub(super) const fn inputs(self) -> Inputs {
        self.formula().inputs()
    }

    const fn formula(self) -> Formula {
        match self {
            Self::Views => Formula::Counter(Counter::Views),
            Self::Likes => Formula::Counter(Counter::Likes),
            Self::Comments => Formula::Counter(Counter::Comments),
            Self::Shares => Formula::Counter(Counter::Shares),
            Self::Saves => Formula::Counter(Counter::Saves),
            Self::Posts => Formula::Posts,
            Self::Followers => Formula::Counter(Counter::Followers),
            Self::EngagementRateByViews => Formula::EngagementByViews,
            Self::AvgViewsPerPost => Formula::ViewsPerPost,
        }
    }
}

/// What was gained between the two edges of levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 16")]
pub struct Gains {
    pub views: Option<i64>,
    pub likes: Option<i64>,
    pub comments: Option<i64>,
    pub shares: Option<i64>,
    pub saves: Option<i64>,
    pub posts: i64,
    pub engagement_rate_by_views: Option<Value>,
}

impl Gains {
    /// What they are computed from.
    pub(super) const INPUTS: Inputs = Inputs::NONE
        .with(Counter::Views)
        .with(Counter::Likes)
        .with(Counter::Comments)
        .with(Counter::Shares)
        .with(Counter::Saves)
        .with_posts();

    pub(super) fn of(levels: &Levels) -> Self {
        let gained = |counter| gained(levels, counter);
        Self {
            views: gained(Counter::Views),
            likes: gained(Counter::Likes),
            comments: gained(Counter::Comments),
            shares: gained(Counter::Shares),
            saves: gained(Counter::Saves),
            posts: posted(levels),
            engagement_rate_by_views: CreatorFigure::EngagementRateByViews.of(levels),
        }
    }
}

/// How many, or how many were gained, between the two edges of levels.
pub(super) fn gained(levels: &Levels, counter: Counter) -> Option<i64> {
    Span::whole(levels).gained(counter).map(saturated)
}

/// Videos posted between the two edges of levels.
pub(super) fn posted(levels: &Levels) -> i64 {
    levels.posts(1) - levels.posts(0)
}

impl OrgReader {
    /// The project's creators, those with the highest figure first, with their levels at the
    /// period's two ends for what is among `inputs`.
    pub(super) async fn ranked_creators(
        &mut self,
        project: ProjectId,
        period: &Period,
        order: CreatorFigure,
        inputs: Inputs,
        rows: Rows,
    ) -> Result<Ranked<(CreatorCard, Levels)>, ReadError> {
        let edges = [period.start(), period.end()];
        let all = self.creator_ids(project).await?;
        // Who all stand on the page are read once, for everything.
        let fits = rows.offset == 0 && all.len() as u64 <= rows.limit;
        let first = if fits {
            inputs.and(order.inputs())
        } else {
            order.inputs()
        };
        let (mut ranked, mut levels) = (Vec::new(), HashMap::new());
        for ids in all.chunks(AT_ONCE) {
            let found = self.rolled_up(ids, &edges, first).await?;
            ranked.extend(found.iter().map(|(id, levels)| (order.of(levels), *id)));
            if fits {
                levels.extend(found);
            }
        }
        let page = rows.of(ranked, |one| *one);
        let ids: Vec<Uuid> = page.rows.iter().map(|(_, id)| *id).collect();
        if !fits {
            levels = self.rolled_up(&ids, &edges, inputs).await?;
        }
        let mut cards = self.creator_cards(&ids).await?;
        let row = |id| Some((cards.remove(id)?, levels.remove(id)?));
        Ok(Ranked {
            rows: ids.iter().filter_map(row).collect(),
            total_count: page.total_count,
        })
    }

    /// The project's creators that were not removed.
    pub(super) async fn creator_ids(&mut self, project: ProjectId) -> Result<Vec<Uuid>, ReadError> {
        Ok(sqlx::query_scalar!(
            "SELECT creator_id FROM creators
             WHERE org_id = $1 AND project_id = $2 AND status <> 'removed'",
            self.org.as_uuid(),
            project.as_uuid(),
        )
        .fetch_all(&mut *self.tx)
        .await?)
    }
}

/// The cards of these creators, in their order.
pub(super) fn in_order(
    ids: impl IntoIterator<Item = Uuid>,
    mut cards: HashMap<Uuid, CreatorCard>,
) -> impl Iterator<Item = CreatorCard> {
    ids.into_iter().filter_map(move |id| cards.remove(&id))
}
