//! Creators: followed, changed, renamed, removed, brought back.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;

use super::account::warn_if_near;
use super::campaigns::leave;
use super::handles::is_banned;
use super::{
    Context, Creator, CreatorPatch, CreatorStatus, Decision, Existing, ItemOutcome, ItemStatus,
    NewCreator, OrgState, Outcome, Recorded, Rejection, check_limit,
};
use crate::event::{
    CreatorAdded, CreatorAutoDisabled, CreatorChanged, CreatorReactivated, CreatorReenabled,
    CreatorRemoved, CreatorRenamed, EntityRef, Event,
};
use crate::ids::{CreatorId, ProjectId};
use crate::plan::LimitKey;
use crate::platform::{Handle, Platform};
use crate::text::Metadata;

const LIMIT: LimitKey = LimitKey::MaxCreatorsPerOrg;

/// What the earlier items of a bulk request have come to.
#[derive(Default)]
struct Earlier {
    added: u64,
    handles: HashMap<(Platform, String), CreatorId>,
    touched: Vec<CreatorId>,
}

pub(super) fn add_one(
    state: &OrgState,
    project_id: ProjectId,
    new: &NewCreator,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    state.project(project_id).ok_or(Rejection::NotFound)?;
    let mut events = Vec::new();
    let mut earlier = Earlier::default();
    let (id, status) = add(state, project_id, new, context, &mut earlier, &mut events)?;
    warn_if_near(
        state,
        &mut events,
        LIMIT,
        state.active_creators + 1,
        context,
    );
    let outcome = match status {
        ItemStatus::Reactivated => Outcome::Reactivated(id.as_uuid()),
        _ => Outcome::Created(id.as_uuid()),
    };
    Ok(Decision { events, outcome })
}

pub(super) fn add_many(
    state: &OrgState,
    project_id: ProjectId,
    creators: &[NewCreator],
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    state.project(project_id).ok_or(Rejection::NotFound)?;
    let mut events = Vec::new();
    let mut earlier = Earlier::default();
    let mut items = Vec::with_capacity(creators.len());
    let mut missing = Vec::new();
    for new in creators {
        items.push(
            match add(state, project_id, new, context, &mut earlier, &mut events) {
                Ok((id, status)) => ItemOutcome {
                    id: Some(id.as_uuid()),
                    result: Ok(status),
                },
                Err(rejection) => {
                    if let Rejection::SubjectKeysNeeded(subjects) = &rejection {
                        missing.extend_from_slice(subjects);
                    }
                    ItemOutcome {
                        id: None,
                        result: Err(rejection),
                    }
                }
            },
        );
    }
    if !missing.is_empty() {
        return Err(Rejection::SubjectKeysNeeded(missing));
    }
    if earlier.added > 0 {
        let current = state.active_creators + earlier.added;
        warn_if_near(state, &mut events, LIMIT, current, context);
    }
    Ok(Decision {
        events,
        outcome: Outcome::Items(items),
    })
}

fn add(
    state: &OrgState,
    project_id: ProjectId,
    new: &NewCreator,
    context: &Context<'_>,
    earlier: &mut Earlier,
    events: &mut Vec<Event>,
) -> Result<(CreatorId, ItemStatus), Rejection> {
    if is_banned(state, new.platform, &new.handle) {
        return Err(Rejection::CreatorBanned);
    }
    let folded = (new.platform, new.handle.folded(new.platform));
    if let Some(id) = earlier.handles.get(&folded) {
        return Err(Rejection::Duplicate {
            what: Existing::Creator,
            id: id.as_uuid(),
        });
    }
    let known = state.creator_by_handle(project_id, new.platform, &new.handle);
    let known = known.and_then(|id| state.creators.get(&id).map(|creator| (id, creator)));
    if let Some((id, creator)) = known
        && creator.status != CreatorStatus::Removed
    {
        return Err(Rejection::Duplicate {
            what: Existing::Creator,
            id: id.as_uuid(),
        });
    }
    if known.is_none() && state.creators.contains_key(&new.creator_id) {
        return Err(Rejection::Duplicate {
            what: Existing::Creator,
            id: new.creator_id.as_uuid(),
        });
    }
    check_limit(state, LIMIT, state.active_creators + earlier.added, 1)?;
    let (id, status) = if let Some((id, creator)) = known {
        let patch = CreatorPatch {
            handle: None,
            is_tiktok_handle: false,
            tracking_mode: new.tracking_mode,
            tracking_start_date: new.tracking_start_date,
            display_name: new.display_name.clone(),
            readme: new.readme.clone(),
            metadata: new.metadata.clone(),
        };
        let changed = changes(id, creator, &patch, context)?;
        events.push(CreatorReactivated { creator_id: id }.into());
        events.extend(changed.map(Event::from));
        (id, ItemStatus::Reactivated)
    } else {
        events.push(added(state, project_id, new, context)?.into());
        (new.creator_id, ItemStatus::Created)
    };
    earlier.added += 1;
    earlier.handles.insert(folded, id);
    Ok((id, status))
}

fn added(
    state: &OrgState,
    project_id: ProjectId,
    new: &NewCreator,
    context: &Context<'_>,
) -> Result<CreatorAdded, Rejection> {
    let display_name = match new.display_name.as_ref().and_then(Option::as_ref) {
        Some(name) => {
            let subject = new.creator_id.as_uuid();
            Some(context.subject_keys.seal(subject, "display_name", name)?)
        }
        None => None,
    };
    let today = || Some(today_of(state, context));
    Ok(CreatorAdded {
        creator_id: new.creator_id,
        project_id,
        platform: new.platform,
        handle: new.handle.clone(),
        tracking_mode: new.tracking_mode.unwrap_or_default(),
        tracking_start_date: new.tracking_start_date.unwrap_or_else(today),
        display_name,
        readme: new.readme.clone().flatten(),
        metadata: new.metadata.clone().unwrap_or_else(Metadata::empty),
    })
}

fn today_of(state: &OrgState, context: &Context<'_>) -> NaiveDate {
    context
        .now
        .datetime()
        .with_timezone(&state.timezone())
        .date_naive()
}

pub(super) fn change(
    state: &OrgState,
    creator_id: CreatorId,
    patch: &CreatorPatch,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    let creator = state.creator(creator_id).ok_or(Rejection::NotFound)?;
    if patch.is_tiktok_handle && creator.platform != Platform::Tiktok {
        return Err(Rejection::Invalid {
            field: "tiktok_handle",
            message: format!("the creator is on {}: send handle", creator.platform),
        });
    }
    let mut events = Vec::new();
    if let Some(text) = &patch.handle {
        events.push(rename(state, creator_id, creator, text)?.into());
    }
    events.extend(changes(creator_id, creator, patch, context)?.map(Event::from));
    Ok(Decision::done(events))
}

fn rename(
    state: &OrgState,
    creator_id: CreatorId,
    creator: &Creator,
    text: &str,
) -> Result<CreatorRenamed, Rejection> {
    let handle = Handle::parse(creator.platform, text).map_err(Rejection::InvalidHandle)?;
    if handle == creator.handle {
        return Err(Rejection::NoChange);
    }
    if is_banned(state, creator.platform, &handle) {
        return Err(Rejection::CreatorBanned);
    }
    let holder = state.creator_by_handle(creator.project_id, creator.platform, &handle);
    if let Some(holder) = holder.filter(|id| *id != creator_id && state.creator(*id).is_some()) {
        return Err(Rejection::HandleTaken {
            id: holder.as_uuid(),
        });
    }
    Ok(CreatorRenamed {
        creator_id,
        handle,
        previous: creator.handle.clone(),
    })
}

/// The fields of the patch that differ, the handle aside; none if none does.
fn changes(
    creator_id: CreatorId,
    creator: &Creator,
    patch: &CreatorPatch,
    context: &Context<'_>,
) -> Result<Option<CreatorChanged>, Rejection> {
    let display_name = match &patch.display_name {
        Some(Some(name)) => {
            let subject = creator_id.as_uuid();
            Some(Some(context.subject_keys.seal(
                subject,
                "display_name",
                name,
            )?))
        }
        Some(None) => Some(None),
        None => None,
    };
    let changed = CreatorChanged {
        creator_id,
        tracking_mode: patch
            .tracking_mode
            .filter(|mode| *mode != creator.tracking_mode),
        tracking_start_date: patch
            .tracking_start_date
            .filter(|date| *date != creator.tracking_start_date),
        display_name: display_name.filter(|name| *name != creator.display_name),
        readme: patch
            .readme
            .clone()
            .filter(|readme| *readme != creator.readme),
        metadata: patch
            .metadata
            .clone()
            .filter(|metadata| *metadata != creator.metadata),
    };
    Ok((changed != CreatorChanged::nothing(creator_id)).then_some(changed))
}

pub(super) fn remove(state: &OrgState, creator_id: CreatorId) -> Result<Decision, Rejection> {
    let creator = state.creator(creator_id).ok_or(Rejection::NotFound)?;
    let gone = HashSet::from([EntityRef::Creator(creator_id)]);
    let mut events = leave(state, creator.project_id, &gone);
    events.push(CreatorRemoved { creator_id }.into());
    Ok(Decision::done(events))
}

pub(super) fn remove_many(
    state: &OrgState,
    project_id: ProjectId,
    ids: &[CreatorId],
) -> Result<Decision, Rejection> {
    state.project(project_id).ok_or(Rejection::NotFound)?;
    let mut gone = HashSet::new();
    let mut decision = each(state, project_id, ids, |id, _, _| {
        if !gone.insert(EntityRef::Creator(id)) {
            return Err(Rejection::NotFound);
        }
        Ok(Some(CreatorRemoved { creator_id: id }.into()))
    });
    let left = leave(state, project_id, &gone);
    decision.events.splice(0..0, left);
    Ok(decision)
}

pub(super) fn reenable_many(
    state: &OrgState,
    project_id: ProjectId,
    ids: &[CreatorId],
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    state.project(project_id).ok_or(Rejection::NotFound)?;
    let mut decision = each(state, project_id, ids, |id, creator, earlier| {
        if creator.status == CreatorStatus::Active || earlier.touched.contains(&id) {
            return Ok(None);
        }
        check_limit(state, LIMIT, state.active_creators + earlier.added, 1)?;
        earlier.added += 1;
        Ok(Some(CreatorReenabled { creator_id: id }.into()))
    });
    let added = decision.events.len() as u64;
    if added > 0 {
        let current = state.active_creators + added;
        warn_if_near(state, &mut decision.events, LIMIT, current, context);
    }
    Ok(decision)
}

/// Judges ids one by one; an id that is not the project's is not found.
fn each(
    state: &OrgState,
    project_id: ProjectId,
    ids: &[CreatorId],
    mut judge: impl FnMut(CreatorId, &Creator, &mut Earlier) -> Result<Option<Event>, Rejection>,
) -> Decision {
    let mut events = Vec::new();
    let mut earlier = Earlier::default();
    let mut items = Vec::with_capacity(ids.len());
    for id in ids {
        let creator = state
            .creator(*id)
            .filter(|creator| creator.project_id == project_id);
        let result = creator
            .ok_or(Rejection::NotFound)
            .and_then(|creator| judge(*id, creator, &mut earlier))
            .map(|event| {
                let status = if event.is_some() {
                    ItemStatus::Changed
                } else {
                    ItemStatus::Unchanged
                };
                events.extend(event);
                earlier.touched.push(*id);
                status
            });
        items.push(ItemOutcome {
            id: Some(id.as_uuid()),
            result,
        });
    }
    Decision {
        events,
        outcome: Outcome::Items(items),
    }
}

pub(super) fn auto_disable(
    state: &OrgState,
    creator_id: CreatorId,
    reason: &str,
) -> Result<Decision, Rejection> {
    let creator = state.creator(creator_id).ok_or(Rejection::NotFound)?;
    if creator.status == CreatorStatus::AutoDisabled {
        return Ok(Decision::done(vec![]));
    }
    let event = CreatorAutoDisabled {
        creator_id,
        reason: reason.to_owned(),
    };
    Ok(Decision::done(vec![event.into()]))
}

pub(super) fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    match recorded.event {
        Event::CreatorAdded(added) => {
            state
                .creators
                .insert(added.creator_id, Creator::new(added, recorded));
            state.index_creator(added.creator_id);
            state.active_creators += 1;
        }
        Event::CreatorChanged(changed) => with(state, changed.creator_id, recorded, |creator| {
            creator.apply(changed);
        }),
        Event::CreatorRenamed(renamed) => {
            let id = renamed.creator_id;
            state.unindex_creator(id);
            with(state, id, recorded, |creator| {
                creator.handle = renamed.handle.clone();
            });
            state.index_creator(id);
        }
        Event::CreatorReactivated(event) => set_active(state, event.creator_id, recorded),
        Event::CreatorReenabled(event) => set_active(state, event.creator_id, recorded),
        Event::CreatorRemoved(event) => {
            let status = CreatorStatus::Removed;
            set_status(state, event.creator_id, recorded, status, None);
        }
        Event::CreatorAutoDisabled(event) => {
            let status = CreatorStatus::AutoDisabled;
            set_status(
                state,
                event.creator_id,
                recorded,
                status,
                Some(&event.reason),
            );
        }
        _ => {}
    }
}

fn with(
    state: &mut OrgState,
    id: CreatorId,
    recorded: &Recorded<'_>,
    change: impl FnOnce(&mut Creator),
) {
    if let Some(creator) = state.creators.get_mut(&id) {
        change(creator);
        creator.updated_at = recorded.at;
    }
}

fn set_active(state: &mut OrgState, id: CreatorId, recorded: &Recorded<'_>) {
    set_status(state, id, recorded, CreatorStatus::Active, None);
}

fn set_status(
    state: &mut OrgState,
    id: CreatorId,
    recorded: &Recorded<'_>,
    status: CreatorStatus,
    reason: Option<&str>,
) {
    let Some(creator) = state.creators.get_mut(&id) else {
        return;
    };
    let was_active = creator.status == CreatorStatus::Active;
    creator.status = status;
    creator.updated_at = recorded.at;
    creator.disabled_reason = reason.map(str::to_owned);
    creator.disabled_at = reason.map(|_| recorded.at);
    match (was_active, status == CreatorStatus::Active) {
        (true, false) => state.active_creators -= 1,
        (false, true) => state.active_creators += 1,
        _ => {}
    }
}

impl Creator {
    fn new(added: &CreatorAdded, recorded: &Recorded<'_>) -> Self {
        Self {
            project_id: added.project_id,
            platform: added.platform,
            handle: added.handle.clone(),
            display_name: added.display_name.clone(),
            readme: added.readme.clone(),
            metadata: added.metadata.clone(),
            tracking_mode: added.tracking_mode,
            tracking_start_date: added.tracking_start_date,
            status: CreatorStatus::Active,
            disabled_reason: None,
            disabled_at: None,
            created_at: recorded.at,
            updated_at: recorded.at,
        }
    }

    fn apply(&mut self, changed: &CreatorChanged) {
        let changed = changed.clone();
        if let Some(mode) = changed.tracking_mode {
            self.tracking_mode = mode;
        }
        if let Some(date) = changed.tracking_start_date {
            self.tracking_start_date = date;
        }
        if let Some(name) = changed.display_name {
            self.display_name = name;
        }
        if let Some(readme) = changed.readme {
            self.readme = readme;
        }
        if let Some(metadata) = changed.metadata {
            self.metadata = metadata;
        }
    }
}
