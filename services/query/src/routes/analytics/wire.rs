//! Series as v1 writes them (v1-contract.md 15.4).

use api::v1::{Analytics, EntityRef, Point, Series};
use read_model::analytics::Point as FoundPoint;
use read_model::{AnalyticsAnswer, AnalyticsRequest, Annotation, EntitySeries};

use crate::routes::annotations;
use crate::routes::figures::figure;

/// The id of all other videos of a breakdown together.
const OTHERS: &str = "__other__";

/// The answer to a request.
pub fn analytics(
    request: &AnalyticsRequest,
    found: &AnalyticsAnswer,
    marks: &[Annotation],
    tier_retention_days: Option<u64>,
) -> Analytics {
    let (calendar, metric) = (&request.calendar, request.measure.metric());
    let all = |found: &[EntitySeries]| found.iter().map(series).collect();
    Analytics {
        entity: request.entity.name().into(),
        metric: metric.name().into(),
        mode: (!metric.is_derived()).then(|| request.mode.name().into()),
        granularity: calendar.granularity().name().into(),
        bucket_days: calendar.granularity().bucket_days(),
        base_metric: request.measure.base().map(|base| base.name().into()),
        unit: metric.unit().name().into(),
        from: calendar.from(),
        to: calendar.to(),
        tz: calendar.tz().name().to_owned(),
        series: all(&found.series),
        compare_series: all(&found.compare),
        breakdown_series: all(&found.breakdown),
        annotations: marks.iter().map(annotations::wire).collect(),
        tier_retention_days,
    }
}

fn series(found: &EntitySeries) -> Series {
    Series {
        entity_ref: EntityRef {
            kind: found.entity.kind.name().into(),
            id: match found.entity.id {
                Some(id) => id.as_hyphenated().to_string(),
                None => OTHERS.to_owned(),
            },
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
