//! What is answered after what happened.

use domain::event::{
    Actor, CreatorAdded, CreatorAutoDisabled, CreatorChanged, CreatorProfile, CreatorReactivated,
    CreatorReenabled, CreatorRemoved, CreatorRenamed, KeyChanged, KeyRevoked, KeyRotated,
    LimitChanged, MediaType, MemberJoined, MemberRemoved, MemberRoleChanged, ObservationRecorded,
    OrgChanged, OrgSuspended, PlanChanged, ProjectChanged, ProjectRemoved, Reading,
    RevocationReason, Role, TrackingDisabledReason, TrackingStatus, VideoChanged, VideoDetails,
    VideoRemoved, VideoReviewed, VideoTrackingDisabled,
};
use domain::ids::{CreatorId, KeyId, OrgId, ProjectId, UserId, VideoId};
use domain::org::{CreatorStatus, KeyStatus};
use domain::plan::{LimitKey, Plan};
use domain::platform::{Handle, Platform};
use domain::sealed::SubjectKey;
use domain::text::{Metadata, Name, ProjectName, Readme};
use read_model::{CreatorFilter, Page, SubjectKeyring, VideoFilter};
use serde_json::json;

use crate::support::{Journal, apply, apply_with, id, instant, projection, read_model, sample};

fn org(case: u64) -> OrgId {
    OrgId::from_uuid(id(1, case, 0))
}

fn project(number: u64) -> ProjectId {
    ProjectId::from_uuid(id(2, 0, number))
}

fn creator(number: u64) -> CreatorId {
    CreatorId::from_uuid(id(3, 0, number))
}

fn video(number: u64) -> VideoId {
    VideoId::from_uuid(id(4, 0, number))
}

fn observed(readings: Vec<Reading>) -> ObservationRecorded {
    ObservationRecorded { readings }
}

#[tokio::test]
async fn an_org_its_limits_and_how_much_of_them_is_used() {
    let database = projection().await;
    let mut journal = Journal::new(org(1));
    let (anna, ben) = (
        UserId::from_uuid(id(5, 0, 1)),
        UserId::from_uuid(id(5, 0, 2)),
    );
    journal.record(sample::org(Plan::Ultra));
    journal.record(MemberJoined {
        user_id: anna,
        role: Role::Member,
    });
    journal.record(MemberJoined {
        user_id: ben,
        role: Role::Admin,
    });
    journal.record(MemberRoleChanged {
        user_id: anna,
        role: Role::Admin,
        previous: Role::Member,
    });
    journal.record(MemberRemoved { user_id: ben });
    journal.record(OrgChanged {
        name: Some(Name::parse("New").unwrap()),
        timezone: None,
    });
    for value in [Some(7), Some(9)] {
        journal.record(LimitChanged {
            limit_key: LimitKey::MaxCreatorsPerOrg,
            value,
        });
    }
    journal.record(OrgSuspended { reason: None });
    journal.record(sample::project(project(1), "One"));
    journal.record(sample::project(project(2), "Two"));
    journal.record(sample::creator(project(1), creator(1), "one"));
    journal.record(sample::creator(project(2), creator(2), "two"));
    journal.record(sample::creator(project(1), creator(3), "three"));
    journal.record(CreatorAutoDisabled {
        creator_id: creator(3),
        reason: "gone".to_owned(),
    });
    journal.record(ProjectRemoved {
        project_id: project(2),
    });
    apply(database.pool(), &journal.events).await;

    let model = read_model(&database);
    let mut reader = model.org(org(1)).await.unwrap();
    let found = reader.profile().await.unwrap().unwrap();
    assert_eq!(found.profile.name.as_str(), "New");
    assert_eq!(found.profile.timezone, "Europe/Berlin");
    assert!(found.profile.suspended);
    let limits = &found.profile.limits;
    assert_eq!(limits.max(LimitKey::MaxCreatorsPerOrg), Some(9));
    assert_eq!(limits.max(LimitKey::MaxProjectsPerOrg), Some(10));
    let counts = reader.limit_counts(journal.at).await.unwrap();
    let current = |key| counts.current(key);
    assert_eq!(current(LimitKey::MaxCreatorsPerOrg), Some(1));
    assert_eq!(current(LimitKey::MaxProjectsPerOrg), Some(1));
    assert_eq!(current(LimitKey::MaxMembersPerOrg), Some(1));
    assert_eq!(current(LimitKey::MaxApiKeysPerOrg), Some(0));
    assert_eq!(current(LimitKey::MaxApiRequestsPerDay), None);
    drop(reader);

    journal.events.clear();
    journal.record(LimitChanged {
        limit_key: LimitKey::MaxCreatorsPerOrg,
        value: None,
    });
    apply(database.pool(), &journal.events).await;
    let mut reader = model.org(org(1)).await.unwrap();
    let found = reader.profile().await.unwrap().unwrap();
    assert!(found.profile.limits.overrides.is_empty());
    let mut nobody = model.org(org(99)).await.unwrap();
    assert_eq!(nobody.profile().await.unwrap(), None);
}

#[tokio::test]
async fn after_a_downgrade_the_former_history_stays_for_two_weeks() {
    let database = projection().await;
    let mut journal = Journal::new(org(1));
    journal.record(sample::org(Plan::Ultra));
    let change = |plan, previous| PlanChanged { plan, previous };
    journal.record(change(Plan::Starter, Plan::Ultra));
    let first = journal.at;
    journal.at = first.plus(chrono::TimeDelta::days(7));
    journal.record(change(Plan::Free, Plan::Starter));
    let second = journal.at;
    // One event a batch: what is kept must be stored.
    for event in &journal.events {
        apply(database.pool(), std::slice::from_ref(event)).await;
    }
    let mut reader = read_model(&database).org(org(1)).await.unwrap();
    let found = reader.profile().await.unwrap().unwrap();
    let days_later = |days| second.plus(chrono::TimeDelta::days(days));
    // The longer of the two windows, since it still ran.
    assert_eq!(found.history_days(days_later(0)), None);
    assert_eq!(found.history_days(days_later(13)), None);
    assert_eq!(found.history_days(days_later(14)), Some(30));
}

#[tokio::test]
async fn a_key_and_what_became_of_it() {
    let database = projection().await;
    let key = |number| KeyId::from_uuid(id(6, 0, number));
    let mut journal = Journal::new(org(1));
    journal.actor = Actor::User(UserId::from_uuid(id(5, 0, 1)));
    let networks = vec![
        "10.0.0.0/8".parse().unwrap(),
        "2001:db8::/32".parse().unwrap(),
    ];
    let mut first = sample::key(key(1), "First 100%");
    first.ip_allowlist = Some(networks.clone());
    journal.record(sample::org(Plan::Ultra));
    journal.record(first);
    journal.record(sample::key(key(2), "Second"));
    journal.record(KeyChanged {
        key_id: key(1),
        name: None,
        scopes: None,
        expires_at: None,
        ip_allowlist: None,
        rate_limit_per_minute: Some(30),
        strict: Some(true),
        owner_id: None,
        narrowed: true,
    });
    let narrowed = journal.events.last().unwrap().clone();
    let mut successor = sample::key(key(3), "Successor");
    successor.replaces = Some(key(1));
    journal.record(successor);
    let ends_at = journal.at.plus(chrono::TimeDelta::hours(1));
    journal.record(KeyRotated {
        key_id: key(1),
        new_key_id: key(3),
        ends_at,
    });
    journal.record(KeyRevoked {
        key_id: key(2),
        reason: RevocationReason::Requested,
    });
    let revoked = journal.events.last().unwrap().clone();
    apply(database.pool(), &journal.events).await;

    let mut reader = read_model(&database).org(org(1)).await.unwrap();
    let now = journal.at;
    let first = reader.api_key(key(1)).await.unwrap().unwrap().key;
    assert_eq!(first.status(now), KeyStatus::Rotating);
    assert_eq!(first.status(ends_at), KeyStatus::Expired);
    assert_eq!(first.ip_allowlist, Some(networks));
    assert_eq!((first.rate_limit_per_minute, first.strict), (30, true));
    assert_eq!(first.narrowed.unwrap().position, narrowed.position);
    assert_eq!(first.created_by, journal.actor);
    let second = reader.api_key(key(2)).await.unwrap().unwrap().key;
    assert_eq!(second.status(now), KeyStatus::Revoked);
    let denial = second.revoked.unwrap();
    assert_eq!(
        (denial.position, denial.at),
        (revoked.position, revoked.recorded_at)
    );
    assert_eq!(denial.reason, Some(RevocationReason::Requested));
    let third = reader.api_key(key(3)).await.unwrap().unwrap().key;
    assert_eq!(third.replaces, Some(key(1)));
    let counts = reader.limit_counts(now).await.unwrap();
    assert_eq!(counts.current(LimitKey::MaxApiKeysPerOrg), Some(2));
    let counts = reader.limit_counts(ends_at).await.unwrap();
    assert_eq!(counts.current(LimitKey::MaxApiKeysPerOrg), Some(1));
}

#[tokio::test]
async fn a_project_is_changed_and_removed_with_all_it_holds() {
    let database = projection().await;
    let mut journal = Journal::new(org(1));
    journal.record(sample::org(Plan::Ultra));
    journal.record(sample::project(project(1), "One"));
    journal.record(ProjectChanged {
        project_id: project(1),
        name: Some(ProjectName::parse("Uno").unwrap()),
        readme: Some(Some(Readme::parse("# Notes\n").unwrap())),
        metadata: Some(Metadata::parse(&json!({"a": [1, {"b": null}]})).unwrap()),
    });
    let changed_at = journal.at;
    journal.record(sample::creator(project(1), creator(1), "one"));
    journal.record(sample::video(project(1), creator(1), video(1), 1));
    apply(database.pool(), &journal.events).await;
    let model = read_model(&database);
    let mut reader = model.org(org(1)).await.unwrap();
    let found = reader.project(project(1)).await.unwrap().unwrap().project;
    assert_eq!(found.name.as_str(), "Uno");
    assert_eq!(found.readme.unwrap().as_str(), "# Notes\n");
    assert_eq!(found.metadata.as_json(), r#"{"a":[1,{"b":null}]}"#);
    assert_eq!(found.updated_at, changed_at);
    assert!(reader.creator(creator(1)).await.unwrap().is_some());
    assert!(reader.video(video(1)).await.unwrap().is_some());
    drop(reader);

    journal.events.clear();
    journal.record(ProjectRemoved {
        project_id: project(1),
    });
    apply(database.pool(), &journal.events).await;
    let mut reader = model.org(org(1)).await.unwrap();
    assert_eq!(reader.project(project(1)).await.unwrap(), None);
    assert_eq!(reader.creator(creator(1)).await.unwrap(), None);
    assert_eq!(reader.video(video(1)).await.unwrap(), None);
    let page = Page::default();
    assert!(reader.projects(None, page).await.unwrap().items.is_empty());
    let creators = reader
        .creators(&CreatorFilter::default(), page)
        .await
        .unwrap();
    assert!(creators.items.is_empty());
    let videos = reader.videos(&VideoFilter::default(), page).await.unwrap();
    assert!(videos.items.is_empty());
}

#[tokio::test]
async fn a_creator_has_the_newest_that_was_said_of_it() {
    let database = projection().await;
    let subject = creator(1).as_uuid();
    let key = SubjectKey::from_bytes([7; 32]);
    let keys: SubjectKeyring = [(org(1), subject, key.clone())].into_iter().collect();
    let profile = |at: &str, name: Option<&str>, followers| {
        Reading::CreatorProfile(CreatorProfile {
            creator_id: creator(1),
            observed_at: instant(at),
            display_name: name.map(|name| key.seal("display_name", name)),
            avatar_url: name.map(|_| key.seal("avatar_url", "https://example.com/a.png")),
            follower_count: followers,
            following_count: None,
            like_count: None,
            video_count: None,
        })
    };
    let mut journal = Journal::new(org(1));
    journal.record(sample::org(Plan::Ultra));
    journal.record(sample::project(project(1), "One"));
    journal.record(sample::creator(project(1), creator(1), "one"));
    journal.record(observed(vec![
        profile("2026-01-02T00:00:00Z", Some("Zoë"), Some(10)),
        profile("2026-01-04T00:00:00Z", None, Some(12)),
        // Late: fills nothing, since newer ones are known.
        profile("2026-01-01T00:00:00Z", Some("Old"), Some(9)),
    ]));
    journal.record(CreatorRenamed {
        creator_id: creator(1),
        handle: Handle::parse(Platform::Tiktok, "uno").unwrap(),
        previous: Handle::parse(Platform::Tiktok, "one").unwrap(),
    });
    apply_with(database.pool(), &journal.events, &keys).await;
    let model = read_model(&database);
    let mut reader = model.org(org(1)).await.unwrap();
    let found = reader.creator(creator(1)).await.unwrap().unwrap();
    assert_eq!(found.handle.as_str(), "uno");
    assert_eq!(found.display_name.as_deref(), Some("Zoë"));
    assert_eq!(
        found.avatar_url.as_deref(),
        Some("https://example.com/a.png")
    );
    assert_eq!(
        (found.follower_count, found.following_count),
        (Some(12), None)
    );
    assert_eq!(found.profile_at, Some(instant("2026-01-04T00:00:00Z")));
    assert_eq!(found.updated_at, journal.at);
    drop(reader);

    // A correction that no longer carries the newest count leaves the one before.
    journal.events.clear();
    journal.record(observed(vec![profile("2026-01-04T00:00:00Z", None, None)]));
    journal.record(CreatorChanged {
        display_name: Some(Some(key.seal("display_name", "Given"))),
        ..CreatorChanged::nothing(creator(1))
    });
    apply_with(database.pool(), &journal.events, &keys).await;
    let mut reader = model.org(org(1)).await.unwrap();
    let found = reader.creator(creator(1)).await.unwrap().unwrap();
    assert_eq!(found.follower_count, Some(10));
    assert_eq!(found.display_name.as_deref(), Some("Given"));
    drop(reader);

    // Erased: the key is gone, and with it whatever is written anew.
    journal.events.clear();
    journal.record(CreatorAutoDisabled {
        creator_id: creator(1),
        reason: "account gone".to_owned(),
    });
    apply(database.pool(), &journal.events).await;
    let mut reader = model.org(org(1)).await.unwrap();
    let found = reader.creator(creator(1)).await.unwrap().unwrap();
    assert_eq!(found.display_name, None);
    assert_eq!(found.status, CreatorStatus::AutoDisabled);
    assert_eq!(found.disabled_reason.as_deref(), Some("account gone"));
    assert_eq!(found.disabled_at, Some(journal.at));
    drop(reader);

    journal.events.clear();
    journal.record(CreatorReenabled {
        creator_id: creator(1),
    });
    journal.record(CreatorRemoved {
        creator_id: creator(1),
    });
    apply(database.pool(), &journal.events).await;
    let mut reader = model.org(org(1)).await.unwrap();
    assert_eq!(reader.creator(creator(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_video_has_the_newest_that_was_said_of_it_and_goes_with_its_creator() {
    let database = projection().await;
    let details = |at: &str, title: Option<&str>, posted_at: Option<&str>| {
        Reading::Video(VideoDetails {
            video_id: video(1),
            observed_at: instant(at),
            url: None,
            title: title.map(str::to_owned),
            posted_at: posted_at.map(instant),
            media_type: Some(MediaType::Photo),
            thumbnail_url: None,
        })
    };
    let mut journal = Journal::new(org(1));
    journal.record(sample::org(Plan::Ultra));
    journal.record(sample::project(project(1), "One"));
    let added: CreatorAdded = sample::creator(project(1), creator(1), "one");
    journal.record(added);
    journal.record(sample::video(project(1), creator(1), video(1), 17));
    journal.record(observed(vec![
        details("2026-01-03T00:00:00Z", Some("New title"), None),
        details(
            "2026-01-02T00:00:00Z",
            Some("Old title"),
            Some("2025-12-31T10:00:00Z"),
        ),
        Reading::VideoStats(sample::views(video(1), "2026-01-03T00:00:00Z", 30)),
        Reading::VideoStats(sample::views(video(1), "2026-01-02T00:00:00Z", 20)),
        // Of a video that nobody tracks.
        Reading::VideoStats(sample::views(video(99), "2026-01-02T00:00:00Z", 20)),
    ]));
    journal.actor = Actor::User(UserId::from_uuid(id(5, 0, 1)));
    journal.record(VideoReviewed {
        video_id: video(1),
        tracking_status: TrackingStatus::Excluded,
        previous: TrackingStatus::AutoTracked,
    });
    let reviewed_at = journal.at;
    journal.record(VideoTrackingDisabled {
        video_id: video(1),
        reason: TrackingDisabledReason::Expired,
    });
    journal.record(VideoChanged {
        video_id: video(1),
        readme: Some(Some(Readme::parse("note").unwrap())),
        metadata: None,
    });
    let applied = apply(database.pool(), &journal.events).await;
    assert_eq!((applied.readings, applied.late), (2, 0));
    let model = read_model(&database);
    let mut reader = model.org(org(1)).await.unwrap();
    let found = reader.video(video(1)).await.unwrap().unwrap();
    assert_eq!(found.title.as_deref(), Some("New title"));
    assert_eq!(found.posted_at, Some(instant("2025-12-31T10:00:00Z")));
    assert_eq!(found.media_type, MediaType::Photo);
    assert_eq!(found.view_count, Some(30));
    assert_eq!(found.like_count, None);
    assert_eq!(found.stats_at, Some(instant("2026-01-03T00:00:00Z")));
    assert_eq!(found.tracking_status, TrackingStatus::Excluded);
    assert_eq!(
        found.tracking_disabled,
        Some(TrackingDisabledReason::Expired)
    );
    let review = found.review.unwrap();
    assert_eq!((review.at, review.by), (reviewed_at, journal.actor));
    assert_eq!(found.readme.unwrap().as_str(), "note");
    assert_eq!(found.updated_at, journal.at);
    let listed = reader
        .videos(&VideoFilter::default(), Page::default())
        .await;
    assert!(
        listed.unwrap().items.is_empty(),
        "excluded ones are not listed"
    );
    drop(reader);

    for (event, is_there) in [
        (
            CreatorRemoved {
                creator_id: creator(1),
            }
            .into(),
            false,
        ),
        (
            CreatorReactivated {
                creator_id: creator(1),
            }
            .into(),
            true,
        ),
        (
            domain::event::Event::from(VideoRemoved { video_id: video(1) }),
            false,
        ),
    ] {
        journal.events.clear();
        journal.record(event);
        apply(database.pool(), &journal.events).await;
        let mut reader = model.org(org(1)).await.unwrap();
        assert_eq!(reader.video(video(1)).await.unwrap().is_some(), is_there);
    }
}

#[tokio::test]
async fn late_is_what_is_not_newer_than_the_newest_stored_and_the_last_received_holds() {
    let database = projection().await;
    let mut journal = Journal::new(org(1));
    journal.record(sample::org(Plan::Ultra));
    journal.record(sample::project(project(1), "One"));
    journal.record(sample::creator(project(1), creator(1), "one"));
    journal.record(sample::video(project(1), creator(1), video(1), 17));
    let batches: [(&[(&str, u64)], u64); 3] = [
        // Nothing is stored: older than another of its batch is not late, nor is a correction.
        (
            &[("03", 30), ("02", 20), ("03", 31), ("02", 21), ("02", 22)],
            0,
        ),
        (&[("05", 50), ("04", 40), ("05", 51)], 0),
        // Between, at and before what is stored; only the last is newer.
        (
            &[("05", 52), ("01", 10), ("06", 60), ("01", 11), ("06", 61)],
            3,
        ),
    ];
    for (batch, late) in batches {
        for (day, views) in batch {
            let at = format!("2026-01-{day}T00:00:00Z");
            let reading = Reading::VideoStats(sample::views(video(1), &at, *views));
            journal.record(observed(vec![reading]));
        }
        let applied = apply(database.pool(), &journal.events).await;
        assert_eq!((applied.readings, applied.late), (batch.len() as u64, late));
        journal.events.clear();
    }
    let stored: Vec<i64> =
        sqlx::query_scalar("SELECT views FROM video_readings ORDER BY observed_at")
            .fetch_all(database.pool())
            .await
            .unwrap();
    assert_eq!(stored, [11, 22, 31, 40, 52, 61]);
    let mut reader = read_model(&database).org(org(1)).await.unwrap();
    let found = reader.video(video(1)).await.unwrap().unwrap();
    assert_eq!(found.view_count, Some(61));
    assert_eq!(found.stats_at, Some(instant("2026-01-06T00:00:00Z")));
}

#[tokio::test]
async fn absurd_figures_stop_nothing() {
    let database = projection().await;
    let mut journal = Journal::new(org(1));
    journal.record(sample::org(Plan::Ultra));
    journal.record(sample::project(project(1), "One"));
    journal.record(sample::creator(project(1), creator(1), "one"));
    let most = domain::limits::MAX_COUNT;
    for number in 0..1_200 {
        journal.record(sample::video(project(1), creator(1), video(number), number));
        journal.record(observed(vec![Reading::VideoStats(sample::views(
            video(number),
            "2026-01-02T00:00:00Z",
            most,
        ))]));
    }
    let (half, rest) = journal.events.split_at(1_500);
    apply(database.pool(), half).await;
    apply(database.pool(), rest).await;
    let mut reader = read_model(&database).org(org(1)).await.unwrap();
    let edges = [
        instant("2026-01-01T00:00:00Z"),
        instant("2026-02-01T00:00:00Z"),
    ];
    let levels = reader
        .rolled_up(
            &[creator(1).as_uuid()],
            &edges,
            read_model::analytics::Inputs::ALL,
        )
        .await
        .unwrap();
    let level = levels[&creator(1).as_uuid()].counter(read_model::analytics::Counter::Views, 1);
    assert_eq!((level.units, level.value), (1_200, (1 << 62) - 1));
}
