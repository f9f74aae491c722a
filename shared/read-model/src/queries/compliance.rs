//! What creators have reached of their goals (v1-contract.md 17).

use std::collections::HashMap;

use chrono::NaiveDate;
use chrono_tz::Tz;
use domain::event::{GoalMetric, GoalPeriod};
use domain::ids::{CreatorId, ProjectId};
use domain::time::Timestamp;
use uuid::Uuid;

use super::cards::CreatorCard;
use super::columns::timestamp;
use super::goals::{Goal, GoalRow};
use super::raw::COUNTED;
use crate::analytics::{Counter, Edges, EntityKind, Inputs, Levels, saturated};
use crate::compliance::GoalSpan;
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;

/// Whose goals.
#[derive(Debug, Clone, Copy)]
pub struct ComplianceFilter {
    /// The project.
    pub project_id: ProjectId,
    /// Of this creator alone.
    pub creator_id: Option<CreatorId>,
    /// Of this period alone.
    pub period: Option<GoalPeriod>,
    /// The day whose periods are asked for.
    pub reference_date: NaiveDate,
    /// The org's zone.
    pub tz: Tz,
    /// Whether creators without an active goal are left out.
    pub with_goals_only: bool,
}

/// Where a page of creators ended: they come by handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandleCursor {
    /// The last creator's handle, in lower case.
    pub handle: String,
    /// The creator's id.
    pub id: Uuid,
}

/// A creator, and what was reached of each goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatorCompliance {
    /// The creator.
    pub creator: CreatorCard,
    /// The newest reading of a post that counts; `None` if none was ever read.
    pub last_stats_at: Option<Timestamp>,
    /// Active goals whose own range meets the period or lies ahead, the oldest first.
    pub goals: Vec<Reached>,
}

/// What was reached of a goal in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The goal.
    pub goal: Goal,
    /// The period.
    pub span: GoalSpan,
    /// What was reached in the part of it that counts; 0 where nothing was read.
    pub actual: i64,
}

/// A post that counts in goals: counted, and tracked still.
struct Post {
    id: Uuid,
    creator: Uuid,
    posted: Timestamp,
}

/// Goals by creator, with their periods.
type Goals = HashMap<Uuid, Vec<(Goal, GoalSpan)>>;

/// What a goal asks of posts, in the part of its period that counts.
struct Asked {
    goal: Uuid,
    metric: GoalMetric,
    start: Timestamp,
    end: Timestamp,
}

/// So many posts are read at a time, which bounds what is held of them.
const AT_ONCE: usize = 2_000;

impl OrgReader {
    /// A page of a project's active creators by handle, with their goals; that the project is there
    /// is for the caller to ask.
    pub async fn compliance(
        &mut self,
        filter: &ComplianceFilter,
        limit: u16,
        after: Option<&HandleCursor>,
    ) -> Result<(Vec<CreatorCompliance>, Option<HandleCursor>), ReadError> {
        let (creators, next) = self.creators_by_handle(filter, limit, after).await?;
        let mut cards = self.creator_cards(&creators).await?;
        let mut goals = self.goals_of_creators(filter, &creators).await?;
        let read_at = self.last_stats_at(&goals).await?;
        let mut reached = self.followers_gained(&goals, filter.tz).await?;
        reached.extend(self.reached_by_posts(&goals, filter.tz).await?);
        let mut answers = Vec::with_capacity(creators.len());
        for id in creators {
            let Some(creator) = cards.remove(&id) else {
                continue;
            };
            let goals = goals.remove(&id).unwrap_or_default();
            let goals = goals.into_iter().map(|(goal, span)| Reached {
                actual: reached.remove(&goal.id.as_uuid()).unwrap_or(0),
                goal,
                span,
            });
            answers.push(CreatorCompliance {
                creator,
                last_stats_at: read_at.get(&id).copied(),
                goals: goals.collect(),
            });
        }
        Ok((answers, next))
    }

    async fn creators_by_handle(
        &mut self,
        filter: &ComplianceFilter,
        limit: u16,
        after: Option<&HandleCursor>,
    ) -> Result<(Vec<Uuid>, Option<HandleCursor>), ReadError> {
        let rows = sqlx::query!(
            r#"SELECT c.creator_id, lower(c.handle COLLATE "C") AS "handle!"
               FROM creators c
               WHERE c.org_id = $1 AND c.project_id = $2 AND c.status = 'active'
                 AND (lower(c.handle COLLATE "C"), c.creator_id) >
                     (coalesce($3, ''), coalesce($4, '00000000-0000-0000-0000-000000000000'::uuid))
                 AND ($5::uuid IS NULL OR c.creator_id = $5)
                 AND (NOT $6 OR EXISTS (SELECT FROM goals g
                                        WHERE g.creator_id = c.creator_id AND g.org_id = $1
                                          AND g.is_active AND NOT g.removed))
               ORDER BY lower(c.handle COLLATE "C"), c.creator_id
               LIMIT $7"#,
            self.org.as_uuid(),
            filter.project_id.as_uuid(),
            after.map(|after| after.handle.as_str()),
            after.map(|after| after.id),
            filter.creator_id.map(CreatorId::as_uuid),
            filter.with_goals_only,
            i64::from(limit) + 1,
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let limit = usize::from(limit);
        let last = rows
            .get(limit.wrapping_sub(1))
            .filter(|_| rows.len() > limit);
        let next = last.map(|row| HandleCursor {
            handle: row.handle.clone(),
            id: row.creator_id,
        });
        let creators = rows.into_iter().take(limit).map(|row| row.creator_id);
        Ok((creators.collect(), next))
    }

    async fn goals_of_creators(
        &mut self,
        filter: &ComplianceFilter,
        creators: &[Uuid],
    ) -> Result<Goals, ReadError> {
        let rows = sqlx::query_as!(
            GoalRow,
            "SELECT goal_id, org_id, creator_id, project_id, metric, period, target_value,
                    start_date, end_date, is_active, removed, created_at, updated_at
             FROM goals
             WHERE org_id = $1 AND creator_id = ANY ($2) AND NOT removed AND is_active
               AND ($3::text IS NULL OR period = $3)
             ORDER BY created_at, goal_id",
            self.org.as_uuid(),
            creators,
            filter.period.map(GoalPeriod::name),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let goals: Result<Vec<Goal>, CorruptRow> =
            rows.into_iter().map(GoalRow::into_goal).collect();
        let mut by_creator = Goals::new();
        for goal in goals? {
            let span = GoalSpan::of(goal.goal.period, filter.reference_date, filter.tz);
            if span.concerns(&goal.goal) {
                let creator = goal.goal.creator_id.as_uuid();
                by_creator.entry(creator).or_default().push((goal, span));
            }
        }
        Ok(by_creator)
    }

    /// The newest reading of each creator's posts that count.
    async fn last_stats_at(
        &mut self,
        goals: &Goals,
    ) -> Result<HashMap<Uuid, Timestamp>, ReadError> {
        let creators: Vec<Uuid> = goals.keys().copied().collect();
        let rows = sqlx::query!(
            r#"SELECT v.creator_id AS "creator_id!", max(s.stats_at) AS "stats_at!"
               FROM videos v JOIN video_stats s ON s.video_id = v.video_id AND s.org_id = $1
               WHERE v.org_id = $1 AND v.creator_id = ANY ($2) AND NOT v.removed
                 AND NOT v.creator_removed AND v.tracking_disabled_reason IS NULL
                 AND v.tracking_status = ANY ($3)
               GROUP BY v.creator_id"#,
            self.org.as_uuid(),
            &creators,
            &COUNTED.map(str::to_owned),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let newest = rows
            .into_iter()
            .map(|row| (row.creator_id, timestamp(row.stats_at)));
        Ok(newest.collect())
    }

    /// What is reached of goals of posts, views and engagement, by goal.
    async fn reached_by_posts(
        &mut self,
        goals: &Goals,
        tz: Tz,
    ) -> Result<HashMap<Uuid, i64>, ReadError> {
        let asked = asked_of_posts(goals, tz);
        let all = || asked.values().flatten();
        let edges = Edges::of(all().flat_map(|asked| [asked.start, asked.end]));
        let (Some(first), Some(last)) = (edges.as_slice().first(), edges.as_slice().last()) else {
            return Ok(HashMap::new());
        };
        let read = asked
            .iter()
            .filter(|(_, asked)| asked.iter().any(|one| !counters(one.metric).is_empty()));
        let read: Vec<Uuid> = read.map(|(creator, _)| *creator).collect();
        let creators: Vec<Uuid> = asked.keys().copied().collect();
        let posts = self.posts(&creators, &read, *first, *last).await?;
        let inputs = all()
            .flat_map(|asked| counters(asked.metric))
            .fold(Inputs::NONE, |inputs, counter| inputs.with(*counter));
        let mut reached: HashMap<Uuid, i128> = HashMap::new();
        for posts in posts.chunks(AT_ONCE) {
            let ids: Vec<Uuid> = posts.iter().map(|post| post.id).collect();
            let levels = self
                .from_raw(EntityKind::Video, &ids, edges.as_slice(), inputs)
                .await?;
            for post in posts {
                let Some(levels) = levels.get(&post.id) else {
                    continue;
                };
                for asked in asked.get(&post.creator).into_iter().flatten() {
                    *reached.entry(asked.goal).or_default() += added(asked, post, &edges, levels);
                }
            }
        }
        Ok(reached
            .into_iter()
            .map(|(goal, sum)| (goal, saturated(sum)))
            .collect())
    }

    /// Posts of creators that were made in a range of time; of those in `read` also the ones that
    /// were read since it began: any other has gained nothing in it.
    async fn posts(
        &mut self,
        creators: &[Uuid],
        read: &[Uuid],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Post>, ReadError> {
        let rows = sqlx::query!(
            r#"SELECT v.video_id, v.creator_id AS "creator_id!",
                      coalesce(d.posted_at, v.posted_at, v.created_at) AS "posted!"
               FROM videos v
               LEFT JOIN video_details d ON d.video_id = v.video_id AND d.org_id = $1
               LEFT JOIN video_stats s ON s.video_id = v.video_id AND s.org_id = $1
               WHERE v.org_id = $1 AND v.creator_id = ANY ($2) AND NOT v.removed
                 AND NOT v.creator_removed AND v.tracking_disabled_reason IS NULL
                 AND v.tracking_status = ANY ($3)
                 AND (coalesce(d.posted_at, v.posted_at, v.created_at) >= $5
                          AND coalesce(d.posted_at, v.posted_at, v.created_at) < $6
                      OR v.creator_id = ANY ($4) AND s.stats_at >= $5)"#,
            self.org.as_uuid(),
            creators,
            &COUNTED.map(str::to_owned),
            read,
            from.datetime(),
            to.datetime(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let posts = rows.into_iter().map(|row| Post {
            id: row.video_id,
            creator: row.creator_id,
            posted: timestamp(row.posted),
        });
        Ok(posts.collect())
    }

    /// Followers gained by goal: the last count in the period minus the last before it, else the
    /// first in it.
    async fn followers_gained(
        &mut self,
        goals: &Goals,
        tz: Tz,
    ) -> Result<HashMap<Uuid, i64>, ReadError> {
        let (mut ids, mut creators) = (Vec::new(), Vec::new());
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        for (goal, span) in goals.values().flatten() {
            let counted = span.counted(&goal.goal, tz);
            let counted = counted.filter(|_| goal.goal.metric == GoalMetric::Followers);
            if let Some((start, end)) = counted {
                ids.push(goal.id.as_uuid());
                creators.push(goal.goal.creator_id.as_uuid());
                starts.push(start.datetime());
                ends.push(end.datetime());
            }
        }
        let rows = sqlx::query!(
            r#"SELECT u.goal_id AS "goal_id!", last.followers - coalesce(before.followers, first.followers)
                      AS gained
               FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[])
                    AS u (goal_id, creator_id, starts, ends)
               JOIN LATERAL (
                   SELECT followers FROM creator_readings
                   WHERE org_id = $1 AND creator_id = u.creator_id AND observed_at >= u.starts
                     AND observed_at < u.ends AND followers IS NOT NULL
                   ORDER BY observed_at DESC LIMIT 1) last ON true
               JOIN LATERAL (
                   SELECT followers FROM creator_readings
                   WHERE org_id = $1 AND creator_id = u.creator_id AND observed_at >= u.starts
                     AND observed_at < u.ends AND followers IS NOT NULL
                   ORDER BY observed_at LIMIT 1) first ON true
               LEFT JOIN LATERAL (
                   SELECT followers FROM creator_readings
                   WHERE org_id = $1 AND creator_id = u.creator_id AND observed_at < u.starts
                     AND followers IS NOT NULL
                   ORDER BY observed_at DESC LIMIT 1) before ON true"#,
            self.org.as_uuid(),
            &ids,
            &creators,
            &starts,
            &ends,
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let gained = rows
            .into_iter()
            .map(|row| (row.goal_id, row.gained.unwrap_or(0)));
        Ok(gained.collect())
    }
}

/// Goals that posts are looked at for: by creator, those of which some days count.
fn asked_of_posts(goals: &Goals, tz: Tz) -> HashMap<Uuid, Vec<Asked>> {
    let mut asked: HashMap<Uuid, Vec<Asked>> = HashMap::new();
    for (goal, span) in goals.values().flatten() {
        let of_posts = goal.goal.metric != GoalMetric::Followers;
        if let Some((start, end)) = span.counted(&goal.goal, tz).filter(|_| of_posts) {
            let of_creator = asked.entry(goal.goal.creator_id.as_uuid()).or_default();
            of_creator.push(Asked {
                goal: goal.id.as_uuid(),
                metric: goal.goal.metric,
                start,
                end,
            });
        }
    }
    asked
}

/// What a metric adds up of each post.
const fn counters(metric: GoalMetric) -> &'static [Counter] {
    match metric {
        GoalMetric::Views => &[Counter::Views],
        GoalMetric::Engagement => &Counter::OF_ENGAGEMENT,
        GoalMetric::Posts | GoalMetric::Followers => &[],
    }
}

/// What a post adds to what is reached of a goal.
fn added(asked: &Asked, post: &Post, edges: &Edges, levels: &Levels) -> i128 {
    let is_inside = asked.start <= post.posted && post.posted < asked.end;
    if asked.metric == GoalMetric::Posts {
        return i128::from(is_inside);
    }
    let (start, end) = (edges.place_of(asked.start), edges.place_of(asked.end));
    let gained = counters(asked.metric).iter().map(|counter| {
        let (start, end) = (
            levels.counter(*counter, start),
            levels.counter(*counter, end),
        );
        // All that a post has which was made inside the period was gained in it: its first reading
        // counts, where else it is a baseline.
        let baselines = if is_inside { 0 } else { end.base - start.base };
        end.value - start.value - baselines
    });
    gained.sum()
}
