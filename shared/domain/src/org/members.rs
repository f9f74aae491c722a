//! Members, their roles, and bans of persons.

use super::account::warn_if_near;
use super::{
    Authority, Context, Decision, Denial, Key, KeyDisposition, KeyStatus, Member, OrgState,
    Recorded, Rejection, check_limit, sessions,
};
use crate::event::{
    Event, KeyChanged, KeyRevoked, MemberBanned, MemberJoined, MemberRemoved, MemberRoleChanged,
    MemberUnbanned, RevocationReason, Role, SessionEndReason,
};
use crate::ids::{KeyId, UserId};
use crate::plan::LimitKey;

pub(super) fn join(
    state: &OrgState,
    user_id: UserId,
    role: Role,
    authority: &Authority,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    grants(role, authority)?;
    if state.members.contains_key(&user_id) {
        return Err(Rejection::AlreadyMember);
    }
    let current = places(state, context);
    check_limit(state, LimitKey::MaxMembersPerOrg, current, 1)?;
    let mut events = vec![MemberJoined { user_id, role }.into()];
    warn_if_near(
        state,
        &mut events,
        LimitKey::MaxMembersPerOrg,
        current + 1,
        context,
    );
    Ok(Decision::done(events))
}

pub(super) fn change_role(
    state: &OrgState,
    user_id: UserId,
    role: Role,
    authority: &Authority,
) -> Result<Decision, Rejection> {
    let previous = state.members.get(&user_id).ok_or(Rejection::NotFound)?.role;
    if role == previous {
        return Ok(Decision::done(vec![]));
    }
    grants(role, authority)?;
    if previous == Role::Admin {
        keep_an_admin(state, user_id)?;
    }
    let changed = MemberRoleChanged {
        user_id,
        role,
        previous,
    };
    let mut events = vec![changed.into()];
    if role != Role::Admin {
        let reason = SessionEndReason::Demoted;
        events.extend(sessions::ends(state, user_id, None, reason));
    }
    Ok(Decision::done(events))
}

/// Members and those who may become one without asking again.
pub(super) fn places(state: &OrgState, context: &Context<'_>) -> u64 {
    let places = state.current(LimitKey::MaxMembersPerOrg, context.now);
    places.unwrap_or(0)
}

pub(super) fn remove(
    state: &OrgState,
    user_id: UserId,
    keys: Option<KeyDisposition>,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    let Some(member) = state.members.get(&user_id) else {
        // Asked for again: only the barrier is run again.
        let is_done = state.former_members.contains_key(&user_id);
        return is_done
            .then(|| Decision::done(vec![]))
            .ok_or(Rejection::NotFound);
    };
    if member.role == Role::Admin {
        keep_an_admin(state, user_id)?;
    }
    let owned: Vec<KeyId> = state
        .keys
        .iter()
        .filter(|(_, key)| key.owner_id == Some(user_id) && is_live(key, context))
        .map(|(id, _)| *id)
        .collect();
    let mut events: Vec<Event> = vec![MemberRemoved { user_id }.into()];
    let reason = SessionEndReason::MemberRemoved;
    events.extend(sessions::ends(state, user_id, None, reason));
    match keys {
        None if !owned.is_empty() => {
            return Err(Rejection::MemberHasKeys {
                active_keys: owned.len() as u64,
            });
        }
        Some(KeyDisposition::Transfer(heir)) if heir == user_id || !may_inherit(state, heir) => {
            return Err(Rejection::NotFound);
        }
        None => {}
        Some(disposition) => {
            events.extend(owned.into_iter().map(|key_id| dispose(key_id, disposition)));
        }
    }
    Ok(Decision::done(events))
}

/// Keys of a person who is shut out would end with the transfer.
fn may_inherit(state: &OrgState, heir: UserId) -> bool {
    state.members.contains_key(&heir) && !state.banned_users.contains(&heir)
}

pub(super) fn ban(state: &OrgState, user_id: UserId, reason: Option<&str>) -> Decision {
    let banned = MemberBanned {
        user_id,
        reason: reason.map(str::to_owned),
    };
    let already = state.banned_users.contains(&user_id);
    Decision::done(if already { vec![] } else { vec![banned.into()] })
}

pub(super) fn unban(state: &OrgState, user_id: UserId) -> Decision {
    let banned = state.banned_users.contains(&user_id);
    Decision::done(if banned {
        vec![MemberUnbanned { user_id }.into()]
    } else {
        vec![]
    })
}

fn dispose(key_id: KeyId, disposition: KeyDisposition) -> Event {
    let owner = match disposition {
        KeyDisposition::Revoke => {
            return KeyRevoked {
                key_id,
                reason: RevocationReason::MemberRemoved,
            }
            .into();
        }
        KeyDisposition::Transfer(heir) => Some(heir),
        KeyDisposition::Keep => None,
    };
    KeyChanged {
        owner_id: Some(owner),
        ..KeyChanged::nothing(key_id)
    }
    .into()
}

fn is_live(key: &Key, context: &Context<'_>) -> bool {
    matches!(
        key.status(context.now),
        KeyStatus::Active | KeyStatus::Rotating
    )
}

/// A role is granted only by who holds every scope of it.
pub(super) fn grants(role: Role, authority: &Authority) -> Result<(), Rejection> {
    match role.scopes().first_missing_in(authority.scopes) {
        None => Ok(()),
        Some(required) => Err(Rejection::InsufficientScope {
            required,
            granted: authority.scopes,
        }),
    }
}

fn keep_an_admin(state: &OrgState, leaving: UserId) -> Result<(), Rejection> {
    if state.is_only_admin(leaving) {
        Err(Rejection::LastAdmin)
    } else {
        Ok(())
    }
}

impl OrgState {
    /// Whether a member is an admin, and nobody else is.
    pub fn is_only_admin(&self, person: UserId) -> bool {
        let mut admins = self.members.iter().filter(|(_, it)| it.role == Role::Admin);
        admins.next().is_some_and(|(id, _)| *id == person) && admins.next().is_none()
    }
}

pub(super) fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    match recorded.event {
        Event::MemberJoined(joined) => {
            let member = Member {
                role: joined.role,
                joined_at: recorded.at,
            };
            state.members.insert(joined.user_id, member);
            state.former_members.remove(&joined.user_id);
        }
        Event::MemberRoleChanged(changed) => {
            if let Some(member) = state.members.get_mut(&changed.user_id) {
                member.role = changed.role;
            }
        }
        Event::MemberRemoved(removed) => {
            state.members.remove(&removed.user_id);
            let removal = Denial::of(recorded, None);
            state.former_members.insert(removed.user_id, removal);
        }
        Event::MemberBanned(banned) => {
            state.banned_users.insert(banned.user_id);
        }
        Event::MemberUnbanned(unbanned) => {
            state.banned_users.remove(&unbanned.user_id);
        }
        _ => {}
    }
}
