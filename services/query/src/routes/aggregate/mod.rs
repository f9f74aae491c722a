//! Summaries of one project over a range of days (v1-contract.md 16), and what they have in common.

pub mod campaign_leaderboard;
pub mod creator_leaderboard;
pub mod creator_scatter;
pub mod goal_compliance;
pub mod member_overlap;
pub mod outliers;
pub mod posting_consistency;
pub mod posting_heatmap;
pub mod video_leaderboard;
pub mod view_distribution;

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::input::issue::Invalid;
use api::input::query::{Params, RangeParams};
use api::input::text::Text;
use chrono::NaiveDate;
use chrono_tz::Tz;
use domain::ids::ProjectId;
use domain::limits::{OFFSET_MAX, PAGE_DEFAULT, PAGE_MAX};
use domain::time::Timestamp;
use read_model::analytics::Period;
use read_model::{Ranked, Rows};
use serde::Serialize;
use utoipa::IntoParams;

use super::history::History;
use crate::app::{Answer, Snapshot};
use crate::cache::{Topic, Topics};

/// Zone and history of the org, names, statuses, readings. Campaigns, goals and marks are no part of
/// most summaries.
const RESTS_ON: Topics = Topics::of(&[Topic::Org, Topic::Projects, Topic::Creators, Topic::Videos]);

/// Of which project and days.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    project_id: ProjectId,
    range: RangeParams,
    tz: Option<Tz>,
}

/// The same, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here")]
pub struct ScopeDoc {
    /// The project.
    project_id: uuid::Uuid,
    /// First day; 29 days before `to` unless given.
    #[param(example = "2026-01-01")]
    from: Option<NaiveDate>,
    /// Last day; today unless given.
    #[param(example = "2026-01-31")]
    to: Option<NaiveDate>,
    /// IANA zone in which days begin; the org's unless given.
    #[param(example = "Europe/Berlin")]
    tz: Option<String>,
}

/// Which rows, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here")]
pub struct RowsDoc {
    /// Most rows.
    #[param(minimum = 1, maximum = 100, default = 50, example = 50)]
    limit: Option<u16>,
    /// How many rows are passed over.
    #[param(minimum = 0, maximum = 10_000, default = 0, example = 0)]
    offset: Option<u16>,
}

/// A range of days that an org may see.
pub struct Seen {
    /// The days.
    pub period: Period,
    /// When an answer about them can next change by time alone.
    valid_until: Option<Timestamp>,
}

impl Scope {
    /// Reads the parameters.
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let project_id = params.required("project_id", Text::from_str);
        let range = params.range();
        let tz = params.optional("tz", Text::zone);
        Ok(Self {
            project_id: project_id?,
            range: range?,
            tz: tz?,
        })
    }
}

/// What is ranked, by what, and which rows of it.
#[derive(Debug, Clone, Copy)]
struct Ranking<O> {
    scope: Scope,
    order: O,
    rows: Rows,
}

impl<O: Copy> Ranking<O> {
    /// Reads the parameters; `usual` is the order unless one is given.
    fn read(
        params: &mut Params<'_>,
        orders: &[O],
        name: fn(O) -> &'static str,
        usual: O,
    ) -> Result<Self, Invalid> {
        let scope = Scope::read(params);
        let order = params.optional("order", |it| it.one_of(orders, name));
        let rows = page_of_rows(params);
        Ok(Self {
            scope: scope?,
            order: order?.unwrap_or(usual),
            rows: rows?,
        })
    }
}

/// Reads which rows; `most` of them, and `usual` unless a limit is given.
fn rows(params: &mut Params<'_>, most: u64, usual: u64) -> Result<Rows, Invalid> {
    let limit = params.optional("limit", |it| it.decimal(1..=most));
    let offset = params.optional("offset", |it| it.decimal(0..=OFFSET_MAX));
    Ok(Rows {
        limit: limit?.unwrap_or(usual),
        offset: offset?.unwrap_or(0),
    })
}

/// The same, as many as a page has.
fn page_of_rows(params: &mut Params<'_>) -> Result<Rows, Invalid> {
    rows(params, PAGE_MAX.into(), PAGE_DEFAULT.into())
}

impl Snapshot<'_> {
    /// The days asked for: 404 for a project that is not there, 402 for days before the history.
    async fn seen(&mut self, scope: &Scope) -> Result<Seen, ApiError> {
        let org = self.org().await?;
        let history = History::of(&org, scope.tz, self.now)?;
        let (from, to) = scope.range.resolve(history.today())?;
        self.require_project(Some(scope.project_id)).await?;
        if history.lacks(from) {
            return Err(history.exceeded());
        }
        // Of days to come nothing is told, until one of them is today.
        let moves = scope.range.to.is_none() || history.today() < to;
        let valid_until = [
            moves.then(|| history.tomorrow()),
            history.leaves_at(from),
            history.ends_at(),
        ];
        Ok(Seen {
            period: Period::new(from, to, history.tz(), self.now),
            valid_until: valid_until.into_iter().flatten().min(),
        })
    }
}

impl Seen {
    fn answer<T: Serialize + ?Sized>(&self, data: &T, meta: Meta) -> Result<Answer, ApiError> {
        let meta = meta.valid_until(self.valid_until);
        Ok(Answer {
            rendered: Rendered::json(data, &meta)?,
            valid_until: self.valid_until,
        })
    }

    fn answer_rows<T, W: Serialize>(
        &self,
        ranked: &Ranked<T>,
        wire: impl Fn(&T) -> W,
        meta: Meta,
    ) -> Result<Answer, ApiError> {
        let rows: Vec<W> = ranked.rows.iter().map(wire).collect();
        self.answer(&rows, meta.total_count(ranked.total_count))
    }
}
