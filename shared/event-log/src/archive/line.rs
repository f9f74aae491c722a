//! An event as a line of the archive: the public form, and for events that change who may call one
//! member more, `authprev`, in its place among the sorted ones. It is no part of what is hashed.

use domain::ids::GlobalPosition;

use crate::stored::StoredEvent;

/// Follows the first member, `actor`, which holds no comma.
const AUTH_PREV: &str = "\"authprev\":\"";

/// The line, without its end.
pub fn of_event(event: &StoredEvent) -> String {
    let mut line = event.to_cloud_event();
    if let (Some(former), Some(comma)) = (event.auth_prev, line.find(',')) {
        line.insert_str(comma + 1, &format!("{AUTH_PREV}{former}\","));
    }
    line
}

/// The event of a line, whether it agrees with its hash or not; none if there is none.
pub fn to_event(line: &str) -> Option<StoredEvent> {
    let (actor, rest) = line.split_at(line.find(',')? + 1);
    let Some(rest) = rest.strip_prefix(AUTH_PREV) else {
        return StoredEvent::parse_public(line.as_bytes(), None);
    };
    let (former, rest) = rest.split_once("\",")?;
    let former = GlobalPosition::new(former.parse().ok()?);
    StoredEvent::parse_public([actor, rest].concat().as_bytes(), Some(former))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::event::{Actor, ChainHash, Stream};
    use domain::ids::{EventId, OrgId, StreamVersion, UserId};
    use domain::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn event(auth_prev: Option<u64>) -> StoredEvent {
        let mut event = StoredEvent {
            position: GlobalPosition::new(7),
            event_id: EventId::from_uuid(Uuid::from_u128(1)),
            org_id: OrgId::from_uuid(Uuid::from_u128(2)),
            stream: Stream::Decisions,
            version: StreamVersion::new(3),
            type_name: "key.revoked".into(),
            schema_version: 1,
            subject: "keys/1".into(),
            actor: Actor::User(UserId::from_uuid(Uuid::from_u128(3))),
            correlation_id: "a,\"b\"".into(),
            recorded_at: Timestamp::parse("2026-01-05T05:37:52.000001Z").unwrap(),
            auth_prev: auth_prev.map(GlobalPosition::new),
            prev_hash: ChainHash::ZERO,
            hash: ChainHash::ZERO,
            data: "{\"text\":\"{\\\"authprev\\\":\\\"9\\\"}\"}".into(),
        };
        event.hash = event.computed_hash();
        event
    }

    #[test]
    fn an_event_comes_back_whole() {
        for auth_prev in [None, Some(0), Some(6)] {
            let event = event(auth_prev);
            let line = of_event(&event);
            assert_eq!(to_event(&line).unwrap(), event);
            assert_eq!(line.contains("\"authprev\":\""), auth_prev.is_some());
        }
        let plain = event(None);
        assert_eq!(of_event(&plain), plain.to_cloud_event());
    }

    #[test]
    fn the_member_stands_in_its_place_and_nothing_else_changes() {
        let event = event(Some(6));
        let line = of_event(&event);
        assert!(line.contains("\",\"authprev\":\"6\",\"correlationid\":"));
        assert_eq!(
            line.replace("\"authprev\":\"6\",", ""),
            event.to_cloud_event()
        );
        assert_eq!(to_event("{}"), None);
        assert_eq!(to_event(&line.replace("\"6\"", "\"x\"")), None);
    }
}
