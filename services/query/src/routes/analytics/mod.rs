//! `GET /analytics` (v1-contract.md 15).

mod params;
mod wire;

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Issues;
use api::input::query::StrictQuery;
use api::openapi;
use api::v1::Analytics;
use axum::extract::State;
use axum::response::Response;
use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use domain::ids::{CreatorId, ProjectId, VideoId};
use domain::plan::LimitKey;
use domain::time::Timestamp;
use read_model::analytics::{
    Calendar, CalendarError, EntityKind, day_of, day_start, next_day_start,
};
use read_model::{AnalyticsRequest, Org, Source};
use uuid::Uuid;

use self::params::{AnalyticsParams, Format};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::{Topic, Topics};
use crate::call::Call;

const CSV_EXAMPLE: &str = "series_kind,entity_type,entity_id,entity_label,metric,mode,granularity,\
    bucket_start,bucket_end,value,is_partial,is_baseline\r\n\
    main,project,0192f0c1-2b7e-7c00-8000-00000000abcd,Spring,views,new,day,2026-01-01,2026-01-01,\
    1200,false,true\r\n";

/// Gets series of figures over time.
///
/// One series per entity, one point per bucket. `new` is what was gained in a bucket: over the
/// range it adds up to the cumulative value at the end minus `start_value`, exactly.
#[utoipa::path(
    get,
    path = "/analytics",
    operation_id = "get_analytics",
    params(AnalyticsParams),
    responses((status = 200, description = "The series", content(
        (openapi::Answer<Analytics> = "application/json"),
        (String = "text/csv", example = json!(CSV_EXAMPLE)),
    )))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<AnalyticsParams>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, query.value).await
}

impl Question for AnalyticsParams {
    /// Zone and history of the org, names, statuses, readings: everything but keys.
    const RESTS_ON: Option<Topics> = Some(Topics::of(&[
        Topic::Org,
        Topic::Projects,
        Topic::Creators,
        Topic::Videos,
    ]));

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let (now, org) = (snapshot.now, snapshot.org().await?);
        let tz = match self.tz {
            Some(tz) => tz,
            None => zone_of(&org)?,
        };
        let today = day_of(tz, now);
        let (from, to) = self.range.resolve(today)?;
        let calendar =
            Calendar::try_new(from, to, tz, self.granularity).map_err(|error| refused(&error))?;
        let history = History::of(&org, tz, now);
        if history.earliest.is_some_and(|earliest| from < earliest) {
            snapshot.require_entities(self.entity, &self.ids).await?;
            return Err(history.exceeded());
        }
        let moves = self.range.from.is_none() || self.range.to.is_none();
        let valid_until = [
            calendar.valid_until(now),
            moves.then(|| next_day_start(tz, now)),
            history.leaves_at(from, tz),
            history.until,
        ];
        let valid_until = valid_until.into_iter().flatten().min();
        let request = AnalyticsRequest {
            entity: self.entity,
            ids: self.ids,
            metric: self.metric,
            mode: self.mode,
            calendar,
            now,
        };
        let found = snapshot.reader.analytics(&request, Source::RollUps).await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        let found = found.ok_or_else(ApiError::not_found)?;
        let retention = org.profile.limits.max(LimitKey::StatsHistoryRetentionDays);
        let wire = wire::analytics(&request, &found, retention);
        let rendered = match self.format {
            Format::Json => Rendered::json(&wire, &Meta::none().valid_until(valid_until))?,
            Format::Csv => Rendered::csv(wire.to_csv().take(), &wire.csv_name())?,
        };
        Ok(Answer {
            rendered,
            valid_until,
        })
    }
}

/// How far back answers reach.
struct History {
    days: Option<u64>,
    earliest: Option<NaiveDate>,
    /// When what a downgrade left standing ends.
    until: Option<Timestamp>,
}

impl History {
    fn of(org: &Org, tz: Tz, now: Timestamp) -> Self {
        let days = org.history_days(now);
        let kept = org.kept_history.map(|kept| kept.until);
        Self {
            days,
            earliest: days.map(|days| {
                let first = day_of(tz, now).checked_sub_days(Days::new(days));
                first.unwrap_or(NaiveDate::MIN)
            }),
            until: kept.filter(|until| now < *until),
        }
    }

    fn exceeded(&self) -> ApiError {
        let earliest = self.earliest.unwrap_or(NaiveDate::MIN);
        ApiError::retention_exceeded(self.days.unwrap_or_default(), earliest)
    }

    /// When a range that begins `from` begins before it.
    fn leaves_at(&self, from: NaiveDate, tz: Tz) -> Option<Timestamp> {
        let last = from.checked_add_days(Days::new(self.days?))?;
        Some(day_start(tz, last.succ_opt()?))
    }
}

impl Snapshot<'_> {
    /// 404 unless all of them are there.
    async fn require_entities(&mut self, kind: EntityKind, ids: &[Uuid]) -> Result<(), ApiError> {
        for id in ids {
            match kind {
                EntityKind::Project => {
                    self.require_project(Some(ProjectId::from_uuid(*id)))
                        .await?;
                }
                EntityKind::Creator => {
                    self.require_creator(Some(CreatorId::from_uuid(*id)))
                        .await?;
                }
                EntityKind::Video => self.require_video(VideoId::from_uuid(*id)).await?,
            }
        }
        Ok(())
    }
}

fn zone_of(org: &Org) -> Result<Tz, ApiError> {
    let zone = org.profile.timezone.parse();
    zone.map_err(|_| ApiError::internal("the org's zone is none that this build knows"))
}

fn refused(error: &CalendarError) -> ApiError {
    let name = match error {
        CalendarError::Backwards { .. } => "from",
        CalendarError::TooManyBuckets { .. } => "granularity",
    };
    ApiError::invalid_query(&Issues::one(name, error.to_string()))
}
