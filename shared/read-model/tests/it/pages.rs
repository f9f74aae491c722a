//! Pages and filters.

use domain::event::{CreatorAutoDisabled, ObservationRecorded, Reading, VideoDetails};
use domain::event::{KeyRevoked, RevocationReason, TrackingStatus};
use domain::ids::{CreatorId, KeyId, OrgId, ProjectId, VideoId};
use domain::org::{CreatorStatus, KeyStatus};
use domain::plan::Plan;
use domain::platform::Platform;
use read_model::{CreatorFilter, KeyFilter, Page, VideoFilter};

use crate::support::{Journal, apply, id, instant, projection, read_model, sample};

fn org() -> OrgId {
    OrgId::from_uuid(id(1, 1, 0))
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

fn key(number: u64) -> KeyId {
    KeyId::from_uuid(id(6, 0, number))
}

/// Two projects, 7 creators and 14 videos dealt out to them, 7 keys; several of one instant.
fn journal() -> Journal {
    let mut journal = Journal::new(org());
    journal.record(sample::org(Plan::Ultra));
    for number in 0..2 {
        journal.record(sample::project(
            project(number),
            &format!("Project {number}"),
        ));
    }
    for number in 0..7 {
        let handle = format!("creator_{number}");
        journal.record(sample::creator(
            project(number % 2),
            creator(number),
            &handle,
        ));
        journal.record(sample::key(key(number), &format!("Key {number}%")));
    }
    let at = journal.at;
    for number in 0..14 {
        // A bulk request: all at one instant.
        journal.at = at;
        let creator_number = number % 7;
        let mut found = sample::video(
            project(creator_number % 2),
            creator(creator_number),
            video(number),
            number,
        );
        if number == 3 {
            found.tracking_status = TrackingStatus::PendingReview;
        }
        journal.record(found);
        journal.record(ObservationRecorded {
            readings: vec![Reading::Video(VideoDetails {
                video_id: video(number),
                observed_at: instant("2026-01-01T00:00:00Z"),
                url: None,
                title: Some(format!("Ünder_{number}")),
                posted_at: None,
                media_type: None,
                thumbnail_url: None,
            })],
        });
    }
    journal
}

#[tokio::test]
async fn pages_show_everything_once_newest_first_whatever_is_written_meanwhile() {
    let database = projection().await;
    let mut journal = journal();
    apply(database.pool(), &journal.events).await;
    let model = read_model(&database);
    let mut page = Page {
        limit: 3,
        after: None,
    };
    let mut seen = Vec::new();
    loop {
        let mut reader = model.org(org()).await.unwrap();
        let listed = reader.videos(&VideoFilter::default(), page).await.unwrap();
        assert!(listed.items.len() <= 3);
        seen.extend(
            listed
                .items
                .iter()
                .map(|video| (video.created_at, video.id)),
        );
        drop(reader);
        let Some(next) = listed.next else { break };
        page.after = Some(next);
        journal.events.clear();
        let number = 100 + seen.len() as u64;
        journal.record(sample::video(project(0), creator(0), video(number), number));
        apply(database.pool(), &journal.events).await;
    }
    assert_eq!(seen.len(), 14);
    assert!(seen.is_sorted_by(|a, b| a > b));

    let mut reader = model.org(org()).await.unwrap();
    let mut page = Page {
        limit: 2,
        after: None,
    };
    let mut creators = Vec::new();
    let mut keys = Vec::new();
    for _ in 0..4 {
        let listed = reader
            .creators(&CreatorFilter::default(), page)
            .await
            .unwrap();
        creators.extend(listed.items.iter().map(|creator| creator.id));
        page.after = listed.next;
    }
    assert_eq!((creators.len(), page.after), (7, None));
    for _ in 0..4 {
        let filter = KeyFilter::default();
        let listed = reader.api_keys(&filter, journal.at, page).await.unwrap();
        keys.extend(listed.items.iter().map(|key| key.id));
        page.after = listed.next;
    }
    assert_eq!((keys.len(), page.after), (7, None));
    assert!(keys.is_sorted_by(|a, b| a > b));
    let exact = Page {
        limit: 2,
        after: None,
    };
    let projects = reader.projects(None, exact).await.unwrap();
    assert_eq!((projects.items.len(), projects.next), (2, None));
}

#[tokio::test]
async fn filters_restrict_and_wildcards_mean_themselves() {
    let database = projection().await;
    let mut journal = journal();
    journal.record(CreatorAutoDisabled {
        creator_id: creator(2),
        reason: String::new(),
    });
    journal.record(KeyRevoked {
        key_id: key(4),
        reason: RevocationReason::Requested,
    });
    apply(database.pool(), &journal.events).await;
    let mut reader = read_model(&database).org(org()).await.unwrap();
    let page = Page::default();

    for (filter, expected) in [
        (VideoFilter::default(), 14),
        (
            VideoFilter {
                project_id: Some(project(1)),
                ..VideoFilter::default()
            },
            6,
        ),
        (
            VideoFilter {
                project_id: Some(project(9)),
                ..VideoFilter::default()
            },
            0,
        ),
        (
            VideoFilter {
                creator_id: Some(creator(3)),
                ..VideoFilter::default()
            },
            2,
        ),
        (
            VideoFilter {
                creator_id: Some(creator(3)),
                project_id: Some(project(0)),
                ..VideoFilter::default()
            },
            0,
        ),
        (
            VideoFilter {
                tracking_status: Some(TrackingStatus::PendingReview),
                ..VideoFilter::default()
            },
            1,
        ),
        (
            VideoFilter {
                platform: Some(Platform::Youtube),
                ..VideoFilter::default()
            },
            0,
        ),
        (
            VideoFilter {
                search: Some("üNDER_1".to_owned()),
                ..VideoFilter::default()
            },
            5,
        ),
        (
            VideoFilter {
                search: Some("r%1".to_owned()),
                ..VideoFilter::default()
            },
            0,
        ),
        (
            VideoFilter {
                creator_id: Some(creator(1)),
                search: Some("_8".to_owned()),
                ..VideoFilter::default()
            },
            1,
        ),
    ] {
        let listed = reader.videos(&filter, page).await.unwrap();
        assert_eq!(listed.items.len(), expected, "{filter:?}");
    }

    for (filter, expected) in [
        (
            CreatorFilter {
                project_id: Some(project(0)),
                ..CreatorFilter::default()
            },
            4,
        ),
        (
            CreatorFilter {
                status: Some(CreatorStatus::AutoDisabled),
                ..CreatorFilter::default()
            },
            1,
        ),
        (
            CreatorFilter {
                platform: Some(Platform::Tiktok),
                ..CreatorFilter::default()
            },
            7,
        ),
        (
            CreatorFilter {
                search: Some("CREATOR_5".to_owned()),
                ..CreatorFilter::default()
            },
            1,
        ),
        (
            CreatorFilter {
                search: Some("creator%".to_owned()),
                ..CreatorFilter::default()
            },
            0,
        ),
    ] {
        let listed = reader.creators(&filter, page).await.unwrap();
        assert_eq!(listed.items.len(), expected, "{filter:?}");
    }

    let all = vec![KeyStatus::Active, KeyStatus::Revoked];
    for (filter, expected) in [
        (KeyFilter::default(), 6),
        (
            KeyFilter {
                statuses: all,
                ..KeyFilter::default()
            },
            7,
        ),
        (
            KeyFilter {
                statuses: vec![KeyStatus::Revoked],
                ..KeyFilter::default()
            },
            1,
        ),
        (
            KeyFilter {
                search: Some("3%".to_owned()),
                ..KeyFilter::default()
            },
            1,
        ),
        (
            KeyFilter {
                search: Some("7E5A".to_owned()),
                ..KeyFilter::default()
            },
            6,
        ),
        (
            KeyFilter {
                created_by: Some(id(5, 0, 1)),
                ..KeyFilter::default()
            },
            0,
        ),
        (
            KeyFilter {
                owner_id: Some(id(5, 0, 1)),
                ..KeyFilter::default()
            },
            0,
        ),
        (
            KeyFilter {
                expires_before: Some(journal.at),
                ..KeyFilter::default()
            },
            0,
        ),
    ] {
        let listed = reader.api_keys(&filter, journal.at, page).await.unwrap();
        assert_eq!(listed.items.len(), expected, "{filter:?}");
    }
    let projects = reader.projects(Some("PROJECT 1"), page).await.unwrap();
    assert_eq!(projects.items.len(), 1);
}
