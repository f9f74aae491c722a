//! The org itself: its name and zone, plan, limits, suspension, and warnings about limits.

use chrono_tz::Tz;

use super::{
    Caller, Command, Context, Decision, Founding, OrgState, Outcome, Profile, Recorded, Rejection,
    sessions,
};
use crate::event::{
    Event, LimitChanged, LimitWarned, MemberJoined, OrgChanged, OrgCreated, OrgReinstated,
    OrgSuspended, PlanChanged, Role,
};
use crate::limits::LIMIT_WARNING_PERCENT;
use crate::plan::{LimitKey, Limits, Plan};
use crate::text::Name;

/// An org, if the command makes one: then there is nothing yet to judge the caller by.
pub(super) fn make(
    state: &OrgState,
    command: &Command,
    context: &Context<'_>,
) -> Option<Result<Decision, Rejection>> {
    match command {
        Command::CreateOrg {
            name,
            plan,
            timezone,
        } => Some(create(state, name, *plan, timezone, context)),
        Command::FoundOrg(founding) => Some(found(state, founding, context)),
        _ => None,
    }
}

fn create(
    state: &OrgState,
    name: &Name,
    plan: Plan,
    timezone: &str,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    if context.caller != Caller::Operator {
        return Err(Rejection::CallerInvalid);
    }
    if state.profile.is_some() {
        return Err(Rejection::OrgExists);
    }
    check_timezone(timezone)?;
    let created = OrgCreated {
        name: name.clone(),
        plan,
        timezone: timezone.to_owned(),
    };
    Ok(Decision {
        events: vec![created.into()],
        outcome: Outcome::Changed,
    })
}

/// The org with its first admin.
fn found(
    state: &OrgState,
    founding: &Founding,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    let Founding {
        name,
        plan,
        timezone,
        admin,
        session,
    } = founding;
    let mut decision = create(state, name, *plan, timezone, context)?;
    let (user_id, role) = (*admin, Role::Admin);
    decision.events.push(MemberJoined { user_id, role }.into());
    let opened = session.map(|session| sessions::opened(user_id, role, session, context));
    decision.events.extend(opened);
    Ok(decision)
}

pub(super) fn change(
    state: &OrgState,
    name: Option<&Name>,
    timezone: Option<&str>,
) -> Result<Decision, Rejection> {
    if let Some(timezone) = timezone {
        check_timezone(timezone)?;
    }
    let profile = profile(state)?;
    let changed = OrgChanged {
        name: name.filter(|name| **name != profile.name).cloned(),
        timezone: timezone
            .filter(|zone| *zone != profile.timezone)
            .map(str::to_owned),
    };
    let nothing = changed == OrgChanged::default();
    Ok(Decision::done(if nothing {
        vec![]
    } else {
        vec![changed.into()]
    }))
}

pub(super) fn set_plan(state: &OrgState, plan: Plan) -> Result<Decision, Rejection> {
    let previous = profile(state)?.limits.plan;
    let changed = PlanChanged { plan, previous };
    Ok(Decision::done(if plan == previous {
        vec![]
    } else {
        vec![changed.into()]
    }))
}

pub(super) fn set_limit(
    state: &OrgState,
    limit_key: LimitKey,
    value: Option<u64>,
) -> Result<Decision, Rejection> {
    if value.is_some_and(|value| value > crate::limits::MAX_COUNT) {
        return Err(Rejection::Invalid {
            field: "value",
            message: "is too large".to_owned(),
        });
    }
    let same = profile(state)?.limits.overrides.get(&limit_key).copied() == value;
    let changed = LimitChanged { limit_key, value };
    Ok(Decision::done(if same {
        vec![]
    } else {
        vec![changed.into()]
    }))
}

pub(super) fn suspend(state: &OrgState, reason: Option<&str>) -> Result<Decision, Rejection> {
    let suspended = profile(state)?.suspended;
    let event = OrgSuspended {
        reason: reason.map(str::to_owned),
    };
    Ok(Decision::done(if suspended {
        vec![]
    } else {
        vec![event.into()]
    }))
}

pub(super) fn reinstate(state: &OrgState) -> Result<Decision, Rejection> {
    let suspended = profile(state)?.suspended;
    Ok(Decision::done(if suspended {
        vec![OrgReinstated {}.into()]
    } else {
        vec![]
    }))
}

/// Warns when a count limit is used to 80 % or more, once per limit and UTC day.
pub(super) fn warn_if_near(
    state: &OrgState,
    events: &mut Vec<Event>,
    limit_key: LimitKey,
    current: u64,
    context: &Context<'_>,
) {
    let Some(max) = state.limits().max(limit_key).filter(|max| *max > 0) else {
        return;
    };
    let warned_today = state.warned.get(&limit_key) == Some(&context.now.date());
    if !warned_today && current.saturating_mul(100) >= max.saturating_mul(LIMIT_WARNING_PERCENT) {
        events.push(
            LimitWarned {
                limit_key,
                current,
                max,
            }
            .into(),
        );
    }
}

fn profile(state: &OrgState) -> Result<&Profile, Rejection> {
    state.profile.as_ref().ok_or(Rejection::NoSuchOrg)
}

fn check_timezone(timezone: &str) -> Result<(), Rejection> {
    timezone
        .parse::<Tz>()
        .map(|_| ())
        .map_err(|_| Rejection::Invalid {
            field: "timezone",
            message: "must be an IANA time zone such as Europe/Berlin".to_owned(),
        })
}

pub(super) fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    if let Event::OrgCreated(created) = recorded.event {
        state.profile = Some(Profile {
            name: created.name.clone(),
            timezone: created.timezone.clone(),
            limits: Limits::of(created.plan),
            suspended: false,
            created_at: recorded.at,
            updated_at: recorded.at,
        });
        return;
    }
    if let Event::LimitWarned(warned) = recorded.event {
        state.warned.insert(warned.limit_key, recorded.at.date());
        return;
    }
    let Some(profile) = &mut state.profile else {
        return;
    };
    profile.updated_at = recorded.at;
    match recorded.event {
        Event::OrgChanged(changed) => {
            if let Some(name) = &changed.name {
                profile.name = name.clone();
            }
            if let Some(timezone) = &changed.timezone {
                profile.timezone.clone_from(timezone);
            }
        }
        Event::PlanChanged(changed) => profile.limits.plan = changed.plan,
        Event::LimitChanged(LimitChanged {
            limit_key,
            value: Some(value),
        }) => {
            profile.limits.overrides.insert(*limit_key, *value);
        }
        Event::LimitChanged(LimitChanged {
            limit_key,
            value: None,
        }) => {
            profile.limits.overrides.remove(limit_key);
        }
        Event::OrgSuspended(_) => profile.suspended = true,
        Event::OrgReinstated(_) => profile.suspended = false,
        _ => {}
    }
}
