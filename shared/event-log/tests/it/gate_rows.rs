//! The rows of `gate.*` are exactly as fresh as the log, and an observation's caller is checked
//! where nothing can come between.

use domain::credential::{CredentialKind, CredentialSecret};
use domain::event::{
    ChainHash, Event, KeyChanged, KeyCreated, KeyRevoked, KeyRotated, LimitChanged, MemberBanned,
    MemberUnbanned, ObservationRecorded, OrgReinstated, OrgSuspended, PlanChanged,
    RevocationReason,
};
use domain::ids::{KeyId, OrgId, UserId};
use domain::plan::{LimitKey, Plan};
use domain::scope::{Scope, Scopes};
use domain::text::Name;
use domain::time::Timestamp;
use event_log::{AppendError, AppendRequest, EventLog, Guard};
use futures_util::future::join_all;
use runtime::entropy::Entropy;
use sqlx::PgPool;
use testkit::postgres;

use crate::support::{Process, append, event, org, org_created, request, sound_log};

pub fn key(owner: Option<UserId>) -> KeyCreated {
    let secret = CredentialSecret::generate(CredentialKind::ApiKey, &Entropy::os().bytes());
    KeyCreated {
        key_id: KeyId::from_uuid(Entropy::os().uuid_v4()),
        name: Name::parse("key").unwrap(),
        prefix: secret.prefix(),
        scopes: Scopes::DEFAULT,
        owner_id: owner,
        expires_at: None,
        ip_allowlist: None,
        rate_limit_per_minute: 60,
        strict: false,
        replaces: None,
        hash: Some(secret.hash()),
    }
}

fn revoked(key_id: KeyId) -> Event {
    Event::KeyRevoked(KeyRevoked {
        key_id,
        reason: RevocationReason::Requested,
    })
}

fn user() -> UserId {
    UserId::from_uuid(Entropy::os().uuid_v4())
}

/// A credential as text, column by column.
async fn row(pool: &PgPool, key: KeyId) -> String {
    sqlx::query_scalar(
        "select format('%s %s %s owner=%s banned=%s rate=%s from=%s until=%s overlap=%s at=%s', status,
             scopes, strict, owner_id is not null, owner_banned, rate_limit_per_minute,
             ip_allowlist, expires_at at time zone 'UTC', overlap_ends_at at time zone 'UTC', position)
         from gate.credentials where id = $1",
    )
    .bind(key.as_uuid())
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn every_org_is_listed_the_oldest_first() {
    let db = postgres().await;
    let process = Process::start(db.pool_as("tga_command"));
    assert_eq!(process.log.orgs().await.unwrap(), []);
    let mut orgs = [org(), org()];
    orgs.sort_unstable();
    for org in orgs.into_iter().rev() {
        append(&process.log, org, vec![org_created(), event()]).await;
    }
    assert_eq!(process.log.orgs().await.unwrap(), orgs);
}

/// As when a member leaves: many keys change, some of them twice, in one append.
#[tokio::test]
async fn many_changes_at_once_are_the_changes_one_by_one() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();
    let keys: Vec<_> = (0..5).map(|_| key(Some(user()))).collect();
    let ids: Vec<_> = keys.iter().map(|key| key.key_id).collect();
    let made = keys.into_iter().map(Event::from).collect();
    append(&process.log, org, made).await;
    let rate = |id, rate| KeyChanged {
        rate_limit_per_minute: Some(rate),
        ..KeyChanged::nothing(id)
    };
    let disowned = KeyChanged {
        owner_id: Some(None),
        strict: Some(true),
        ..KeyChanged::nothing(ids[1])
    };
    let events = vec![
        rate(ids[0], 7).into(),
        disowned.into(),
        rate(ids[0], 8).into(),
        rate(ids[2], 9).into(),
        revoked(ids[2]),
        revoked(ids[3]),
        revoked(ids[3]),
        rate(ids[4], 5).into(),
    ];
    append(&process.log, org, events).await;
    let rows = join_all(ids.iter().map(|id| row(db.pool(), *id))).await;
    let rest = "banned=f";
    let expected = [
        format!("1 3 f owner=t {rest} rate=8 from= until= overlap= at=8"),
        format!("1 3 t owner=f {rest} rate=60 from= until= overlap= at=7"),
        format!("3 3 f owner=t {rest} rate=9 from= until= overlap= at=10"),
        format!("3 3 f owner=t {rest} rate=60 from= until= overlap= at=12"),
        format!("1 3 f owner=t {rest} rate=5 from= until= overlap= at=13"),
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn a_key_lives_in_its_row() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (org, owner) = (org(), user());
    let until = Timestamp::parse("2030-01-02T03:04:05Z").unwrap();
    let made = KeyCreated {
        ip_allowlist: Some(vec![
            "10.0.0.0/8".parse().unwrap(),
            "2001:db8::/32".parse().unwrap(),
        ]),
        expires_at: Some(until),
        ..key(Some(owner))
    };
    let id = made.key_id;
    append(
        &process.log,
        org,
        vec![org_created(), Event::KeyCreated(made)],
    )
    .await;
    let row = async || row(db.pool(), id).await;
    assert_eq!(
        row().await,
        "1 3 f owner=t banned=f rate=60 from={10.0.0.0/8,2001:db8::/32} until=2030-01-02 03:04:05 \
         overlap= at=2"
    );
    let narrowed = KeyChanged {
        scopes: Some(Scopes::NONE.with(Scope::Read)),
        expires_at: Some(None),
        strict: Some(true),
        ..KeyChanged::nothing(id)
    };
    append(&process.log, org, vec![Event::KeyChanged(narrowed)]).await;
    assert_eq!(
        row().await,
        "1 1 t owner=t banned=f rate=60 from={10.0.0.0/8,2001:db8::/32} until= overlap= at=3"
    );
    let freed = KeyChanged {
        ip_allowlist: Some(None),
        rate_limit_per_minute: Some(30),
        owner_id: Some(None),
        ..KeyChanged::nothing(id)
    };
    append(&process.log, org, vec![Event::KeyChanged(freed)]).await;
    assert_eq!(
        row().await,
        "1 1 t owner=f banned=f rate=30 from= until= overlap= at=4"
    );
    let rotated = Event::KeyRotated(KeyRotated {
        key_id: id,
        new_key_id: key(None).key_id,
        ends_at: until,
    });
    append(&process.log, org, vec![rotated]).await;
    assert_eq!(
        row().await,
        "2 1 t owner=f banned=f rate=30 from= until= overlap=2030-01-02 03:04:05 at=5"
    );
    append(&process.log, org, vec![revoked(id)]).await;
    assert!(row().await.starts_with("3 1 t"), "{}", row().await);
    assert!(row().await.ends_with("at=6"));
    sound_log(&process.log).await;
}

#[tokio::test]
async fn an_org_lives_in_its_row() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();
    let row = async || {
        sqlx::query_scalar::<_, String>(
            "select format('%s %s %s %s %s', plan, requests_per_day, requests_per_minute_per_key,
                 suspended, position) from gate.orgs where org_id = $1",
        )
        .bind(org.as_uuid())
        .fetch_one(db.pool())
        .await
        .unwrap()
    };
    let limit = |limit_key, value| Event::LimitChanged(LimitChanged { limit_key, value });
    let plan = Event::PlanChanged(PlanChanged {
        plan: Plan::Ultra,
        previous: Plan::Starter,
    });
    for (event, expected) in [
        (org_created(), "starter   f 1"),
        (plan, "ultra   f 2"),
        (
            limit(LimitKey::MaxApiRequestsPerDay, Some(7)),
            "ultra 7  f 3",
        ),
        (
            limit(LimitKey::MaxRequestsPerMinutePerKey, Some(9)),
            "ultra 7 9 f 4",
        ),
        (limit(LimitKey::MaxCreatorsPerOrg, Some(9)), "ultra 7 9 f 4"),
        (limit(LimitKey::MaxApiRequestsPerDay, None), "ultra  9 f 6"),
        (
            Event::OrgSuspended(OrgSuspended { reason: None }),
            "ultra  9 t 7",
        ),
        (Event::OrgReinstated(OrgReinstated {}), "ultra  9 f 8"),
    ] {
        append(&process.log, org, vec![event]).await;
        assert_eq!(row().await, expected);
    }
}

#[tokio::test]
async fn a_ban_reaches_every_key_of_the_person_also_later_ones() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (org, person) = (org(), user());
    let keys = [
        key(Some(person)),
        key(Some(person)),
        key(Some(user())),
        key(None),
    ];
    let [first, second, other, ownerless] = keys.each_ref().map(|key| key.key_id);
    let made = keys.into_iter().map(Event::KeyCreated);
    append(
        &process.log,
        org,
        [org_created()].into_iter().chain(made).collect(),
    )
    .await;
    let banned = async |id| row(db.pool(), id).await.contains("banned=t");

    let ban = Event::MemberBanned(MemberBanned {
        user_id: person,
        reason: None,
    });
    append(&process.log, org, vec![ban]).await;
    assert!(banned(first).await && banned(second).await);
    assert!(!banned(other).await && !banned(ownerless).await);
    let later = key(Some(person));
    let late = later.key_id;
    append(&process.log, org, vec![Event::KeyCreated(later)]).await;
    assert!(banned(late).await);

    let unban = Event::MemberUnbanned(MemberUnbanned { user_id: person });
    append(&process.log, org, vec![unban]).await;
    assert!(!banned(first).await && !banned(late).await);
}

#[tokio::test]
async fn a_credentials_hash_is_in_its_row_and_in_metadata_alone() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let made = key(None);
    let hash = made.hash.unwrap();
    append(&process.log, org(), vec![Event::KeyCreated(made)]).await;
    let hex = ChainHash::from_bytes(*hash.as_bytes()).to_string();
    let (metadata, stored): (String, Vec<u8>) = sqlx::query_as(
        "select e.metadata->>'credential_sha256', c.hash from log.events e, gate.credentials c",
    )
    .fetch_one(db.pool())
    .await
    .unwrap();
    assert_eq!((metadata, &stored[..]), (hex.clone(), &hash.as_bytes()[..]));
    assert!(
        !sound_log(&process.log).await[0]
            .to_cloud_event()
            .contains(&hex)
    );
}

fn observation() -> Event {
    Event::ObservationRecorded(ObservationRecorded { readings: vec![] })
}

async fn observe(log: &EventLog, org: OrgId, guard: KeyId) -> Result<(), AppendError> {
    let guarded = AppendRequest {
        guard: Some(Guard::Key(guard)),
        ..request(org, vec![observation()])
    };
    log.append(guarded).await.map(drop)
}

#[tokio::test]
async fn who_may_not_act_observes_nothing() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (org, person) = (org(), user());
    let expired = KeyCreated {
        expires_at: Some(Timestamp::parse("2020-01-01T00:00:00Z").unwrap()),
        ..key(None)
    };
    let keys = [key(Some(person)), key(None), expired];
    let [owned, ended, expired] = keys.each_ref().map(|key| key.key_id);
    let made = keys.into_iter().map(Event::KeyCreated);
    append(
        &process.log,
        org,
        [org_created()].into_iter().chain(made).collect(),
    )
    .await;
    let denied = async |key| {
        let answer = observe(&process.log, org, key).await;
        matches!(answer, Err(AppendError::CallerDenied))
    };
    let unknown = key(None).key_id;
    assert!(denied(expired).await && denied(unknown).await);
    observe(&process.log, org, owned).await.unwrap();
    observe(&process.log, org, ended).await.unwrap();

    append(&process.log, org, vec![revoked(ended)]).await;
    assert!(denied(ended).await);
    let ban = Event::MemberBanned(MemberBanned {
        user_id: person,
        reason: None,
    });
    append(&process.log, org, vec![ban]).await;
    assert!(denied(owned).await);
    let unban = Event::MemberUnbanned(MemberUnbanned { user_id: person });
    append(&process.log, org, vec![unban]).await;
    observe(&process.log, org, owned).await.unwrap();
    let suspended = Event::OrgSuspended(OrgSuspended { reason: None });
    append(&process.log, org, vec![suspended]).await;
    assert!(denied(owned).await);
    // A key of another org is none.
    let elsewhere = crate::support::org();
    let answer = observe(&process.log, elsewhere, owned).await;
    assert!(matches!(answer, Err(AppendError::CallerDenied)));
}

/// S7: no event stands above the revocation of the key that caused it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stands_above_the_revocation_of_the_key_that_caused_it() {
    let db = postgres().await;
    let processes = [
        Process::start(db.pool().clone()),
        Process::start(db.pool().clone()),
    ];
    for _ in 0..5 {
        let org = org();
        let made = key(None);
        let id = made.key_id;
        append(
            &processes[0].log,
            org,
            vec![org_created(), Event::KeyCreated(made)],
        )
        .await;
        let observing = join_all((0..60).map(|index: usize| {
            let log = processes[index % 2].log.clone();
            async move {
                let mut accepted = 0;
                while observe(&log, org, id).await.is_ok() {
                    accepted += 1;
                }
                accepted
            }
        }));
        let revoking = async {
            append(&processes[0].log, crate::support::org(), vec![event()]).await;
            append(&processes[1].log, org, vec![revoked(id)]).await.last
        };
        let (accepted, revocation) = tokio::join!(observing, revoking);
        let all = sound_log(&processes[0].log).await;
        let observed: Vec<_> = all
            .iter()
            .filter(|stored| stored.org_id == org && &*stored.type_name == "observation.recorded")
            .collect();
        assert_eq!(observed.len(), accepted.iter().sum::<usize>());
        assert!(observed.iter().all(|stored| stored.position < revocation));
    }
}
