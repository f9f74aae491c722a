//! Accounts that the operator forbids an org to follow.

use super::{Decision, OrgState};
use crate::event::{Event, HandleBanned, HandleUnbanned};
use crate::platform::{Handle, Platform};

pub(super) fn ban(
    state: &OrgState,
    platform: Platform,
    handle: &Handle,
    reason: Option<&str>,
) -> Decision {
    if is_banned(state, platform, handle) {
        return Decision::done(vec![]);
    }
    let reason = reason.map(str::to_owned);
    let banned = HandleBanned {
        platform,
        handle: handle.clone(),
        reason,
    };
    Decision::done(vec![banned.into()])
}

pub(super) fn unban(state: &OrgState, platform: Platform, handle: &Handle) -> Decision {
    if !is_banned(state, platform, handle) {
        return Decision::done(vec![]);
    }
    Decision::done(vec![
        HandleUnbanned {
            platform,
            handle: handle.clone(),
        }
        .into(),
    ])
}

pub(super) fn is_banned(state: &OrgState, platform: Platform, handle: &Handle) -> bool {
    state
        .banned_handles
        .contains(&(platform, handle.folded(platform)))
}

pub(super) fn evolve(state: &mut OrgState, event: &Event) {
    match event {
        Event::HandleBanned(HandleBanned {
            platform, handle, ..
        }) => {
            state
                .banned_handles
                .insert((*platform, handle.folded(*platform)));
        }
        Event::HandleUnbanned(HandleUnbanned { platform, handle }) => {
            state
                .banned_handles
                .remove(&(*platform, handle.folded(*platform)));
        }
        _ => {}
    }
}
