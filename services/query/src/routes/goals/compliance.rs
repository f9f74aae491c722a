//! `GET /projects/{id}/goal-compliance`, and what its summary has in common with it.

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::input::text::Text;
use api::openapi::Page;
use api::v1::{
    CreatorCompliance, Figure, GoalAdvisory, GoalCompliance, GoalPeriodName, ScrapeFreshness,
};
use axum::extract::State;
use axum::response::Response;
use chrono::NaiveDate;
use chrono_tz::Tz;
use domain::event::GoalPeriod;
use domain::ids::{CreatorId, ProjectId};
use domain::plan::LimitKey;
use domain::time::Timestamp;
use read_model::compliance::{Advisory, FreshnessState, GoalSpan, Hours, Judged, Progress};
use read_model::{ComplianceFilter, HandleCursor, Org, Reached};
use utoipa::IntoParams;
use uuid::Uuid;

use super::wire;
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::{Topic, Topics};
use crate::call::Call;
use crate::routes::figures::creator_card;
use crate::routes::history::History;
use crate::routes::page::PageDoc;

/// Zone and history of the org, statuses, readings, goals: everything but keys, campaigns and marks.
pub const RESTS_ON: Topics = Topics::of(&[
    Topic::Org,
    Topic::Projects,
    Topic::Creators,
    Topic::Videos,
    Topic::Goals,
]);

/// Which periods.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Periods {
    /// Goals of this period alone.
    #[param(value_type = Option<GoalPeriodName>)]
    period: Option<GoalPeriod>,
    /// The day whose periods are asked for; today in the org's zone unless given.
    #[param(example = "2026-01-31")]
    reference_date: Option<NaiveDate>,
}

impl Periods {
    /// Reads the parameters.
    pub fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let period = params.optional("period", |it| it.one_of(&GoalPeriod::ALL, GoalPeriod::name));
        let reference_date = params.optional("reference_date", Text::date);
        Ok(Self {
            period: period?,
            reference_date: reference_date?,
        })
    }
}

impl Periods {
    /// The first day of the periods asked for that hold a day. Without one named all three are: a
    /// week may begin in the month before.
    fn first_day(self, day: NaiveDate, tz: Tz) -> NaiveDate {
        let asked = GoalPeriod::ALL.into_iter();
        let asked = asked.filter(|period| self.period.is_none_or(|one| one == *period));
        let firsts = asked.map(|period| GoalSpan::of(period, day, tz).first_day);
        firsts.min().unwrap_or(day)
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListCompliance {
    /// Of this creator.
    #[param(value_type = Option<Uuid>)]
    creator_id: Option<CreatorId>,
    #[param(ignore)]
    periods: Periods,
    #[param(ignore)]
    page: PageParams,
}

impl FromQuery for ListCompliance {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let creator_id = params.optional("creator_id", Text::from_str);
        let periods = Periods::read(params);
        let page = params.page();
        Ok(Self {
            creator_id: creator_id?,
            periods: periods?,
            page: page?,
        })
    }
}

/// Says how far each creator's goals are reached.
///
/// All active creators of the project by handle, each with their active goals, over the calendar
/// day, week or month that holds the reference date. Later readings still correct a figure:
/// `advisory` says what may.
#[utoipa::path(
    get,
    path = "/projects/{id}/goal-compliance",
    operation_id = "list_goal_compliance",
    params(ListCompliance, Periods, PageDoc),
    responses((status = 200, description = "A page of creators", body = Page<CreatorCompliance>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    PathId(project_id): PathId<ProjectId>,
    query: StrictQuery<ListCompliance>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let after: Option<Place> = app.place(call.list(&query.filters), &query.value.page)?;
    let after = after.map(|(handle, id)| HandleCursor { handle, id });
    let question = Compliance {
        project_id,
        query,
        after,
    };
    app.answer(&call, &asked, question).await
}

/// Where a page ended, as it stands in a cursor.
type Place = (String, Uuid);

struct Compliance {
    project_id: ProjectId,
    query: StrictQuery<ListCompliance>,
    after: Option<HandleCursor>,
}

impl Question for Compliance {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let ListCompliance {
            creator_id,
            periods,
            page,
        } = &self.query.value;
        snapshot.require_project(Some(self.project_id)).await?;
        snapshot.require_creator(*creator_id).await?;
        let mut judge = snapshot.judge(periods).await?;
        let filter = judge.filter(self.project_id, *creator_id, false);
        let found = snapshot
            .reader
            .compliance(&filter, page.limit, self.after.as_ref())
            .await;
        let (found, next) = found.map_err(|error| snapshot.read_error(error))?;
        let creators: Vec<CreatorCompliance> = found
            .iter()
            .map(|one| CreatorCompliance {
                creator: creator_card(&one.creator),
                compliance: one
                    .goals
                    .iter()
                    .map(|reached| goal(reached, &judge.progress(reached, one.last_stats_at)))
                    .collect(),
            })
            .collect();
        let list = snapshot.call.list(&self.query.filters);
        let place = next.map(|next| -> Place { (next.handle, next.id) });
        let next = snapshot.app.next(list, place)?;
        let meta = Meta::page(next).valid_until(judge.valid_until);
        Ok(Answer {
            rendered: Rendered::json(&creators, &meta)?,
            valid_until: judge.valid_until,
        })
    }
}

/// What progress is judged by in one answer.
pub struct Judge {
    periods: Periods,
    day: NaiveDate,
    history: History,
    expected_hours: u64,
    now: Timestamp,
    /// When the answer can next change by time alone.
    pub valid_until: Option<Timestamp>,
}

impl Snapshot<'_> {
    /// 402 for periods before the plan's history.
    pub async fn judge(&mut self, periods: &Periods) -> Result<Judge, ApiError> {
        let (org, now): (Org, Timestamp) = (self.org().await?, self.now);
        let history = History::of(&org, None, now)?;
        let day = periods.reference_date.unwrap_or_else(|| history.today());
        let first_day = periods.first_day(day, history.tz());
        if periods.reference_date.is_some() && history.lacks(first_day) {
            return Err(history.exceeded());
        }
        let moves = periods.reference_date.is_none().then(|| history.tomorrow());
        let instants = [moves, history.leaves_at(first_day), history.ends_at()];
        Ok(Judge {
            periods: *periods,
            day,
            expected_hours: org
                .profile
                .limits
                .max(LimitKey::MinVideoStatsHours)
                .unwrap_or_default(),
            history,
            now,
            valid_until: instants.into_iter().flatten().min(),
        })
    }
}

impl Judge {
    /// Whose goals to read.
    pub const fn filter(
        &self,
        project_id: ProjectId,
        creator_id: Option<CreatorId>,
        with_goals_only: bool,
    ) -> ComplianceFilter {
        ComplianceFilter {
            project_id,
            creator_id,
            period: self.periods.period,
            reference_date: self.day,
            tz: self.history.tz(),
            with_goals_only,
        }
    }

    /// The progress of a goal; the answer lasts no longer than it.
    pub fn progress(&mut self, reached: &Reached, last_stats_at: Option<Timestamp>) -> Progress {
        let judged = Judged {
            goal: &reached.goal.goal,
            span: reached.span,
            actual: reached.actual,
            last_stats_at,
            expected_hours: self.expected_hours,
            tz: self.history.tz(),
            now: self.now,
        };
        let (progress, until) = judged.progress();
        self.valid_until = [self.valid_until, until].into_iter().flatten().min();
        progress
    }
}

fn goal(reached: &Reached, progress: &Progress) -> GoalCompliance {
    GoalCompliance {
        goal: wire(&reached.goal),
        target: reached.goal.goal.target_value,
        actual: progress.actual,
        percentage: progress.percentage,
        status: progress.status.name(),
        advisory: advisory(&progress.advisory),
    }
}

fn advisory(found: &Advisory) -> GoalAdvisory {
    GoalAdvisory {
        has_advisory: found.has_advisory(),
        period_in_progress: found.period_in_progress,
        period_recently_ended: found.period_recently_ended,
        scrape_stale: found.scrape_stale,
        not_yet_started: found.not_yet_started,
        messages: found.messages.clone(),
        period_start: found.period_start,
        period_end: found.period_end,
        hours_until_period_end: found.hours_until_period_end.map(tenths),
        hours_since_period_end: found.hours_since_period_end.map(tenths),
        scrape_freshness: found.freshness.map(|freshness| ScrapeFreshness {
            last_stats_at: freshness.last_stats_at,
            age_hours: tenths(freshness.age),
            expected_hours: freshness.expected_hours,
            state: FreshnessState::name(freshness.state),
        }),
    }
}

/// Tenths of an hour, of which a figure has thousands.
const fn tenths(hours: Hours) -> Figure {
    Figure::Decimal(hours.0 * 1_000)
}
