//! Roll-ups, raw readings and the formulas agree; law 1 holds; batches do not matter.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use domain::event::RecordedEvent;
use domain::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use read_model::analytics::{
    Asked, BaseMetric, BucketDays, Calendar, Edges, EntityKind, Granularity, Inputs, Levels,
    Measure, Metric, Mode, Value, series,
};
use read_model::{AnalyticsRequest, OrgReader, Page, ReadModel, Source};
use sqlx::PgPool;
use uuid::Uuid;

use crate::history::{Step, World, steps};
use crate::naive;
use crate::support::{apply, dump, instant, projection, read_model, roll, roll_all};

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
    /// History begins so many days after the range, or before it.
    known_from: Option<i64>,
}

impl Question {
    fn known_from(&self) -> Option<NaiveDate> {
        let days = chrono::TimeDelta::days(self.known_from?);
        Some(self.calendar.from() + days)
    }

    fn of<'a>(&self, measure: Measure, mode: Mode, calendar: &'a Calendar) -> Asked<'a> {
        Asked {
            measure,
            mode,
            calendar,
            now: self.now,
            known_from: self.known_from(),
        }
    }
}

/// Every metric, growth of every base.
fn measures(kind: EntityKind) -> impl Iterator<Item = Measure> {
    let plain = Metric::ALL.into_iter().map(|metric| (metric, None));
    let growth = BaseMetric::ALL.map(|base| (Metric::GrowthRatePop, Some(base)));
    let all = plain.chain(growth);
    let all = all.filter_map(|(metric, base)| Measure::new(metric, base));
    all.filter(move |measure| measure.applies_to(kind))
}

fn question() -> impl Strategy<Value = Question> {
    let granularity = prop_oneof![
        3 => Just(Granularity::Day),
        1 => Just(Granularity::Week),
        1 => Just(Granularity::Month),
        2 => (1_u16..8).prop_map(|days| Granularity::Custom(BucketDays::new(days).unwrap())),
    ];
    let zone = prop::sample::select(&ZONES[..]);
    let known_from = prop::option::weighted(0.3, -20_i64..3);
    (
        granularity,
        zone,
        0_u64..20,
        0_u64..20,
        0_i64..25,
        known_from,
    )
        .prop_map(|(granularity, zone, first, length, now, known_from)| {
            let from: NaiveDate = "2018-10-27".parse().unwrap();
            let from = from + Days::new(first);
            let calendar =
                Calendar::try_new(from, from + Days::new(length), zone, granularity).unwrap();
            let start = instant("2018-10-28T01:07:00Z");
            let now = start.plus(chrono::TimeDelta::hours(25 * now));
            Question {
                calendar,
                now,
                known_from,
            }
        })
}

/// The end of a batch, and so many steps of so many rows in which campaigns are rolled up behind it:
/// few enough to leave them halfway.
#[derive(Debug, Clone)]
struct Cut {
    at: Index,
    rolls: usize,
    step: usize,
}

type Case = (Vec<Step>, Vec<Cut>, Vec<Question>);

fn case() -> impl Strategy<Value = Case> {
    let cut = (any::<Index>(), 0_usize..12, 1_usize..3);
    let cut = cut.prop_map(|(at, rolls, step)| Cut { at, rolls, step });
    (
        steps(),
        prop::collection::vec(cut, 0..8),
        prop::collection::vec(question(), 1..4),
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
            for (events, cut) in batches(&world, &cuts) {
                apply_and_roll(database.pool(), events, cut).await;
                sources_agree(&model, &world, &questions[0]).await?;
            }
            roll_all(database.pool()).await;
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
            for (events, cut) in batches(&world, &cuts) {
                apply_and_roll(grown.pool(), events, cut).await;
            }
            apply(rebuilt.pool(), &world.journal.events).await;
            for database in [&grown, &rebuilt] {
                roll_all(database.pool()).await;
            }
            let org = world.journal.org;
            prop_assert_eq!(
                dump(grown.pool(), org).await,
                dump(rebuilt.pool(), org).await
            );
            Ok(())
        })
    });
}

/// Pruned now and then while it grows, answers about days that are kept are as if nothing had gone, to
/// the digit; and what is left in the end is what is left of a rebuilt projection.
#[test]
fn what_goes_changes_no_answer_about_what_is_kept() {
    let runtime = runtime();
    let (grown, rebuilt) = runtime.block_on(async { (projection().await, projection().await) });
    let model = read_model(&grown);
    let went = AtomicU64::new(0);
    run(48, |(steps, cuts, mut questions)| {
        let mut world = World::new(next_case());
        world.run(&steps);
        let org = world.journal.org;
        runtime.block_on(async {
            // So many days are kept; the history is of a month.
            let kept_from = instant("2018-11-05T00:00:00Z");
            let now = kept_from.plus(chrono::TimeDelta::days(33));
            for (number, (events, cut)) in batches(&world, &cuts).enumerate() {
                apply_and_roll(grown.pool(), events, cut).await;
                limit_history(grown.pool(), org).await;
                // The window moves on.
                let days = i64::try_from(number).unwrap().min(4) - 5;
                let earlier = now.plus(chrono::TimeDelta::days(days));
                prune_all(grown.pool(), earlier).await;
            }
            roll_all(grown.pool()).await;
            prune_all(grown.pool(), now).await;
            apply(rebuilt.pool(), &world.journal.events).await;
            roll_all(rebuilt.pool()).await;
            let before = readings(rebuilt.pool(), org).await.len();
            limit_history(rebuilt.pool(), org).await;
            prune_all(rebuilt.pool(), now).await;
            let left = readings(grown.pool(), org).await;
            went.fetch_add((before - left.len()) as u64, Ordering::Relaxed);
            prop_assert_eq!(&left, &readings(rebuilt.pool(), org).await);
            for question in &mut questions {
                // From the first day that begins later in every zone.
                let from = kept_from.date() + Days::new(1);
                let length = (question.calendar.to() - question.calendar.from()).num_days();
                let to = from + chrono::TimeDelta::days(length);
                let (tz, granularity) = (question.calendar.tz(), question.calendar.granularity());
                question.calendar = Calendar::try_new(from, to, tz, granularity).unwrap();
                question.now = question.now.plus(chrono::TimeDelta::days(14));
                question.known_from = Some(0);
                check(&model, &world, question).await?;
            }
            Ok(())
        })
    });
    assert!(went.load(Ordering::Relaxed) > 100, "hardly anything went");
}

async fn limit_history(pool: &PgPool, org: domain::ids::OrgId) {
    sqlx::query(
        "INSERT INTO org_limits (org_id, limit_key, value)
         VALUES ($1, 'stats_history_retention_days', 31) ON CONFLICT DO NOTHING",
    )
    .bind(org.as_uuid())
    .execute(pool)
    .await
    .unwrap();
}

async fn prune_all(pool: &PgPool, now: Timestamp) {
    let mut connection = pool.acquire().await.unwrap();
    read_model::prune(&mut connection, now).await.unwrap();
}

async fn readings(pool: &PgPool, org: domain::ids::OrgId) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT r::text FROM video_readings r WHERE org_id = $1
         UNION ALL SELECT r::text FROM creator_readings r WHERE org_id = $1 ORDER BY 1",
    )
    .bind(org.as_uuid())
    .fetch_all(pool)
    .await
    .unwrap()
}

/// The history in batches, the last of which has no cut.
fn batches<'a>(
    world: &'a World,
    cuts: &'a [Cut],
) -> impl Iterator<Item = (&'a [RecordedEvent], Option<&'a Cut>)> {
    let events = &world.journal.events;
    let mut ends: Vec<_> = cuts
        .iter()
        .map(|cut| (cut.at.index(events.len()), Some(cut)))
        .collect();
    ends.push((events.len(), None));
    ends.sort_by_key(|(end, _)| *end);
    let mut begin = 0;
    ends.into_iter().map(move |(end, cut)| {
        let batch = &events[begin..end];
        begin = end;
        (batch, cut)
    })
}

async fn apply_and_roll(pool: &PgPool, events: &[RecordedEvent], cut: Option<&Cut>) {
    apply(pool, events).await;
    for _ in 0..cut.map_or(0, |cut| cut.rolls) {
        roll(pool, cut.map_or(1, |cut| cut.step)).await;
    }
}

/// Whatever campaigns are rolled up by now, answers are those of their readings.
async fn sources_agree(
    model: &ReadModel,
    world: &World,
    question: &Question,
) -> Result<(), TestCaseError> {
    let mut reader = model.org(world.journal.org).await.unwrap();
    let listed = reader.campaigns(None, None, Page::default()).await.unwrap();
    let request = |measure| AnalyticsRequest {
        entity: EntityKind::Campaign,
        ids: listed.items.iter().map(|one| one.id.as_uuid()).collect(),
        measure,
        mode: Mode::New,
        calendar: question.calendar.clone(),
        now: question.now,
        known_from: None,
        with_prior: true,
        by_video: false,
    };
    let plain = |measure: &Measure| !measure.metric().is_derived();
    for measure in measures(EntityKind::Campaign).filter(plain) {
        let rolled = reader.analytics(&request(measure), Source::RollUps).await;
        let raw = reader.analytics(&request(measure), Source::Raw).await;
        prop_assert_eq!(rolled.unwrap(), raw.unwrap(), "{:?}", measure);
    }
    Ok(())
}

async fn check(model: &ReadModel, world: &World, question: &Question) -> Result<(), TestCaseError> {
    let mut reader = model.org(world.journal.org).await.unwrap();
    let prior = question.calendar.prior();
    for (kind, entities) in entities(world) {
        let ids: Vec<Uuid> = entities.iter().map(|(id, _)| *id).collect();
        for measure in measures(kind) {
            let asked = [&question.calendar, &prior]
                .map(|calendar| question.of(measure, Mode::New, calendar));
            let edges = asked[0].edges().union(&asked[1].edges());
            let inputs = measure.inputs();
            let raw = reader.from_raw(kind, &ids, edges.as_slice(), inputs);
            let raw = raw.await.unwrap();
            let rolled = rolled_up(&mut reader, kind, &ids, &edges, inputs).await;
            for (id, entity) in &entities {
                for mode in Mode::ALL {
                    for asked in asked {
                        let asked = Asked { mode, ..asked };
                        let rolled = rolled.as_ref().map(|rolled| &rolled[id]);
                        both_are_right(world, *entity, &asked, &edges, &raw[id], rolled)?;
                        law_1(&asked, &edges, &raw[id])?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn both_are_right(
    world: &World,
    entity: naive::Entity,
    asked: &Asked<'_>,
    edges: &Edges,
    raw: &Levels,
    rolled: Option<&Levels>,
) -> Result<(), TestCaseError> {
    let question = naive::Question {
        measure: asked.measure,
        mode: asked.mode,
        calendar: asked.calendar,
        now: asked.now,
        known_from: asked.known_from,
    };
    let expected = naive::series(world, entity, &question);
    let what = format!("{:?} {} of {entity:?}", asked.measure, asked.mode);
    let raw = series(asked, edges, raw);
    prop_assert_eq!(&shown(&raw), &expected, "raw {}", &what);
    if let Some(rolled) = rolled {
        let rolled = series(asked, edges, rolled);
        prop_assert_eq!(&shown(&rolled), &expected, "roll-up {}", &what);
    }
    Ok(())
}

async fn rolled_up(
    reader: &mut OrgReader,
    kind: EntityKind,
    ids: &[Uuid],
    edges: &Edges,
    inputs: Inputs,
) -> Option<std::collections::HashMap<Uuid, Levels>> {
    match kind {
        EntityKind::Video => None,
        _ => Some(
            reader
                .rolled_up(ids, edges.as_slice(), inputs)
                .await
                .unwrap(),
        ),
    }
}

/// Everything that can be asked for. Roll-ups of a removed creator are not, and so may be anything.
fn entities(world: &World) -> Vec<(EntityKind, Vec<(Uuid, naive::Entity)>)> {
    let creators = world.creators.iter().enumerate();
    let creators = creators.filter(|(_, creator)| !creator.is_removed);
    let creators = creators.map(|(n, creator)| (creator.id.as_uuid(), naive::Entity::Creator(n)));
    let campaigns = world.campaigns.iter().enumerate();
    let campaigns = campaigns.filter(|(_, campaign)| !campaign.is_removed);
    let campaigns = campaigns.map(|(n, one)| (one.id.as_uuid(), naive::Entity::Campaign(n)));
    let videos = world.videos.iter().enumerate();
    let videos = videos.map(|(n, video)| (video.id.as_uuid(), naive::Entity::Video(n)));
    vec![
        (
            EntityKind::Project,
            vec![(world.project.as_uuid(), naive::Entity::Project)],
        ),
        (EntityKind::Creator, creators.collect()),
        (EntityKind::Campaign, campaigns.collect()),
        (EntityKind::Video, videos.collect()),
    ]
}

/// The sum of new is the last cumulative minus the start value.
fn law_1(asked: &Asked<'_>, edges: &Edges, levels: &Levels) -> Result<(), TestCaseError> {
    let answer = series(asked, edges, levels);
    if asked.measure.metric().is_derived() || asked.mode != Mode::New || answer.points.is_empty() {
        return Ok(());
    }
    let cumulative = Asked {
        mode: Mode::Cumulative,
        ..*asked
    };
    let cumulative = series(&cumulative, edges, levels);
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
