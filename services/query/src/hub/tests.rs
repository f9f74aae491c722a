#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use domain::event::{Actor, ChainHash, Stream};
use domain::ids::{EventId, GlobalPosition, OrgId, StreamVersion};
use domain::limits::STREAM_BEHIND_BYTES;
use domain::time::Timestamp;
use event_log::StoredEvent;
use futures_util::FutureExt;
use read_model::TypeFilter;
use uuid::Uuid;

use super::{Closed, Hub, Mailbox, Wanted};

fn org(number: u128) -> OrgId {
    OrgId::from_uuid(Uuid::from_u128(number))
}

fn event(org_id: OrgId, position: u64, type_name: &'static str, data: &str) -> StoredEvent {
    StoredEvent {
        position: GlobalPosition::new(position),
        event_id: EventId::from_uuid(Uuid::nil()),
        org_id,
        stream: Stream::Decisions,
        version: StreamVersion::new(position),
        type_name: type_name.into(),
        schema_version: 1,
        subject: "orgs/x".into(),
        actor: Actor::System,
        correlation_id: "".into(),
        recorded_at: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
        auth_prev: None,
        prev_hash: ChainHash::ZERO,
        hash: ChainHash::ZERO,
        data: data.into(),
    }
}

fn everything() -> Wanted {
    Wanted {
        streams: vec![Stream::Decisions, Stream::Observations],
        types: None,
    }
}

fn heard(mailbox: &mut Mailbox) -> Vec<u64> {
    let mut heard = Vec::new();
    while let Some(Ok(told)) = mailbox.next().now_or_never() {
        heard.push(told.position.get());
    }
    heard
}

#[test]
fn a_mailbox_hears_its_orgs_events_that_it_wants_and_no_others() {
    let hub = Arc::new(Hub::default());
    hub.publish(&[event(org(1), 1, "key.created", "{}")]);
    let (mut all, from) = hub.join(org(1), everything());
    assert_eq!(from, GlobalPosition::new(1));
    let keys = Wanted {
        types: Some(vec![TypeFilter::Entity("key".to_owned())]),
        ..everything()
    };
    let (mut keys, _) = hub.join(org(1), keys);
    let observations = Wanted {
        streams: vec![Stream::Observations],
        types: None,
    };
    let (mut observations, _) = hub.join(org(1), observations);
    hub.publish(&[
        event(org(1), 2, "key.revoked", "{}"),
        event(org(2), 3, "key.revoked", "{}"),
        event(org(1), 4, "keyring.made", "{}"),
    ]);
    assert_eq!(heard(&mut all), [2, 4]);
    assert_eq!(heard(&mut keys), [2]);
    assert_eq!(heard(&mut observations), [] as [u64; 0]);
    drop((all, keys, observations));
    assert!(hub.state().orgs.is_empty());
}

#[test]
fn who_is_too_far_behind_is_let_go_and_others_are_not() {
    let hub = Arc::new(Hub::default());
    let (mut slow, _) = hub.join(org(1), everything());
    let (mut quick, _) = hub.join(org(1), everything());
    let data = format!("\"{}\"", "x".repeat(STREAM_BEHIND_BYTES / 4));
    let mut told = Vec::new();
    for position in 1..=4 {
        hub.publish(&[event(org(1), position, "key.created", &data)]);
        told.extend(heard(&mut quick));
    }
    assert_eq!(told, [1, 2, 3, 4]);
    assert_eq!(
        slow.next().now_or_never().unwrap().unwrap_err(),
        Closed::Slow
    );
    // Once closed, it stays so, and holds nothing.
    hub.publish(&[event(org(1), 5, "key.created", "{}")]);
    assert_eq!(
        slow.next().now_or_never().unwrap().unwrap_err(),
        Closed::Slow
    );
    assert!(slow.inbox.queue().waiting.is_empty());
}

#[test]
fn a_log_that_is_followed_anew_ends_every_mailbox() {
    let hub = Arc::new(Hub::default());
    let (mut mailbox, _) = hub.join(org(1), everything());
    hub.publish(&[event(org(1), 7, "key.created", "{}")]);
    hub.restart(GlobalPosition::new(3));
    assert_eq!(
        mailbox.next().now_or_never().unwrap().unwrap_err(),
        Closed::Restarted
    );
    let (_next, from) = hub.join(org(1), everything());
    assert_eq!(from, GlobalPosition::new(3));
}
