//! Videos and the inbox (v1-contract.md 11).

pub mod get;
pub mod inbox;
pub mod list;

use api::v1::Video;
use domain::platform::Platform;

use crate::cache::{Topic, Topics};

/// What answers about videos rest on. Those of a removed creator or project leave with it, which
/// touches videos too.
const RESTS_ON: Topics = Topics::of(&[Topic::Videos]);

fn wire(found: &read_model::Video) -> Video {
    let platform_video_id = found.platform_video_id.as_str().to_owned();
    let notes = found.readme.as_ref().map(|notes| notes.as_str().to_owned());
    Video {
        id: found.id,
        project_id: found.project_id,
        creator_id: found.creator_id,
        platform: found.platform,
        tiktok_video_id: (found.platform == Platform::Tiktok).then(|| platform_video_id.clone()),
        platform_video_id,
        url: found.url.clone(),
        title: found.title.clone(),
        description: notes.clone(),
        readme: notes,
        metadata: (&found.metadata).into(),
        tracking_status: found.tracking_status,
        tracking_enabled: found.tracking_disabled.is_none(),
        tracking_disabled_reason: found.tracking_disabled,
        media_type: found.media_type,
        thumbnail_url: found.thumbnail_url.clone(),
        posted_at: found.posted_at,
        view_count: found.view_count,
        like_count: found.like_count,
        comment_count: found.comment_count,
        share_count: found.share_count,
        save_count: found.save_count,
        stats_at: found.stats_at,
        created_at: found.created_at,
        updated_at: found.updated_at,
    }
}
