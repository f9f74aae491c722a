//! What creators have reached of their goals (v1-contract.md 17).

use std::collections::{BTreeSet, HashMap};

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
use crate::analytics::{Counter, EntityKind, Inputs, Levels, saturated};
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
    posted: Timestamp,
    stats_at: Option<Timestamp>,
}

/// The part of a period that counts.
type Counted = Option<(Timestamp, Timestamp)>;

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
        let with_goals: Vec<Uuid> = goals.keys().copied().collect();
        let mut posts = self.posts_of_creators(&with_goals).await?;
        let followers = self.followers_gained(&goals, filter.tz).await?;
        let mut answers = Vec::with_capacity(creators.len());
        for id in creators {
            let Some(creator) = cards.remove(&id) else {
                continue;
            };
            let posts = posts.remove(&id).unwrap_or_default();
            let goals = goals.remove(&id).unwrap_or_default();
            let levels = self.levels_of_posts(&goals, &posts, filter.tz).await?;
            let reached = goals.into_iter().map(|(goal, span)| {
                let counted = span.counted(&goal.goal, filter.tz);
                let actual = match goal.goal.metric {
                    GoalMetric::Followers => followers.get(&goal.id.as_uuid()).copied(),
                    metric => Some(reached(metric, counted, &posts, &levels)),
                };
                Reached {
                    goal,
                    span,
                    actual: actual.unwrap_or(0),
                }
            });
            answers.push(CreatorCompliance {
                creator,
                last_stats_at: posts.iter().filter_map(|post| post.stats_at).max(),
                goals: reached.collect(),
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
    ) -> Result<HashMap<Uuid, Vec<(Goal, GoalSpan)>>, ReadError> {
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
        let mut by_creator: HashMap<Uuid, Vec<_>> = HashMap::new();
        for goal in goals? {
            let span = GoalSpan::of(goal.goal.period, filter.reference_date, filter.tz);
            if span.concerns(&goal.goal) {
                let creator = goal.goal.creator_id.as_uuid();
                by_creator.entry(creator).or_default().push((goal, span));
            }
        }
        Ok(by_creator)
    }

    async fn posts_of_creators(
        &mut self,
        creators: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<Post>>, ReadError> {
        let rows = sqlx::query!(
            r#"SELECT v.video_id, v.creator_id AS "creator_id!",
                      coalesce(d.posted_at, v.posted_at, v.created_at) AS "posted!",
                      s.stats_at AS "stats_at?"
               FROM videos v
               LEFT JOIN video_details d ON d.video_id = v.video_id AND d.org_id = $1
               LEFT JOIN video_stats s ON s.video_id = v.video_id AND s.org_id = $1
               WHERE v.org_id = $1 AND v.creator_id = ANY ($2) AND NOT v.removed
                 AND NOT v.creator_removed AND v.tracking_disabled_reason IS NULL
                 AND v.tracking_status = ANY ($3)"#,
            self.org.as_uuid(),
            creators,
            &COUNTED.map(str::to_owned),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let mut posts: HashMap<Uuid, Vec<Post>> = HashMap::new();
        for row in rows {
            posts.entry(row.creator_id).or_default().push(Post {
                id: row.video_id,
                posted: timestamp(row.posted),
                stats_at: row.stats_at.map(timestamp),
            });
        }
        Ok(posts)
    }

    /// The levels of a creator's posts at the ends of what counts for goals of views and
    /// engagement. A post without a reading since then has gained nothing.
    async fn levels_of_posts(
        &mut self,
        goals: &[(Goal, GoalSpan)],
        posts: &[Post],
        tz: Tz,
    ) -> Result<PostLevels, ReadError> {
        let of_readings =
            |goal: &Goal| matches!(goal.goal.metric, GoalMetric::Views | GoalMetric::Engagement);
        let ends: BTreeSet<Timestamp> = goals
            .iter()
            .filter(|(goal, _)| of_readings(goal))
            .filter_map(|(goal, span)| span.counted(&goal.goal, tz))
            .flat_map(|(start, end)| [start, end])
            .collect();
        let edges: Vec<Timestamp> = ends.into_iter().collect();
        let Some(first) = edges.first() else {
            return Ok(PostLevels::default());
        };
        let is_read = |post: &&Post| post.stats_at.is_some_and(|at| at >= *first);
        let ids: Vec<Uuid> = posts.iter().filter(is_read).map(|post| post.id).collect();
        let levels = self
            .from_raw(EntityKind::Video, &ids, &edges, Inputs::ALL)
            .await?;
        Ok(PostLevels { edges, levels })
    }

    /// Followers gained by goal: the last count in the period minus the last before it, else the
    /// first in it.
    async fn followers_gained(
        &mut self,
        goals: &HashMap<Uuid, Vec<(Goal, GoalSpan)>>,
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

/// Levels of posts at edges; of a post that is not among them nothing was read.
#[derive(Default)]
struct PostLevels {
    edges: Vec<Timestamp>,
    levels: HashMap<Uuid, Levels>,
}

fn reached(metric: GoalMetric, counted: Counted, posts: &[Post], levels: &PostLevels) -> i64 {
    let Some((start, end)) = counted else {
        return 0;
    };
    let is_inside = |post: &Post| start <= post.posted && post.posted < end;
    let counters: &[Counter] = match metric {
        GoalMetric::Posts => {
            let posts = posts.iter().filter(|post| is_inside(post)).count();
            return i64::try_from(posts).unwrap_or(i64::MAX);
        }
        GoalMetric::Views => &[Counter::Views],
        GoalMetric::Engagement => &Counter::OF_ENGAGEMENT,
        GoalMetric::Followers => return 0,
    };
    let place = |at| levels.edges.binary_search(&at);
    let (Ok(start), Ok(end)) = (place(start), place(end)) else {
        return 0;
    };
    let gained = posts.iter().filter_map(|post| {
        let levels = levels.levels.get(&post.id)?;
        let each = counters.iter().map(|counter| {
            let (start, end) = (
                levels.counter(*counter, start),
                levels.counter(*counter, end),
            );
            // All that a post has which was made inside the period was gained in it: its first
            // reading counts, where else it is a baseline.
            let baselines = if is_inside(post) {
                0
            } else {
                end.base - start.base
            };
            end.value - start.value - baselines
        });
        Some(each.sum::<i128>())
    });
    saturated(gained.sum())
}
