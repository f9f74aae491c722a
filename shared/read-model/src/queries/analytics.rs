//! The analytics question: series of entities of one kind.

use std::collections::HashMap;

use chrono::NaiveDate;
use domain::time::Timestamp;
use uuid::Uuid;

use crate::analytics::{
    Asked, Calendar, Edges, EntityKind, Inputs, Levels, Measure, Mode, Series, series,
};
use crate::error::ReadError;
use crate::reader::OrgReader;

/// What is asked. `measure` must apply to `entity` ([`Measure::applies_to`]).
#[derive(Debug, Clone)]
pub struct AnalyticsRequest {
    /// The kind of the entities.
    pub entity: EntityKind,
    /// Which, in the order of the answer.
    pub ids: Vec<Uuid>,
    /// What is measured.
    pub measure: Measure,
    /// Gained or running total; ignored by derived metrics.
    pub mode: Mode,
    /// Range, zone and buckets.
    pub calendar: Calendar,
    /// Buckets that have not begun are left out.
    pub now: Timestamp,
    /// Where history begins: of a bucket that begins earlier nothing is told.
    pub known_from: Option<NaiveDate>,
    /// Also over as many days just before.
    pub with_prior: bool,
    /// Also by video; for one entity that has such ([`EntityKind::breaks_down`]), and a metric
    /// that does ([`Metric::breaks_down`](crate::analytics::Metric::breaks_down)).
    pub by_video: bool,
}

/// Where figures of creators, campaigns and projects are taken from; videos have readings alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// Roll-ups, of campaigns while they have followed what the campaign holds.
    #[default]
    RollUps,
    /// Raw readings: slow, to check roll-ups by.
    Raw,
}

/// An entity as answers name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityRef {
    /// Its kind.
    pub kind: EntityKind,
    /// Its id; `None` for all others of a breakdown together.
    pub id: Option<Uuid>,
    /// A project's or campaign's name, a creator's display name or else handle, a video's title or else its id
    /// on its platform.
    pub label: String,
}

/// One entity's series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntitySeries {
    /// Whose.
    pub entity: EntityRef,
    /// Its points, total and start value.
    pub series: Series,
}

/// The series of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalyticsAnswer {
    /// Of the entities, in the order asked.
    pub series: Vec<EntitySeries>,
    /// Of the same over as many days just before; empty unless asked for.
    pub compare: Vec<EntitySeries>,
    /// Of the videos with the highest totals, then of all others together; empty unless asked for.
    pub breakdown: Vec<EntitySeries>,
}

impl AnalyticsRequest {
    /// The same question of another range.
    pub(super) const fn over<'a>(&self, calendar: &'a Calendar) -> Asked<'a> {
        Asked {
            measure: self.measure,
            mode: self.mode,
            calendar,
            now: self.now,
            known_from: self.known_from,
        }
    }
}

impl OrgReader {
    /// The series of every entity asked for, in that order. `None` if one is not found: absent,
    /// another org's, or removed.
    pub async fn analytics(
        &mut self,
        request: &AnalyticsRequest,
        source: Source,
    ) -> Result<Option<AnalyticsAnswer>, ReadError> {
        let labels = self.labels(request.entity, &request.ids).await?;
        if request.ids.iter().any(|id| !labels.contains_key(id)) {
            return Ok(None);
        }
        let main = request.over(&request.calendar);
        let prior_calendar = request.with_prior.then(|| request.calendar.prior());
        let prior = prior_calendar
            .as_ref()
            .map(|calendar| request.over(calendar));
        let edges = main.edges();
        let edges = prior.map_or(edges.clone(), |prior| edges.union(&prior.edges()));
        let inputs = request.measure.inputs();
        let levels = self
            .levels(request.entity, &request.ids, &edges, inputs, source)
            .await?;
        let of = |asked: &Asked<'_>| -> Vec<EntitySeries> {
            let answers = request.ids.iter().filter_map(|id| {
                let entity = EntityRef {
                    kind: request.entity,
                    id: Some(*id),
                    label: labels.get(id)?.clone(),
                };
                let series = series(asked, &edges, levels.get(id)?);
                Some(EntitySeries { entity, series })
            });
            answers.collect()
        };
        let (series, compare) = (of(&main), prior.as_ref().map(of).unwrap_or_default());
        let breakdown = match (request.by_video, request.ids.first()) {
            (true, Some(id)) => {
                self.breakdown(request.entity, *id, &main, &edges, &levels[id])
                    .await?
            }
            _ => Vec::new(),
        };
        Ok(Some(AnalyticsAnswer {
            series,
            compare,
            breakdown,
        }))
    }

    async fn levels(
        &mut self,
        entity: EntityKind,
        ids: &[Uuid],
        edges: &Edges,
        inputs: Inputs,
        source: Source,
    ) -> Result<HashMap<Uuid, Levels>, ReadError> {
        match (entity, source) {
            (EntityKind::Creator | EntityKind::Project, Source::RollUps) => {
                self.rolled_up(ids, edges.as_slice(), inputs).await
            }
            (EntityKind::Campaign, Source::RollUps) => {
                self.levels_of_campaigns(ids, edges.as_slice(), inputs)
                    .await
            }
            _ => self.from_raw(entity, ids, edges.as_slice(), inputs).await,
        }
    }
}
