//! Projects.

use super::account::warn_if_near;
use super::{
    Context, Decision, Existing, OrgState, Outcome, Project, ProjectPatch, Recorded, Rejection,
    check_limit,
};
use crate::event::{Event, ProjectAdded, ProjectChanged, ProjectRemoved};
use crate::ids::ProjectId;
use crate::plan::LimitKey;
use crate::text::{Metadata, ProjectName, Readme};

pub(super) fn add(
    state: &OrgState,
    project_id: ProjectId,
    name: &ProjectName,
    readme: Option<&Readme>,
    metadata: &Metadata,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    if state.projects.contains_key(&project_id) {
        return Err(Rejection::Duplicate {
            what: Existing::Project,
            id: project_id.as_uuid(),
        });
    }
    let current = state.live_projects().count() as u64;
    check_limit(state, LimitKey::MaxProjectsPerOrg, current, 1)?;
    let added = ProjectAdded {
        project_id,
        name: name.clone(),
        readme: readme.cloned(),
        metadata: metadata.clone(),
    };
    let mut events = vec![added.into()];
    warn_if_near(
        state,
        &mut events,
        LimitKey::MaxProjectsPerOrg,
        current + 1,
        context,
    );
    Ok(Decision {
        events,
        outcome: Outcome::Created(project_id.as_uuid()),
    })
}

pub(super) fn change(
    state: &OrgState,
    project_id: ProjectId,
    patch: &ProjectPatch,
) -> Result<Decision, Rejection> {
    let project = state.project(project_id).ok_or(Rejection::NotFound)?;
    let changed = ProjectChanged {
        project_id,
        name: patch.name.clone().filter(|name| *name != project.name),
        readme: patch
            .readme
            .clone()
            .filter(|readme| *readme != project.readme),
        metadata: patch
            .metadata
            .clone()
            .filter(|metadata| *metadata != project.metadata),
    };
    let nothing = changed.name.is_none() && changed.readme.is_none() && changed.metadata.is_none();
    Ok(Decision::done(if nothing {
        vec![]
    } else {
        vec![changed.into()]
    }))
}

pub(super) fn remove(state: &OrgState, project_id: ProjectId) -> Result<Decision, Rejection> {
    state.project(project_id).ok_or(Rejection::NotFound)?;
    Ok(Decision::done(vec![ProjectRemoved { project_id }.into()]))
}

pub(super) fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    match recorded.event {
        Event::ProjectAdded(added) => {
            let project = Project {
                name: added.name.clone(),
                readme: added.readme.clone(),
                metadata: added.metadata.clone(),
                removed: false,
                created_at: recorded.at,
                updated_at: recorded.at,
            };
            state.projects.insert(added.project_id, project);
        }
        Event::ProjectChanged(changed) => {
            let Some(project) = state.projects.get_mut(&changed.project_id) else {
                return;
            };
            let changed = changed.clone();
            if let Some(name) = changed.name {
                project.name = name;
            }
            if let Some(readme) = changed.readme {
                project.readme = readme;
            }
            if let Some(metadata) = changed.metadata {
                project.metadata = metadata;
            }
            project.updated_at = recorded.at;
        }
        Event::ProjectRemoved(removed) => {
            if let Some(project) = state.projects.get_mut(&removed.project_id) {
                project.removed = true;
                project.updated_at = recorded.at;
            }
            state.recount();
        }
        _ => {}
    }
}
