//! Creators (v1-contract.md 10).

pub mod get;
pub mod list;

use api::v1::Creator;
use domain::platform::Platform;

use crate::cache::{Topic, Topics};

/// What answers about creators rest on. Those of a removed project leave with it, which touches
/// creators too.
const RESTS_ON: Topics = Topics::of(&[Topic::Creators]);

fn wire(found: &read_model::Creator) -> Creator {
    let handle = found.handle.as_str().to_owned();
    let notes = found.readme.as_ref().map(|notes| notes.as_str().to_owned());
    Creator {
        id: found.id,
        project_id: found.project_id,
        platform: found.platform,
        tiktok_handle: (found.platform == Platform::Tiktok).then(|| handle.clone()),
        handle,
        display_name: found.display_name.clone(),
        description: notes.clone(),
        readme: notes,
        metadata: (&found.metadata).into(),
        tracking_mode: found.tracking_mode,
        tracking_start_date: found.tracking_start_date,
        status: found.status,
        disabled_reason: found.disabled_reason.clone(),
        disabled_at: found.disabled_at,
        profile_url: found.handle.profile_url(found.platform),
        avatar_url: found.avatar_url.clone(),
        follower_count: found.follower_count,
        following_count: found.following_count,
        like_count: found.like_count,
        video_count: found.video_count,
        profile_at: found.profile_at,
        created_at: found.created_at,
        updated_at: found.updated_at,
    }
}
