//! A metric with what it is computed from.

use super::metric::{BaseMetric, Counter, EntityKind, Metric};

/// A metric and, for growth, of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    metric: Metric,
    base: Option<BaseMetric>,
    formula: Formula,
}

/// How a metric is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Formula {
    /// From readings of one counter.
    Counter(Counter),
    /// From post times.
    Posts,
    /// Engagement per view gained.
    EngagementByViews,
    /// Engagement per follower at the end.
    EngagementByFollowers,
    /// Posts brought to seven days.
    PostsPerWeek,
    /// Views gained per video posted by the end.
    ViewsPerPost,
    /// Change of what was gained against what was gained before.
    GrowthOfGain(Counter),
    /// Change of a count against the count before.
    GrowthOfCount(Counter),
    /// Change of the posts made by the end against those made before.
    GrowthOfPosts,
}

/// Which counters, and whether posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inputs(u8);

/// One thing that roll-ups hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// A counter.
    Counter(Counter),
    /// Posts.
    Posts,
}

const POSTS: u8 = 1 << Counter::COUNT;

impl Measure {
    /// A base goes with growth and only there: else `None`.
    pub const fn new(metric: Metric, base: Option<BaseMetric>) -> Option<Self> {
        let formula = match (Formula::of(metric), base) {
            (Some(formula), None) => formula,
            (None, Some(base)) => Formula::growth_of(base),
            _ => return None,
        };
        Some(Self {
            metric,
            base,
            formula,
        })
    }

    /// The metric.
    pub const fn metric(self) -> Metric {
        self.metric
    }

    /// Of what growth is shown.
    pub const fn base(self) -> Option<BaseMetric> {
        self.base
    }

    /// Whether it can be asked of this kind of entity.
    pub fn applies_to(self, entity: EntityKind) -> bool {
        let base = self.base.map(BaseMetric::metric);
        self.metric.applies_to(entity) && base.is_none_or(|base| base.applies_to(entity))
    }

    /// What it is computed from.
    pub const fn inputs(self) -> Inputs {
        self.formula.inputs()
    }

    pub(crate) const fn formula(self) -> Formula {
        self.formula
    }
}

impl Formula {
    /// Of a metric that has no base.
    const fn of(metric: Metric) -> Option<Self> {
        Some(match metric {
            Metric::Views => Self::Counter(Counter::Views),
            Metric::Likes => Self::Counter(Counter::Likes),
            Metric::Comments => Self::Counter(Counter::Comments),
            Metric::Shares => Self::Counter(Counter::Shares),
            Metric::Saves => Self::Counter(Counter::Saves),
            Metric::Followers => Self::Counter(Counter::Followers),
            Metric::Posts => Self::Posts,
            Metric::EngagementRateByViews => Self::EngagementByViews,
            Metric::EngagementRateByFollowers => Self::EngagementByFollowers,
            Metric::PostsPerWeek => Self::PostsPerWeek,
            Metric::AvgViewsPerPost => Self::ViewsPerPost,
            Metric::GrowthRatePop => return None,
        })
    }

    const fn growth_of(base: BaseMetric) -> Self {
        match base {
            BaseMetric::Views => Self::GrowthOfGain(Counter::Views),
            BaseMetric::Likes => Self::GrowthOfGain(Counter::Likes),
            BaseMetric::Comments => Self::GrowthOfGain(Counter::Comments),
            BaseMetric::Shares => Self::GrowthOfGain(Counter::Shares),
            BaseMetric::Saves => Self::GrowthOfGain(Counter::Saves),
            BaseMetric::Followers => Self::GrowthOfCount(Counter::Followers),
            BaseMetric::Posts => Self::GrowthOfPosts,
        }
    }

    /// What it is computed from.
    pub const fn inputs(self) -> Inputs {
        match self {
            Self::Counter(counter) | Self::GrowthOfGain(counter) | Self::GrowthOfCount(counter) => {
                Inputs::NONE.with(counter)
            }
            Self::Posts | Self::PostsPerWeek | Self::GrowthOfPosts => Inputs::NONE.with_posts(),
            Self::EngagementByViews => Inputs::ENGAGEMENT.with(Counter::Views),
            Self::EngagementByFollowers => Inputs::ENGAGEMENT.with(Counter::Followers),
            Self::ViewsPerPost => Inputs::NONE.with(Counter::Views).with_posts(),
        }
    }

    /// Whether it is computed from other metrics.
    pub const fn is_derived(self) -> bool {
        !matches!(self, Self::Counter(_) | Self::Posts)
    }
}

impl Inputs {
    /// None.
    pub const NONE: Self = Self(0);
    /// All counters, and posts.
    pub const ALL: Self = Self(POSTS | (POSTS - 1));
    const ENGAGEMENT: Self = Self::NONE
        .with(Counter::Likes)
        .with(Counter::Comments)
        .with(Counter::Shares)
        .with(Counter::Saves);

    /// And this counter.
    #[must_use]
    pub const fn with(self, counter: Counter) -> Self {
        Self(self.0 | 1 << counter.index())
    }

    /// And those.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// And posts.
    #[must_use]
    pub const fn with_posts(self) -> Self {
        Self(self.0 | POSTS)
    }

    /// Whether posts are among them.
    pub const fn has_posts(self) -> bool {
        self.0 & POSTS != 0
    }

    /// The counters.
    pub fn counters(self) -> impl Iterator<Item = Counter> {
        let has = move |counter: &Counter| self.0 & (1 << counter.index()) != 0;
        Counter::ALL.into_iter().filter(has)
    }

    /// Each of them.
    pub(crate) fn each(self) -> impl Iterator<Item = Input> {
        let posts = self.has_posts().then_some(Input::Posts);
        self.counters().map(Input::Counter).chain(posts)
    }
}

impl Input {
    /// The counter's place, or for posts the one behind all.
    pub const fn place(self) -> usize {
        match self {
            Self::Counter(counter) => counter.index(),
            Self::Posts => Counter::COUNT,
        }
    }
}
