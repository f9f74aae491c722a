//! Annotations: marks on the time axis, of people and of the system.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::account::warn_if_near;
use super::{
    AnnotationPatch, Context, Decision, Existing, NewAnnotation, OrgState, Outcome, Recorded,
    Rejection, check_limit,
};
use crate::event::{
    Actor, AnnotationAdded, AnnotationChanged, AnnotationKind, AnnotationRemoved, EntityRef, Event,
    RecordedEvent,
};
use crate::ids::{AnnotationId, CreatorId, GlobalPosition, ProjectId};
use crate::named::named;
use crate::plan::LimitKey;
use crate::text::{AnnotationBody, Label};
use crate::time::Timestamp;

/// A mark that somebody put on the time axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 14")]
pub struct Annotation {
    pub project_id: ProjectId,
    pub entity: Option<EntityRef>,
    pub kind: AnnotationKind,
    pub date: NaiveDate,
    pub label: Label,
    pub body: Option<AnnotationBody>,
    pub created_by: Actor,
    pub removed: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl OrgState {
    /// An annotation of people that was not removed, nor was its project.
    pub fn annotation(&self, id: AnnotationId) -> Option<&Annotation> {
        let annotation = self.annotations.get(&id)?;
        let is_there = !annotation.removed && self.project(annotation.project_id).is_some();
        is_there.then_some(annotation)
    }

    /// The annotations of people of a project that were not removed.
    pub fn annotations_of(
        &self,
        project: ProjectId,
    ) -> impl Iterator<Item = (AnnotationId, &Annotation)> {
        self.annotations
            .iter()
            .filter(move |(_, one)| one.project_id == project && !one.removed)
            .map(|(id, annotation)| (*id, annotation))
    }
}

pub(super) fn add(
    state: &OrgState,
    project_id: ProjectId,
    new: &NewAnnotation,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    const LIMIT: LimitKey = LimitKey::MaxAnnotationsPerProject;
    state.project(project_id).ok_or(Rejection::NotFound)?;
    if let Some(entity) = new.entity {
        let of_the_project = state.project_of(entity) == Some(project_id);
        of_the_project.then_some(()).ok_or(Rejection::NotFound)?;
    }
    let id = new.annotation_id.as_uuid();
    if state.annotations.contains_key(&new.annotation_id) {
        let what = Existing::Annotation;
        return Err(Rejection::Duplicate { what, id });
    }
    let current = state.annotations_of(project_id).count() as u64;
    check_limit(state, LIMIT, current, 1)?;
    let added = AnnotationAdded {
        annotation_id: new.annotation_id,
        project_id,
        entity: new.entity,
        kind: new.kind,
        date: new.date,
        label: new.label.clone(),
        body: new.body.clone(),
    };
    let mut events = vec![added.into()];
    warn_if_near(state, &mut events, LIMIT, current + 1, context);
    Ok(Decision {
        events,
        outcome: Outcome::Created(id),
    })
}

pub(super) fn change(
    state: &OrgState,
    annotation_id: AnnotationId,
    patch: &AnnotationPatch,
) -> Result<Decision, Rejection> {
    let annotation = of_people(state, annotation_id)?;
    let changed = AnnotationChanged {
        annotation_id,
        kind: patch.kind.filter(|it| *it != annotation.kind),
        date: patch.date.filter(|it| *it != annotation.date),
        label: patch.label.clone().filter(|it| *it != annotation.label),
        body: patch.body.clone().filter(|it| *it != annotation.body),
    };
    let is_changed = changed != AnnotationChanged::nothing(annotation_id);
    Ok(Decision::of(is_changed.then_some(changed)))
}

pub(super) fn remove(state: &OrgState, annotation_id: AnnotationId) -> Result<Decision, Rejection> {
    of_people(state, annotation_id)?;
    Ok(Decision::done(vec![
        AnnotationRemoved { annotation_id }.into(),
    ]))
}

fn of_people(state: &OrgState, id: AnnotationId) -> Result<&Annotation, Rejection> {
    if let Some(annotation) = state.annotation(id) {
        return Ok(annotation);
    }
    let of_the_system = state.marks.get(&id);
    if of_the_system.is_some_and(|project| state.project(*project).is_some()) {
        return Err(Rejection::StateConflict(
            "an annotation of the system is what happened: it cannot be changed",
        ));
    }
    Err(Rejection::NotFound)
}

/// An annotation of the system: an event of a creator as a mark on the time axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The annotation.
    pub id: AnnotationId,
    /// Whom it is about.
    pub creator_id: CreatorId,
    /// What happened.
    pub kind: MarkKind,
}

named! {
    /// What annotations of the system mark (v1-contract.md 14).
    #[expect(missing_docs, reason = "variants are those of the contract")]
    MarkKind {
        CreatorAdded = "creator_added",
        CreatorReactivated = "creator_reactivated",
        CreatorAutoDisabled = "creator_auto_disabled",
        TrackingModeChanged = "tracking_mode_changed",
        HandleChanged = "handle_changed",
    }
}

impl Mark {
    /// The mark that a recorded event leaves, if it leaves one.
    pub fn of(recorded: &RecordedEvent) -> Option<Self> {
        Self::left_by(&Recorded::from(recorded))
    }

    fn left_by(recorded: &Recorded<'_>) -> Option<Self> {
        let (creator_id, kind) = match recorded.event {
            Event::CreatorAdded(event) => (event.creator_id, MarkKind::CreatorAdded),
            Event::CreatorReactivated(event) => (event.creator_id, MarkKind::CreatorReactivated),
            Event::CreatorAutoDisabled(event) => (event.creator_id, MarkKind::CreatorAutoDisabled),
            Event::CreatorRenamed(event) => (event.creator_id, MarkKind::HandleChanged),
            Event::CreatorChanged(event) if event.tracking_mode.is_some() => {
                (event.creator_id, MarkKind::TrackingModeChanged)
            }
            _ => return None,
        };
        Some(Self {
            id: id_of(creator_id, recorded.at, recorded.position),
            creator_id,
            kind,
        })
    }
}

/// Every reader of the log gives a mark the same id: it is made of the event's instant and place,
/// and of the creator, for logs that were put together.
fn id_of(creator: CreatorId, at: Timestamp, position: GlobalPosition) -> AnnotationId {
    let (high, low) = creator.as_uuid().as_u64_pair();
    let mut place = [0; 10];
    place[..2].copy_from_slice(&high.to_be_bytes()[6..]);
    place[2..].copy_from_slice(&(low ^ position.get()).to_be_bytes());
    AnnotationId::generate(at, place)
}

/// Notes the marks that events of creators leave.
pub(super) fn mark(state: &mut OrgState, recorded: &Recorded<'_>) {
    let Some(mark) = Mark::left_by(recorded) else {
        return;
    };
    if let Some(creator) = state.creators.get(&mark.creator_id) {
        state.marks.insert(mark.id, creator.project_id);
    }
}

pub(super) fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    match recorded.event {
        Event::AnnotationAdded(added) => {
            let annotation = Annotation {
                project_id: added.project_id,
                entity: added.entity,
                kind: added.kind,
                date: added.date,
                label: added.label.clone(),
                body: added.body.clone(),
                created_by: recorded.actor,
                removed: false,
                created_at: recorded.at,
                updated_at: recorded.at,
            };
            state.annotations.insert(added.annotation_id, annotation);
        }
        Event::AnnotationChanged(changed) => {
            let Some(annotation) = state.annotations.get_mut(&changed.annotation_id) else {
                return;
            };
            let changed = changed.clone();
            annotation.kind = changed.kind.unwrap_or(annotation.kind);
            annotation.date = changed.date.unwrap_or(annotation.date);
            if let Some(label) = changed.label {
                annotation.label = label;
            }
            if let Some(body) = changed.body {
                annotation.body = body;
            }
            annotation.updated_at = recorded.at;
        }
        Event::AnnotationRemoved(removed) => {
            if let Some(annotation) = state.annotations.get_mut(&removed.annotation_id) {
                annotation.removed = true;
                annotation.updated_at = recorded.at;
            }
        }
        _ => {}
    }
}
