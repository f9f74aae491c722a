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
use domain::ids::{CampaignId, CreatorId, ProjectId, VideoId};
use domain::time::Timestamp;
use read_model::analytics::{Calendar, CalendarError, EntityKind, Metric};
use read_model::{AnalyticsRequest, Source};
use uuid::Uuid;

use self::params::{AnalyticsParams, Format};
use super::history::History;
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
/// range it adds up to the cumulative value at the end minus `start_value`, exactly. The first
/// reading ever of a video is its baseline and adds 0 to `new`. Derived metrics are computed from
/// the sums of a bucket and rounded once, to four decimals.
///
/// `compare=prior_period` adds the same entities over as many days just before `from`, cut at the
/// same lengths; points before the plan's history are null. `breakdown=video` adds the ten videos
/// with the highest totals and all others together, which add up to the series bucket by bucket.
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
        Topic::Campaigns,
        Topic::Annotations,
    ]));

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let (now, org) = (snapshot.now, snapshot.org().await?);
        let history = History::of(&org, self.tz, now)?;
        let (from, to) = self.range.resolve(history.today())?;
        let calendar = Calendar::try_new(from, to, history.tz(), self.granularity);
        let calendar = calendar.map_err(|error| refused(&error))?;
        if history.lacks(from) {
            snapshot.require_entities(self.entity, &self.ids).await?;
            return Err(history.exceeded());
        }
        // Without `from` the range still hangs on `to`.
        let moves = self.range.to.is_none();
        let format = self.format;
        let request = self.into_request(calendar, now, &history);
        let valid_until = [
            valid_until(&request, &history),
            moves.then(|| history.tomorrow()),
        ];
        let valid_until = valid_until.into_iter().flatten().min();
        let found = snapshot.reader.analytics(&request, Source::RollUps).await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        let found = found.ok_or_else(ApiError::not_found)?;
        let marks = match format {
            Format::Json => {
                let (kind, ids) = (request.entity, &request.ids);
                let marks = snapshot.reader.annotations_beside(kind, ids, from, to);
                marks.await.map_err(|error| snapshot.read_error(error))?
            }
            Format::Csv => Vec::new(),
        };
        let wire = wire::analytics(&request, &found, &marks, history.tier_days());
        let rendered = match format {
            Format::Json => Rendered::json(&wire, &Meta::none().valid_until(valid_until))?,
            Format::Csv => Rendered::csv(wire.to_csv().take(), &wire.csv_name())?,
        };
        Ok(Answer {
            rendered,
            valid_until,
        })
    }
}

impl AnalyticsParams {
    fn into_request(
        self,
        calendar: Calendar,
        now: Timestamp,
        history: &History,
    ) -> AnalyticsRequest {
        AnalyticsRequest {
            entity: self.entity,
            ids: self.ids,
            measure: self.measure,
            mode: self.mode,
            calendar,
            now,
            known_from: history.earliest(),
            with_prior: self.with_prior,
            by_video: self.by_video,
        }
    }
}

/// When the answer can next change by time alone: a bucket begins or is over, a day begins that a
/// running one is counted in, or a day that is told of leaves the plan's history.
fn valid_until(request: &AnalyticsRequest, history: &History) -> Option<Timestamp> {
    let (calendar, now) = (&request.calendar, request.now);
    let metric = request.measure.metric();
    let reaches_back = request.with_prior || metric == Metric::GrowthRatePop;
    let prior = reaches_back.then(|| calendar.prior());
    let first_before = prior.as_ref().map(Calendar::from);
    let edge = calendar.valid_until(now);
    let instants = [
        edge,
        prior.as_ref().and_then(|prior| prior.valid_until(now)),
        edge.filter(|_| metric == Metric::PostsPerWeek)
            .map(|_| history.tomorrow()),
        history.leaves_at(calendar.from()),
        first_before.and_then(|day| history.leaves_at(day.max(history.earliest()?))),
        history.ends_at(),
    ];
    instants.into_iter().flatten().min()
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
                EntityKind::Campaign => self.require_campaign(CampaignId::from_uuid(*id)).await?,
                EntityKind::Video => self.require_video(VideoId::from_uuid(*id)).await?,
            }
        }
        Ok(())
    }
}

fn refused(error: &CalendarError) -> ApiError {
    let name = match error {
        CalendarError::Backwards { .. } => "from",
        CalendarError::TooManyBuckets { .. } => "granularity",
    };
    ApiError::invalid_query(&Issues::one(name, error.to_string()))
}
