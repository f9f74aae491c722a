//! What can be chosen for a chart, and in which words.

use api::v1::Figure;
use chrono::NaiveDate;

use super::Entity;
use crate::chart::Unit;
use crate::text;

/// Metrics, as the API and as people call them.
const METRICS: [(&str, &str); 12] = [
    ("views", "Views"),
    ("likes", "Likes"),
    ("comments", "Comments"),
    ("shares", "Shares"),
    ("saves", "Saves"),
    ("followers", "Followers"),
    ("posts", "Posts"),
    ("engagement_rate_by_views", "Engagement rate by views"),
    (
        "engagement_rate_by_followers",
        "Engagement rate by followers",
    ),
    ("posts_per_week", "Posts per week"),
    ("avg_views_per_post", "Views per post"),
    (GROWTH, "Growth"),
];
/// What only those with several videos have.
const NOT_OF_VIDEOS: [&str; 5] = [
    "followers",
    "posts",
    "engagement_rate_by_followers",
    "posts_per_week",
    "avg_views_per_post",
];
/// What can grow: the first so many of the metrics.
const BASES: usize = 7;
/// What can be shown by video.
const BY_VIDEO: [&str; 6] = [
    "views",
    "likes",
    "comments",
    "shares",
    "saves",
    "engagement_rate_by_views",
];

/// The metric that needs another one.
pub const GROWTH: &str = "growth_rate_pop";

/// The granularity that needs a number of days.
pub const CUSTOM: &str = "custom";

pub const MODES: [(&str, &str); 2] = [("new", "gained"), ("cumulative", "running total")];
pub const GRANULARITIES: [(&str, &str); 4] = [
    ("day", "day"),
    ("week", "week"),
    ("month", "month"),
    (CUSTOM, "several days"),
];

/// Metrics of an entity.
pub fn metrics(entity: Entity) -> Vec<(&'static str, &'static str)> {
    let metrics = METRICS.into_iter();
    metrics.filter(|(name, _)| has(entity, name)).collect()
}

/// Metrics whose growth can be shown.
pub fn bases(entity: Entity) -> Vec<(&'static str, &'static str)> {
    let bases = METRICS.into_iter().take(BASES);
    bases.filter(|(name, _)| has(entity, name)).collect()
}

/// Whether a metric can be shown as gained, or as a running total: rates cannot.
pub fn has_mode(metric: &str) -> bool {
    let bases = METRICS.into_iter().take(BASES);
    bases.into_iter().any(|(name, _)| name == metric)
}

fn has(entity: Entity, metric: &str) -> bool {
    entity != Entity::Video || !NOT_OF_VIDEOS.contains(&metric)
}

/// Whether a metric of an entity can be shown by video.
pub fn breaks_down(entity: Entity, metric: &str) -> bool {
    entity.breaks_down() && BY_VIDEO.contains(&metric)
}

/// A metric as people call it.
pub fn metric(name: &str) -> String {
    let found = METRICS.iter().find(|(metric, _)| *metric == name);
    found.map_or_else(|| text::words(name), |(_, label)| (*label).to_owned())
}

/// What a unit of the API is on an axis.
pub fn unit(name: &str) -> Unit {
    match name {
        "count" => Unit::Count,
        "percent" => Unit::Percent,
        _ => Unit::Rate,
    }
}

/// A figure in full: grouped, with all its decimals.
pub fn figure(figure: Figure, unit: Unit) -> String {
    let percent = if unit == Unit::Percent {
        "\u{202f}%"
    } else {
        ""
    };
    let text = match figure {
        Figure::Count(count) => text::signed(count.into()),
        Figure::Decimal(scaled) => {
            let minus = if scaled < 0 { "\u{2212}" } else { "" };
            let whole = text::number(scaled.unsigned_abs() / 10_000);
            let fraction = format!("{:04}", scaled.unsigned_abs() % 10_000);
            match fraction.trim_end_matches('0') {
                "" => format!("{minus}{whole}"),
                fraction => format!("{minus}{whole}.{fraction}"),
            }
        }
    };
    format!("{text}{percent}")
}

/// Buckets, as they are written below an axis and in a table.
#[derive(Debug, Clone, Copy)]
pub struct Buckets {
    days: Option<u16>,
    unit: Width,
    spans_years: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Day,
    Week,
    Month,
    Custom,
}

impl Buckets {
    /// Of an answer.
    pub fn new(granularity: &str, days: Option<u16>, from: NaiveDate, to: NaiveDate) -> Self {
        use chrono::Datelike;

        let unit = match granularity {
            "week" => Width::Week,
            "month" => Width::Month,
            CUSTOM => Width::Custom,
            _ => Width::Day,
        };
        let spans_years = from.year() != to.year();
        Self {
            days,
            unit,
            spans_years,
        }
    }

    /// Below an axis.
    pub fn label(self, first: NaiveDate) -> String {
        let format = match (self.unit, self.spans_years) {
            (Width::Month, _) => "%b %Y",
            (_, false) => "%-d %b",
            (_, true) => "%-d %b %y",
        };
        first.format(format).to_string()
    }

    /// In a table.
    pub fn title(self, first: NaiveDate) -> String {
        match self.unit {
            Width::Day => text::day(first),
            Width::Week => format!("week of {}", text::day(first)),
            Width::Month => first.format("%B %Y").to_string(),
            Width::Custom => format!("{} from {}", self.width(), text::day(first)),
        }
    }

    /// How long one is.
    pub fn width(self) -> String {
        match self.unit {
            Width::Day => "day".to_owned(),
            Width::Week => "week".to_owned(),
            Width::Month => "month".to_owned(),
            Width::Custom => text::plural(self.days.unwrap_or(1).into(), "day"),
        }
    }
}

#[cfg(test)]
mod tests {
    use api::v1::Figure;

    use super::{Buckets, bases, breaks_down, figure, metrics};
    use crate::chart::Unit;
    use crate::routes::program::analytics::Entity;

    #[test]
    fn a_video_has_fewer_metrics() {
        let names = |list: Vec<(&'static str, &str)>| {
            list.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(metrics(Entity::Project)).len(), 12);
        assert_eq!(
            names(metrics(Entity::Video)),
            [
                "views",
                "likes",
                "comments",
                "shares",
                "saves",
                "engagement_rate_by_views",
                "growth_rate_pop"
            ]
        );
        assert_eq!(names(bases(Entity::Creator)).last(), Some(&"posts"));
        assert_eq!(names(bases(Entity::Video)).last(), Some(&"saves"));
        assert!(breaks_down(Entity::Campaign, "views"));
        assert!(!breaks_down(Entity::Campaign, "posts"));
        assert!(!breaks_down(Entity::Project, "views"));
    }

    #[test]
    fn figures_are_written_in_full() {
        for (value, unit, expected) in [
            (Figure::Count(-1_204), Unit::Count, "\u{2212}1,204"),
            (Figure::Decimal(55_042), Unit::Percent, "5.5042\u{202f}%"),
            (Figure::Decimal(-12_345_000), Unit::Rate, "\u{2212}1,234.5"),
            (Figure::Decimal(30_000), Unit::Rate, "3"),
        ] {
            assert_eq!(figure(value, unit), expected);
        }
    }

    #[test]
    fn buckets_are_called_by_their_first_day() {
        let day = |text: &str| text.parse().expect("a day");
        let (from, to) = (day("2026-01-01"), day("2026-03-31"));
        let buckets = |name, days| Buckets::new(name, days, from, to);
        assert_eq!(buckets("day", None).label(from), "1 Jan");
        assert_eq!(buckets("week", None).title(from), "week of 1 Jan 2026");
        assert_eq!(buckets("month", None).title(from), "January 2026");
        assert_eq!(
            buckets("custom", Some(10)).title(from),
            "10 days from 1 Jan 2026"
        );
        let long = Buckets::new("day", None, day("2025-12-31"), to);
        assert_eq!(long.label(from), "1 Jan 26");
    }
}
