//! `trackagoat erase creator` where a part of what has to be looked through is archived: as a whole, or
//! nothing is done.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use domain::event::{
    CreatorAdded, Event, MediaType, ObservationRecorded, ProjectAdded, Reading, TrackingMode,
    TrackingStatus, VideoDiscovered,
};
use domain::ids::{CreatorId, GlobalPosition, OrgId, ProjectId, VideoId};
use domain::platform::{Handle, Platform, PlatformVideoId};
use domain::text::{Metadata, ProjectName};
use domain::time::Timestamp;
use event_log::archive::{Archiver, Before, Next};
use event_log::{Config, EventLog};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use sqlx::{Executor, PgPool};

use crate::archived::{SIZE, days_ago, fill, goats, migrated, refused};
use crate::erased::late_comment;
use crate::serve::Given;

/// A creator with a video under which there is a comment.
fn commented(creator_id: CreatorId) -> Vec<Event> {
    let uuid = || Entropy::os().uuid_v4();
    let (project_id, video_id) = (ProjectId::from_uuid(uuid()), VideoId::from_uuid(uuid()));
    let name = PlatformVideoId::parse(Platform::Tiktok, "7106594312292453675").unwrap();
    let project = ProjectAdded {
        project_id,
        name: ProjectName::parse("Launch").unwrap(),
        readme: None,
        metadata: Metadata::empty(),
    };
    let creator = CreatorAdded {
        creator_id,
        project_id,
        platform: Platform::Tiktok,
        handle: Handle::parse(Platform::Tiktok, "goat").unwrap(),
        tracking_mode: TrackingMode::Auto,
        tracking_start_date: None,
        display_name: None,
        readme: None,
        metadata: Metadata::empty(),
    };
    let video = VideoDiscovered {
        video_id,
        project_id,
        creator_id,
        platform: Platform::Tiktok,
        url: name.url(Platform::Tiktok, None),
        platform_video_id: name,
        media_type: MediaType::Video,
        tracking_status: TrackingStatus::Included,
        posted_at: None,
    };
    let readings = vec![Reading::Comment(late_comment(video_id))];
    vec![
        goats(),
        project.into(),
        creator.into(),
        video.into(),
        ObservationRecorded { readings }.into(),
    ]
}

/// Archives what is full.
async fn archive(given: &Given, folder: &Path) {
    let pool = PgPool::connect(&given.operator_url()).await.unwrap();
    // Nobody has webhooks.
    pool.execute("update hooks.cursor set position = (select position from log.head)")
        .await
        .unwrap();
    let (clock, entropy) = (Clock::system(), Entropy::os());
    let (log, _) = EventLog::new(pool, clock, entropy, Config::default());
    let mut archiver = Archiver::begin(&log, folder.to_owned()).await.unwrap();
    let all = Before {
        position: None,
        instant: Timestamp::from_datetime(Clock::system().now()),
    };
    let passed = GlobalPosition::new(u64::MAX >> 1);
    loop {
        let after = archiver.resume().await.unwrap();
        let next = archiver.next(after, all, passed).await;
        let Next::Due(stretch) = next.unwrap() else {
            assert_eq!(after.as_i64(), 2 * SIZE);
            return;
        };
        archiver.archive(stretch, |_, _| {}).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_before_all_was_read_that_is_to_be_looked_through() {
    let given = Given::new("erased_archived").await;
    let mut administrator = migrated(&given).await;
    let uuid = || Entropy::os().uuid_v4();
    let (org, creator) = (OrgId::from_uuid(uuid()), CreatorId::from_uuid(uuid()));
    fill(&given, days_ago(8), org, commented(creator), 2 * SIZE).await;
    let folder = given.folder.path().join("archive");
    archive(&given, &folder).await;

    let (org, creator) = (org.to_string(), creator.to_string());
    let erase = ["erase", "creator", &org, &creator];
    let folder_named = ["--archive-dir", folder.to_str().unwrap()];
    let erase_with_folder = [&erase[..], &folder_named].concat();
    let mut removed = async || {
        let count = "select count(*) from log.events where type = 'creator.removed'";
        let count = sqlx::query_scalar::<_, i64>(count);
        count.fetch_one(&mut administrator).await.unwrap()
    };
    refused(&given, &erase).await;
    let second = folder.join("events-301-600.ndjson.zst");
    let bytes = fs::read(&second).unwrap();
    let mut turned = bytes.clone();
    turned[bytes.len() / 2] ^= 1;
    // One that is missing, and one that is not what it was.
    fs::remove_file(&second).unwrap();
    refused(&given, &erase_with_folder).await;
    fs::write(&second, &turned).unwrap();
    let error = refused(&given, &erase_with_folder).await;
    assert!(error.contains("events-301-600.ndjson.zst"), "{error}");
    assert_eq!(removed().await, 0);

    fs::write(&second, &bytes).unwrap();
    let said = given.told(&erase_with_folder).await;
    assert!(said.contains("and 1 comments"), "{said}");
    assert_eq!(removed().await, 1);
}
