//! Pages and filters.

use domain::event::{CreatorAutoDisabled, ObservationRecorded, Reading, VideoDetails};
use domain::event::{KeyRevoked, RevocationReason, TrackingStatus};
use domain::ids::{CreatorId, KeyId, OrgId, ProjectId, VideoId};
use domain::org::{CreatorStatus, KeyStatus};
use domain::plan::Plan;
use domain::platform::Platform;
use read_model::{CreatorFilter, KeyFilter, Page, VideoFilter};

use crate::support::{Journal, apply, id, instant, projection, read_model, sample};

/// What restricts a list, and how many are left.
type Restricted<Filter> = (fn(&mut Filter), usize);

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
async fn filters_of_videos_restrict_and_wildcards_mean_themselves() {
    let database = projection().await;
    apply(database.pool(), &journal().events).await;
    let mut reader = read_model(&database).org(org()).await.unwrap();
    let filters: [Restricted<VideoFilter>; 10] = [
        (|_| {}, 14),
        (|filter| filter.project_id = Some(project(1)), 6),
        (|filter| filter.project_id = Some(project(9)), 0),
        (|filter| filter.creator_id = Some(creator(3)), 2),
        (
            |filter| {
                filter.creator_id = Some(creator(3));
                filter.project_id = Some(project(0));
            },
            0,
        ),
        (
            |filter| filter.tracking_status = Some(TrackingStatus::PendingReview),
            1,
        ),
        (|filter| filter.platform = Some(Platform::Youtube), 0),
        (|filter| filter.search = Some("üNDER_1".to_owned()), 5),
        (|filter| filter.search = Some("r%1".to_owned()), 0),
        (
            |filter| {
                filter.creator_id = Some(creator(1));
                filter.search = Some("_8".to_owned());
            },
            1,
        ),
    ];
    for (restrict, expected) in filters {
        let mut filter = VideoFilter::default();
        restrict(&mut filter);
        let listed = reader.videos(&filter, Page::default()).await.unwrap();
        assert_eq!(listed.items.len(), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn filters_of_creators_restrict_and_wildcards_mean_themselves() {
    let database = projection().await;
    let mut journal = journal();
    journal.record(CreatorAutoDisabled {
        creator_id: creator(2),
        reason: String::new(),
    });
    apply(database.pool(), &journal.events).await;
    let mut reader = read_model(&database).org(org()).await.unwrap();
    let filters: [Restricted<CreatorFilter>; 5] = [
        (|filter| filter.project_id = Some(project(0)), 4),
        (
            |filter| filter.status = Some(CreatorStatus::AutoDisabled),
            1,
        ),
        (|filter| filter.platform = Some(Platform::Tiktok), 7),
        (|filter| filter.search = Some("CREATOR_5".to_owned()), 1),
        (|filter| filter.search = Some("creator%".to_owned()), 0),
    ];
    for (restrict, expected) in filters {
        let mut filter = CreatorFilter::default();
        restrict(&mut filter);
        let listed = reader.creators(&filter, Page::default()).await.unwrap();
        assert_eq!(listed.items.len(), expected, "{filter:?}");
    }
    let projects = reader.projects(Some("PROJECT 1"), Page::default()).await;
    assert_eq!(projects.unwrap().items.len(), 1);
}

#[tokio::test]
async fn filters_of_keys_restrict_and_wildcards_mean_themselves() {
    let database = projection().await;
    let mut journal = journal();
    journal.record(KeyRevoked {
        key_id: key(4),
        reason: RevocationReason::Requested,
    });
    apply(database.pool(), &journal.events).await;
    let mut reader = read_model(&database).org(org()).await.unwrap();
    let filters: [Restricted<KeyFilter>; 8] = [
        (|_| {}, 6),
        (
            |filter| filter.statuses = vec![KeyStatus::Active, KeyStatus::Revoked],
            7,
        ),
        (|filter| filter.statuses = vec![KeyStatus::Revoked], 1),
        (|filter| filter.search = Some("3%".to_owned()), 1),
        (|filter| filter.search = Some("7E5A".to_owned()), 6),
        (|filter| filter.created_by = Some(id(5, 0, 1)), 0),
        (|filter| filter.owner_id = Some(id(5, 0, 1)), 0),
        (
            |filter| filter.expires_before = Some(instant("2027-01-01T00:00:00Z")),
            0,
        ),
    ];
    for (restrict, expected) in filters {
        let mut filter = KeyFilter::default();
        restrict(&mut filter);
        let listed = reader.api_keys(&filter, journal.at, Page::default()).await;
        assert_eq!(listed.unwrap().items.len(), expected, "{filter:?}");
    }
}
