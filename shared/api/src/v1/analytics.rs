//! `GET /analytics` (v1-contract.md 15.4, 15.5).

use std::borrow::Cow;
use std::fmt;

use chrono::NaiveDate;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

use super::annotations::Annotation;
use super::names::{
    AnalyticsEntityName, BaseMetricName, GranularityName, MetricName, ModeName, UnitName,
};
use crate::csv::Csv;

/// Columns of the CSV form.
pub const CSV_HEADER: [&str; 12] = [
    "series_kind",
    "entity_type",
    "entity_id",
    "entity_label",
    "metric",
    "mode",
    "granularity",
    "bucket_start",
    "bucket_end",
    "value",
    "is_partial",
    "is_baseline",
];

/// A figure: a count, or a derived one with four decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Exact; negative where readings dropped.
    Count(i64),
    /// Ten-thousandths.
    Decimal(i64),
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Count(count) => count.fmt(f),
            Self::Decimal(scaled) => {
                let sign = if scaled < 0 { "-" } else { "" };
                let magnitude = scaled.unsigned_abs();
                let (whole, fraction) = (magnitude / 10_000, magnitude % 10_000);
                if fraction == 0 {
                    return write!(f, "{sign}{whole}");
                }
                let digits = format!("{fraction:04}");
                write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
            }
        }
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Count(count) => serializer.serialize_i64(count),
            Self::Decimal(scaled) if scaled % 10_000 == 0 => {
                serializer.serialize_i64(scaled / 10_000)
            }
            #[expect(
                clippy::cast_precision_loss,
                reason = "exact below 2^53, beyond it the nearest is meant"
            )]
            Self::Decimal(scaled) => serializer.serialize_f64(scaled as f64 / 10_000.0),
        }
    }
}

/// Of what was written, the number comes back; a derived figure without decimals as a count.
impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FigureVisitor)
    }
}

struct FigureVisitor;

impl Visitor<'_> for FigureVisitor {
    type Value = Figure;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_i64<E: Error>(self, count: i64) -> Result<Figure, E> {
        Ok(Figure::Count(count))
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<Figure, E> {
        i64::try_from(count).map(Figure::Count).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Figure, E> {
        let scaled = (value * 10_000.0).round();
        // A float keeps 53 bits, so what is larger had no decimals of its own.
        if scaled.abs() > 9_007_199_254_740_992.0 {
            return Err(E::custom("a figure beyond what is exact"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounded, and within 53 bits"
        )]
        Ok(Figure::Decimal(scaled as i64))
    }
}

impl utoipa::PartialSchema for Figure {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Number))
            .description(Some(
                "An integer for counts; at most four decimals for derived metrics.",
            ))
            .examples([1_200])
            .into()
    }
}

impl ToSchema for Figure {}

/// An answer of analytics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Analytics {
    /// Of what.
    #[schema(value_type = AnalyticsEntityName, example = "creator")]
    pub entity: Cow<'static, str>,
    /// What is shown.
    #[schema(value_type = MetricName)]
    pub metric: Cow<'static, str>,
    /// Null for derived metrics.
    #[schema(value_type = Option<ModeName>, required)]
    pub mode: Option<Cow<'static, str>>,
    /// Width of a bucket.
    #[schema(value_type = GranularityName)]
    pub granularity: Cow<'static, str>,
    /// Days of a custom bucket.
    #[schema(example = json!(null), required)]
    pub bucket_days: Option<u16>,
    /// Of which metric the growth is shown.
    #[schema(value_type = Option<BaseMetricName>, example = json!(null), required)]
    pub base_metric: Option<Cow<'static, str>>,
    /// What the values count in.
    #[schema(value_type = UnitName)]
    pub unit: Cow<'static, str>,
    /// The first day.
    #[schema(example = "2026-01-01")]
    pub from: NaiveDate,
    /// The last day.
    #[schema(example = "2026-01-31")]
    pub to: NaiveDate,
    /// The zone in which days begin.
    #[schema(example = "Europe/Berlin")]
    pub tz: String,
    /// One per entity, in the order asked.
    pub series: Vec<Series>,
    /// The same entities over as many days just before.
    pub compare_series: Vec<Series>,
    /// The videos with the highest totals, and all others together.
    pub breakdown_series: Vec<Series>,
    /// Marks on the time axis, newest first, at most 200.
    pub annotations: Vec<Annotation>,
    /// Days of history of the org's plan; null: unlimited.
    #[schema(example = 365, required)]
    pub tier_retention_days: Option<u64>,
}

/// The figures of one entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// Whose.
    pub entity_ref: EntityRef,
    /// One per bucket up to now, without gaps.
    pub points: Vec<Point>,
    /// `new`: the sum; `cumulative`: the last value; derived: of the whole range.
    #[schema(value_type = Option<Figure>, required)]
    pub total: Option<Figure>,
    /// Cumulative at the start; null for derived metrics.
    #[schema(example = 91_000, required)]
    pub start_value: Option<i64>,
}

/// An entity of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntityRef {
    /// What it is.
    #[serde(rename = "type")]
    #[schema(value_type = AnalyticsEntityName, example = "creator")]
    pub kind: Cow<'static, str>,
    /// Its id, or `__other__`.
    #[schema(example = "0192f0c1-2b7e-7c00-8000-00000000abcd")]
    pub id: String,
    /// Its name, title or handle.
    #[schema(example = "charlidamelio")]
    pub label: String,
}

/// A bucket of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// The bucket's first day inside the range.
    #[schema(example = "2026-01-01")]
    pub t: NaiveDate,
    /// Null if nothing was reported.
    #[schema(value_type = Option<Figure>, required)]
    pub value: Option<Figure>,
    /// Not over yet, or clipped by the range.
    #[schema(example = false)]
    pub is_partial: bool,
    /// A first reading of the metric lies in it.
    #[schema(example = true)]
    pub is_baseline: bool,
    /// The bucket's last day inside the range: in the CSV form only.
    #[serde(skip)]
    pub last_day: NaiveDate,
}

impl Analytics {
    /// The same figures as one flat file.
    pub fn to_csv(&self) -> Csv {
        let mut csv = Csv::new(&CSV_HEADER);
        let kinds = [
            ("main", &self.series),
            ("compare", &self.compare_series),
            ("breakdown", &self.breakdown_series),
        ];
        for (kind, list) in kinds {
            for series in list {
                for point in &series.points {
                    csv.plain(kind)
                        .plain(&series.entity_ref.kind)
                        .plain(&series.entity_ref.id)
                        .text(&series.entity_ref.label)
                        .plain(&self.metric)
                        .maybe(self.mode.as_ref())
                        .plain(&self.granularity)
                        .plain(point.t)
                        .plain(point.last_day)
                        .maybe(point.value)
                        .plain(point.is_partial)
                        .plain(point.is_baseline)
                        .end_row();
                }
            }
        }
        csv
    }

    /// The file's name.
    pub fn csv_name(&self) -> String {
        format!(
            "trackagoat_{}_{}_{}_{}.csv",
            self.entity, self.metric, self.from, self.to
        )
    }
}
