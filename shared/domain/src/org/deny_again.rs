//! What a restore to an earlier moment made undone: denials that the log has lost, as commands that
//! take the same away again.
//!
//! Nothing here gives anything. A lost event is no patch to be applied as it stands: it may be older
//! than what was decided since, so of its terms and today's always the narrower ones are asked for.

use chrono::TimeDelta;
use ipnet::IpNet;
use thiserror::Error;

use super::{Command, Key, KeyDisposition, KeyPatch, KeyStatus, OrgState, SessionCommand};
use crate::event::{Event, KeyChanged, LimitChanged, Role, SessionEnded};
use crate::ids::{KeyId, UserId};
use crate::limits::KEY_LIFE_MIN_SECONDS;
use crate::plan::LimitKey;
use crate::scope::Scopes;
use crate::time::Timestamp;

/// What is to be done about a denial that the log has lost.
#[derive(Debug, Clone)]
pub enum Again {
    /// Decide this.
    Decide(Command),
    /// All that it took away is taken away.
    Holds,
    /// The log knows nothing of what it was about: that was made later than what was restored.
    Nothing,
}

/// A denial that cannot be put as a command: somebody must decide what is to become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAgain {
    /// The key has none of the scopes that it was left with.
    #[error("key {0} would be left without a scope: revoke it, or give it others")]
    NoScopes(KeyId),
    /// The key may call from none of the addresses that it was left with.
    #[error("key {0} would be left without an address: revoke it, or give it others")]
    NoAddresses(KeyId),
}

/// What takes away again what `lost` took away.
///
/// There is no `_` arm: a new event does not compile until it is decided here.
///
/// # Errors
/// [`NotAgain`]
pub fn deny_again(state: &OrgState, lost: &Event, now: Timestamp) -> Result<Again, NotAgain> {
    if state.profile.is_none() {
        return Ok(Again::Nothing);
    }
    Ok(match lost {
        Event::KeyRevoked(revoked) => of_key(state, revoked.key_id, now, |_| {
            Ok(Again::revoke(revoked.key_id))
        })?,
        Event::KeyRotated(rotated) => of_key(state, rotated.key_id, now, |key| {
            Ok(end(key, rotated.key_id, rotated.ends_at, now))
        })?,
        Event::KeyChanged(changed) => of_key(state, changed.key_id, now, |key| {
            narrow(state, key, changed, now)
        })?,
        Event::SessionEnded(ended) => end_session(state, ended),
        Event::MemberRemoved(removed) => remove(state, removed.user_id),
        Event::MemberRoleChanged(changed) => match changed.role {
            Role::Admin => Again::Holds,
            Role::Member => demote(state, changed.user_id),
        },
        Event::MemberBanned(banned) => {
            let is_banned = state.banned_users.contains(&banned.user_id);
            Again::unless(is_banned, || Command::BanMember {
                user_id: banned.user_id,
                reason: banned.reason.clone(),
            })
        }
        Event::OrgSuspended(suspended) => {
            let is_suspended = state.profile.as_ref().is_some_and(|org| org.suspended);
            Again::unless(is_suspended, || Command::Suspend {
                reason: suspended.reason.clone(),
            })
        }
        Event::PlanChanged(changed) => {
            let is_low = state.limits().plan <= changed.plan;
            Again::unless(is_low, || Command::SetPlan { plan: changed.plan })
        }
        Event::LimitChanged(changed) => limit(state, changed),
        Event::OrgCreated(_)
        | Event::OrgChanged(_)
        | Event::OrgReinstated(_)
        | Event::MemberJoined(_)
        | Event::MemberUnbanned(_)
        | Event::HandleBanned(_)
        | Event::HandleUnbanned(_)
        | Event::InvitationCreated(_)
        | Event::InvitationAccepted(_)
        | Event::InvitationDeclined(_)
        | Event::InvitationRevoked(_)
        | Event::SessionOpened(_)
        | Event::KeyCreated(_)
        | Event::ProjectAdded(_)
        | Event::ProjectChanged(_)
        | Event::ProjectRemoved(_)
        | Event::CreatorAdded(_)
        | Event::CreatorChanged(_)
        | Event::CreatorRenamed(_)
        | Event::CreatorReactivated(_)
        | Event::CreatorRemoved(_)
        | Event::CreatorAutoDisabled(_)
        | Event::CreatorReenabled(_)
        | Event::VideoAdded(_)
        | Event::VideoDiscovered(_)
        | Event::VideoChanged(_)
        | Event::VideoPromoted(_)
        | Event::VideoReviewed(_)
        | Event::VideoTrackingDisabled(_)
        | Event::VideoTrackingEnabled(_)
        | Event::VideoRemoved(_)
        | Event::CampaignAdded(_)
        | Event::CampaignChanged(_)
        | Event::CampaignRemoved(_)
        | Event::CampaignItemsAdded(_)
        | Event::CampaignItemsRemoved(_)
        | Event::GoalAdded(_)
        | Event::GoalChanged(_)
        | Event::GoalRemoved(_)
        | Event::AnnotationAdded(_)
        | Event::AnnotationChanged(_)
        | Event::AnnotationRemoved(_)
        | Event::WebhookAdded(_)
        | Event::WebhookChanged(_)
        | Event::WebhookRemoved(_)
        | Event::WebhookDisabled(_)
        | Event::LimitWarned(_)
        | Event::ObservationRecorded(_) => Again::Holds,
    })
}

impl Again {
    fn unless(holds: bool, command: impl FnOnce() -> Command) -> Self {
        if holds {
            Self::Holds
        } else {
            Self::Decide(command())
        }
    }

    const fn revoke(key_id: KeyId) -> Self {
        Self::Decide(Command::RevokeKey { key_id })
    }
}

/// Of a key that was revoked nothing is left; one that has expired could be given a later end.
fn of_key(
    state: &OrgState,
    key_id: KeyId,
    now: Timestamp,
    act: impl FnOnce(&Key) -> Result<Again, NotAgain>,
) -> Result<Again, NotAgain> {
    let Some(key) = state.keys.get(&key_id) else {
        return Ok(Again::Nothing);
    };
    if key.status(now) == KeyStatus::Revoked {
        return Ok(Again::Holds);
    }
    act(key)
}

fn narrow(
    state: &OrgState,
    key: &Key,
    lost: &KeyChanged,
    now: Timestamp,
) -> Result<Again, NotAgain> {
    let key_id = lost.key_id;
    if key.status(now) == KeyStatus::Expired {
        return Ok(Again::Holds);
    }
    if let Some(ends_at) = lost.expires_at.flatten()
        && is_over(ends_at, now)
    {
        return Ok(Again::revoke(key_id));
    }
    let patch = KeyPatch {
        name: None,
        scopes: lost
            .scopes
            .map(|scopes| common_scopes(key, key_id, scopes))
            .transpose()?
            .filter(|left| *left != key.scopes),
        expires_at: lost.expires_at.flatten().and_then(|end| earlier(key, end)),
        ip_allowlist: match lost.ip_allowlist.as_ref().and_then(Option::as_ref) {
            Some(ranges) => fewer_addresses(key, key_id, ranges)?,
            None => None,
        },
        rate_limit_per_minute: lost
            .rate_limit_per_minute
            .filter(|rate| *rate < key.rate_limit_per_minute)
            .map(|rate| at_most_the_orgs(state, rate)),
        strict: lost.strict.filter(|strict| *strict && !key.strict),
    };
    let holds = patch.scopes.is_none()
        && patch.expires_at.is_none()
        && patch.ip_allowlist.is_none()
        && patch.rate_limit_per_minute.is_none()
        && patch.strict.is_none();
    Ok(Again::unless(holds, || Command::ChangeKey {
        key_id,
        patch,
    }))
}

fn common_scopes(key: &Key, key_id: KeyId, lost: Scopes) -> Result<Scopes, NotAgain> {
    let common: Scopes = lost.iter().filter(|s| key.scopes.contains(*s)).collect();
    if common.is_empty() {
        Err(NotAgain::NoScopes(key_id))
    } else {
        Ok(common)
    }
}

/// The new allow-list, if it is narrower than the key's.
fn fewer_addresses(
    key: &Key,
    key_id: KeyId,
    lost: &[IpNet],
) -> Result<Option<Option<Vec<IpNet>>>, NotAgain> {
    let Some(own) = &key.ip_allowlist else {
        return Ok(Some(Some(lost.to_vec())));
    };
    let mut common: Vec<IpNet> = Vec::new();
    for range in own.iter().flat_map(|own| {
        let common = lost.iter().filter_map(|lost| narrower(*own, *lost));
        common.collect::<Vec<_>>()
    }) {
        if !common.contains(&range) {
            common.push(range);
        }
    }
    if common.is_empty() {
        return Err(NotAgain::NoAddresses(key_id));
    }
    let holds = own
        .iter()
        .all(|own| lost.iter().any(|wider| wider.contains(own)));
    Ok((!holds).then_some(Some(common)))
}

/// Of two ranges one lies in the other, or they have nothing in common.
fn narrower(one: IpNet, other: IpNet) -> Option<IpNet> {
    if one.contains(&other) {
        Some(other)
    } else {
        other.contains(&one).then_some(one)
    }
}

/// A key's rate may not be above what the org's keys may have, however it came to be.
fn at_most_the_orgs(state: &OrgState, rate: u64) -> u64 {
    let max = state.limits().max(LimitKey::MaxRequestsPerMinutePerKey);
    max.map_or(rate, |max| rate.min(max.max(1)))
}

/// Ends a key at an instant, or at once where that is too near to be an end by itself.
fn end(key: &Key, key_id: KeyId, at: Timestamp, now: Timestamp) -> Again {
    if key.status(now) == KeyStatus::Expired {
        return Again::Holds;
    }
    if is_over(at, now) {
        return Again::revoke(key_id);
    }
    let expires_at = earlier(key, at);
    Again::unless(expires_at.is_none(), || Command::ChangeKey {
        key_id,
        patch: KeyPatch {
            expires_at,
            ..KeyPatch::default()
        },
    })
}

fn is_over(end: Timestamp, now: Timestamp) -> bool {
    end < now.plus(TimeDelta::seconds(KEY_LIFE_MIN_SECONDS))
}

/// The new end, if it is earlier than the key's.
fn earlier(key: &Key, end: Timestamp) -> Option<Option<Timestamp>> {
    let is_earlier = key.ends_at().is_none_or(|own| end < own);
    is_earlier.then_some(Some(end))
}

fn end_session(state: &OrgState, lost: &SessionEnded) -> Again {
    let session_id = lost.session_id;
    match state.sessions.get(&session_id) {
        None => Again::Nothing,
        Some(session) => Again::unless(session.ended.is_some(), || {
            Command::Session(SessionCommand::End { session_id })
        }),
    }
}

/// What became of the member's keys stands in events of the keys, which follow.
fn remove(state: &OrgState, user_id: UserId) -> Again {
    if !state.members.contains_key(&user_id) {
        return Again::Nothing;
    }
    // Nobody becomes an admin in their place while services are closed; who is shut out has no
    // access either.
    if state.is_only_admin(user_id) && state.banned_users.contains(&user_id) {
        return Again::Holds;
    }
    Again::Decide(Command::RemoveMember {
        user_id,
        keys: Some(KeyDisposition::Keep),
    })
}

fn demote(state: &OrgState, user_id: UserId) -> Again {
    match state.members.get(&user_id).map(|member| member.role) {
        None => Again::Nothing,
        Some(Role::Member) => Again::Holds,
        Some(Role::Admin) => Again::Decide(Command::ChangeRole {
            user_id,
            role: Role::Member,
        }),
    }
}

fn limit(state: &OrgState, lost: &LimitChanged) -> Again {
    let limit_key = lost.limit_key;
    let limits = state.limits();
    let lost_max = lost.value.or_else(|| limit_key.of_plan(limits.plan));
    let lowers = match (lost_max, limits.max(limit_key)) {
        (Some(lost), Some(now)) => lost < now,
        (Some(_), None) => true,
        (None, _) => false,
    };
    Again::unless(!lowers, || Command::SetLimit {
        limit_key,
        value: lost.value,
    })
}
