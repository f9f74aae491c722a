//! What a command took away: its answer waits until every replica has heard of it.

use domain::event::{ChainHash, Event, RevocationReason, Role, SessionEndReason};
use domain::ids::{GlobalPosition, LogEpoch, UserId};
use domain::org::{Command, EndedSession, OrgState, SessionCommand};
use domain::time::Timestamp;
use event_log::Appended;

/// A change that took access away, and how far it is in force.
#[derive(Debug, Clone)]
pub struct Denial {
    /// The event.
    pub position: GlobalPosition,
    /// The first event that may have taken something away with it.
    pub first: GlobalPosition,
    /// When it was recorded.
    pub at: Timestamp,
    /// The life of the log in which the position counts.
    pub epoch: LogEpoch,
    /// The event's hash in the org's chain.
    pub event_hash: ChainHash,
    /// Set once it is in force everywhere.
    pub settled: Option<gate::Receipt>,
}

impl Denial {
    pub(super) fn of(appended: &Appended, index: usize) -> Option<Self> {
        Some(Self {
            position: appended.first.plus(index as u64),
            first: appended.first,
            at: appended.recorded_at,
            epoch: appended.epoch,
            event_hash: *appended.hashes.get(index)?,
            settled: None,
        })
    }
}

/// What a command that changed nothing took away when it was first sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Earlier {
    /// The first of its events.
    pub first: GlobalPosition,
    /// The last.
    pub last: GlobalPosition,
}

/// What this command, sent again, took away before: its barrier runs again (pitfall 12).
pub(super) fn earlier(state: &OrgState, command: &Command) -> Option<Earlier> {
    let key = |key_id| state.keys.get(key_id);
    let remembered = match command {
        Command::RevokeKey { key_id } => key(key_id).and_then(|key| key.revoked),
        Command::ChangeKey { key_id, .. } => key(key_id).and_then(|key| key.narrowed),
        Command::RemoveMember { user_id, .. } => return removal(state, *user_id),
        Command::Suspend { .. } => state.denials.suspension,
        Command::SetPlan { .. } => state.denials.plan,
        Command::SetLimit { limit_key, .. } => state.denials.limits.get(limit_key).copied(),
        Command::ChangeRole {
            user_id,
            role: Role::Member,
        } => return demotion(state, *user_id),
        Command::Session(SessionCommand::End { session_id }) => {
            let ended = state.sessions.get(session_id).and_then(|it| it.ended);
            ended.map(|ended| ended.denial)
        }
        Command::Session(SessionCommand::EndAll {
            user_id, reason, ..
        }) => return sessions_end(state, *user_id, *reason, GlobalPosition::ZERO),
        Command::BanMember { user_id, .. } => state.denials.bans.get(user_id).copied(),
        _ => None,
    };
    remembered.map(|denial| Earlier {
        first: denial.position,
        last: denial.position,
    })
}

/// Whether some of what the command asks for was so before it. The first time that was asked for, it
/// may have taken something away, of which nobody was told that it is in force.
pub(super) fn repeats(command: &Command, events: &[Event]) -> bool {
    let Command::ChangeKey { patch, .. } = command else {
        return events.is_empty();
    };
    let is_repeated =
        |event: &Event| matches!(event, Event::KeyChanged(changed) if patch.repeats(changed));
    events.iter().all(is_repeated)
}

/// A person's demotion, with the sessions that ended with it.
fn demotion(state: &OrgState, user_id: UserId) -> Option<Earlier> {
    let first = state.denials.demotions.get(&user_id)?.position;
    let with_it = sessions_end(state, user_id, SessionEndReason::Demoted, first);
    Some(Earlier {
        first,
        last: with_it.map_or(first, |ended| ended.last),
    })
}

/// The ends of a person's sessions for a reason, above a position.
fn sessions_end(
    state: &OrgState,
    user_id: UserId,
    reason: SessionEndReason,
    above: GlobalPosition,
) -> Option<Earlier> {
    let own = state.sessions.values().filter(|it| it.user_id == user_id);
    let ended = own.filter_map(|it| it.ended);
    let positions: Vec<_> = ended
        .filter(|it: &EndedSession| it.reason == reason && it.denial.position > above)
        .map(|it| it.denial.position)
        .collect();
    Some(Earlier {
        first: positions.iter().min().copied()?,
        last: positions.iter().max().copied()?,
    })
}

/// A person's removal, with the keys and sessions that ended with it.
fn removal(state: &OrgState, user_id: UserId) -> Option<Earlier> {
    let removed = state.former_members.get(&user_id)?;
    let owned = state
        .keys
        .values()
        .filter(|key| key.owner_id == Some(user_id));
    let revoked = owned.filter_map(|key| key.revoked);
    let with_it = revoked.filter(|denial| {
        denial.reason == Some(RevocationReason::MemberRemoved) && denial.position > removed.position
    });
    let last = with_it.map(|denial| denial.position).max();
    let reason = SessionEndReason::MemberRemoved;
    let sessions = sessions_end(state, user_id, reason, removed.position);
    let last = last.max(sessions.map(|ended| ended.last));
    Some(Earlier {
        first: removed.position,
        last: last.unwrap_or(removed.position),
    })
}

/// The receipt of a barrier that nobody waited for.
#[cfg(feature = "mutants")]
pub(super) fn unwaited(
    position: GlobalPosition,
    epoch: LogEpoch,
    now: chrono::DateTime<chrono::Utc>,
) -> Option<gate::Receipt> {
    gate::core::mutant::Mutant::RetryReturnsEarly
        .is_active()
        .then(|| gate::Receipt {
            position,
            effective_at: Timestamp::from_datetime(now),
            epoch,
            barrier: gate::Report {
                replicas: Vec::new(),
                waited: std::time::Duration::ZERO,
                bound: std::time::Duration::ZERO,
            },
            in_ledger: false,
        })
}

/// The index of the newest event of an append that takes access away.
pub(super) fn newest(events: &[Event]) -> Option<usize> {
    events.iter().rposition(Event::denies)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::event::{
        Actor, KeyChanged, KeyCreated, KeyRevoked, LimitChanged, MemberJoined, MemberRemoved,
        OrgReinstated, OrgSuspended, Role,
    };
    use domain::ids::KeyId;
    use domain::org::{Recorded, evolve};
    use domain::plan::LimitKey;
    use domain::scope::Scopes;
    use domain::text::Name;
    use uuid::Uuid;

    use super::*;

    fn changed(narrowed: bool) -> Event {
        KeyChanged {
            narrowed,
            ..KeyChanged::nothing(KeyId::from_uuid(Uuid::nil()))
        }
        .into()
    }

    fn limit(limit_key: LimitKey) -> Event {
        LimitChanged {
            limit_key,
            value: Some(1),
        }
        .into()
    }

    #[test]
    fn what_takes_access_away_is_found_and_the_newest_counts() {
        let revoked: Event = KeyRevoked {
            key_id: KeyId::from_uuid(Uuid::nil()),
            reason: RevocationReason::Requested,
        }
        .into();
        let suspended: Event = OrgSuspended { reason: None }.into();
        assert_eq!(
            newest(&[revoked.clone(), suspended, changed(false)]),
            Some(1)
        );
        assert_eq!(newest(&[changed(true)]), Some(0));
        assert_eq!(newest(&[limit(LimitKey::MaxApiRequestsPerDay)]), Some(0));
        assert_eq!(newest(&[revoked]), Some(0));
    }

    fn recorded(state: &mut OrgState, position: u64, event: impl Into<Event>) {
        let recorded = Recorded {
            event: &event.into(),
            at: Timestamp::from_micros(0).unwrap(),
            actor: Actor::System,
            position: GlobalPosition::new(position),
        };
        evolve(state, &recorded);
    }

    /// Keys that were revoked with a person stand behind the removal; others that were revoked
    /// since do not belong to it.
    #[test]
    fn a_removal_that_is_asked_for_again_waits_for_all_that_was_taken_away_with_it() {
        let user_id = UserId::from_uuid(Uuid::from_u128(7));
        let mut state = OrgState::default();
        let remove = Command::RemoveMember {
            user_id,
            keys: None,
        };
        assert_eq!(earlier(&state, &remove), None);
        let role = Role::Member;
        recorded(&mut state, 3, MemberJoined { user_id, role });
        for (number, position) in [(1, 4), (2, 5)] {
            recorded(&mut state, position, key_of(user_id, number));
        }
        recorded(&mut state, 8, MemberRemoved { user_id });
        for (number, position, reason) in [
            (1, 9, RevocationReason::MemberRemoved),
            (2, 30, RevocationReason::Requested),
        ] {
            let key_id = KeyId::from_uuid(Uuid::from_u128(number));
            recorded(&mut state, position, KeyRevoked { key_id, reason });
        }
        let Earlier { first, last } = earlier(&state, &remove).unwrap();
        assert_eq!((first.get(), last.get()), (8, 9));
    }

    fn key_of(owner: UserId, number: u128) -> KeyCreated {
        KeyCreated {
            key_id: KeyId::from_uuid(Uuid::from_u128(number)),
            name: Name::parse("Script").unwrap(),
            prefix: "tga_0123".to_owned(),
            scopes: Scopes::DEFAULT,
            owner_id: Some(owner),
            expires_at: None,
            ip_allowlist: None,
            rate_limit_per_minute: 60,
            strict: false,
            replaces: None,
            hash: None,
        }
    }

    #[test]
    fn what_widens_or_concerns_no_caller_is_not_waited_for() {
        let reinstated: Event = OrgReinstated {}.into();
        assert_eq!(newest(&[reinstated, changed(false)]), None);
        assert_eq!(newest(&[limit(LimitKey::MaxCreatorsPerOrg)]), None);
        assert_eq!(newest(&[]), None);
    }
}
