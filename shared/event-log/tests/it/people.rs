//! Members and their sessions: the rows of `gate.*` are exactly as fresh as the log, and a session
//! that ended acts nowhere.

use domain::credential::{CredentialKind, CredentialSecret};
use domain::event::{
    Event, MemberJoined, MemberRemoved, MemberRoleChanged, OrgChanged, Role, SessionEndReason,
    SessionEnded, SessionOpened,
};
use domain::ids::{OrgId, SessionId, UserId};
use domain::text::Name;
use domain::time::Timestamp;
use event_log::{AppendError, AppendRequest, EventLog, Guard};
use runtime::entropy::Entropy;
use sqlx::PgPool;
use testkit::postgres;

use crate::support::{Process, append, event, org, org_created, request};

fn user() -> UserId {
    UserId::from_uuid(Entropy::os().uuid_v4())
}

fn joined(user_id: UserId, role: Role) -> Event {
    MemberJoined { user_id, role }.into()
}

fn role_changed(user_id: UserId, role: Role) -> Event {
    let previous = Role::Admin;
    MemberRoleChanged {
        user_id,
        role,
        previous,
    }
    .into()
}

fn opened(user_id: UserId, role: Role) -> (SessionId, Event) {
    let secret = CredentialSecret::generate(CredentialKind::Session, &Entropy::os().bytes());
    let session_id = SessionId::from_uuid(Entropy::os().uuid_v4());
    let opened = SessionOpened {
        session_id,
        user_id,
        role,
        expires_at: Timestamp::parse("2126-03-08T12:00:00Z").unwrap(),
        hash: Some(secret.hash()),
    };
    (session_id, opened.into())
}

fn ended(session_id: SessionId, user_id: UserId) -> Event {
    let reason = SessionEndReason::Requested;
    SessionEnded {
        session_id,
        user_id,
        reason,
    }
    .into()
}

/// A session as text, column by column.
async fn row(pool: &PgPool, session: SessionId) -> String {
    sqlx::query_scalar(
        "select format('kind=%s status=%s scopes=%s owned=%s rate=%s until=%s at=%s denied=%s', kind, status,
             scopes, owner_id is not null, rate_limit_per_minute,
             to_char(expires_at at time zone 'UTC', 'YYYY'), position, denied_position)
         from gate.credentials where id = $1",
    )
    .bind(session.as_uuid())
    .fetch_one(pool)
    .await
    .unwrap()
}

async fn members(pool: &PgPool, org: OrgId) -> Vec<String> {
    let query = "select format('%s %s', role, position) from gate.members where org_id = $1 order by position";
    let rows = sqlx::query_scalar(query).bind(org.as_uuid());
    rows.fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn a_session_may_do_what_its_person_may_and_ends_with_them() {
    let db = postgres().await;
    let process = Process::start(db.pool_as("tga_command"));
    let (org, one, other) = (org(), user(), user());
    let (first, opened_first) = opened(one, Role::Member);
    let (second, opened_second) = opened(other, Role::Admin);
    let events = vec![
        org_created(),
        joined(one, Role::Member),
        joined(other, Role::Admin),
        opened_first,
        opened_second,
    ];
    append(&process.log, org, events).await;
    assert_eq!(members(db.pool(), org).await, ["member 2", "admin 3"]);
    let rows = "kind=2 status=1 scopes=3 owned=t rate=600 until=2126 at=4 denied=0";
    assert_eq!(row(db.pool(), first).await, rows);

    append(&process.log, org, vec![role_changed(one, Role::Admin)]).await;
    let rows = "kind=2 status=1 scopes=31 owned=t rate=600 until=2126 at=6 denied=0";
    assert_eq!(row(db.pool(), first).await, rows);
    append(&process.log, org, vec![role_changed(one, Role::Member)]).await;
    let rows = "kind=2 status=1 scopes=3 owned=t rate=600 until=2126 at=7 denied=7";
    assert_eq!(row(db.pool(), first).await, rows);
    assert_eq!(members(db.pool(), org).await, ["admin 3", "member 7"]);

    append(&process.log, org, vec![ended(second, other)]).await;
    let rows = "kind=2 status=3 scopes=31 owned=t rate=600 until=2126 at=8 denied=8";
    assert_eq!(row(db.pool(), second).await, rows);
    append(&process.log, org, vec![role_changed(other, Role::Member)]).await;
    assert_eq!(row(db.pool(), second).await, rows, "what is over stays so");

    // Also a session that no event of its own ends.
    append(
        &process.log,
        org,
        vec![MemberRemoved { user_id: one }.into()],
    )
    .await;
    let rows = "kind=2 status=3 scopes=3 owned=t rate=600 until=2126 at=10 denied=10";
    assert_eq!(row(db.pool(), first).await, rows);
    assert_eq!(members(db.pool(), org).await, ["member 9"]);
}

async fn act(log: &EventLog, org: OrgId, session: SessionId) -> Result<(), AppendError> {
    let guarded = AppendRequest {
        guard: Some(Guard::Session(session)),
        ..request(org, vec![event()])
    };
    log.append(guarded).await.map(drop)
}

#[tokio::test]
async fn a_session_acts_in_another_org_until_it_ends_in_its_own() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (home, elsewhere, person) = (org(), org(), user());
    let (session, opened) = opened(person, Role::Member);
    let events = vec![org_created(), joined(person, Role::Member), opened];
    append(&process.log, home, events).await;
    append(&process.log, elsewhere, vec![org_created()]).await;
    act(&process.log, elsewhere, session).await.unwrap();
    append(&process.log, home, vec![ended(session, person)]).await;
    let refused = act(&process.log, elsewhere, session).await;
    assert!(matches!(refused, Err(AppendError::CallerDenied)));
}

/// Members of a log that is older than the table are found by the migration.
#[tokio::test]
async fn the_table_of_members_is_what_the_log_says() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (org, one, other) = (org(), user(), user());
    let events = vec![
        org_created(),
        joined(one, Role::Admin),
        joined(other, Role::Admin),
        role_changed(one, Role::Member),
        MemberRemoved { user_id: other }.into(),
    ];
    append(&process.log, org, events).await;
    let kept = members(db.pool(), org).await;
    assert_eq!(kept, ["member 4"]);
    let migration = include_str!("../../../../migrations/20261130000100_create_gate_members.sql");
    let (_, fill) = migration
        .split_once("-- What the log holds already")
        .unwrap();
    let (comment, fill) = fill.split_once('\n').unwrap();
    assert!(comment.contains("newest event"));
    let (fill, _) = fill.split_once("reset role;").unwrap();
    sqlx::raw_sql("truncate gate.members")
        .execute(db.pool())
        .await
        .unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(fill))
        .execute(db.pool())
        .await
        .unwrap();
    assert_eq!(members(db.pool(), org).await, kept);
}

#[tokio::test]
async fn an_orgs_name_stands_beside_the_log() {
    let db = postgres().await;
    let process = Process::start(db.pool_as("tga_command"));
    let org = org();
    let row = async || -> (String, i64) {
        let query = "select name, position from gate.orgs where org_id = $1";
        let row = sqlx::query_as(query).bind(org.as_uuid());
        row.fetch_one(db.pool()).await.unwrap()
    };
    append(&process.log, org, vec![event(), org_created()]).await;
    assert_eq!(row().await, ("Acme".to_owned(), 2));
    let changed = |name: Option<&str>| OrgChanged {
        name: name.map(|name| Name::parse(name).unwrap()),
        timezone: Some("Asia/Kathmandu".to_owned()),
    };
    let events = vec![changed(Some("Acme GmbH")).into(), changed(None).into()];
    append(&process.log, org, events).await;
    assert_eq!(row().await, ("Acme GmbH".to_owned(), 2));
}
