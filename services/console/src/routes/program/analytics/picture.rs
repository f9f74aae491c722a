//! An answer of analytics as a chart.

use std::fmt::Write;

use api::v1::{Analytics, Annotation, Point, Series};

use super::choices::{self, Buckets};
use super::value_of;
use crate::chart::{self, Bucket, Line, Mark, Style};
use crate::text;

/// The id of all other videos together.
const OTHERS: &str = "__other__";
/// Marks of one bucket that are named where a pointer rests; of more, how many there are.
const NAMED: usize = 5;

/// A line of a chart, with what its legend says.
pub struct Shown<'a> {
    pub series: &'a Series,
    pub label: String,
    pub style: Style,
}

/// The lines to draw. By video the whole is left out: beside it nobody could tell its parts apart.
pub fn shown(found: &Analytics) -> Vec<Shown<'_>> {
    let is_single = found.series.len() == 1;
    let main = (0..).zip(&found.series).map(|(n, series)| Shown {
        series,
        label: series.entity_ref.label.clone(),
        style: Style::Nth(n),
    });
    let prior = found.compare_series.iter().map(|series| Shown {
        series,
        label: if is_single {
            "Period before".to_owned()
        } else {
            format!("{}, period before", series.entity_ref.label)
        },
        style: Style::Prior,
    });
    let videos = (0..).zip(&found.breakdown_series).map(|(n, series)| Shown {
        series,
        label: label_of(series),
        style: if series.entity_ref.id == OTHERS {
            Style::Rest
        } else {
            Style::Nth(n)
        },
    });
    if found.breakdown_series.is_empty() {
        main.chain(prior).collect()
    } else {
        videos.chain(prior).collect()
    }
}

fn label_of(series: &Series) -> String {
    if series.entity_ref.id == OTHERS {
        return "All others".to_owned();
    }
    let label = super::super::names::titled(Some(&series.entity_ref.label));
    label.unwrap_or_else(|| "Without a title".to_owned())
}

/// What the chart shows, in one line.
pub fn title(found: &Analytics) -> String {
    let metric = match &found.base_metric {
        Some(base) => format!("Growth of {}", choices::metric(base).to_lowercase()),
        None => choices::metric(&found.metric),
    };
    let buckets = buckets(found);
    match found.mode.as_deref() {
        Some("cumulative") => format!("{metric}, running total by {}", buckets.width()),
        Some(_) if found.metric != "posts" => format!("{metric} gained by {}", buckets.width()),
        _ => format!("{metric} by {}", buckets.width()),
    }
}

/// Its days and its zone.
pub fn span(found: &Analytics) -> String {
    let (from, to) = (text::day(found.from), text::day(found.to));
    if from == to {
        return format!("{from}, {}", found.tz);
    }
    format!("{from} to {to}, {}", found.tz)
}

/// Buckets of an answer.
pub fn buckets(found: &Analytics) -> Buckets {
    Buckets::new(&found.granularity, found.bucket_days, found.from, found.to)
}

/// The chart.
pub fn line(found: &Analytics, shown: &[Shown<'_>]) -> Line {
    let unit = choices::unit(&found.unit);
    let points = found.series.first().map(|series| series.points.as_slice());
    let points = points.unwrap_or_default();
    let lines = shown.iter().map(|shown| chart::Series {
        style: shown.style,
        values: (0..points.len())
            .map(|n| Some(value_of(shown.series.points.get(n)?.value?)))
            .collect(),
    });
    Line {
        title: title(found),
        description: description(found, shown),
        unit,
        buckets: (0..)
            .zip(points)
            .map(|(n, point)| bucket(found, shown, n, point))
            .collect(),
        series: lines.collect(),
        marks: marks(&found.annotations, points),
    }
}

fn description(found: &Analytics, shown: &[Shown<'_>]) -> String {
    let unit = choices::unit(&found.unit);
    let totals = shown.iter().map(|shown| {
        let total = shown.series.total;
        let total = total.map_or_else(
            || "nothing reported".to_owned(),
            |total| choices::figure(total, unit),
        );
        format!("{}: {total}", shown.label)
    });
    let totals: Vec<_> = totals.collect();
    format!(
        "{}. {}. All figures stand in the table below.",
        span(found),
        totals.join("; ")
    )
}

fn bucket(found: &Analytics, shown: &[Shown<'_>], n: usize, point: &Point) -> Bucket {
    let buckets = buckets(found);
    let unit = choices::unit(&found.unit);
    let mut hint = buckets.title(point.t);
    if point.is_partial {
        hint.push_str(" (not whole)");
    }
    for shown in shown {
        let value = shown.series.points.get(n).and_then(|point| point.value);
        let value = value.map_or_else(
            || "nothing reported".to_owned(),
            |value| choices::figure(value, unit),
        );
        // Writing to a string does not fail.
        let _ = write!(hint, "\n{}: {value}", shown.label);
    }
    Bucket {
        label: buckets.label(point.t),
        hint,
        is_partial: point.is_partial,
    }
}

/// One mark for each bucket in which something happened.
fn marks(annotations: &[Annotation], points: &[Point]) -> Vec<Mark> {
    let mut marks: Vec<(usize, Vec<String>)> = Vec::new();
    for annotation in annotations {
        // The last bucket that begins before it or with it.
        let Some(bucket) = points
            .partition_point(|point| point.t <= annotation.date)
            .checked_sub(1)
        else {
            continue;
        };
        let told = told(annotation);
        match marks.iter_mut().find(|(of, _)| *of == bucket) {
            Some((_, all)) => all.push(told),
            None => marks.push((bucket, vec![told])),
        }
    }
    let marks = marks.into_iter().map(|(bucket, told)| {
        let mut title = told
            .iter()
            .take(NAMED)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n");
        if let more @ 1.. = told.len().saturating_sub(NAMED) {
            let _ = write!(title, "\nand {more} more");
        }
        Mark { bucket, title }
    });
    marks.collect()
}

/// A mark in words.
pub fn told(annotation: &Annotation) -> String {
    let day = text::day(annotation.date);
    match annotation.kind.as_str() {
        "note" => format!("{day}: {}", annotation.label),
        kind => format!("{day}, {}: {}", text::words(kind), annotation.label),
    }
}

#[cfg(test)]
mod tests {
    use api::v1::Analytics;
    use serde_json::{Value, json};

    use super::{line, shown, title};
    use crate::chart::{Style, WIDE};

    fn series(id: &str, label: &str, values: &[Value]) -> Value {
        let points = (1..).zip(values).map(|(day, value)| {
            json!({"t": format!("2026-01-{day:02}"), "value": value, "is_partial": false, "is_baseline": false})
        });
        let points: Vec<_> = points.collect();
        json!({"entity_ref": {"type": "video", "id": id, "label": label}, "points": points, "total": 3, "start_value": 0})
    }

    fn answer(breakdown: &[Value], marks: usize) -> Analytics {
        let mark = json!({
            "id": "00000000-0000-0000-0000-000000000001", "project_id": "00000000-0000-0000-0000-000000000002",
            "entity": null, "kind": "creator_added", "source": "system", "date": "2026-01-02", "label": "<b>@ada</b>",
            "body": null, "created_by": {"type": "system", "id": null},
            "created_at": "2026-01-02T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z",
        });
        let answer = json!({
            "entity": "creator", "metric": "views", "mode": "new", "granularity": "day", "bucket_days": null,
            "base_metric": null, "unit": "count", "from": "2026-01-01", "to": "2026-01-03", "tz": "UTC",
            "series": [series("a", "Ada", &[json!(1), json!(null), json!(-2)])],
            "compare_series": [series("a", "Ada", &[json!(4), json!(5), json!(6)])],
            "breakdown_series": breakdown, "annotations": vec![mark; marks], "tier_retention_days": null,
        });
        serde_json::from_value(answer).expect("an answer")
    }

    #[test]
    fn the_time_before_is_dashed_and_has_a_name_of_its_own() {
        let found = answer(&[], 0);
        let shown = shown(&found);
        assert_eq!(title(&found), "Views gained by day");
        let labels: Vec<_> = shown.iter().map(|shown| shown.label.as_str()).collect();
        assert_eq!(labels, ["Ada", "Period before"]);
        let drawn = line(&found, &shown).draw(&WIDE);
        assert!(
            drawn.contains("2 Jan 2026\nAda: nothing reported\nPeriod before: 5"),
            "{drawn}"
        );
        assert!(drawn.contains("stroke-dasharray=\"5 5\""), "{drawn}");
    }

    #[test]
    fn by_video_the_parts_are_shown_and_all_others_last() {
        let part = [
            series("v", "  ", &[json!(1)]),
            series("__other__", "Other", &[json!(0)]),
        ];
        let found = answer(&part, 0);
        let looks: Vec<_> = shown(&found)
            .into_iter()
            .map(|shown| (shown.label, shown.style))
            .collect();
        assert_eq!(looks[0], ("Without a title".to_owned(), Style::Nth(0)));
        assert_eq!(looks[1], ("All others".to_owned(), Style::Rest));
        assert_eq!(looks[2].1, Style::Prior);
    }

    #[test]
    fn many_marks_of_a_day_are_one_flag() {
        let found = answer(&[], 200);
        let drawn = line(&found, &shown(&found)).draw(&WIDE);
        assert_eq!(drawn.matches("class=\"mark\"").count(), 1);
        assert!(drawn.contains("and 195 more"), "{drawn}");
        assert!(!drawn.contains("<b>"), "{drawn}");
    }
}
