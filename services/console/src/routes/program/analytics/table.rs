//! The same figures as a table.

use api::v1::{Analytics, Series};

use super::choices;
use super::picture::{Shown, buckets};
use crate::routes::program::names::NOTHING;

/// One row for each bucket, one column for each line.
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
    pub totals: Vec<String>,
}

/// A bucket.
pub struct Row {
    pub bucket: String,
    /// What is to be known of it.
    pub note: Option<&'static str>,
    pub cells: Vec<String>,
}

impl Table {
    /// Of an answer. By video the whole, which no line shows, has a column too.
    pub fn new(found: &Analytics, shown: &[Shown<'_>]) -> Self {
        let unit = choices::unit(&found.unit);
        let whole = found
            .series
            .iter()
            .filter(|_| !found.breakdown_series.is_empty());
        let whole = whole.map(|series| (series.entity_ref.label.clone(), series));
        let lines = shown
            .iter()
            .map(|shown| (shown.label.clone(), shown.series));
        let columns: Vec<(String, &Series)> = whole.chain(lines).collect();
        let (named, of) = (buckets(found), |figure| choices::figure(figure, unit));
        let points = found.series.first().map(|series| series.points.as_slice());
        let rows = (0..)
            .zip(points.unwrap_or_default())
            .map(|(n, point): (usize, _)| Row {
                bucket: named.title(point.t),
                note: match (point.is_partial, point.is_baseline) {
                    (true, true) => Some("not whole, with a first reading"),
                    (true, false) => Some("not whole"),
                    (false, true) => Some("with a first reading"),
                    (false, false) => None,
                },
                cells: columns
                    .iter()
                    .map(|(_, series)| series.points.get(n).and_then(|point| point.value))
                    .map(|value| value.map_or_else(|| NOTHING.to_owned(), of))
                    .collect(),
            });
        let rows = rows.collect();
        let totals = columns.iter().map(|(_, series)| series.total);
        let totals = totals.map(|total| total.map_or_else(|| NOTHING.to_owned(), of));
        Self {
            rows,
            totals: totals.collect(),
            columns: columns.into_iter().map(|(label, _)| label).collect(),
        }
    }
}
