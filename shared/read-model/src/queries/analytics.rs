//! The analytics question: series of entities of one kind.

use std::collections::HashMap;

use domain::time::Timestamp;
use uuid::Uuid;

use crate::analytics::{Calendar, EntityKind, Levels, Metric, Mode, Series, series};
use crate::error::ReadError;
use crate::reader::OrgReader;

/// What is asked. `metric` must apply to `entity` ([`Metric::applies_to`]).
#[derive(Debug, Clone)]
pub struct AnalyticsRequest {
    /// The kind of the entities.
    pub entity: EntityKind,
    /// Which, in the order of the answer.
    pub ids: Vec<Uuid>,
    /// What is measured.
    pub metric: Metric,
    /// Gained or running total; ignored by derived metrics.
    pub mode: Mode,
    /// Range, zone and buckets.
    pub calendar: Calendar,
    /// Buckets that have not begun are left out.
    pub now: Timestamp,
}

/// Where creators' and projects' figures are taken from; videos have readings alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// Roll-ups.
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
    /// Its id.
    pub id: Uuid,
    /// A project's name, a creator's display name or else handle, a video's title or else its id
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

impl OrgReader {
    /// The series of every entity asked for, in that order. `None` if one is not found: absent,
    /// another org's, or removed.
    pub async fn analytics(
        &mut self,
        request: &AnalyticsRequest,
        source: Source,
    ) -> Result<Option<Vec<EntitySeries>>, ReadError> {
        let labels = self.labels(request.entity, &request.ids).await?;
        if request.ids.iter().any(|id| !labels.contains_key(id)) {
            return Ok(None);
        }
        let edges = request.calendar.edges();
        let levels = self
            .levels(request.entity, &request.ids, &edges, source)
            .await?;
        let answers = request.ids.iter().filter_map(|id| {
            let entity = EntityRef {
                kind: request.entity,
                id: *id,
                label: labels.get(id)?.clone(),
            };
            let series = series(
                request.metric,
                request.mode,
                &request.calendar,
                levels.get(id)?,
                request.now,
            );
            Some(EntitySeries { entity, series })
        });
        Ok(Some(answers.collect()))
    }

    async fn levels(
        &mut self,
        entity: EntityKind,
        ids: &[Uuid],
        edges: &[Timestamp],
        source: Source,
    ) -> Result<HashMap<Uuid, Levels>, ReadError> {
        match (entity, source) {
            (EntityKind::Creator | EntityKind::Project, Source::RollUps) => {
                self.rolled_up(ids, edges).await
            }
            _ => self.from_raw(entity, ids, edges).await,
        }
    }

    /// The labels of those that exist.
    async fn labels(
        &mut self,
        kind: EntityKind,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, String>, ReadError> {
        let org = self.org.as_uuid();
        let labels: Vec<(Uuid, String)> = match kind {
            EntityKind::Project => sqlx::query!(
                "SELECT project_id, name FROM projects
                 WHERE org_id = $1 AND project_id = ANY ($2) AND NOT removed",
                org,
                ids,
            )
            .fetch_all(&mut *self.tx)
            .await?
            .into_iter()
            .map(|row| (row.project_id, row.name))
            .collect(),
            EntityKind::Creator => sqlx::query!(
                r#"SELECT c.creator_id,
                          coalesce(CASE WHEN c.display_name_sealed IS NULL THEN f.display_name
                                        ELSE c.display_name END, c.handle) AS "label!"
                   FROM creators c
                   JOIN projects p ON p.project_id = c.project_id AND p.org_id = $1
                   LEFT JOIN creator_profiles f ON f.creator_id = c.creator_id
                   WHERE c.org_id = $1 AND c.creator_id = ANY ($2) AND c.status <> 'removed'
                     AND NOT p.removed"#,
                org,
                ids,
            )
            .fetch_all(&mut *self.tx)
            .await?
            .into_iter()
            .map(|row| (row.creator_id, row.label))
            .collect(),
            EntityKind::Video => sqlx::query!(
                r#"SELECT v.video_id, coalesce(d.title, v.platform_video_id) AS "label!"
                   FROM videos v
                   JOIN projects p ON p.project_id = v.project_id AND p.org_id = $1
                   LEFT JOIN video_details d ON d.video_id = v.video_id
                   WHERE v.org_id = $1 AND v.video_id = ANY ($2) AND NOT v.removed
                     AND NOT v.creator_removed AND NOT p.removed"#,
                org,
                ids,
            )
            .fetch_all(&mut *self.tx)
            .await?
            .into_iter()
            .map(|row| (row.video_id, row.label))
            .collect(),
        };
        Ok(labels.into_iter().collect())
    }
}
