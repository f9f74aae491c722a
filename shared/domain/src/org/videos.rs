//! Tracked videos: added, reviewed, tracking switched, removed.

use std::collections::{HashMap, HashSet};

use super::account::warn_if_near;
use super::campaigns::leave;
use super::{
    Context, Decision, Existing, ItemOutcome, ItemStatus, NewVideo, OrgState, Outcome, Rejection,
    ReviewDecision, Video, VideoPatch, check_limit,
};
use crate::event::{
    EntityRef, Event, TrackingDisabledReason, TrackingStatus, VideoAdded, VideoChanged,
    VideoPromoted, VideoRemoved, VideoReviewed, VideoTrackingDisabled, VideoTrackingEnabled,
};
use crate::ids::{ProjectId, VideoId};
use crate::plan::LimitKey;
use crate::platform::{Platform, PlatformVideoId};
use crate::text::Metadata;

const LIMIT: LimitKey = LimitKey::MaxTrackedVideosPerOrg;

/// What the earlier items of a bulk request have come to.
#[derive(Default)]
struct Earlier {
    added: u64,
    ids: HashMap<(Platform, PlatformVideoId), VideoId>,
}

pub(super) fn add_one(
    state: &OrgState,
    project_id: ProjectId,
    new: &NewVideo,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    state.project(project_id).ok_or(Rejection::NotFound)?;
    let mut events = Vec::new();
    let mut earlier = Earlier::default();
    let (id, status) = add(state, project_id, new, &mut earlier, &mut events)?;
    warn_if_near(
        state,
        &mut events,
        LIMIT,
        state.tracked_direct_adds + 1,
        context,
    );
    let outcome = match status {
        ItemStatus::Reactivated => Outcome::Reactivated(id.as_uuid()),
        _ => Outcome::Created(id.as_uuid()),
    };
    Ok(Decision { events, outcome })
}

pub(super) fn add_many(
    state: &OrgState,
    project_id: ProjectId,
    videos: &[NewVideo],
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    state.project(project_id).ok_or(Rejection::NotFound)?;
    let mut events = Vec::new();
    let mut earlier = Earlier::default();
    let items = videos
        .iter()
        .map(
            |new| match add(state, project_id, new, &mut earlier, &mut events) {
                Ok((id, status)) => ItemOutcome {
                    id: Some(id.as_uuid()),
                    result: Ok(status),
                },
                Err(rejection) => ItemOutcome {
                    id: None,
                    result: Err(rejection),
                },
            },
        )
        .collect();
    if earlier.added > 0 {
        let current = state.tracked_direct_adds + earlier.added;
        warn_if_near(state, &mut events, LIMIT, current, context);
    }
    Ok(Decision {
        events,
        outcome: Outcome::Items(items),
    })
}

fn add(
    state: &OrgState,
    project_id: ProjectId,
    new: &NewVideo,
    earlier: &mut Earlier,
    events: &mut Vec<Event>,
) -> Result<(VideoId, ItemStatus), Rejection> {
    let key = (new.platform, new.platform_video_id.clone());
    if let Some(id) = earlier.ids.get(&key) {
        return Err(Rejection::Duplicate {
            what: Existing::Video,
            id: id.as_uuid(),
        });
    }
    let known = state.video_by_platform_id(project_id, new.platform, &new.platform_video_id);
    let known = known.and_then(|id| state.videos.get(&id).map(|video| (id, video)));
    if let Some((id, _)) = known
        && state
            .video(id)
            .is_some_and(|video| video.tracking_status.is_counted())
    {
        return Err(Rejection::Duplicate {
            what: Existing::Video,
            id: id.as_uuid(),
        });
    }
    if known.is_none() && state.videos.contains_key(&new.video_id) {
        return Err(Rejection::Duplicate {
            what: Existing::Video,
            id: new.video_id.as_uuid(),
        });
    }
    check_limit(state, LIMIT, state.tracked_direct_adds + earlier.added, 1)?;
    let (id, status) = if let Some((id, video)) = known {
        events.push(VideoPromoted { video_id: id }.into());
        let patch = VideoPatch {
            readme: new.readme.clone(),
            metadata: new.metadata.clone(),
            ..VideoPatch::default()
        };
        events.extend(notes(id, video, &patch).map(Event::from));
        (id, ItemStatus::Reactivated)
    } else {
        let added = VideoAdded {
            video_id: new.video_id,
            project_id,
            platform: new.platform,
            platform_video_id: new.platform_video_id.clone(),
            url: new.url.clone(),
            media_type: new.media_type,
            readme: new.readme.clone().flatten(),
            metadata: new.metadata.clone().unwrap_or_else(Metadata::empty),
        };
        events.push(added.into());
        (new.video_id, ItemStatus::Created)
    };
    earlier.added += 1;
    earlier.ids.insert(key, id);
    Ok((id, status))
}

pub(super) fn change(
    state: &OrgState,
    video_id: VideoId,
    patch: &VideoPatch,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    let video = state.video(video_id).ok_or(Rejection::NotFound)?;
    let mut events: Vec<Event> = Vec::new();
    if let Some(decision) = patch.decision {
        events.extend(review(video_id, video, decision)?);
    }
    match (patch.tracking_enabled, video.tracking_disabled) {
        (Some(true), Some(_)) => {
            if video.tracking_status == TrackingStatus::DirectAdd {
                check_limit(state, LIMIT, state.tracked_direct_adds, 1)?;
                let current = state.tracked_direct_adds + 1;
                warn_if_near(state, &mut events, LIMIT, current, context);
            }
            events.insert(0, VideoTrackingEnabled { video_id }.into());
        }
        (Some(false), None) => {
            let reason = TrackingDisabledReason::Manual;
            events.push(VideoTrackingDisabled { video_id, reason }.into());
        }
        _ => {}
    }
    events.extend(notes(video_id, video, patch).map(Event::from));
    Ok(Decision::done(events))
}

fn notes(video_id: VideoId, video: &Video, patch: &VideoPatch) -> Option<VideoChanged> {
    let changed = VideoChanged {
        video_id,
        readme: patch
            .readme
            .clone()
            .filter(|readme| *readme != video.readme),
        metadata: patch
            .metadata
            .clone()
            .filter(|metadata| *metadata != video.metadata),
    };
    (changed.readme.is_some() || changed.metadata.is_some()).then_some(changed)
}

pub(super) fn remove(state: &OrgState, video_id: VideoId) -> Result<Decision, Rejection> {
    let video = state.video(video_id).ok_or(Rejection::NotFound)?;
    let gone = HashSet::from([EntityRef::Video(video_id)]);
    let mut events = leave(state, video.project_id, &gone);
    events.push(VideoRemoved { video_id }.into());
    Ok(Decision::done(events))
}

pub(super) fn review_one(
    state: &OrgState,
    video_id: VideoId,
    decision: ReviewDecision,
) -> Result<Decision, Rejection> {
    let video = state.video(video_id).ok_or(Rejection::NotFound)?;
    Ok(Decision::of(review(video_id, video, decision)?))
}

pub(super) fn review_many(
    state: &OrgState,
    project_id: ProjectId,
    decision: ReviewDecision,
    ids: &[VideoId],
) -> Result<Decision, Rejection> {
    each(state, project_id, ids, |id, video| {
        review(id, video, decision)
    })
}

/// The table of v1-contract.md 11.1: what a decision makes of a status.
fn review(
    video_id: VideoId,
    video: &Video,
    decision: ReviewDecision,
) -> Result<Option<Event>, Rejection> {
    let previous = video.tracking_status;
    let changes = match (previous, decision) {
        (TrackingStatus::PendingReview, _)
        | (TrackingStatus::AutoTracked | TrackingStatus::Included, ReviewDecision::Exclude)
        | (TrackingStatus::Excluded, ReviewDecision::Include) => true,
        (
            TrackingStatus::AutoTracked | TrackingStatus::Included | TrackingStatus::DirectAdd,
            ReviewDecision::Include,
        )
        | (TrackingStatus::Excluded, ReviewDecision::Exclude) => false,
        (TrackingStatus::DirectAdd, ReviewDecision::Exclude) => {
            return Err(Rejection::StateConflict(
                "a video added by URL cannot be excluded: delete it instead",
            ));
        }
    };
    let reviewed = VideoReviewed {
        video_id,
        tracking_status: decision.status(),
        previous,
    };
    Ok(changes.then(|| reviewed.into()))
}

pub(super) fn disable_tracking(
    state: &OrgState,
    video_id: VideoId,
    reason: TrackingDisabledReason,
) -> Result<Decision, Rejection> {
    let video = state.video(video_id).ok_or(Rejection::NotFound)?;
    Ok(Decision::of(disabled(video_id, video, reason)))
}

pub(super) fn disable_tracking_many(
    state: &OrgState,
    project_id: ProjectId,
    ids: &[VideoId],
) -> Result<Decision, Rejection> {
    each(state, project_id, ids, |id, video| {
        Ok(disabled(id, video, TrackingDisabledReason::Manual))
    })
}

fn disabled(video_id: VideoId, video: &Video, reason: TrackingDisabledReason) -> Option<Event> {
    let tracked = video.tracking_disabled.is_none();
    tracked.then(|| VideoTrackingDisabled { video_id, reason }.into())
}

/// Judges ids one by one; an id that is not the project's is not found, a repeated one unchanged.
fn each(
    state: &OrgState,
    project_id: ProjectId,
    ids: &[VideoId],
    judge: impl Fn(VideoId, &Video) -> Result<Option<Event>, Rejection>,
) -> Result<Decision, Rejection> {
    state.project(project_id).ok_or(Rejection::NotFound)?;
    let mut events = Vec::new();
    let mut items: Vec<ItemOutcome> = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let video = state
            .video(*id)
            .filter(|video| video.project_id == project_id);
        let repeated = ids[..index].contains(id);
        let result = video
            .ok_or(Rejection::NotFound)
            .and_then(|video| judge(*id, video))
            .map(|event| match event {
                Some(event) if !repeated => {
                    events.push(event);
                    ItemStatus::Changed
                }
                _ => ItemStatus::Unchanged,
            });
        items.push(ItemOutcome {
            id: Some(id.as_uuid()),
            result,
        });
    }
    Ok(Decision {
        events,
        outcome: Outcome::Items(items),
    })
}
