//! Where events stand: every filter against a look at all of them, and no filter reads much.

use domain::event::{Actor, ChainHash, EventType, Stream};
use domain::ids::{EventId, GlobalPosition, KeyId, OrgId, StreamVersion};
use event_log::StoredEvent;
use read_model::projection::{Indexed, index_in_tx};
use read_model::{AuditFilter, ReadModel, TypeFilter};
use sqlx::{Executor, PgPool};

use crate::plans::{one_connection, scans};
use crate::support::{id, instant, projection, read_model};

const EVENTS: u64 = 400;
const UNKNOWN: &str = "key.lent";

fn org(case: u64) -> OrgId {
    OrgId::from_uuid(id(1, case, 0))
}

fn key(number: u64) -> KeyId {
    KeyId::from_uuid(id(6, 1, number))
}

/// An event of one of a few types, actors and subjects, some of them of a newer build.
fn event(position: u64) -> StoredEvent {
    let org_id = org(1 + u64::from(position.is_multiple_of(5)));
    let type_name = match position % 7 {
        0 => EventType::ObservationRecorded.name(),
        1 => EventType::KeyCreated.name(),
        2 => EventType::KeyRevoked.name(),
        3 => UNKNOWN,
        4 => EventType::OrgChanged.name(),
        _ => EventType::VideoDiscovered.name(),
    };
    let stream = EventType::from_name(type_name).map_or(Stream::Decisions, EventType::stream);
    let subject = match type_name.split_once('.') {
        Some(("key", _)) => format!("keys/{}", key(position % 3)),
        Some(("video", _)) => format!("videos/{}", id(4, 1, position)),
        _ => format!("orgs/{org_id}"),
    };
    StoredEvent {
        position: GlobalPosition::new(position),
        event_id: EventId::from_uuid(id(9, 0, position)),
        org_id,
        stream,
        version: StreamVersion::new(position),
        type_name: type_name.into(),
        schema_version: 1,
        subject: subject.into(),
        actor: match position % 4 {
            0 => Actor::System,
            other => Actor::Key(key(other)),
        },
        correlation_id: "".into(),
        recorded_at: instant("2026-01-01T00:00:00Z"),
        auth_prev: None,
        prev_hash: ChainHash::ZERO,
        hash: ChainHash::ZERO,
        data: "{}".into(),
    }
}

async fn index(pool: &PgPool, events: &[StoredEvent]) {
    let indexed: Vec<_> = events.iter().map(Indexed::from).collect();
    let mut tx = pool.begin().await.unwrap();
    index_in_tx(&mut tx, &indexed).await.unwrap();
    tx.commit().await.unwrap();
}

fn naive(events: &[StoredEvent], filter: &AuditFilter, newest_first: bool, limit: u16) -> Vec<u64> {
    let mut found: Vec<u64> = events
        .iter()
        .filter(|event| event.org_id == org(1) && filter.streams.contains(&event.stream))
        .filter(|event| filter.actor.is_none_or(|actor| actor == event.actor))
        .filter(|event| {
            let subject = filter.subject.as_deref();
            subject.is_none_or(|subject| subject == &*event.subject)
        })
        .filter(|event| {
            let types = filter.types.as_ref();
            types.is_none_or(|types| types.iter().any(|one| one.covers(&event.type_name)))
        })
        .filter(|event| event.position > filter.after && event.position <= filter.to)
        .map(|event| event.position.get())
        .collect();
    if newest_first {
        found.reverse();
    }
    found.truncate(usize::from(limit));
    found
}

fn filters() -> Vec<AuditFilter> {
    let exact = |name: &str| TypeFilter::Type(name.to_owned());
    let all_of = |name: &str| TypeFilter::Entity(name.to_owned());
    let types = [
        None,
        Some(vec![exact("key.revoked")]),
        Some(vec![all_of("key")]),
        Some(vec![all_of("org"), exact("observation.recorded")]),
        Some(vec![exact("goal.added")]),
    ];
    let actors = [None, Some(Actor::System), Some(Actor::Key(key(1)))];
    let subjects = [
        None,
        Some(format!("orgs/{}", org(1))),
        Some(format!("keys/{}", key(2))),
        Some(format!("orgs/{}", org(2))),
    ];
    let streams = [
        vec![Stream::Decisions],
        vec![Stream::Observations],
        vec![Stream::Decisions, Stream::Observations],
    ];
    let mut filters = Vec::new();
    for types in &types {
        for actor in actors {
            for subject in &subjects {
                for streams in &streams {
                    for (after, to) in [(0, EVENTS), (100, 250), (EVENTS, EVENTS)] {
                        filters.push(AuditFilter {
                            streams: streams.clone(),
                            types: types.clone(),
                            actor,
                            subject: subject.clone(),
                            after: GlobalPosition::new(after),
                            to: GlobalPosition::new(to),
                        });
                    }
                }
            }
        }
    }
    filters
}

async fn found(
    model: &ReadModel,
    filter: &AuditFilter,
    newest_first: bool,
    limit: u16,
) -> Vec<u64> {
    let mut reader = model.org(org(1)).await.unwrap();
    let found = reader.audit_positions(filter, newest_first, limit).await;
    found
        .unwrap()
        .into_iter()
        .map(GlobalPosition::get)
        .collect()
}

#[tokio::test]
async fn every_filter_finds_what_a_look_at_everything_does() {
    let database = projection().await;
    let events: Vec<_> = (1..=EVENTS).map(event).collect();
    for batch in events.chunks(150) {
        index(database.pool(), batch).await;
    }
    let model = read_model(&database);
    let mut seen = 0;
    for filter in filters() {
        for newest_first in [false, true] {
            for limit in [3, 1_000] {
                let expected = naive(&events, &filter, newest_first, limit);
                let positions = found(&model, &filter, newest_first, limit).await;
                assert_eq!(positions, expected, "{filter:?} {newest_first}");
                seen += positions.len();
            }
        }
    }
    assert!(seen > 5_000, "{seen}");
}

/// One org with much of a few types, by few actors, about few things, and another org beside it.
async fn seed(pool: &PgPool) {
    let rows = "INSERT INTO audit_events (org_id, position, stream, type, subject, actor)
        SELECT CASE WHEN n % 20 = 0 THEN $2 ELSE $1 END, n,
            CASE WHEN n % 2 = 0 THEN 1 ELSE 0 END,
            CASE WHEN n % 2 = 0 THEN 'observation.recorded' WHEN n % 1001 = 0 THEN 'key.created'
                ELSE 'video.discovered' END,
            CASE WHEN n % 2 = 0 THEN 'orgs/' || $1 ELSE 'videos/' || md5(n::text)::uuid END,
            CASE WHEN n % 10001 = 0 THEN 'system' ELSE 'key:' || $3 END
        FROM generate_series(1, 200000) n";
    sqlx::query(rows)
        .bind(org(1).as_uuid())
        .bind(org(2).as_uuid())
        .bind(key(1).as_uuid())
        .execute(pool)
        .await
        .unwrap();
    pool.execute("VACUUM ANALYZE audit_events").await.unwrap();
}

async fn entries_read(pool: &PgPool) -> i64 {
    sqlx::query("SELECT pg_stat_force_next_flush()")
        .execute(pool)
        .await
        .unwrap();
    sqlx::query_scalar(
        "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes
         WHERE schemaname = current_schema() AND relname = 'audit_events'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn no_filter_reads_much_whether_it_finds_much_or_nothing() {
    let database = projection().await;
    let pool = one_connection(&database, None).await;
    seed(&pool).await;
    let model = ReadModel::new(pool.clone());
    let exact = |name: &str| Some(vec![TypeFilter::Type(name.to_owned())]);
    let decisions = AuditFilter {
        streams: vec![Stream::Decisions],
        ..AuditFilter::all()
    };
    let busy = Some(Actor::Key(key(1)));
    let of_org = Some(format!("orgs/{}", org(1)));
    let asked = [
        (decisions.clone(), 51),
        (AuditFilter::all(), 51),
        (
            AuditFilter {
                types: exact("key.created"),
                ..decisions.clone()
            },
            51,
        ),
        (
            AuditFilter {
                types: exact("goal.added"),
                ..decisions.clone()
            },
            0,
        ),
        (
            AuditFilter {
                actor: busy,
                types: exact("goal.added"),
                ..AuditFilter::all()
            },
            0,
        ),
        (
            AuditFilter {
                actor: busy,
                ..decisions.clone()
            },
            51,
        ),
        (
            AuditFilter {
                actor: Some(Actor::Key(key(2))),
                ..AuditFilter::all()
            },
            0,
        ),
        (
            AuditFilter {
                actor: Some(Actor::System),
                types: exact("video.discovered"),
                ..AuditFilter::all()
            },
            10,
        ),
        (
            AuditFilter {
                actor: Some(Actor::Key(key(2))),
                subject: of_org.clone(),
                ..AuditFilter::all()
            },
            0,
        ),
        (
            AuditFilter {
                actor: busy,
                subject: of_org.clone(),
                ..AuditFilter::all()
            },
            51,
        ),
        (
            AuditFilter {
                subject: of_org,
                ..decisions
            },
            0,
        ),
    ];
    let before = scans(&pool, &["audit_events"]).await;
    for (filter, expected) in asked {
        // Often enough that a generic plan would be taken, were it thought as good.
        for newest_first in [true, false, true, false, true, false, true] {
            let read = entries_read(&pool).await;
            let positions = found(&model, &filter, newest_first, 51).await;
            assert_eq!(positions.len(), expected, "{filter:?}");
            let read = entries_read(&pool).await - read;
            assert!(read < 1_000, "{read} entries for {filter:?}");
        }
    }
    assert_eq!(scans(&pool, &["audit_events"]).await, before);
}
