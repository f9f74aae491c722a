use chrono::NaiveDate;

use super::harness::{Given, add_creator, creator, project, project_added};
use crate::event::{
    Actor, AnnotationKind, CreatorAutoDisabled, EntityRef, GoalMetric, GoalPeriod, LimitChanged,
    TrackingMode,
};
use crate::ids::{AnnotationId, GoalId};
use crate::org::{
    AnnotationPatch, Command, CreatorPatch, Existing, GoalPatch, NewAnnotation, NewGoal, Rejection,
};
use crate::plan::{LimitKey, Plan};
use crate::text::{AnnotationBody, Label};

fn goal(n: u8) -> GoalId {
    GoalId::from_uuid(uuid::Uuid::from_bytes([n; 16]))
}

fn annotation(n: u8) -> AnnotationId {
    AnnotationId::from_uuid(uuid::Uuid::from_bytes([n; 16]))
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn set(n: u8, metric: GoalMetric, period: GoalPeriod) -> Command {
    Command::AddGoal {
        project_id: project(1),
        goal: NewGoal {
            goal_id: goal(n),
            creator_id: creator(1),
            metric,
            period,
            target_value: 5,
            start_date: Some(day("2026-03-01")),
            end_date: None,
        },
    }
}

fn change(n: u8, patch: GoalPatch) -> Command {
    let goal_id = goal(n);
    Command::ChangeGoal { goal_id, patch }
}

fn active(is_active: bool) -> GoalPatch {
    GoalPatch {
        is_active: Some(is_active),
        ..GoalPatch::default()
    }
}

fn with_creator() -> Given {
    let mut given = Given::with_project(Plan::Starter);
    given.then(&add_creator(1, "goat"));
    given
}

#[test]
fn one_goal_is_active_of_each_metric_and_period() {
    let mut given = with_creator();
    given.then(&set(1, GoalMetric::Posts, GoalPeriod::Weekly));
    let second = Rejection::Duplicate {
        what: Existing::Goal,
        id: goal(1).as_uuid(),
    };
    let again = set(2, GoalMetric::Posts, GoalPeriod::Weekly);
    assert_eq!(given.refused(&again), second);
    given.then(&set(3, GoalMetric::Posts, GoalPeriod::Daily));
    given.then(&set(4, GoalMetric::Views, GoalPeriod::Weekly));
    given.then(&change(1, active(false)));
    given.then(&again);
    let second = Rejection::Duplicate {
        what: Existing::Goal,
        id: goal(2).as_uuid(),
    };
    assert_eq!(given.refused(&change(1, active(true))), second);
    given.then(&Command::RemoveGoal { goal_id: goal(2) });
    given.then(&change(1, active(true)));
    let reloaded = given.reloaded();
    assert!(matches!(
        reloaded.refused(&again),
        Rejection::Duplicate { .. }
    ));
}

#[test]
fn goals_are_limited_by_creator_and_stay_while_the_creator_is_away() {
    let mut given = with_creator().and(LimitChanged {
        limit_key: LimitKey::MaxGoalsPerCreator,
        value: Some(1),
    });
    given.then(&set(1, GoalMetric::Posts, GoalPeriod::Weekly));
    let reached = Rejection::LimitReached {
        limit_key: LimitKey::MaxGoalsPerCreator,
        current: 1,
        max: 1,
    };
    let other = set(2, GoalMetric::Views, GoalPeriod::Weekly);
    assert_eq!(given.refused(&other), reached);
    given.then(&Command::RemoveCreator {
        creator_id: creator(1),
    });
    let pause = change(1, active(false));
    assert_eq!(given.refused(&pause), Rejection::NotFound);
    assert_eq!(given.refused(&other), Rejection::NotFound);
    given.then(&add_creator(2, "goat"));
    assert_eq!(given.then(&pause).len(), 1);
    assert_eq!(given.then(&pause), []);
}

#[test]
fn a_goal_does_not_end_before_it_starts() {
    let mut given = with_creator();
    given.then(&set(1, GoalMetric::Posts, GoalPeriod::Weekly));
    let ends = |date: &str| {
        let end_date = Some(Some(day(date)));
        let patch = GoalPatch {
            end_date,
            ..GoalPatch::default()
        };
        change(1, patch)
    };
    let refused = given.refused(&ends("2026-02-28"));
    assert!(matches!(refused, Rejection::Invalid { field, .. } if field == "end_date"));
    given.then(&ends("2026-03-01"));
    let starts = GoalPatch {
        start_date: Some(Some(day("2026-03-02"))),
        ..GoalPatch::default()
    };
    let refused = given.refused(&change(1, starts));
    assert!(matches!(refused, Rejection::Invalid { field, .. } if field == "start_date"));
}

#[test]
fn a_goal_is_for_a_creator_of_the_project() {
    let given = with_creator().and(project_added(2));
    let Command::AddGoal { goal, .. } = set(1, GoalMetric::Posts, GoalPeriod::Weekly) else {
        unreachable!()
    };
    let command = Command::AddGoal {
        project_id: project(2),
        goal,
    };
    assert_eq!(given.refused(&command), Rejection::NotFound);
}

fn note(n: u8, entity: Option<EntityRef>) -> Command {
    Command::AddAnnotation {
        project_id: project(1),
        annotation: NewAnnotation {
            annotation_id: annotation(n),
            entity,
            kind: AnnotationKind::Launch,
            date: day("2026-03-02"),
            label: Label::parse("Spring").unwrap(),
            body: None,
        },
    }
}

#[test]
fn an_annotation_is_about_the_project_or_something_of_it() {
    let mut given = with_creator().and(project_added(2));
    given.then(&note(1, None));
    given.then(&note(2, Some(EntityRef::Creator(creator(1)))));
    let unknown = note(3, Some(EntityRef::Creator(creator(9))));
    assert_eq!(given.refused(&unknown), Rejection::NotFound);
    let stored = &given.state.annotations[&annotation(2)];
    assert_eq!(stored.entity, Some(EntityRef::Creator(creator(1))));
    let patch = AnnotationPatch {
        body: Some(Some(AnnotationBody::parse("two\nlines").unwrap())),
        kind: Some(AnnotationKind::Launch),
        ..AnnotationPatch::default()
    };
    let annotation_id = annotation(1);
    let change = Command::ChangeAnnotation {
        annotation_id,
        patch,
    };
    assert_eq!(given.then(&change).len(), 1);
    assert_eq!(given.then(&change), []);
    let remove = Command::RemoveAnnotation { annotation_id };
    given.then(&remove);
    assert_eq!(given.refused(&remove), Rejection::NotFound);
    let by = given.state.annotations[&annotation(1)].created_by;
    assert_eq!(by, Actor::System, "the harness records as the system");
}

#[test]
fn annotations_are_limited_by_project() {
    let mut given = with_creator().and(LimitChanged {
        limit_key: LimitKey::MaxAnnotationsPerProject,
        value: Some(1),
    });
    given.then(&note(1, None));
    let reached = Rejection::LimitReached {
        limit_key: LimitKey::MaxAnnotationsPerProject,
        current: 1,
        max: 1,
    };
    assert_eq!(given.refused(&note(2, None)), reached);
}

#[test]
fn what_happens_to_creators_leaves_marks_that_nobody_changes() {
    let mut given = with_creator();
    let patch = |patch| Command::ChangeCreator {
        creator_id: creator(1),
        patch,
    };
    given.then(&patch(CreatorPatch {
        tracking_mode: Some(TrackingMode::Selective),
        ..CreatorPatch::default()
    }));
    given.then(&patch(CreatorPatch {
        readme: Some(None),
        tracking_mode: Some(TrackingMode::Selective),
        ..CreatorPatch::default()
    }));
    given.then(&patch(CreatorPatch {
        handle: Some("ram".to_owned()),
        ..CreatorPatch::default()
    }));
    let mut given = given.and(CreatorAutoDisabled {
        creator_id: creator(1),
        reason: "gone".to_owned(),
    });
    assert_eq!(given.state.marks.len(), 4);
    assert_eq!(given.reloaded().state.marks, given.state.marks);
    let marks: Vec<AnnotationId> = given.state.marks.keys().copied().collect();
    for annotation_id in marks.clone() {
        let patch = AnnotationPatch::default();
        let change = Command::ChangeAnnotation {
            annotation_id,
            patch,
        };
        assert!(matches!(
            given.refused(&change),
            Rejection::StateConflict(_)
        ));
    }
    given.then(&Command::RemoveProject {
        project_id: project(1),
    });
    let annotation_id = marks[0];
    let remove = Command::RemoveAnnotation { annotation_id };
    assert_eq!(given.refused(&remove), Rejection::NotFound);
}
