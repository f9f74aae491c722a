//! How events change tracked videos.

use super::{OrgState, Recorded, Review, Video};
use crate::event::{Event, TrackingStatus, VideoAdded, VideoDiscovered};
use crate::ids::VideoId;
use crate::text::Metadata;

pub(super) fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    match recorded.event {
        Event::VideoAdded(added) => insert(state, added.video_id, Video::added(added, recorded)),
        Event::VideoDiscovered(found) => {
            insert(state, found.video_id, Video::discovered(found, recorded));
        }
        Event::VideoChanged(changed) => with(state, changed.video_id, recorded, |video| {
            if let Some(readme) = &changed.readme {
                video.readme.clone_from(readme);
            }
            if let Some(metadata) = &changed.metadata {
                video.metadata = metadata.clone();
            }
        }),
        Event::VideoPromoted(event) => with(state, event.video_id, recorded, |video| {
            video.tracking_status = TrackingStatus::DirectAdd;
            video.tracking_disabled = None;
            video.removed = false;
            // A direct add stands for itself: it stays when a creator of its account goes.
            video.creator_id = None;
        }),
        Event::VideoReviewed(event) => with(state, event.video_id, recorded, |video| {
            video.tracking_status = event.tracking_status;
            video.review = Some(Review {
                at: recorded.at,
                by: recorded.actor,
            });
        }),
        Event::VideoTrackingDisabled(event) => with(state, event.video_id, recorded, |video| {
            video.tracking_disabled = Some(event.reason);
        }),
        Event::VideoTrackingEnabled(event) => with(state, event.video_id, recorded, |video| {
            video.tracking_disabled = None;
        }),
        Event::VideoRemoved(event) => with(state, event.video_id, recorded, |video| {
            video.removed = true;
        }),
        _ => {}
    }
}

fn insert(state: &mut OrgState, id: VideoId, video: Video) {
    let key = (
        video.project_id,
        video.platform,
        video.platform_video_id.clone(),
    );
    state.videos_by_platform_id.insert(key, id);
    state.tracked_direct_adds += u64::from(video.is_tracked_direct_add());
    state.videos.insert(id, video);
}

fn with(
    state: &mut OrgState,
    id: VideoId,
    recorded: &Recorded<'_>,
    change: impl FnOnce(&mut Video),
) {
    let Some(video) = state.videos.get_mut(&id) else {
        return;
    };
    let before = video.is_tracked_direct_add();
    change(video);
    video.updated_at = recorded.at;
    match (before, video.is_tracked_direct_add()) {
        (true, false) => state.tracked_direct_adds -= 1,
        (false, true) => state.tracked_direct_adds += 1,
        _ => {}
    }
}

impl Video {
    fn added(added: &VideoAdded, recorded: &Recorded<'_>) -> Self {
        Self {
            project_id: added.project_id,
            creator_id: None,
            platform: added.platform,
            platform_video_id: added.platform_video_id.clone(),
            url: added.url.clone(),
            media_type: added.media_type,
            posted_at: None,
            readme: added.readme.clone(),
            metadata: added.metadata.clone(),
            tracking_status: TrackingStatus::DirectAdd,
            tracking_disabled: None,
            removed: false,
            review: None,
            created_at: recorded.at,
            updated_at: recorded.at,
        }
    }

    fn discovered(found: &VideoDiscovered, recorded: &Recorded<'_>) -> Self {
        Self {
            project_id: found.project_id,
            creator_id: Some(found.creator_id),
            platform: found.platform,
            platform_video_id: found.platform_video_id.clone(),
            url: found.url.clone(),
            media_type: found.media_type,
            posted_at: found.posted_at,
            readme: None,
            metadata: Metadata::empty(),
            tracking_status: found.tracking_status,
            tracking_disabled: None,
            removed: false,
            review: None,
            created_at: recorded.at,
            updated_at: recorded.at,
        }
    }
}
