//! Annotations: those of people, and the marks that events of creators leave.

use chrono::NaiveDate;
use domain::event::{EntityRef, Event, RecordedEvent};
use domain::ids::{AnnotationId, OrgId};
use domain::org::{Annotation, Mark, MarkKind, OrgState};
use domain::text::AnnotationBody;
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::decisions::Decisions;
use super::store::each;
use super::touched::{Touched, ids};
use crate::queries::annotations;

/// A mark as it is stored.
#[derive(Debug)]
pub(super) struct MarkRow {
    mark: Mark,
    org: OrgId,
    project: Uuid,
    date: NaiveDate,
    label: String,
    body: Option<String>,
    created_by: String,
    at: Timestamp,
}

impl MarkRow {
    /// The mark that an event leaves; `state` has folded it.
    pub(super) fn of(state: &OrgState, recorded: &RecordedEvent) -> Option<Self> {
        let mark = Mark::of(recorded)?;
        let creator = state.creators.get(&mark.creator_id)?;
        let at = recorded.recorded_at;
        let (label, body) = said(mark.kind, &recorded.event);
        Some(Self {
            mark,
            org: recorded.org_id,
            project: creator.project_id.as_uuid(),
            date: at.datetime().with_timezone(&state.timezone()).date_naive(),
            label,
            body,
            created_by: recorded.actor.to_string(),
            at,
        })
    }
}

/// Label and body of a mark.
fn said(kind: MarkKind, event: &Event) -> (String, Option<String>) {
    match (kind, event) {
        (_, Event::CreatorAutoDisabled(event)) => {
            ("Creator disabled".to_owned(), Some(event.reason.clone()))
        }
        (_, Event::CreatorRenamed(event)) => {
            let (from, to) = (event.previous.as_str(), event.handle.as_str());
            (format!("Handle changed from {from} to {to}"), None)
        }
        (_, Event::CreatorChanged(event)) => {
            let mode = event.tracking_mode.map_or("unchanged", |mode| mode.name());
            (format!("Tracking mode: {mode}"), None)
        }
        (MarkKind::CreatorReactivated, _) => ("Creator re-activated".to_owned(), None),
        _ => ("Creator added".to_owned(), None),
    }
}

impl Decisions {
    pub(super) async fn load_annotations(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<(), ApplyError> {
        if touched.annotations.is_empty() {
            return Ok(());
        }
        for row in annotations::rows_of_people(connection, &ids(&touched.annotations)).await? {
            let org = OrgId::from_uuid(row.org_id);
            let (id, annotation) = row.into_decided()?;
            let state = self.states.entry(org).or_default();
            state.annotations.insert(id, annotation);
        }
        Ok(())
    }

    pub(super) async fn store_annotations(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), ApplyError> {
        let mut rows: Vec<(Uuid, Uuid, &Annotation)> = Vec::new();
        for (id, org) in &self.annotations {
            let state = self.states.get(org);
            let found =
                state.and_then(|state| state.annotations.get(&AnnotationId::from_uuid(*id)));
            rows.extend(found.map(|annotation| (*id, org.as_uuid(), annotation)));
        }
        if !rows.is_empty() {
            sqlx::query!(
                "INSERT INTO annotations (annotation_id, org_id, project_id, entity_type, entity_id,
                        kind, source, date, label, body, created_by, removed, created_at, updated_at)
                 SELECT annotation_id, org_id, project_id, entity_type, entity_id, kind, 'user',
                        date, label, body, created_by, removed, created_at, updated_at
                 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::text[],
                        $7::date[], $8::text[], $9::text[], $10::text[], $11::bool[],
                        $12::timestamptz[], $13::timestamptz[])
                        AS u (annotation_id, org_id, project_id, entity_type, entity_id, kind, date,
                              label, body, created_by, removed, created_at, updated_at)
                 ON CONFLICT (annotation_id) DO UPDATE SET
                        kind = excluded.kind, date = excluded.date, label = excluded.label,
                        body = excluded.body, removed = excluded.removed,
                        updated_at = excluded.updated_at",
                &each(&rows, |(id, ..)| *id),
                &each(&rows, |(_, org, _)| *org),
                &each(&rows, |(.., a)| a.project_id.as_uuid()),
                &each(&rows, |(.., a)| a.entity.map(|it| it.entity_type().name()))
                    as &[Option<&str>],
                &each(&rows, |(.., a)| a.entity.map(EntityRef::id)) as &[Option<Uuid>],
                &each(&rows, |(.., a)| a.kind.name()) as &[&str],
                &each(&rows, |(.., a)| a.date),
                &each(&rows, |(.., a)| a.label.as_str()) as &[&str],
                &each(&rows, |(.., a)| a.body.as_ref().map(AnnotationBody::as_str))
                    as &[Option<&str>],
                &each(&rows, |(.., a)| a.created_by.to_string()),
                &each(&rows, |(.., a)| a.removed),
                &each(&rows, |(.., a)| a.created_at.datetime()),
                &each(&rows, |(.., a)| a.updated_at.datetime()),
            )
            .execute(&mut *connection)
            .await?;
        }
        self.store_marks(connection).await
    }

    async fn store_marks(&self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        let marks = &self.marks;
        if marks.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO annotations (annotation_id, org_id, project_id, entity_type, entity_id,
                    kind, source, date, label, body, created_by, removed, created_at, updated_at)
             SELECT annotation_id, org_id, project_id, 'creator', creator_id, kind, 'system', date,
                    label, body, created_by, false, at, at
             FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::date[],
                    $7::text[], $8::text[], $9::text[], $10::timestamptz[])
                    AS u (annotation_id, org_id, project_id, creator_id, kind, date, label, body,
                          created_by, at)",
            &each(marks, |m| m.mark.id.as_uuid()),
            &each(marks, |m| m.org.as_uuid()),
            &each(marks, |m| m.project),
            &each(marks, |m| m.mark.creator_id.as_uuid()),
            &each(marks, |m| m.mark.kind.name()) as &[&str],
            &each(marks, |m| m.date),
            &each(marks, |m| m.label.clone()),
            &each(marks, |m| m.body.clone()) as &[Option<String>],
            &each(marks, |m| m.created_by.clone()),
            &each(marks, |m| m.at.datetime()),
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
