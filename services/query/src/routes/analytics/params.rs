//! What can be asked for (v1-contract.md 15.1).

use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, RangeParams};
use api::input::text::Text;
use api::v1::{AnalyticsEntityName, BaseMetricName, GranularityName, MetricName, ModeName};
use chrono_tz::Tz;
use domain::limits::{ANALYTICS_ENTITIES, BUCKET_DAYS_MAX};
use read_model::analytics::{
    BaseMetric, BucketDays, EntityKind, Granularity, Measure, Metric, Mode,
};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use uuid::Uuid;

use crate::routes::choices::choices;

/// The parameters.
#[derive(Debug, Clone)]
pub struct AnalyticsParams {
    pub entity: EntityKind,
    pub ids: Vec<Uuid>,
    pub measure: Measure,
    pub mode: Mode,
    pub granularity: Granularity,
    pub range: RangeParams,
    pub tz: Option<Tz>,
    pub with_prior: bool,
    pub by_video: bool,
    pub format: Format,
}

/// In which form the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Csv,
}

impl Format {
    const ALL: [Self; 2] = [Self::Json, Self::Csv];

    const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }
}

const GRANULARITIES: [&str; 4] = ["day", "week", "month", "custom"];
const COMPARISONS: [&str; 1] = ["prior_period"];
const BREAKDOWNS: [&str; 1] = ["video"];

impl FromQuery for AnalyticsParams {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let entity = params.required("entity", Text::from_str::<EntityKind>);
        let ids = params.required("entity_id", |it| it.list(1..=ANALYTICS_ENTITIES, id));
        let metric = params.required("metric", Text::from_str::<Metric>);
        let measure = measure(params, metric, entity);
        let mode = params.optional("mode", Text::from_str);
        let granularity = granularity(params);
        let range = params.range();
        let tz = params.optional("tz", Text::zone);
        let compare = params.optional("compare", |it| it.one_of(&COMPARISONS, |name| name));
        let count = ids.as_ref().map_or(1, Vec::len);
        let by_video = by_video(params, entity, count, metric);
        let format = params.optional("format", |it| it.one_of(&Format::ALL, Format::name));
        Ok(Self {
            entity: entity?,
            ids: ids?,
            measure: measure?,
            mode: mode?.unwrap_or(Mode::New),
            granularity: granularity?,
            range: range?,
            tz: tz?,
            with_prior: compare?.is_some(),
            by_video: by_video?,
            format: format?.unwrap_or(Format::Json),
        })
    }
}

/// What is measured: the metric, and for growth of what.
fn measure(
    params: &mut Params<'_>,
    metric: Result<Metric, Invalid>,
    entity: Result<EntityKind, Invalid>,
) -> Result<Measure, Invalid> {
    let base = params.optional("base_metric", Text::from_str::<BaseMetric>)?;
    let metric = applicable(params, "metric", metric?, entity, &Metric::ALL)?;
    if let Some(base) = base {
        let bases = BaseMetric::ALL.map(BaseMetric::metric);
        applicable(params, "base_metric", base.metric(), entity, &bases)?;
    }
    let misfit = if base.is_some() {
        "goes only with metric=growth_rate_pop"
    } else {
        "is required with metric=growth_rate_pop"
    };
    Measure::new(metric, base).ok_or_else(|| params.invalid("base_metric", misfit))
}

/// Whether by video too, which one entity of some kinds has, for some metrics.
fn by_video(
    params: &mut Params<'_>,
    entity: Result<EntityKind, Invalid>,
    count: usize,
    metric: Result<Metric, Invalid>,
) -> Result<bool, Invalid> {
    let breakdown = params.optional("breakdown", |it| it.one_of(&BREAKDOWNS, |name| name))?;
    if breakdown.is_none() {
        return Ok(false);
    }
    if let Ok(entity) = entity
        && !entity.breaks_down()
    {
        let kinds = EntityKind::ALL
            .into_iter()
            .filter(|kind| kind.breaks_down());
        let kinds: Vec<_> = kinds.map(EntityKind::name).collect();
        let message = format!("goes only with entity={}", kinds.join(", "));
        return Err(params.invalid("breakdown", message));
    }
    if count > 1 {
        return Err(params.invalid("breakdown", "goes with one entity_id"));
    }
    if let Ok(metric) = metric
        && !metric.breaks_down()
    {
        let metrics = Metric::ALL
            .into_iter()
            .filter(|metric| metric.breaks_down());
        let metrics: Vec<_> = metrics.map(Metric::name).collect();
        let message = format!("goes only with metric={}", metrics.join(", "));
        return Err(params.invalid("breakdown", message));
    }
    Ok(true)
}

/// The metric, if the entity has it or is not known.
fn applicable(
    params: &Params<'_>,
    name: &'static str,
    metric: Metric,
    entity: Result<EntityKind, Invalid>,
    all: &[Metric],
) -> Result<Metric, Invalid> {
    let Ok(entity) = entity else {
        return Ok(metric);
    };
    if metric.applies_to(entity) {
        return Ok(metric);
    }
    let known = all.iter().filter(|one| one.applies_to(entity));
    let known: Vec<_> = known.map(|one| one.name()).collect();
    let message = format!("a {entity} has no {metric}; it has {}", known.join(", "));
    Err(params.invalid(name, message))
}

fn id(text: Text<'_>) -> Result<Uuid, Invalid> {
    // Through the door of an id: hyphenated, and nothing else.
    text.from_str::<domain::ids::ProjectId>()
        .map(domain::ids::ProjectId::as_uuid)
}

fn granularity(params: &mut Params<'_>) -> Result<Granularity, Invalid> {
    let name = params.optional("granularity", |it| it.one_of(&GRANULARITIES, |name| name));
    let days = params.optional("bucket_days", |it| {
        it.decimal(1..=u64::from(BUCKET_DAYS_MAX))
    });
    let days = days?.and_then(|days| u16::try_from(days).ok());
    match (name?.unwrap_or("day"), days.and_then(BucketDays::new)) {
        ("custom", Some(days)) => Ok(Granularity::Custom(days)),
        ("custom", None) => Err(params.invalid("bucket_days", "goes with granularity=custom")),
        (_, Some(_)) => Err(params.invalid("bucket_days", "goes only with granularity=custom")),
        ("week", None) => Ok(Granularity::Week),
        ("month", None) => Ok(Granularity::Month),
        (_, None) => Ok(Granularity::Day),
    }
}

/// The same parameters, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here")]
struct Described {
    /// Whose figures.
    #[param(value_type = AnalyticsEntityName)]
    entity: String,
    /// Up to 10 different ids, with commas between.
    #[param(min_items = 1, max_items = 10, style = Form, explode = false)]
    entity_id: Vec<Uuid>,
    /// What is measured; of videos only their counts, `engagement_rate_by_views` and
    /// `growth_rate_pop`.
    #[param(value_type = MetricName)]
    metric: String,
    /// Of what growth is shown; with `growth_rate_pop` and only there. Not followers and posts of
    /// videos.
    #[param(value_type = Option<BaseMetricName>)]
    base_metric: Option<String>,
    /// Gained in the bucket, or the running total; derived metrics ignore it.
    #[param(value_type = Option<ModeName>, default = "new")]
    mode: Option<String>,
    /// Width of a bucket; weeks begin on Monday.
    #[param(value_type = Option<GranularityName>, default = "day")]
    granularity: Option<String>,
    /// Days of a bucket, counted from `from`; with `custom` and only there.
    #[param(minimum = 1, maximum = 90, example = 7)]
    bucket_days: Option<u16>,
    /// First day; 29 days before `to` unless given.
    #[param(example = "2026-01-01")]
    from: Option<chrono::NaiveDate>,
    /// Last day; today unless given.
    #[param(example = "2026-01-31")]
    to: Option<chrono::NaiveDate>,
    /// IANA zone in which days begin; the org's unless given.
    #[param(example = "Europe/Berlin")]
    tz: Option<String>,
    /// Also over as many days just before `from`.
    #[param(value_type = Option<Comparisons>, inline)]
    compare: Option<String>,
    /// Also by video: for one creator or campaign, and views, likes, comments, shares, saves or
    /// `engagement_rate_by_views`.
    #[param(value_type = Option<Breakdowns>, inline)]
    breakdown: Option<String>,
    /// Form of the answer.
    #[param(value_type = Option<Formats>, inline)]
    format: Option<String>,
}

choices! {
    Comparisons: COMPARISONS, None;
    Breakdowns: BREAKDOWNS, None;
    Formats: Format::ALL.map(Format::name), Some("json");
}

impl IntoParams for AnalyticsParams {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::into_params(place)
    }
}
