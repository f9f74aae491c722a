//! What a command took away: its answer waits until every replica has heard of it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::event::{ChainHash, Event};
use domain::ids::{GlobalPosition, LogEpoch};
use domain::org::{Command, OrgState};
use domain::time::Timestamp;
use event_log::Appended;
use gate::core::mutant::Mutant;

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

/// What a command that changed nothing may have taken away when it was first sent.
pub(super) enum Earlier {
    /// Nothing.
    Nothing,
    /// The state remembers it.
    At(GlobalPosition),
    /// Somewhere before the newest event that changes who may call.
    Somewhere,
}

/// What this command, sent again, took away before: its barrier runs again (pitfall 12).
pub(super) fn earlier(state: &OrgState, command: &Command) -> Earlier {
    let key = |key_id| state.keys.get(key_id);
    let remembered = match command {
        Command::RevokeKey { key_id } => key(key_id).and_then(|key| key.revoked),
        Command::ChangeKey { key_id, .. } => key(key_id).and_then(|key| key.narrowed),
        Command::Suspend { .. }
        | Command::SetPlan { .. }
        | Command::SetLimit { .. }
        | Command::ChangeRole { .. }
        | Command::BanMember { .. } => return Earlier::Somewhere,
        _ => None,
    };
    remembered.map_or(Earlier::Nothing, |denial| Earlier::At(denial.position))
}

/// Only with a fault: the receipt of a barrier that nobody waited for.
pub(super) fn unwaited(
    position: GlobalPosition,
    epoch: LogEpoch,
    now: DateTime<Utc>,
) -> Option<gate::Receipt> {
    Mutant::RetryReturnsEarly
        .is_active()
        .then(|| gate::Receipt {
            position,
            effective_at: Timestamp::from_datetime(now),
            epoch,
            barrier: gate::Report {
                replicas: Vec::new(),
                waited: Duration::ZERO,
                bound: Duration::ZERO,
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
    use domain::event::{
        KeyChanged, KeyRevoked, LimitChanged, OrgReinstated, OrgSuspended, RevocationReason,
    };
    use domain::ids::KeyId;
    use domain::plan::LimitKey;
    use uuid::Uuid;

    use super::*;

    fn changed(narrowed: bool) -> Event {
        KeyChanged {
            key_id: KeyId::from_uuid(Uuid::nil()),
            name: None,
            scopes: None,
            expires_at: None,
            ip_allowlist: None,
            rate_limit_per_minute: None,
            strict: None,
            owner_id: None,
            narrowed,
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

    #[test]
    fn what_widens_or_concerns_no_caller_is_not_waited_for() {
        let reinstated: Event = OrgReinstated {}.into();
        assert_eq!(newest(&[reinstated, changed(false)]), None);
        assert_eq!(newest(&[limit(LimitKey::MaxCreatorsPerOrg)]), None);
        assert_eq!(newest(&[]), None);
    }
}
