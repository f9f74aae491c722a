#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::sync::Arc;

use api::envelope::{Meta, Rendered};
use api::route::ROUTES;
use domain::ids::{GlobalPosition, OrgId};
use domain::time::Timestamp;
use uuid::Uuid;

use super::{Entry, Mark, ResponseCache, Topic, Topics};
use crate::http::Packed;
use crate::metrics::HttpMetrics;

const PROJECTS: Topics = Topics::of(&[Topic::Projects]);
const VIDEOS: Topics = Topics::of(&[Topic::Videos]);

fn org(number: u128) -> OrgId {
    OrgId::from_uuid(Uuid::from_u128(number))
}

fn at(position: u64) -> GlobalPosition {
    GlobalPosition::new(position)
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).unwrap()
}

fn cache() -> ResponseCache {
    let cache = ResponseCache::new(1024 * 1024);
    cache.freshness().restart(at(10), at(10));
    cache
}

fn entry(mark: Arc<Mark>, position: u64) -> Entry {
    Entry {
        answer: Rendered::json(&position, &Meta::none()).unwrap(),
        packed: Packed::default(),
        position: at(position),
        valid_until: None,
        route: &ROUTES[1],
        topics: PROJECTS,
        mark,
        metrics: HttpMetrics::new().of(None).clone(),
    }
}

/// Events of an org reach the replica.
fn follow(cache: &ResponseCache, number: u128, topics: Topics, position: u64) {
    cache.freshness().announce(at(position));
    cache.freshness().note(org(number), topics, at(position));
    cache.freshness().followed_to(at(position));
}

fn found(cache: &ResponseCache, number: u128) -> Option<u64> {
    let entry = cache.get(org(number), "/p", || second(0))?;
    Some(entry.position.get())
}

#[test]
fn an_answer_is_given_until_something_it_rests_on_changes() {
    let cache = cache();
    let mark = cache.freshness().mark(org(1));
    cache.insert(org(1), "/p", entry(mark, 10));
    assert_eq!(found(&cache, 1), Some(10));
    assert_eq!(found(&cache, 2), None, "another org");
    assert!(cache.get(org(1), "/q", || second(0)).is_none());

    follow(&cache, 1, VIDEOS, 11);
    follow(&cache, 2, PROJECTS, 12);
    assert_eq!(found(&cache, 1), Some(10), "nothing that it rests on");
    follow(&cache, 1, PROJECTS, 13);
    assert_eq!(found(&cache, 1), None);
}

#[test]
fn an_answer_that_is_old_already_is_not_kept() {
    let cache = cache();
    let mark = cache.freshness().mark(org(1));
    follow(&cache, 1, PROJECTS, 12);
    cache.insert(org(1), "/p", entry(Arc::clone(&mark), 11));
    assert_eq!(found(&cache, 1), None);
    cache.insert(org(1), "/p", entry(mark, 12));
    assert_eq!(found(&cache, 1), Some(12));
}

#[test]
fn an_answer_of_a_position_that_was_not_followed_to_is_not_kept() {
    let cache = cache();
    let mark = cache.freshness().mark(org(1));
    cache.insert(org(1), "/p", entry(mark, 11));
    assert_eq!(found(&cache, 1), None);
}

#[test]
fn nothing_kept_is_given_while_somebody_has_seen_what_is_not_followed_to() {
    let cache = cache();
    let mark = cache.freshness().mark(org(1));
    cache.insert(org(1), "/p", entry(mark, 10));
    cache.freshness().show(at(12));
    assert_eq!(found(&cache, 1), None);
    follow(&cache, 2, PROJECTS, 11);
    assert_eq!(found(&cache, 1), None);
    follow(&cache, 2, PROJECTS, 12);
    assert_eq!(found(&cache, 1), Some(10));
    cache.freshness().show(at(20));
    cache.freshness().restart(at(15), at(15));
    cache.freshness().see();
    assert!(cache.freshness().is_abreast(), "of a log that is no more");
}

#[test]
fn nothing_is_given_of_a_log_that_is_no_more_or_cannot_be_seen() {
    let cache = cache();
    let mark = cache.freshness().mark(org(1));
    cache.insert(org(1), "/p", entry(Arc::clone(&mark), 10));
    cache.freshness().lose_sight();
    assert_eq!(found(&cache, 1), None);
    cache.freshness().see();
    assert_eq!(found(&cache, 1), Some(10));
    cache.freshness().restart(at(3), at(3));
    assert_eq!(found(&cache, 1), None);
    cache.insert(org(1), "/p", entry(mark, 10));
    assert_eq!(found(&cache, 1), None, "computed before the restart");
}

#[test]
fn an_answer_ends_by_itself() {
    let cache = cache();
    let kept = Entry {
        valid_until: Some(second(5)),
        ..entry(cache.freshness().mark(org(1)), 10)
    };
    cache.insert(org(1), "/p", kept);
    assert!(cache.get(org(1), "/p", || second(4)).is_some());
    assert!(cache.get(org(1), "/p", || second(5)).is_none());
}

#[test]
fn it_is_bounded_by_bytes() {
    let cache = ResponseCache::new(100_000);
    cache.freshness().restart(at(10), at(10));
    let mark = cache.freshness().mark(org(1));
    for index in 0..1_000 {
        let target = format!("/p?{index}");
        cache.insert(org(1), &target, entry(Arc::clone(&mark), 10));
    }
    cache.settle();
    let (entries, bytes) = cache.size();
    assert!(
        entries > 50 && bytes <= 100_000,
        "{entries} of {bytes} bytes"
    );
}

/// A world of orgs with one thing each, which events count up: an answer is the count. Requests
/// and the follower come in any order, and a hit must never be older than what was noted.
#[test]
fn no_order_of_events_and_requests_gives_an_old_answer() {
    for seed in 0..300_u64 {
        let entropy = runtime::entropy::Entropy::seeded(seed);
        let cache = ResponseCache::new(1024 * 1024);
        cache.freshness().restart(at(0), at(0));
        // What the log holds by position, what was projected, what was noted.
        let mut log: Vec<u128> = Vec::new();
        let (mut projected, mut noted) = (0_usize, 0_usize);
        let mut computing: Vec<(u128, Arc<Mark>, Option<usize>)> = Vec::new();
        let mut hits = 0;
        for _ in 0..400 {
            let [dice, which] = entropy.bytes();
            let number = u128::from(which % 3);
            match dice % 8 {
                0 => log.push(number),
                1 | 2 => projected = (projected + 1).min(log.len()),
                3 | 4 if noted < log.len() => {
                    follow(&cache, log[noted], PROJECTS, noted as u64 + 1);
                    noted += 1;
                }
                5 => computing.push((number, cache.freshness().mark(org(number)), None)),
                6 => {
                    if let Some(one) = computing.iter_mut().find(|one| one.2.is_none()) {
                        one.2 = Some(projected);
                    }
                }
                _ => {
                    let read = computing.iter().position(|one| one.2.is_some());
                    if let Some((number, mark, Some(position))) =
                        read.map(|index| computing.swap_remove(index))
                    {
                        cache.insert(org(number), "/p", entry(mark, position as u64));
                    }
                }
            }
            for number in 0..3 {
                let Some(position) = found(&cache, number) else {
                    continue;
                };
                hits += 1;
                let count = |to: usize| log[..to].iter().filter(|one| **one == number).count();
                let position = usize::try_from(position).unwrap();
                assert!(count(position) >= count(noted), "seed {seed}");
            }
        }
        assert!(hits > 0, "seed {seed}");
    }
}

#[test]
fn every_event_touches_what_its_sample_shows() {
    use Topic::{Annotations, Campaigns, Creators, Goals, Keys, Org, Projects, Videos, Webhooks};
    use domain::event::{Event, EventType};

    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/domain/events");
    let mut seen: HashMap<EventType, Topics> = HashMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".v1.sample.json") else {
            continue;
        };
        let text = std::fs::read_to_string(format!("{folder}/{name}.v1.sample.json")).unwrap();
        let event = Event::decode(name, 1, &text, None).unwrap();
        seen.insert(event.event_type(), Topics::touched_by(&event));
    }
    let expected = |name: &str| -> Topics {
        match name {
            "project.removed" => {
                Topics::of(&[Projects, Creators, Videos, Campaigns, Goals, Annotations])
            }
            "creator.removed" | "creator.reactivated" => {
                Topics::of(&[Creators, Videos, Goals, Annotations])
            }
            // Readings of every kind.
            "observation.recorded" => Topics::of(&[Creators, Videos]),
            "limit.warned" | "handle.banned" | "handle.unbanned" => Topics::NONE,
            name => match name.split('.').next() {
                Some("org" | "plan" | "limit") => Topics::of(&[Org]),
                Some("key") => Topics::of(&[Keys]),
                Some("member") => Topics::of(&[Org, Keys]),
                Some("project") => Topics::of(&[Projects]),
                Some("creator") => Topics::of(&[Creators, Annotations]),
                Some("video") => Topics::of(&[Videos]),
                Some("campaign") => Topics::of(&[Campaigns]),
                Some("goal") => Topics::of(&[Goals]),
                Some("annotation") => Topics::of(&[Annotations]),
                Some("webhook") => Topics::of(&[Webhooks]),
                Some("invitation" | "session") => Topics::NONE,
                _ => panic!("{name} is an event of nothing that is known here"),
            },
        }
    };
    for kind in EventType::ALL {
        let (name, touched) = (kind.name(), seen.get(kind));
        assert_eq!(touched, Some(&expected(name)), "{name}");
    }
}
