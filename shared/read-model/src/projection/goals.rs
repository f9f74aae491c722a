//! Goals.

use chrono::NaiveDate;
use domain::ids::{GoalId, OrgId};
use domain::org::Goal;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::decisions::Decisions;
use super::store::{bounded, each};
use super::touched::{Touched, ids};
use crate::queries::goals;

type Stored<'a> = (Uuid, Uuid, Uuid, &'a Goal);

impl Decisions {
    pub(super) async fn load_goals(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<(), ApplyError> {
        if touched.goals.is_empty() {
            return Ok(());
        }
        for row in goals::rows(connection, &ids(&touched.goals)).await? {
            let org = OrgId::from_uuid(row.org_id);
            let goal = row.into_goal()?;
            let state = self.states.entry(org).or_default();
            state.goals.insert(goal.id, goal.goal);
        }
        Ok(())
    }

    pub(super) async fn store_goals(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), ApplyError> {
        let mut rows: Vec<Stored<'_>> = Vec::new();
        for (id, org) in &self.goals {
            let Some(state) = self.states.get(org) else {
                continue;
            };
            let goal = state.goals.get(&GoalId::from_uuid(*id));
            let creator = goal.and_then(|goal| state.creators.get(&goal.creator_id));
            if let (Some(goal), Some(creator)) = (goal, creator) {
                rows.push((*id, org.as_uuid(), creator.project_id.as_uuid(), goal));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO goals (goal_id, org_id, project_id, creator_id, metric, period,
                    target_value, start_date, end_date, is_active, removed, created_at, updated_at)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[],
                    $6::text[], $7::bigint[], $8::date[], $9::date[], $10::bool[], $11::bool[],
                    $12::timestamptz[], $13::timestamptz[])
             ON CONFLICT (goal_id) DO UPDATE SET
                    target_value = excluded.target_value, start_date = excluded.start_date,
                    end_date = excluded.end_date, is_active = excluded.is_active,
                    removed = excluded.removed, updated_at = excluded.updated_at",
            &each(&rows, |(id, ..)| *id),
            &each(&rows, |(_, org, ..)| *org),
            &each(&rows, |(_, _, project, _)| *project),
            &each(&rows, |(.., g)| g.creator_id.as_uuid()),
            &each(&rows, |(.., g)| g.metric.name()) as &[&str],
            &each(&rows, |(.., g)| g.period.name()) as &[&str],
            &each(&rows, |(.., g)| bounded(g.target_value)),
            &each(&rows, |(.., g)| g.start_date) as &[Option<NaiveDate>],
            &each(&rows, |(.., g)| g.end_date) as &[Option<NaiveDate>],
            &each(&rows, |(.., g)| g.is_active),
            &each(&rows, |(.., g)| g.removed),
            &each(&rows, |(.., g)| g.created_at.datetime()),
            &each(&rows, |(.., g)| g.updated_at.datetime()),
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
