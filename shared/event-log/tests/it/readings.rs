use domain::event::{
    CreatorProfile, Event, ObservationRecorded, Reading, VideoDetails, VideoStats,
};
use domain::ids::{CreatorId, VideoId};
use domain::sealed::SubjectKey;
use domain::time::Timestamp;
use event_log::ReadingKey;
use futures_util::future::join_all;
use runtime::entropy::Entropy;
use testkit::postgres;
use uuid::Uuid;

use crate::support::{Process, append, org, sound_log};

fn at(second: u32) -> Timestamp {
    Timestamp::parse(&format!("2026-01-05T05:37:{second:02}.685771Z")).unwrap()
}

fn video() -> VideoId {
    VideoId::from_uuid(Entropy::os().uuid_v4())
}

fn stats(video_id: VideoId, second: u32, views: Option<u64>, likes: Option<u64>) -> Reading {
    Reading::VideoStats(VideoStats {
        video_id,
        observed_at: at(second),
        view_count: views,
        like_count: likes,
        comment_count: None,
        share_count: None,
        save_count: None,
    })
}

fn recorded(readings: Vec<Reading>) -> Event {
    Event::ObservationRecorded(ObservationRecorded { readings })
}

#[tokio::test]
async fn a_duplicate_is_told_from_a_correction() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (org, video) = (org(), video());
    let (one, two) = (
        stats(video, 1, Some(5), None),
        stats(video, 2, Some(6), None),
    );
    let keys = [ReadingKey::of(&one), ReadingKey::of(&two)];
    assert!(
        process
            .log
            .known_readings(org, &keys)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        process
            .log
            .known_readings(org, &[])
            .await
            .unwrap()
            .is_empty()
    );

    let first = append(&process.log, org, vec![recorded(vec![one.clone()])]).await;
    let known = process.log.known_readings(org, &keys).await.unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!(
        (known[0].key, known[0].digest, known[0].position),
        (keys[0], one.digest(), first.last)
    );
    // Another org knows nothing of it.
    let other = crate::support::org();
    assert!(
        process
            .log
            .known_readings(other, &keys)
            .await
            .unwrap()
            .is_empty()
    );

    let corrected = stats(video, 1, Some(7), None);
    let second = append(&process.log, org, vec![recorded(vec![corrected.clone()])]).await;
    let known = process.log.known_readings(org, &keys).await.unwrap();
    assert_eq!(
        (known[0].digest, known[0].position),
        (corrected.digest(), second.last)
    );
}

#[tokio::test]
async fn of_equal_keys_in_one_batch_the_last_received_holds() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (org, video) = (org(), video());
    let readings: Vec<_> = (0..5)
        .map(|views| stats(video, 1, Some(views), None))
        .collect();
    let appended = append(
        &process.log,
        org,
        vec![
            recorded(readings[..2].to_vec()),
            recorded(readings[2..].to_vec()),
        ],
    )
    .await;
    let key = ReadingKey::of(&readings[0]);
    let known = process.log.known_readings(org, &[key]).await.unwrap();
    assert_eq!(
        (known[0].digest, known[0].position),
        (readings[4].digest(), appended.last)
    );
    // Many at once, from many requests.
    join_all((0..40).map(|views| {
        append(
            &process.log,
            org,
            vec![recorded(vec![stats(video, 1, Some(views), None)])],
        )
    }))
    .await;
    sound_log(&process.log).await;
}

#[tokio::test]
async fn the_newest_value_of_each_field_is_found() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (org, one, two, none) = (org(), video(), video(), video());
    append(
        &process.log,
        org,
        vec![recorded(vec![
            stats(one, 5, Some(50), None),
            stats(two, 1, None, Some(1)),
            stats(one, 3, Some(30), Some(3)),
        ])],
    )
    .await;
    // Older than what is there: fills only what is still null. And a correction.
    append(
        &process.log,
        org,
        vec![recorded(vec![
            stats(one, 2, Some(20), Some(2)),
            stats(two, 1, Some(11), Some(12)),
        ])],
    )
    .await;
    let subjects = [one.as_uuid(), two.as_uuid(), none.as_uuid()];
    let latest = process
        .log
        .latest_readings(org, 1, &subjects)
        .await
        .unwrap();
    assert_eq!(latest.len(), 2);
    assert_eq!(latest[&one.as_uuid()], stats(one, 5, Some(50), Some(3)));
    assert_eq!(latest[&two.as_uuid()], stats(two, 1, Some(11), Some(12)));
    assert!(
        process
            .log
            .latest_readings(org, 3, &subjects)
            .await
            .unwrap()
            .is_empty()
    );
}

/// An older reading is not shown as the newest.
#[tokio::test]
async fn of_a_subject_whose_newest_reading_is_gone_nothing_is_said() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (org, lost, kept) = (org(), video(), video());
    let older = vec![
        stats(lost, 1, Some(10), Some(1)),
        stats(kept, 1, Some(10), Some(1)),
    ];
    append(&process.log, org, vec![recorded(older)]).await;
    let newest = vec![recorded(vec![stats(lost, 2, Some(20), None)])];
    let newest = append(&process.log, org, newest).await;
    let gone = format!(
        "alter table log.events disable trigger append_only;
         delete from log.events where position = {}",
        newest.last
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(gone))
        .execute(db.pool())
        .await
        .unwrap();
    let subjects = [lost.as_uuid(), kept.as_uuid()];
    let latest = process.log.latest_readings(org, 1, &subjects).await;
    let latest = latest.unwrap();
    assert_eq!(latest.len(), 1);
    assert_eq!(latest[&kept.as_uuid()], stats(kept, 1, Some(10), Some(1)));
}

#[tokio::test]
async fn a_profile_is_put_together_from_what_was_read_when() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();
    let creator_id = CreatorId::from_uuid(Entropy::os().uuid_v4());
    let key = SubjectKey::from_bytes([7; 32]);
    let profile = |second, name: Option<&str>, followers| {
        Reading::CreatorProfile(CreatorProfile {
            creator_id,
            observed_at: at(second),
            display_name: name.map(|name| key.seal("display_name", name)),
            avatar_url: None,
            follower_count: followers,
            following_count: None,
            like_count: None,
            video_count: None,
        })
    };
    for reading in [
        profile(1, Some("old"), Some(1)),
        profile(2, Some("new"), None),
        profile(3, None, Some(3)),
    ] {
        append(&process.log, org, vec![recorded(vec![reading])]).await;
    }
    let latest = process
        .log
        .latest_readings(org, 3, &[creator_id.as_uuid()])
        .await
        .unwrap();
    assert_eq!(
        latest[&creator_id.as_uuid()],
        profile(3, Some("new"), Some(3))
    );
}

/// Ways in which lines may come: each in an append of its own, in one append with an event each, or
/// all in one event.
fn ways(lines: &[Reading]) -> [Vec<Vec<Event>>; 3] {
    let one_each = || lines.iter().map(|line| recorded(vec![line.clone()]));
    [
        one_each().map(|event| vec![event]).collect(),
        vec![one_each().collect()],
        vec![vec![recorded(lines.to_vec())]],
    ]
}

/// Appends lines in every way, each to an org of its own, and wants the same newest reading.
async fn assert_latest(process: &Process, lines: &[Reading], expected: &Reading) {
    let (kind, subject) = (expected.kind_number(), expected.subject());
    for way in ways(lines) {
        let org = org();
        for events in way.clone() {
            append(&process.log, org, events).await;
        }
        let latest = process.log.latest_readings(org, kind, &[subject]).await;
        assert_eq!(latest.unwrap().get(&subject), Some(expected), "{way:?}");
    }
}

#[tokio::test]
async fn a_corrected_video_line_leaves_what_it_lacks() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let video_id = video();
    let line = |second, title: Option<&str>, url: Option<&str>| {
        Reading::Video(VideoDetails {
            video_id,
            observed_at: at(second),
            url: url.map(str::to_owned),
            title: title.map(str::to_owned),
            posted_at: None,
            media_type: None,
            thumbnail_url: None,
        })
    };
    let mut lines = vec![line(1, Some("old"), Some("old"))];
    for (correction, title, url) in [
        (line(2, Some("a"), Some("x")), "a", "x"),
        (line(2, None, Some("y")), "a", "y"),
        (line(2, None, None), "a", "y"),
        (line(2, Some("b"), None), "b", "y"),
        (line(2, None, None), "b", "y"),
        (line(2, Some("c"), Some("z")), "c", "z"),
        (line(1, Some("older"), None), "c", "z"),
    ] {
        lines.push(correction);
        assert_latest(&process, &lines, &line(2, Some(title), Some(url))).await;
    }
}

#[tokio::test]
async fn a_corrected_reading_of_counts_is_replaced_as_a_whole() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let video = video();
    let lines = [
        stats(video, 1, Some(1), Some(10)),
        stats(video, 2, Some(2), Some(20)),
        stats(video, 2, Some(3), None),
    ];
    assert_latest(&process, &lines, &stats(video, 2, Some(3), Some(10))).await;
}

#[tokio::test]
async fn a_corrected_profile_keeps_its_name_and_replaces_its_counts() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let creator_id = CreatorId::from_uuid(Entropy::os().uuid_v4());
    let key = SubjectKey::from_bytes([7; 32]);
    let profile = |second, name: Option<&str>, followers| {
        Reading::CreatorProfile(CreatorProfile {
            creator_id,
            observed_at: at(second),
            display_name: name.map(|name| key.seal("display_name", name)),
            avatar_url: None,
            follower_count: followers,
            following_count: None,
            like_count: None,
            video_count: None,
        })
    };
    let mut lines = vec![
        profile(1, Some("old"), Some(1)),
        profile(2, Some("new"), Some(2)),
    ];
    for (line, expected) in [
        (profile(2, None, None), profile(2, Some("new"), Some(1))),
        // A line that carries nothing tells that the profile was looked at.
        (profile(3, None, None), profile(3, Some("new"), Some(1))),
    ] {
        lines.push(line);
        assert_latest(&process, &lines, &expected).await;
    }
    let empty = profile(1, None, None);
    assert_latest(&process, std::slice::from_ref(&empty), &empty).await;
}

#[tokio::test]
async fn subjects_get_one_key_each_whoever_asks() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();
    let subjects: Vec<Uuid> = (0..20).map(|_| Entropy::os().uuid_v4()).collect();
    assert!(
        process
            .log
            .find_subject_keys(org, &subjects)
            .await
            .unwrap()
            .is_empty()
    );
    let asked = join_all((0..10).map(|_| process.log.subject_keys(org, &subjects))).await;
    let bytes = |keys: &[(Uuid, SubjectKey)]| {
        let mut keys: Vec<_> = keys
            .iter()
            .map(|(id, key)| (*id, *key.as_bytes()))
            .collect();
        keys.sort_unstable();
        keys
    };
    let first = bytes(&asked[0].as_ref().unwrap().keys);
    assert_eq!(first.len(), 20);
    for found in &asked {
        let found = found.as_ref().unwrap();
        assert_eq!((bytes(&found.keys), found.erased.len()), (first.clone(), 0));
    }
    let other = process
        .log
        .subject_keys(crate::support::org(), &subjects)
        .await
        .unwrap();
    assert_ne!(bytes(&other.keys), first);
}

#[tokio::test]
async fn who_is_erased_never_gets_another_key() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (log, org) = (&process.log, org());
    let subjects: Vec<Uuid> = (0..6).map(|_| Entropy::os().uuid_v4()).collect();
    log.subject_keys(org, &subjects[..4]).await.unwrap();
    // With a key, without one, and while others make them.
    let gone = [subjects[0], subjects[1], subjects[4]];
    let (erased, ..) = tokio::join!(
        log.erase_subjects(org, &gone),
        log.subject_keys(org, &subjects),
        log.subject_keys(org, &subjects),
    );
    assert!((2..=3).contains(&erased.unwrap()));
    assert_eq!(
        log.erase_subjects(org, &gone).await.unwrap(),
        0,
        "once is enough"
    );
    for _ in 0..2 {
        let mut found = log.subject_keys(org, &subjects).await.unwrap();
        found.erased.sort_unstable();
        let mut expected = gone;
        expected.sort_unstable();
        assert_eq!(found.erased, expected);
        assert_eq!(found.keys.len(), 3);
    }
    let left = log.find_subject_keys(org, &subjects).await.unwrap();
    assert!(left.iter().all(|(subject, _)| !gone.contains(subject)));

    let all = log.erased_after(None, 10).await.unwrap();
    assert_eq!(all.len(), 3);
    let first = log.erased_after(None, 2).await.unwrap();
    let rest = log.erased_after(first.last().copied(), 2).await.unwrap();
    assert_eq!([first, rest].concat(), all);
    let other = log
        .subject_keys(crate::support::org(), &gone)
        .await
        .unwrap();
    assert_eq!(other.keys.len(), 3, "another org's data is its own");
}
