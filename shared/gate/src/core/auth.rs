//! What each auth event says about who may call.

use domain::event::Event;
use domain::ids::{GlobalPosition, OrgId, UserId};
use domain::plan::LimitKey;
use uuid::Uuid;

use super::stamp::Mark;

/// Whom an auth event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One key or session.
    Credential(Uuid),
    /// All credentials of one person in one org.
    Owner(OrgId, UserId),
    /// All credentials of one org.
    Org(OrgId),
}

/// What an auth event means for entries older than it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Nothing: it only adds somebody.
    Nothing,
    /// The subject's entries are marked.
    Marks(Subject, Mark),
    /// This build cannot tell (pitfall 19).
    Unknown,
}

/// An auth event as the apply task takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuthEvent {
    /// Its place in the log.
    pub position: GlobalPosition,
    /// The place of the auth event before it.
    pub previous: GlobalPosition,
    /// What it means.
    pub change: Change,
}

/// What an event that stands in the log as an auth event means.
pub fn change(org: OrgId, event: &Event) -> Change {
    let credential = |id: Uuid, mark| Change::Marks(Subject::Credential(id), mark);
    let owner = |id: UserId| Change::Marks(Subject::Owner(org, id), Mark::Changed);
    let whole = |mark| Change::Marks(Subject::Org(org), mark);
    match event {
        Event::OrgCreated(_)
        | Event::KeyCreated(_)
        | Event::SessionOpened(_)
        | Event::MemberJoined(_) => Change::Nothing,
        Event::SessionEnded(ended) => credential(ended.session_id.as_uuid(), Mark::Ended),
        Event::KeyRevoked(revoked) => credential(revoked.key_id.as_uuid(), Mark::Ended),
        Event::KeyChanged(changed) => credential(changed.key_id.as_uuid(), Mark::Changed),
        Event::KeyRotated(rotated) => credential(rotated.key_id.as_uuid(), Mark::Changed),
        Event::MemberBanned(banned) => owner(banned.user_id),
        Event::MemberUnbanned(unbanned) => owner(unbanned.user_id),
        Event::MemberRemoved(removed) => owner(removed.user_id),
        Event::MemberRoleChanged(changed) => owner(changed.user_id),
        Event::OrgSuspended(_) => whole(Mark::Ended),
        Event::OrgReinstated(_) | Event::PlanChanged(_) => whole(Mark::Changed),
        // Of an org's limits an entry holds these two; for others no key needs to be read anew.
        Event::LimitChanged(changed) => match changed.limit_key {
            LimitKey::MaxApiRequestsPerDay | LimitKey::MaxRequestsPerMinutePerKey => {
                whole(Mark::Changed)
            }
            _ => Change::Nothing,
        },
        _ => Change::Unknown,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use domain::event::{EventType, LimitChanged};

    use super::*;

    /// Every committed sample of an auth event is understood, and no other is.
    #[test]
    fn every_auth_event_of_this_build_is_understood() {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/events");
        let org = OrgId::from_uuid(Uuid::nil());
        for event_type in EventType::ALL {
            let (name, version) = (event_type.name(), event_type.schema_version());
            let path = samples.join(format!("{name}.v{version}.sample.json"));
            let text = std::fs::read_to_string(&path).unwrap();
            let event = Event::decode(name, version, text.trim_end(), None).unwrap();
            let known = change(org, &event) != Change::Unknown;
            assert_eq!(known, event_type.is_auth(), "{name}");
        }
    }
    #[test]
    fn a_limit_that_no_request_meets_here_marks_nobody() {
        let org = OrgId::from_uuid(Uuid::nil());
        let marking: Vec<_> = LimitKey::ALL
            .iter()
            .copied()
            .filter(|&limit_key| {
                let value = Some(5);
                let event = Event::LimitChanged(LimitChanged { limit_key, value });
                change(org, &event) != Change::Nothing
            })
            .map(LimitKey::name)
            .collect();
        assert_eq!(
            marking,
            [
                "max_api_requests_per_day",
                "max_requests_per_minute_per_key"
            ]
        );
    }
}
