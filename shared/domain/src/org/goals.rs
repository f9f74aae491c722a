//! Goals: what a creator is to reach in each day, week or month.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::account::warn_if_near;
use super::{
    Context, Decision, Existing, GoalPatch, NewGoal, OrgState, Outcome, Recorded, Rejection,
    check_limit,
};
use crate::event::{Event, GoalAdded, GoalChanged, GoalMetric, GoalPeriod, GoalRemoved};
use crate::ids::{CreatorId, GoalId, ProjectId};
use crate::plan::LimitKey;
use crate::time::Timestamp;

/// What a creator is to reach in each period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 17")]
pub struct Goal {
    pub creator_id: CreatorId,
    pub metric: GoalMetric,
    pub period: GoalPeriod,
    pub target_value: u64,
    pub start_date: Option<NaiveDate>,
    pub end_date: Option<NaiveDate>,
    pub is_active: bool,
    pub removed: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl OrgState {
    /// A goal that was not removed, nor was its creator.
    pub fn goal(&self, id: GoalId) -> Option<&Goal> {
        let goal = self.goals.get(&id)?;
        let is_there = !goal.removed && self.creator(goal.creator_id).is_some();
        is_there.then_some(goal)
    }

    /// The goals of a creator that were not removed.
    pub fn goals_of(&self, creator: CreatorId) -> impl Iterator<Item = (GoalId, &Goal)> {
        let ids = self.goals_by_creator.get(&creator).into_iter().flatten();
        ids.filter_map(|id| {
            let goal = self.goals.get(id).filter(|goal| !goal.removed)?;
            Some((*id, goal))
        })
    }

    pub(super) fn index_goal(&mut self, id: GoalId) {
        if let Some(goal) = self.goals.get(&id) {
            let ids = self.goals_by_creator.entry(goal.creator_id).or_default();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
}

pub(super) fn add(
    state: &OrgState,
    project_id: ProjectId,
    new: &NewGoal,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    const LIMIT: LimitKey = LimitKey::MaxGoalsPerCreator;
    state
        .project(project_id)
        .and_then(|_| state.creator(new.creator_id))
        .filter(|creator| creator.project_id == project_id)
        .ok_or(Rejection::NotFound)?;
    let id = new.goal_id.as_uuid();
    if state.goals.contains_key(&new.goal_id) {
        let what = Existing::Goal;
        return Err(Rejection::Duplicate { what, id });
    }
    refuse_second(state, new.creator_id, new.metric, new.period)?;
    let current = state.goals_of(new.creator_id).count() as u64;
    check_limit(state, LIMIT, current, 1)?;
    let added = GoalAdded {
        goal_id: new.goal_id,
        creator_id: new.creator_id,
        metric: new.metric,
        period: new.period,
        target_value: new.target_value,
        start_date: new.start_date,
        end_date: new.end_date,
    };
    let mut events = vec![added.into()];
    warn_if_near(state, &mut events, LIMIT, current + 1, context);
    Ok(Decision {
        events,
        outcome: Outcome::Created(id),
    })
}

/// One active goal of a creator, metric and period at most.
fn refuse_second(
    state: &OrgState,
    creator_id: CreatorId,
    metric: GoalMetric,
    period: GoalPeriod,
) -> Result<(), Rejection> {
    let same = |goal: &Goal| goal.is_active && goal.metric == metric && goal.period == period;
    let second = state.goals_of(creator_id).find(|(_, goal)| same(goal));
    second.map_or(Ok(()), |(id, _)| {
        Err(Rejection::Duplicate {
            what: Existing::Goal,
            id: id.as_uuid(),
        })
    })
}

pub(super) fn change(
    state: &OrgState,
    goal_id: GoalId,
    patch: &GoalPatch,
) -> Result<Decision, Rejection> {
    let goal = state.goal(goal_id).ok_or(Rejection::NotFound)?;
    let start = patch.start_date.unwrap_or(goal.start_date);
    let end = patch.end_date.unwrap_or(goal.end_date);
    if let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        return Err(Rejection::Invalid {
            field: if patch.end_date.is_some() {
                "end_date"
            } else {
                "start_date"
            },
            message: format!("the goal would end on {end}, before it starts on {start}"),
        });
    }
    if patch.is_active == Some(true) && !goal.is_active {
        refuse_second(state, goal.creator_id, goal.metric, goal.period)?;
    }
    let changed = GoalChanged {
        goal_id,
        target_value: patch.target_value.filter(|it| *it != goal.target_value),
        start_date: patch.start_date.filter(|it| *it != goal.start_date),
        end_date: patch.end_date.filter(|it| *it != goal.end_date),
        is_active: patch.is_active.filter(|it| *it != goal.is_active),
    };
    let is_changed = changed != GoalChanged::nothing(goal_id);
    Ok(Decision::of(is_changed.then_some(changed)))
}

pub(super) fn remove(state: &OrgState, goal_id: GoalId) -> Result<Decision, Rejection> {
    state.goal(goal_id).ok_or(Rejection::NotFound)?;
    Ok(Decision::done(vec![GoalRemoved { goal_id }.into()]))
}

pub(super) fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    match recorded.event {
        Event::GoalAdded(added) => {
            let goal = Goal {
                creator_id: added.creator_id,
                metric: added.metric,
                period: added.period,
                target_value: added.target_value,
                start_date: added.start_date,
                end_date: added.end_date,
                is_active: true,
                removed: false,
                created_at: recorded.at,
                updated_at: recorded.at,
            };
            state.goals.insert(added.goal_id, goal);
            state.index_goal(added.goal_id);
        }
        Event::GoalChanged(changed) => {
            let Some(goal) = state.goals.get_mut(&changed.goal_id) else {
                return;
            };
            goal.target_value = changed.target_value.unwrap_or(goal.target_value);
            goal.start_date = changed.start_date.unwrap_or(goal.start_date);
            goal.end_date = changed.end_date.unwrap_or(goal.end_date);
            goal.is_active = changed.is_active.unwrap_or(goal.is_active);
            goal.updated_at = recorded.at;
        }
        Event::GoalRemoved(removed) => {
            if let Some(goal) = state.goals.get_mut(&removed.goal_id) {
                goal.removed = true;
                goal.updated_at = recorded.at;
            }
        }
        _ => {}
    }
}
