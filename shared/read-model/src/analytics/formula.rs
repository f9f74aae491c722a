//! The formulas of v1-contract.md 15.2, over the levels at two edges (15.3).

use super::decimal::Decimal4;
use super::levels::Levels;
use super::measure::Formula;
use super::metric::{Counter, Mode};
use super::series::Value;

/// What lies between two edges of levels.
#[derive(Clone, Copy)]
pub(crate) struct Span<'a> {
    pub levels: &'a Levels,
    /// Place of the edge at which it begins.
    pub start: usize,
    /// Place of the edge at which it ends.
    pub end: usize,
    /// How many days it has; of a running one those so far, today included.
    pub days: u64,
    /// Place of the edge at which the span just before begins; `None` if nothing is known of that.
    pub before: Option<usize>,
}

impl<'a> Span<'a> {
    /// Between the first and the last edge of levels at two.
    pub fn whole(levels: &'a Levels) -> Self {
        Self {
            levels,
            start: 0,
            end: 1,
            days: 0,
            before: None,
        }
    }

    /// The figure, null being `None`.
    pub fn value(self, formula: Formula, mode: Mode) -> Option<Value> {
        match (formula, mode) {
            (Formula::Counter(counter), Mode::New) => self.gained(counter).map(count),
            (Formula::Counter(counter), Mode::Cumulative) => self.last(counter).map(count),
            (Formula::Posts, Mode::New) => Some(Value::Count(self.posts())),
            (Formula::Posts, Mode::Cumulative) => Some(Value::Count(self.levels.posts(self.end))),
            _ => self.derived(formula).map(Value::Decimal),
        }
    }

    fn derived(self, formula: Formula) -> Option<Decimal4> {
        match formula {
            Formula::Counter(_) | Formula::Posts => None,
            Formula::EngagementByViews => self.engagement_by_views(),
            Formula::EngagementByFollowers => self.engagement_by_followers(),
            Formula::PostsPerWeek => self.posts_per_week(),
            Formula::ViewsPerPost => self.views_per_post(),
            Formula::GrowthOfGain(counter) => {
                let before = Self {
                    start: self.before?,
                    end: self.start,
                    ..self
                };
                growth(self.gained(counter)?, before.gained(counter)?)
            }
            Formula::GrowthOfCount(counter) => {
                let before = self.levels.counter(counter, self.start).known();
                growth(self.last(counter)?, before?)
            }
            Formula::GrowthOfPosts => {
                let (before, by_end) = (self.levels.posts(self.start), self.levels.posts(self.end));
                growth(by_end.into(), before.into())
            }
        }
    }

    /// N(s, e): the change of what was read, first readings left out.
    pub fn gained(self, counter: Counter) -> Option<i128> {
        let start = self.levels.counter(counter, self.start);
        let end = self.levels.counter(counter, self.end);
        (end.units > 0).then_some((end.value - start.value) - (end.base - start.base))
    }

    /// C(e).
    fn last(self, counter: Counter) -> Option<i128> {
        self.levels.counter(counter, self.end).known()
    }

    fn posts(self) -> i64 {
        self.levels.posts(self.end) - self.levels.posts(self.start)
    }

    /// I: what was gained of likes, comments, shares and saves, null being 0 unless all are.
    fn engagement(self) -> Option<i128> {
        let gained = Counter::OF_ENGAGEMENT.map(|counter| self.gained(counter));
        let is_known = gained.iter().any(Option::is_some);
        is_known.then(|| gained.into_iter().flatten().sum())
    }

    /// I / N(views) * 100; a baseline adds 0 above and below. Null if no views were gained.
    fn engagement_by_views(self) -> Option<Decimal4> {
        let views = self.gained(Counter::Views).filter(|views| *views > 0)?;
        Decimal4::quotient(self.engagement()? * 100, views)
    }

    /// I / C(followers) at the end * 100, the last-known count carried forward. Null without
    /// followers.
    fn engagement_by_followers(self) -> Option<Decimal4> {
        Decimal4::quotient(self.engagement()? * 100, self.last(Counter::Followers)?)
    }

    /// posts * 7 / days.
    fn posts_per_week(self) -> Option<Decimal4> {
        Decimal4::quotient(i128::from(self.posts()) * 7, self.days.into())
    }

    /// N(views) / videos posted by the end. Null without a video.
    fn views_per_post(self) -> Option<Decimal4> {
        let posted = self.levels.posts(self.end);
        Decimal4::quotient(self.gained(Counter::Views)?, posted.into())
    }

    /// S = C(F) and the baselines inside; null for derived figures.
    pub fn start_value(self, formula: Formula) -> Option<i64> {
        match formula {
            Formula::Counter(counter) => {
                let start = self.levels.counter(counter, self.start);
                let end = self.levels.counter(counter, self.end);
                (end.units > 0).then(|| saturated(start.value + end.base - start.base))
            }
            Formula::Posts => Some(self.levels.posts(self.start)),
            _ => None,
        }
    }

    /// Whether a first reading of what goes into the figure lies in it.
    pub fn holds_baseline(self, formula: Formula) -> bool {
        formula.inputs().counters().any(|counter| {
            let start = self.levels.counter(counter, self.start);
            self.levels.counter(counter, self.end).units > start.units
        })
    }
}

/// (v - v') / v' * 100. Null if v' is not positive.
fn growth(value: i128, before: i128) -> Option<Decimal4> {
    (before > 0).then(|| Decimal4::quotient((value - before) * 100, before))?
}

fn count(value: i128) -> Value {
    Value::Count(saturated(value))
}

/// Sums of readings of at most 2^53 leave 64 bits only where readings are absurd.
pub(crate) fn saturated(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
