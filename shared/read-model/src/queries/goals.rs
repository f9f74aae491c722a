//! Goals.

use chrono::NaiveDate;
use domain::event::{GoalMetric, GoalPeriod};
use domain::ids::{CreatorId, GoalId, ProjectId};
use domain::org;
use sqlx::PgConnection;
use uuid::Uuid;

use super::columns::{Row, timestamp};
use super::page::{Cursor, Listed, Page};
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;

/// A goal with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    /// The goal's id.
    pub id: GoalId,
    /// The creator's project.
    pub project_id: ProjectId,
    /// The goal, as the write side folds it.
    pub goal: org::Goal,
}

/// Which goals of a project; what is `None` does not restrict.
#[derive(Debug, Clone)]
pub struct GoalFilter {
    /// The project.
    pub project_id: ProjectId,
    /// Of this creator.
    pub creator_id: Option<CreatorId>,
    /// Of this metric.
    pub metric: Option<GoalMetric>,
    /// Of this period.
    pub period: Option<GoalPeriod>,
    /// Pursued now, or not.
    pub is_active: Option<bool>,
}

pub(crate) struct GoalRow {
    pub goal_id: Uuid,
    pub org_id: Uuid,
    pub creator_id: Uuid,
    pub project_id: Uuid,
    pub metric: String,
    pub period: String,
    pub target_value: i64,
    pub start_date: Option<NaiveDate>,
    pub end_date: Option<NaiveDate>,
    pub is_active: bool,
    pub removed: bool,
    pub created_at: chrono::DateTime<chrono::Utc>,
    pub updated_at: chrono::DateTime<chrono::Utc>,
}

impl OrgReader {
    /// A page of a project's goals; that the project is there is for the caller to ask.
    pub async fn goals(
        &mut self,
        filter: &GoalFilter,
        page: Page,
    ) -> Result<Listed<Goal>, ReadError> {
        let rows = sqlx::query_as!(
            GoalRow,
            "SELECT g.goal_id, g.org_id, g.creator_id, g.project_id, g.metric, g.period,
                    g.target_value, g.start_date, g.end_date, g.is_active, g.removed, g.created_at,
                    g.updated_at
             FROM goals g
             JOIN creators c ON c.creator_id = g.creator_id AND c.org_id = $1
             WHERE g.org_id = $1 AND g.project_id = $2 AND NOT g.removed AND c.status <> 'removed'
               AND (g.created_at, g.goal_id) <
                   (coalesce($3, 'infinity'::timestamptz),
                    coalesce($4, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
               AND ($5::uuid IS NULL OR g.creator_id = $5)
               AND ($6::text IS NULL OR g.metric = $6)
               AND ($7::text IS NULL OR g.period = $7)
               AND ($8::bool IS NULL OR g.is_active = $8)
             ORDER BY g.created_at DESC, g.goal_id DESC
             LIMIT $9",
            self.org.as_uuid(),
            filter.project_id.as_uuid(),
            page.after_created_at(),
            page.after_id(),
            filter.creator_id.map(CreatorId::as_uuid),
            filter.metric.map(GoalMetric::name),
            filter.period.map(GoalPeriod::name),
            filter.is_active,
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let goals: Result<Vec<_>, _> = rows.into_iter().map(GoalRow::into_goal).collect();
        Ok(page.listed(goals?, |goal| Cursor {
            created_at: goal.goal.created_at,
            id: goal.id.as_uuid(),
        }))
    }
}

/// The rows of goals, removed ones too.
pub(crate) async fn rows(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<GoalRow>, sqlx::Error> {
    sqlx::query_as!(
        GoalRow,
        "SELECT goal_id, org_id, creator_id, project_id, metric, period, target_value, start_date,
                end_date, is_active, removed, created_at, updated_at
         FROM goals WHERE goal_id = ANY ($1)",
        ids,
    )
    .fetch_all(connection)
    .await
}

impl GoalRow {
    pub fn into_goal(self) -> Result<Goal, CorruptRow> {
        let row = Row {
            table: "goals",
            key: self.goal_id,
        };
        let goal = org::Goal {
            creator_id: CreatorId::from_uuid(self.creator_id),
            metric: row.named("metric", &self.metric)?,
            period: row.named("period", &self.period)?,
            target_value: self.target_value.unsigned_abs(),
            start_date: self.start_date,
            end_date: self.end_date,
            is_active: self.is_active,
            removed: self.removed,
            created_at: timestamp(self.created_at),
            updated_at: timestamp(self.updated_at),
        };
        Ok(Goal {
            id: GoalId::from_uuid(self.goal_id),
            project_id: ProjectId::from_uuid(self.project_id),
            goal,
        })
    }
}
