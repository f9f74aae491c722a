//! Roll-ups, raw readings and the formulas agree; law 1 holds; batches do not matter.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use domain::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use read_model::analytics::{
    BucketDays, Calendar, EntityKind, Granularity, Levels, Metric, Mode, Value, series,
};
use read_model::{OrgReader, ReadModel};
use sqlx::PgPool;
use uuid::Uuid;

use crate::history::{Step, World, steps};
use crate::naive;
use crate::support::{apply, dump, instant, projection, read_model};

const ZONES: [Tz; 8] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::Asia__Kathmandu,
    Tz::Pacific__Chatham,
    Tz::America__Sao_Paulo,
    Tz::Australia__Lord_Howe,
    Tz::America__St_Johns,
    Tz::Pacific__Kiritimati,
];

/// What is asked of a history.
#[derive(Debug, Clone)]
struct Question {
    calendar: Calendar,
    now: Timestamp,
}

fn question() -> impl Strategy<Value = Question> {
    let granularity = prop_oneof![
        3 => Just(Granularity::Day),
        1 => Just(Granularity::Week),
        1 => Just(Granularity::Month),
        2 => (1_u16..8).prop_map(|days| Granularity::Custom(BucketDays::new(days).unwrap())),
    ];
    let zone = prop::sample::select(&ZONES[..]);
    (granularity, zone, 0_u64..20, 0_u64..20, 0_i64..25).prop_map(
        |(granularity, zone, first, length, now)| {
            let from: NaiveDate = "2018-10-27".parse().unwrap();
            let from = from + Days::new(first);
            let calendar =
                Calendar::try_new(from, from + Days::new(length), zone, granularity).unwrap();
            let start = instant("2018-10-28T01:07:00Z");
            let now = start.plus(chrono::TimeDelta::hours(25 * now));
            Question { calendar, now }
        },
    )
}

type Case = (Vec<Step>, Vec<Index>, Vec<Question>);

fn case() -> impl Strategy<Value = Case> {
    let questions = prop::collection::vec(question(), 1..4);
    (
        steps(),
        prop::collection::vec(any::<Index>(), 0..8),
        questions,
    )
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// Cases share databases: each has an org of its own.
fn next_case() -> u64 {
    static CASE: AtomicU64 = AtomicU64::new(1);
    CASE.fetch_add(1, Ordering::Relaxed)
}

fn run(cases: u32, test: impl Fn(Case) -> Result<(), TestCaseError>) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    TestRunner::new(config).run(&case(), test).unwrap();
}

#[test]
fn rolled_up_raw_and_computed_by_hand_are_equal() {
    let runtime = runtime();
    let database = runtime.block_on(projection());
    let model = read_model(&database);
    run(48, |(steps, cuts, questions)| {
        let mut world = World::new(next_case());
        world.run(&steps);
        runtime.block_on(async {
            apply_in_batches(database.pool(), &world, &cuts).await;
            for question in &questions {
                check(&model, &world, question).await?;
            }
            Ok(())
        })
    });
}

#[test]
fn a_rebuilt_projection_equals_the_one_that_grew() {
    let runtime = runtime();
    let (grown, rebuilt) = runtime.block_on(async { (projection().await, projection().await) });
    run(24, |(steps, cuts, _)| {
        let mut world = World::new(next_case());
        world.run(&steps);
        runtime.block_on(async {
            apply_in_batches(grown.pool(), &world, &cuts).await;
            apply(rebuilt.pool(), &world.journal.events).await;
            let org = world.journal.org;
            prop_assert_eq!(
                dump(grown.pool(), org).await,
                dump(rebuilt.pool(), org).await
            );
            Ok(())
        })
    });
}

async fn apply_in_batches(pool: &PgPool, world: &World, cuts: &[Index]) {
    let events = &world.journal.events;
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(events.len())).collect();
    cuts.extend([0, events.len()]);
    cuts.sort_unstable();
    cuts.dedup();
    for cut in cuts.windows(2) {
        apply(pool, &events[cut[0]..cut[1]]).await;
    }
}

async fn check(model: &ReadModel, world: &World, question: &Question) -> Result<(), TestCaseError> {
    let mut reader = model.org(world.journal.org).await.unwrap();
    let edges = question.calendar.edges();
    for (kind, entities) in entities(world) {
        let ids: Vec<Uuid> = entities.iter().map(|(id, _)| *id).collect();
        let raw = reader.from_raw(kind, &ids, &edges).await.unwrap();
        let rolled = rolled_up(&mut reader, kind, &ids, &edges).await;
        for (id, entity) in entities {
            for metric in Metric::ALL.into_iter().filter(|m| m.applies_to(kind)) {
                for mode in Mode::ALL {
                    let Question { calendar, now } = question;
                    let expected = naive::series(world, entity, metric, mode, calendar, *now);
                    let of = |levels: &Levels| series(metric, mode, calendar, levels, *now);
                    let what = format!("{metric} {mode} of {entity:?}");
                    let from_raw = of(&raw[&id]);
                    prop_assert_eq!(&shown(&from_raw), &expected, "raw {}", &what);
                    if let Some(rolled) = &rolled {
                        let rolled = of(&rolled[&id]);
                        prop_assert_eq!(&shown(&rolled), &expected, "roll-up {}", &what);
                    }
                    law_1(&from_raw, metric, mode, &raw[&id], question)?;
                }
            }
        }
    }
    Ok(())
}

async fn rolled_up(
    reader: &mut OrgReader,
    kind: EntityKind,
    ids: &[Uuid],
    edges: &[Timestamp],
) -> Option<std::collections::HashMap<Uuid, Levels>> {
    match kind {
        EntityKind::Video => None,
        _ => Some(reader.rolled_up(ids, edges).await.unwrap()),
    }
}

/// Everything that can be asked for. Roll-ups of a removed creator are not, and so may be anything.
fn entities(world: &World) -> Vec<(EntityKind, Vec<(Uuid, naive::Entity)>)> {
    let creators = world.creators.iter().enumerate();
    let creators = creators.filter(|(_, creator)| !creator.is_removed);
    let creators = creators.map(|(n, creator)| (creator.id.as_uuid(), naive::Entity::Creator(n)));
    let videos = world.videos.iter().enumerate();
    let videos = videos.map(|(n, video)| (video.id.as_uuid(), naive::Entity::Video(n)));
    vec![
        (
            EntityKind::Project,
            vec![(world.project.as_uuid(), naive::Entity::Project)],
        ),
        (EntityKind::Creator, creators.collect()),
        (EntityKind::Video, videos.collect()),
    ]
}

/// The sum of new is the last cumulative minus the start value.
fn law_1(
    answer: &read_model::analytics::Series,
    metric: Metric,
    mode: Mode,
    levels: &Levels,
    question: &Question,
) -> Result<(), TestCaseError> {
    if metric.is_derived() || mode != Mode::New || answer.points.is_empty() {
        return Ok(());
    }
    let Question { calendar, now } = question;
    let cumulative = series(metric, Mode::Cumulative, calendar, levels, *now);
    let gained: i64 = answer.points.iter().map(|point| count(point.value)).sum();
    prop_assert_eq!(gained, count(answer.total));
    prop_assert_eq!(
        gained,
        count(cumulative.total) - answer.start_value.unwrap_or(0)
    );
    prop_assert_eq!(answer.start_value, cumulative.start_value);
    Ok(())
}

fn count(value: Option<Value>) -> i64 {
    match value {
        Some(Value::Count(count)) => count,
        None => 0,
        Some(Value::Decimal(_)) => panic!("a count is expected"),
    }
}

fn shown(series: &read_model::analytics::Series) -> naive::Series {
    let value = |value: Option<Value>| match value {
        None => "null".to_owned(),
        Some(Value::Count(count)) => count.to_string(),
        Some(Value::Decimal(decimal)) => decimal.to_string(),
    };
    let points = series.points.iter().map(|point| naive::Point {
        t: point.first_day.to_string(),
        value: value(point.value),
        is_partial: point.is_partial,
        is_baseline: point.is_baseline,
    });
    naive::Series {
        points: points.collect(),
        total: value(series.total),
        start_value: series
            .start_value
            .map_or_else(|| "null".to_owned(), |v| v.to_string()),
    }
}
