//! Series as v1 writes them (v1-contract.md 15.4).

use api::v1::{Analytics, EntityRef, Figure, Point, Series};
use read_model::analytics::{Point as FoundPoint, Value};
use read_model::{AnalyticsRequest, EntitySeries};

/// The answer to a request.
pub fn analytics(
    request: &AnalyticsRequest,
    found: &[EntitySeries],
    tier_retention_days: Option<u64>,
) -> Analytics {
    let calendar = &request.calendar;
    Analytics {
        entity: request.entity.name(),
        metric: request.metric.name(),
        mode: (!request.metric.is_derived()).then(|| request.mode.name()),
        granularity: calendar.granularity().name(),
        bucket_days: calendar.granularity().bucket_days(),
        base_metric: None,
        unit: request.metric.unit().name(),
        from: calendar.from(),
        to: calendar.to(),
        tz: calendar.tz().name().to_owned(),
        series: found.iter().map(series).collect(),
        compare_series: Vec::new(),
        breakdown_series: Vec::new(),
        annotations: Vec::new(),
        tier_retention_days,
    }
}

fn series(found: &EntitySeries) -> Series {
    Series {
        entity_ref: EntityRef {
            kind: found.entity.kind.name(),
            id: found.entity.id.as_hyphenated().to_string(),
            label: found.entity.label.clone(),
        },
        points: found.series.points.iter().map(point).collect(),
        total: found.series.total.map(figure),
        start_value: found.series.start_value,
    }
}

fn point(found: &FoundPoint) -> Point {
    Point {
        t: found.first_day,
        value: found.value.map(figure),
        is_partial: found.is_partial,
        is_baseline: found.is_baseline,
        last_day: found.last_day,
    }
}

fn figure(value: Value) -> Figure {
    match value {
        Value::Count(count) => Figure::Count(count),
        Value::Decimal(decimal) => {
            let scaled = decimal.scaled();
            let bound = if scaled < 0 { i64::MIN } else { i64::MAX };
            Figure::Decimal(i64::try_from(scaled).unwrap_or(bound))
        }
    }
}
