//! Marks on the time axis.

use chrono::NaiveDate;
use domain::event::{Actor, EntityRef, EntityType};
use domain::ids::{AnnotationId, ProjectId};
use domain::org;
use domain::text::{AnnotationBody, Label};
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::columns::{Row, timestamp};
use super::page::Page;
use crate::analytics::EntityKind;
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;

/// Most marks of one analytics answer (v1-contract.md 14).
const SHOWN: i64 = 200;

/// A mark, of people or of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The mark's id.
    pub id: AnnotationId,
    /// The project.
    pub project_id: ProjectId,
    /// What it is about; `None` is the whole project.
    pub entity: Option<EntityRef>,
    /// The stable name of what it marks.
    pub kind: String,
    /// `user` or `system`.
    pub source: String,
    /// The day.
    pub date: NaiveDate,
    /// What is shown.
    pub label: String,
    /// What there is to say besides.
    pub body: Option<String>,
    /// Who made it, or caused it.
    pub created_by: Actor,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Which marks; what is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct AnnotationFilter {
    /// Of this project.
    pub project_id: Option<ProjectId>,
    /// About this.
    pub entity: Option<EntityRef>,
    /// The stable name of what it marks.
    pub kind: Option<String>,
    /// Not before this day.
    pub from: Option<NaiveDate>,
    /// Not after this day.
    pub to: Option<NaiveDate>,
}

/// Where a page of marks ended: they come by day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCursor {
    /// The last mark's day.
    pub date: NaiveDate,
    /// Its id.
    pub id: Uuid,
}

/// A page of marks, and where the next one begins.
pub type ListedAnnotations = (Vec<Annotation>, Option<DayCursor>);

pub(crate) struct AnnotationRow {
    pub annotation_id: Uuid,
    pub org_id: Uuid,
    pub project_id: Uuid,
    pub entity_type: Option<String>,
    pub entity_id: Option<Uuid>,
    pub kind: String,
    pub source: String,
    pub date: NaiveDate,
    pub label: String,
    pub body: Option<String>,
    pub created_by: String,
    pub removed: bool,
    pub created_at: chrono::DateTime<chrono::Utc>,
    pub updated_at: chrono::DateTime<chrono::Utc>,
}

impl OrgReader {
    /// A page of marks, the newest day first.
    pub async fn annotations(
        &mut self,
        filter: &AnnotationFilter,
        limit: u16,
        after: Option<DayCursor>,
    ) -> Result<ListedAnnotations, ReadError> {
        let page = Page { limit, after: None };
        let rows = match filter.entity {
            Some(entity) => self.annotations_about(filter, entity, page, after).await?,
            None => self.annotations_of_projects(filter, page, after).await?,
        };
        let marks: Result<Vec<_>, _> = rows.into_iter().map(AnnotationRow::into_mark).collect();
        let mut marks = marks?;
        let limit = usize::from(limit);
        let has_more = marks.len() > limit;
        marks.truncate(limit);
        let last = marks.last().filter(|_| has_more);
        let next = last.map(|mark| DayCursor {
            date: mark.date,
            id: mark.id.as_uuid(),
        });
        Ok((marks, next))
    }

    async fn annotations_of_projects(
        &mut self,
        filter: &AnnotationFilter,
        page: Page,
        after: Option<DayCursor>,
    ) -> Result<Vec<AnnotationRow>, sqlx::Error> {
        // The newest of each project, merged: one index serves both.
        sqlx::query_as!(
            AnnotationRow,
            r#"SELECT a.annotation_id AS "annotation_id!", a.org_id AS "org_id!",
                      a.project_id AS "project_id!", a.entity_type, a.entity_id, a.kind AS "kind!",
                      a.source AS "source!", a.date AS "date!", a.label AS "label!", a.body,
                      a.created_by AS "created_by!", a.removed AS "removed!",
                      a.created_at AS "created_at!", a.updated_at AS "updated_at!"
               FROM projects p
               CROSS JOIN LATERAL (
                   SELECT * FROM annotations
                   WHERE org_id = $1 AND project_id = p.project_id AND NOT removed
                     AND (date, annotation_id) <
                         (coalesce($3, 'infinity'::date),
                          coalesce($4, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
                     AND ($5::text IS NULL OR kind = $5)
                     AND date >= coalesce($6, '-infinity'::date)
                     AND date <= coalesce($7, 'infinity'::date)
                   ORDER BY date DESC, annotation_id DESC
                   LIMIT $8
               ) a
               WHERE p.org_id = $1 AND NOT p.removed AND ($2::uuid IS NULL OR p.project_id = $2)
               ORDER BY a.date DESC, a.annotation_id DESC
               LIMIT $8"#,
            self.org.as_uuid(),
            filter.project_id.map(ProjectId::as_uuid),
            after.map(|after| after.date),
            after.map(|after| after.id),
            filter.kind.as_deref(),
            filter.from,
            filter.to,
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await
    }

    async fn annotations_about(
        &mut self,
        filter: &AnnotationFilter,
        entity: EntityRef,
        page: Page,
        after: Option<DayCursor>,
    ) -> Result<Vec<AnnotationRow>, sqlx::Error> {
        sqlx::query_as!(
            AnnotationRow,
            "SELECT a.annotation_id, a.org_id, a.project_id, a.entity_type, a.entity_id, a.kind,
                    a.source, a.date, a.label, a.body, a.created_by, a.removed, a.created_at,
                    a.updated_at
             FROM annotations a
             JOIN projects p ON p.project_id = a.project_id AND p.org_id = $1 AND NOT p.removed
             WHERE a.org_id = $1 AND a.entity_id = $3 AND a.entity_type = $9 AND NOT a.removed
               AND ($2::uuid IS NULL OR a.project_id = $2)
               AND (a.date, a.annotation_id) <
                   (coalesce($4, 'infinity'::date),
                    coalesce($5, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
               AND ($6::text IS NULL OR a.kind = $6)
               AND a.date >= coalesce($7, '-infinity'::date)
               AND a.date <= coalesce($8, 'infinity'::date)
             ORDER BY a.date DESC, a.annotation_id DESC
             LIMIT $10",
            self.org.as_uuid(),
            filter.project_id.map(ProjectId::as_uuid),
            entity.id(),
            after.map(|after| after.date),
            after.map(|after| after.id),
            filter.kind.as_deref(),
            filter.from,
            filter.to,
            entity.entity_type().name(),
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await
    }

    /// The newest marks of a range that belong to the whole project of an entity, to the entity
    /// itself, or to the creator of a video; at most 200.
    pub async fn annotations_beside(
        &mut self,
        kind: EntityKind,
        ids: &[Uuid],
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<Annotation>, ReadError> {
        let (projects, entities) = self.marked(kind, ids).await?;
        let rows = sqlx::query_as!(
            AnnotationRow,
            r#"SELECT annotation_id AS "annotation_id!", org_id AS "org_id!",
                      project_id AS "project_id!", entity_type, entity_id, kind AS "kind!",
                      source AS "source!", date AS "date!", label AS "label!", body,
                      created_by AS "created_by!", removed AS "removed!",
                      created_at AS "created_at!", updated_at AS "updated_at!"
               FROM (
                   (SELECT * FROM annotations
                    WHERE org_id = $1 AND project_id = ANY ($2) AND entity_id IS NULL
                      AND NOT removed AND date >= $4 AND date <= $5
                    ORDER BY date DESC, annotation_id DESC LIMIT $6)
                   UNION ALL
                   (SELECT * FROM annotations
                    WHERE org_id = $1 AND entity_id = ANY ($3) AND entity_id IS NOT NULL
                      AND NOT removed AND date >= $4 AND date <= $5
                    ORDER BY date DESC, annotation_id DESC LIMIT $6)
               ) AS a
               ORDER BY date DESC, annotation_id DESC
               LIMIT $6"#,
            self.org.as_uuid(),
            &projects,
            &entities,
            from,
            to,
            SHOWN,
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let marks: Result<Vec<_>, _> = rows.into_iter().map(AnnotationRow::into_mark).collect();
        Ok(marks?)
    }

    /// The projects of entities, and all that a mark beside them may be about.
    async fn marked(
        &mut self,
        kind: EntityKind,
        ids: &[Uuid],
    ) -> Result<(Vec<Uuid>, Vec<Uuid>), sqlx::Error> {
        let rows = sqlx::query!(
            r#"SELECT project_id AS "project_id!", creator_id FROM (
                   SELECT project_id, NULL::uuid AS creator_id FROM creators
                   WHERE $3 = 'creator' AND org_id = $1 AND creator_id = ANY ($2)
                   UNION ALL
                   SELECT project_id, NULL FROM campaigns
                   WHERE $3 = 'campaign' AND org_id = $1 AND campaign_id = ANY ($2)
                   UNION ALL
                   SELECT project_id, creator_id FROM videos
                   WHERE $3 = 'video' AND org_id = $1 AND video_id = ANY ($2)
                   UNION ALL
                   SELECT project_id, NULL FROM projects
                   WHERE $3 = 'project' AND org_id = $1 AND project_id = ANY ($2)
               ) AS marked"#,
            self.org.as_uuid(),
            ids,
            kind.name(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let projects = rows.iter().map(|row| row.project_id).collect();
        let creators = rows.iter().filter_map(|row| row.creator_id);
        Ok((projects, ids.iter().copied().chain(creators).collect()))
    }
}

/// The rows of annotations of people, removed ones too.
pub(crate) async fn rows_of_people(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<AnnotationRow>, sqlx::Error> {
    sqlx::query_as!(
        AnnotationRow,
        "SELECT annotation_id, org_id, project_id, entity_type, entity_id, kind, source, date, label,
                body, created_by, removed, created_at, updated_at
         FROM annotations WHERE annotation_id = ANY ($1) AND source = 'user'",
        ids,
    )
    .fetch_all(connection)
    .await
}

impl AnnotationRow {
    const fn row(&self) -> Row<Uuid> {
        Row {
            table: "annotations",
            key: self.annotation_id,
        }
    }

    fn entity(&self) -> Result<Option<EntityRef>, CorruptRow> {
        let (Some(name), Some(id)) = (&self.entity_type, self.entity_id) else {
            return Ok(None);
        };
        let kind: EntityType = self.row().named("entity_type", name)?;
        Ok(Some(kind.of(id)))
    }

    fn into_mark(self) -> Result<Annotation, CorruptRow> {
        Ok(Annotation {
            id: AnnotationId::from_uuid(self.annotation_id),
            project_id: ProjectId::from_uuid(self.project_id),
            entity: self.entity()?,
            created_by: self
                .row()
                .read("created_by", &self.created_by, str::parse)?,
            kind: self.kind,
            source: self.source,
            date: self.date,
            label: self.label,
            body: self.body,
            created_at: timestamp(self.created_at),
            updated_at: timestamp(self.updated_at),
        })
    }

    /// One of people, as the write side folds it.
    pub fn into_decided(self) -> Result<(AnnotationId, org::Annotation), CorruptRow> {
        let row = self.row();
        let annotation = org::Annotation {
            project_id: ProjectId::from_uuid(self.project_id),
            entity: self.entity()?,
            kind: row.named("kind", &self.kind)?,
            date: self.date,
            label: row.read("label", &self.label, Label::parse)?,
            body: row.read_optional("body", self.body.as_deref(), AnnotationBody::parse)?,
            created_by: row.read("created_by", &self.created_by, str::parse)?,
            removed: self.removed,
            created_at: timestamp(self.created_at),
            updated_at: timestamp(self.updated_at),
        };
        Ok((AnnotationId::from_uuid(self.annotation_id), annotation))
    }
}
