//! Members, invitations and sessions, as they are folded and as they are asked for.

use chrono::TimeDelta;
use domain::event::{
    InvitationAccepted, InvitationCreated, InvitationDeclined, KeyCreated, MemberJoined,
    MemberRemoved, MemberRoleChanged, Role, SessionEndReason, SessionEnded, SessionOpened,
};
use domain::ids::{InvitationId, InviteeId, KeyId, OrgId, SessionId, UserId};
use domain::org::InvitationStatus;
use domain::plan::{LimitKey, Plan};
use domain::time::Timestamp;
use read_model::{Listed, MemberFilter, OrgReader, Page};
use sqlx::PgPool;

use crate::support::{Journal, apply, dump, id, projection, sample};

fn org() -> OrgId {
    OrgId::from_uuid(id(1, 1, 0))
}

fn user(n: u64) -> UserId {
    UserId::from_uuid(id(2, n, 0))
}

fn session(n: u64) -> SessionId {
    SessionId::from_uuid(id(3, n, 0))
}

fn invitation(n: u64) -> InvitationId {
    InvitationId::from_uuid(id(4, n, 0))
}

fn joined(n: u64, role: Role) -> MemberJoined {
    MemberJoined {
        user_id: user(n),
        role,
    }
}

fn opened(n: u64, by: u64, expires_at: Timestamp) -> SessionOpened {
    SessionOpened {
        session_id: session(n),
        user_id: user(by),
        role: Role::Member,
        expires_at,
        hash: None,
    }
}

fn invited(n: u64, expires_at: Timestamp) -> InvitationCreated {
    InvitationCreated {
        invitation_id: invitation(n),
        invitee_id: InviteeId::from_uuid(id(5, n, 0)),
        role: Role::Member,
        expires_at,
    }
}

/// Three members, of whom one is demoted and one leaves; sessions that end, and invitations.
fn journal(now: Timestamp) -> Journal {
    let later = now.plus(TimeDelta::days(7));
    let mut journal = Journal::new(org());
    journal.record(sample::org(Plan::Ultra));
    for n in 1..=3 {
        journal.record(joined(n, Role::Admin));
        journal.record(opened(n, n, later));
    }
    journal.record(opened(4, 1, later));
    journal.record(opened(5, 1, now));
    let ended = |n, by| SessionEnded {
        session_id: session(n),
        user_id: user(by),
        reason: SessionEndReason::Demoted,
    };
    journal.record(MemberRoleChanged {
        user_id: user(2),
        role: Role::Member,
        previous: Role::Admin,
    });
    journal.record(ended(2, 2));
    journal.record(MemberRemoved { user_id: user(3) });
    journal.record(ended(3, 3));
    for (n, expires_at) in [(1, later), (2, later), (3, now), (4, later)] {
        journal.record(invited(n, expires_at));
    }
    journal.record(InvitationDeclined {
        invitation_id: invitation(2),
    });
    journal.record(InvitationAccepted {
        invitation_id: invitation(4),
        user_id: user(4),
    });
    journal.record(joined(4, Role::Member));
    journal.record(KeyCreated {
        owner_id: Some(user(4)),
        ..sample::key(KeyId::from_uuid(id(6, 1, 0)), "Theirs")
    });
    journal
}

async fn reader(pool: &PgPool) -> OrgReader {
    read_model::ReadModel::new(pool.clone())
        .org(org())
        .await
        .unwrap()
}

fn numbers<T>(listed: &Listed<T>, id: impl Fn(&T) -> uuid::Uuid) -> Vec<usize> {
    let known: Vec<_> = (0..9)
        .flat_map(|n| [2, 3, 4].map(|kind| (n, crate::support::id(kind, n, 0))))
        .collect();
    let number = |item| known.iter().find(|(_, known)| *known == id(item));
    listed
        .items
        .iter()
        .map(|item| usize::try_from(number(item).unwrap().0).unwrap())
        .collect()
}

#[tokio::test]
async fn members_come_as_they_joined_with_the_keys_that_they_own() {
    let database = projection().await;
    let journal = journal(crate::support::instant("2026-03-01T00:00:00Z"));
    apply(database.pool(), &journal.events).await;
    let now = crate::support::instant("2026-03-01T00:00:00Z");
    let mut reader = reader(database.pool()).await;
    let all = MemberFilter::default();
    let listed = reader.members(&all, now, Page::default()).await.unwrap();
    assert_eq!(numbers(&listed, |it| it.user_id.as_uuid()), [1, 2, 4]);
    let keys: Vec<_> = listed.items.iter().map(|it| it.active_keys).collect();
    assert_eq!(keys, [0, 0, 1]);
    let first = reader
        .members(
            &all,
            now,
            Page {
                limit: 2,
                after: None,
            },
        )
        .await
        .unwrap();
    let page = Page {
        limit: 2,
        after: first.next,
    };
    let second = reader.members(&all, now, page).await.unwrap();
    assert_eq!(numbers(&second, |it| it.user_id.as_uuid()), [4]);
    assert!(second.next.is_none());
    for (filter, expected) in [
        (
            MemberFilter {
                role: Some(Role::Member),
                persons: None,
            },
            vec![2, 4],
        ),
        (
            MemberFilter {
                role: None,
                persons: Some(vec![user(4), user(3)]),
            },
            vec![4],
        ),
        (
            MemberFilter {
                role: Some(Role::Admin),
                persons: Some(vec![]),
            },
            vec![],
        ),
    ] {
        let listed = reader.members(&filter, now, Page::default()).await.unwrap();
        assert_eq!(numbers(&listed, |it| it.user_id.as_uuid()), expected);
    }
    let counts = reader.limit_counts(now).await.unwrap();
    // Three members and one open invitation.
    assert_eq!(counts.current(LimitKey::MaxMembersPerOrg), Some(4));
}

#[tokio::test]
async fn live_sessions_of_a_person_come_newest_first() {
    let database = projection().await;
    let now = crate::support::instant("2026-03-01T00:00:00Z");
    apply(database.pool(), &journal(now).events).await;
    let mut reader = reader(database.pool()).await;
    let listed = reader
        .sessions(user(1), now, Page::default())
        .await
        .unwrap();
    assert_eq!(
        numbers(&listed, |it| it.id.as_uuid()),
        [4, 1],
        "the fifth is over by the date"
    );
    assert_eq!(listed.items[0].role, Role::Admin);
    for person in [2, 3] {
        let listed = reader
            .sessions(user(person), now, Page::default())
            .await
            .unwrap();
        assert!(listed.items.is_empty());
    }
    assert!(reader.session(session(1)).await.unwrap().is_some());
    assert!(reader.session(session(2)).await.unwrap().is_none());
}

#[tokio::test]
async fn invitations_are_asked_for_by_status() {
    let database = projection().await;
    let now = crate::support::instant("2026-03-01T00:00:00Z");
    apply(database.pool(), &journal(now).events).await;
    let mut reader = reader(database.pool()).await;
    for (statuses, expected) in [
        (&[InvitationStatus::Pending][..], vec![1]),
        (&[InvitationStatus::Expired], vec![3]),
        (
            &[InvitationStatus::Declined, InvitationStatus::Accepted],
            vec![4, 2],
        ),
        (&[InvitationStatus::Revoked], vec![]),
    ] {
        let listed = reader
            .invitations(statuses, now, Page::default())
            .await
            .unwrap();
        assert_eq!(
            numbers(&listed, |it| it.id.as_uuid()),
            expected,
            "{statuses:?}"
        );
    }
    let ids = [invitation(1), invitation(9)];
    assert_eq!(reader.invitations_by_id(&ids).await.unwrap().len(), 1);
}

/// However the log is cut into batches, the rows are the same.
#[tokio::test]
async fn event_by_event_and_all_at_once_come_to_the_same() {
    let now = crate::support::instant("2026-03-01T00:00:00Z");
    let journal = journal(now);
    let (whole, single) = (projection().await, projection().await);
    apply(whole.pool(), &journal.events).await;
    for event in &journal.events {
        apply(single.pool(), std::slice::from_ref(event)).await;
    }
    let rows = dump(single.pool(), org()).await;
    assert_eq!(dump(whole.pool(), org()).await, rows);
    assert!(rows.iter().any(|row| row.starts_with("sessions ")));
}

#[tokio::test]
async fn sessions_that_are_long_over_go_with_the_next_sign_in() {
    let database = projection().await;
    let mut journal = Journal::new(org());
    journal.record(sample::org(Plan::Ultra));
    journal.record(joined(1, Role::Admin));
    let past = crate::support::instant("2020-01-01T00:00:00Z");
    journal.record(opened(1, 1, past));
    let known = journal.events.len();
    apply(database.pool(), &journal.events).await;
    journal.record(opened(
        2,
        1,
        crate::support::instant("2126-01-01T00:00:00Z"),
    ));
    apply(database.pool(), &journal.events[known..]).await;
    let rows = dump(database.pool(), org()).await;
    let sessions = rows.iter().filter(|row| row.starts_with("sessions "));
    assert_eq!(sessions.count(), 1);
}
