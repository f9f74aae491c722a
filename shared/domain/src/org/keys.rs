//! API keys: made, changed, rotated, ended.

use chrono::TimeDelta;
use ipnet::IpNet;

use super::account::warn_if_near;
use super::{
    Authority, Caller, Context, Decision, Denial, Existing, Key, KeyPatch, KeyStatus, NewKey,
    OrgState, Outcome, Recorded, Rejection, Rotation, check_limit,
};
use crate::event::{Event, KeyChanged, KeyCreated, KeyRevoked, KeyRotated, RevocationReason};
use crate::ids::KeyId;
use crate::limits::{
    IP_ALLOWLIST_ENTRIES, KEY_LIFE_MAX_DAYS, KEY_LIFE_MIN_SECONDS, KEY_RATE_DEFAULT,
    ROTATION_OVERLAP_MAX_SECONDS,
};
use crate::plan::LimitKey;
use crate::scope::Scopes;
use crate::time::Timestamp;

pub(super) fn create(
    state: &OrgState,
    new: &NewKey,
    authority: &Authority,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    if state.keys.contains_key(&new.key_id) {
        return Err(Rejection::Duplicate {
            what: Existing::Key,
            id: new.key_id.as_uuid(),
        });
    }
    check_scopes(new.scopes, authority)?;
    check_expiry(new.expires_at, context.now)?;
    check_allowlist(new.ip_allowlist.as_deref())?;
    let rate = new.rate_limit_per_minute;
    let rate_limit_per_minute = check_rate(state, rate.unwrap_or_else(|| default_rate(state)))?;
    let current = live_keys(state, context);
    check_limit(state, LimitKey::MaxApiKeysPerOrg, current, 1)?;
    let created = KeyCreated {
        key_id: new.key_id,
        name: new.name.clone(),
        prefix: new.prefix.clone(),
        scopes: new.scopes,
        owner_id: authority.owner_id,
        expires_at: new.expires_at,
        ip_allowlist: new.ip_allowlist.clone(),
        rate_limit_per_minute,
        strict: new.strict,
        replaces: None,
        hash: Some(new.hash),
    };
    let mut events = vec![created.into()];
    warn_if_near(
        state,
        &mut events,
        LimitKey::MaxApiKeysPerOrg,
        current + 1,
        context,
    );
    Ok(Decision {
        events,
        outcome: Outcome::Created(new.key_id.as_uuid()),
    })
}

pub(super) fn change(
    state: &OrgState,
    key_id: KeyId,
    patch: &KeyPatch,
    authority: &Authority,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    let key = live_key(state, key_id, context)?;
    if let Some(scopes) = patch.scopes {
        let widened: Scopes = scopes
            .iter()
            .filter(|scope| !key.scopes.contains(*scope))
            .collect();
        if scopes.is_empty() {
            return Err(invalid("scopes", "must not be empty"));
        }
        check_grant(widened, authority)?;
    }
    if let Some(expires_at) = patch.expires_at.filter(|end| *end != key.expires_at) {
        check_expiry(expires_at, context.now)?;
    }
    check_allowlist(patch.ip_allowlist.as_ref().and_then(|list| list.as_deref()))?;
    if let Some(rate) = patch.rate_limit_per_minute {
        check_rate(state, rate)?;
    }
    let mut changed = KeyChanged {
        name: patch.name.clone().filter(|name| *name != key.name),
        scopes: patch.scopes.filter(|scopes| *scopes != key.scopes),
        expires_at: patch.expires_at.filter(|end| *end != key.expires_at),
        ip_allowlist: patch
            .ip_allowlist
            .clone()
            .filter(|list| *list != key.ip_allowlist),
        rate_limit_per_minute: patch
            .rate_limit_per_minute
            .filter(|rate| *rate != key.rate_limit_per_minute),
        strict: patch.strict.filter(|strict| *strict != key.strict),
        ..KeyChanged::nothing(key_id)
    };
    if changed == KeyChanged::nothing(key_id) {
        return Ok(Decision::done(vec![]));
    }
    changed.narrowed = narrows(key, &changed);
    Ok(Decision::done(vec![changed.into()]))
}

pub(super) fn rotate(
    state: &OrgState,
    key_id: KeyId,
    rotation: &Rotation,
    authority: &Authority,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    let key = state.keys.get(&key_id).ok_or(Rejection::NotFound)?;
    if key.status(context.now) != KeyStatus::Active {
        return Err(Rejection::KeyNotActive);
    }
    if state.keys.contains_key(&rotation.new_key_id) {
        return Err(Rejection::Duplicate {
            what: Existing::Key,
            id: rotation.new_key_id.as_uuid(),
        });
    }
    if !(0..=ROTATION_OVERLAP_MAX_SECONDS).contains(&rotation.overlap_seconds) {
        let message = format!("must be 0 to {ROTATION_OVERLAP_MAX_SECONDS}");
        return Err(Rejection::Invalid {
            field: "overlap_seconds",
            message,
        });
    }
    check_grant(key.scopes, authority)?;
    let expires_at = match rotation.expires_at {
        Some(expires_at) => {
            check_expiry(expires_at, context.now)?;
            expires_at
        }
        None => inherited_expiry(key, context.now),
    };
    let overlaps = rotation.overlap_seconds > 0;
    let current = live_keys(state, context);
    if overlaps {
        check_limit(state, LimitKey::MaxApiKeysPerOrg, current, 1)?;
    }
    let overlap_end = context
        .now
        .plus(TimeDelta::seconds(rotation.overlap_seconds));
    let ends_at = key
        .expires_at
        .map_or(overlap_end, |end| end.min(overlap_end));
    let created = KeyCreated {
        key_id: rotation.new_key_id,
        name: rotation.name.clone().unwrap_or_else(|| key.name.clone()),
        prefix: rotation.prefix.clone(),
        scopes: key.scopes,
        owner_id: key.owner_id,
        expires_at,
        ip_allowlist: key.ip_allowlist.clone(),
        rate_limit_per_minute: key.rate_limit_per_minute,
        strict: key.strict,
        replaces: Some(key_id),
        hash: Some(rotation.hash),
    };
    let rotated = KeyRotated {
        key_id,
        new_key_id: rotation.new_key_id,
        ends_at,
    };
    let mut events = vec![created.into(), rotated.into()];
    if overlaps {
        warn_if_near(
            state,
            &mut events,
            LimitKey::MaxApiKeysPerOrg,
            current + 1,
            context,
        );
    } else {
        events.push(
            KeyRevoked {
                key_id,
                reason: RevocationReason::Rotated,
            }
            .into(),
        );
    }
    Ok(Decision {
        events,
        outcome: Outcome::Created(rotation.new_key_id.as_uuid()),
    })
}

/// Any status may be revoked, and an ended key may be revoked again: the barrier runs again.
pub(super) fn revoke(
    state: &OrgState,
    key_id: KeyId,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    let key = state.keys.get(&key_id).ok_or(Rejection::NotFound)?;
    if key.revoked.is_some() {
        return Ok(Decision::done(vec![]));
    }
    let reason = if context.caller == Caller::Key(key_id) {
        RevocationReason::SelfRevoked
    } else {
        RevocationReason::Requested
    };
    Ok(Decision::done(vec![KeyRevoked { key_id, reason }.into()]))
}

fn live_key<'a>(
    state: &'a OrgState,
    key_id: KeyId,
    context: &Context<'_>,
) -> Result<&'a Key, Rejection> {
    let key = state.keys.get(&key_id).ok_or(Rejection::NotFound)?;
    match key.status(context.now) {
        KeyStatus::Active | KeyStatus::Rotating => Ok(key),
        KeyStatus::Expired | KeyStatus::Revoked => Err(Rejection::KeyNotActive),
    }
}

fn live_keys(state: &OrgState, context: &Context<'_>) -> u64 {
    state
        .current(LimitKey::MaxApiKeysPerOrg, context.now)
        .unwrap_or(0)
}

fn check_scopes(scopes: Scopes, authority: &Authority) -> Result<(), Rejection> {
    if scopes.is_empty() {
        return Err(invalid("scopes", "must not be empty"));
    }
    check_grant(scopes, authority)
}

/// Nobody grants what they lack.
fn check_grant(scopes: Scopes, authority: &Authority) -> Result<(), Rejection> {
    match scopes.first_missing_in(authority.scopes) {
        None => Ok(()),
        Some(required) => Err(Rejection::InsufficientScope {
            required,
            granted: authority.scopes,
        }),
    }
}

fn check_expiry(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), Rejection> {
    let Some(end) = expires_at else { return Ok(()) };
    let (earliest, latest) = ends_of_life(now);
    if end < earliest || end > latest {
        return Err(invalid(
            "expires_at",
            "must lie 60 seconds to 10 years ahead",
        ));
    }
    Ok(())
}

/// The old key's span from now. A change may have moved its end so far that the span from its
/// making is longer than a life may be.
fn inherited_expiry(key: &Key, now: Timestamp) -> Option<Timestamp> {
    let made = key.created_at.datetime();
    let span = key.expires_at?.datetime().signed_duration_since(made);
    let (earliest, latest) = ends_of_life(now);
    Some(now.plus(span).clamp(earliest, latest))
}

/// The earliest and the latest end of a key that is made now.
fn ends_of_life(now: Timestamp) -> (Timestamp, Timestamp) {
    let earliest = now.plus(TimeDelta::seconds(KEY_LIFE_MIN_SECONDS));
    (earliest, now.plus(TimeDelta::days(KEY_LIFE_MAX_DAYS)))
}

fn check_allowlist(list: Option<&[IpNet]>) -> Result<(), Rejection> {
    let Some(list) = list else { return Ok(()) };
    if list.is_empty() || list.len() > IP_ALLOWLIST_ENTRIES {
        return Err(invalid(
            "ip_allowlist",
            "must have 1 to 50 entries; null allows any address",
        ));
    }
    if list.iter().any(|range| range.trunc() != *range) {
        return Err(invalid(
            "ip_allowlist",
            "must have ranges whose host bits are 0",
        ));
    }
    Ok(())
}

fn check_rate(state: &OrgState, rate: u64) -> Result<u64, Rejection> {
    if rate == 0 {
        return Err(invalid("rate_limit_per_minute", "must be at least 1"));
    }
    let limit_key = LimitKey::MaxRequestsPerMinutePerKey;
    match state.limits().max(limit_key) {
        Some(max) if rate > max => Err(Rejection::LimitReached {
            limit_key,
            current: rate,
            max,
        }),
        _ => Ok(rate),
    }
}

/// At least 1: an org whose maximum is 0 is told that it has reached it.
fn default_rate(state: &OrgState) -> u64 {
    let max = state.limits().max(LimitKey::MaxRequestsPerMinutePerKey);
    max.map_or(KEY_RATE_DEFAULT, |max| max.clamp(1, KEY_RATE_DEFAULT))
}

fn invalid(field: &'static str, message: &str) -> Rejection {
    Rejection::Invalid {
        field,
        message: message.to_owned(),
    }
}

/// Whether a request that was allowed before may now be refused.
fn narrows(key: &Key, changed: &KeyChanged) -> bool {
    let scope_lost = changed
        .scopes
        .is_some_and(|scopes| key.scopes.first_missing_in(scopes).is_some());
    let ends_earlier = match (changed.expires_at.flatten(), key.expires_at) {
        (Some(new), Some(old)) => new < old,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let range_lost = match (&changed.ip_allowlist, &key.ip_allowlist) {
        (None | Some(None), _) => false,
        (Some(Some(_)), None) => true,
        (Some(Some(new)), Some(old)) => !old
            .iter()
            .all(|range| new.iter().any(|wider| wider.contains(range))),
    };
    let rate_lowered = changed
        .rate_limit_per_minute
        .is_some_and(|rate| rate < key.rate_limit_per_minute);
    scope_lost || ends_earlier || range_lost || rate_lowered || changed.strict == Some(true)
}

pub(super) fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    let denial = |reason| Denial::of(recorded, reason);
    match recorded.event {
        Event::KeyCreated(created) => {
            state
                .keys
                .insert(created.key_id, Key::new(created, recorded));
        }
        Event::KeyChanged(changed) => {
            let Some(key) = state.keys.get_mut(&changed.key_id) else {
                return;
            };
            key.apply(changed);
            if changed.narrowed {
                key.narrowed = Some(denial(None));
            }
        }
        Event::KeyRotated(rotated) => {
            if let Some(key) = state.keys.get_mut(&rotated.key_id) {
                key.replaced_by = Some((rotated.new_key_id, rotated.ends_at));
            }
        }
        Event::KeyRevoked(revoked) => {
            if let Some(key) = state.keys.get_mut(&revoked.key_id) {
                key.revoked.get_or_insert(denial(Some(revoked.reason)));
            }
        }
        _ => {}
    }
}

impl Key {
    fn new(created: &KeyCreated, recorded: &Recorded<'_>) -> Self {
        Self {
            name: created.name.clone(),
            prefix: created.prefix.clone(),
            scopes: created.scopes,
            strict: created.strict,
            created_at: recorded.at,
            created_by: recorded.actor,
            owner_id: created.owner_id,
            expires_at: created.expires_at,
            ip_allowlist: created.ip_allowlist.clone(),
            rate_limit_per_minute: created.rate_limit_per_minute,
            replaced_by: None,
            replaces: created.replaces,
            revoked: None,
            narrowed: None,
        }
    }

    fn apply(&mut self, changed: &KeyChanged) {
        let changed = changed.clone();
        if let Some(name) = changed.name {
            self.name = name;
        }
        if let Some(scopes) = changed.scopes {
            self.scopes = scopes;
        }
        if let Some(expires_at) = changed.expires_at {
            self.expires_at = expires_at;
        }
        if let Some(list) = changed.ip_allowlist {
            self.ip_allowlist = list;
        }
        if let Some(rate) = changed.rate_limit_per_minute {
            self.rate_limit_per_minute = rate;
        }
        if let Some(strict) = changed.strict {
            self.strict = strict;
        }
        if let Some(owner_id) = changed.owner_id {
            self.owner_id = owner_id;
        }
    }
}
