//! What a batch changes in roll-ups.
//!
//! Everything is a difference between what holds before the batch and what holds after it, so
//! what happens in between does not matter:
//!
//! - a reading adds to the *home* that its video has after the batch, if any;
//! - a video whose home changed takes all that was stored of it along;
//! - a post is taken from its former home and slot and put to the new ones;
//! - a project has what its creators have, but for removed ones: so each change of a creator that
//!   is not removed is one of the project too, and a creator that was removed or came back takes
//!   all its stored slots along.

use domain::event::{Event, Reading, RecordedEvent};
use domain::ids::OrgId;
use domain::time::Timestamp;
use futures_util::TryStreamExt;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::changes::{SlotChanges, Sums};
use super::details::Details;
use super::figures::{Change, History};
use super::keyring::SubjectKeyring;
use super::places::Places;
use super::profiles::Profiles;
use super::reach::Reach;
use super::video_readings::{COUNTS, VideoReadings};
use crate::analytics::Counter;
use crate::queries::columns::timestamp;

/// Takes up all readings of counts; adds what they change in their units' slots.
pub(super) fn fold_readings(
    events: &[RecordedEvent],
    places: &Places,
    reach: &Reach,
    readings: &mut VideoReadings,
    profiles: &mut Profiles,
    keys: &SubjectKeyring,
    changes: &mut SlotChanges,
) {
    for recorded in events {
        let Event::ObservationRecorded(observation) = &recorded.event else {
            continue;
        };
        let org = recorded.org_id;
        for reading in &observation.readings {
            match reading {
                Reading::VideoStats(stats) => {
                    let Some(place) = places.videos.get(&stats.video_id.as_uuid()) else {
                        continue;
                    };
                    let video = stats.video_id.as_uuid();
                    readings.see(org, stats, |count, at, change| {
                        for unit in reach.units(video, place.after) {
                            changes.add(org, unit, Counter::OF_VIDEOS[count], at, change);
                        }
                    });
                }
                Reading::CreatorProfile(profile) => {
                    let creator = profile.creator_id.as_uuid();
                    if !places.creators.contains_key(&creator) {
                        continue;
                    }
                    profiles.see(org, profile, keys, |count, at, change| {
                        if count == FOLLOWERS {
                            let campaigns = reach.follows.following(creator);
                            for unit in campaigns.chain([creator]) {
                                changes.add(org, unit, Counter::Followers, at, change);
                            }
                        }
                    });
                }
                Reading::Video(_) | Reading::Comment(_) => {}
            }
        }
    }
}

/// Place of followers among a profile's counts.
const FOLLOWERS: usize = 0;

/// Moves posts between slots and homes.
pub(super) fn move_posts(
    places: &Places,
    reach: &Reach,
    details: &Details,
    changes: &mut SlotChanges,
) {
    for (video, place) in &places.videos {
        let before = details.posted_before(*video).unwrap_or(place.posted);
        let after = details.posted_after(*video).unwrap_or(place.posted);
        if (place.before, before) == (place.after, after) {
            continue;
        }
        for unit in reach.units(*video, place.before) {
            changes.add_posts(place.org, unit, before, -1);
        }
        for unit in reach.units(*video, place.after) {
            changes.add_posts(place.org, unit, after, 1);
        }
    }
}

/// Moves all that was stored of videos whose home changed. Must run before the batch's readings
/// are stored.
pub(super) async fn move_videos(
    connection: &mut PgConnection,
    places: &Places,
    reach: &Reach,
    changes: &mut SlotChanges,
) -> Result<(), ApplyError> {
    let moved: Vec<Uuid> = places
        .videos
        .iter()
        .filter(|(_, place)| place.before != place.after)
        .map(|(video, _)| *video)
        .collect();
    stored_figures(connection, &moved, |video, counter, at, change| {
        let Some(place) = places.videos.get(&video) else {
            return;
        };
        for unit in reach.units(video, place.before) {
            changes.add(place.org, unit, counter, at, change.negated());
        }
        for unit in reach.units(video, place.after) {
            changes.add(place.org, unit, counter, at, change);
        }
    })
    .await
}

/// What the stored readings of videos add to their units.
pub(super) async fn stored_figures(
    connection: &mut PgConnection,
    videos: &[Uuid],
    mut sink: impl FnMut(Uuid, Counter, Timestamp, Change),
) -> Result<(), ApplyError> {
    if videos.is_empty() {
        return Ok(());
    }
    let mut rows = sqlx::query!(
        "SELECT video_id, observed_at, views, likes, comments, shares, saves FROM video_readings
         WHERE video_id = ANY ($1) ORDER BY video_id, observed_at",
        videos,
    )
    .fetch(connection);
    let mut current = Uuid::nil();
    let mut history = History::<COUNTS>::default();
    while let Some(row) = rows.try_next().await? {
        if row.video_id != current {
            current = row.video_id;
            history = History::default();
        }
        let counts = [row.views, row.likes, row.comments, row.shares, row.saves];
        history.record(timestamp(row.observed_at), counts, |count, at, change| {
            sink(current, Counter::OF_VIDEOS[count], at, change);
        });
    }
    Ok(())
}

/// Adds to projects what changed of their creators. `changes` must hold all of these by now, and
/// none must have been stored.
pub(super) async fn carry_to_projects(
    connection: &mut PgConnection,
    places: &Places,
    changes: &mut SlotChanges,
) -> Result<(), ApplyError> {
    let carried: Vec<(Uuid, i32, Sums)> = changes
        .iter()
        .filter_map(|(unit, slot, sums)| {
            let creator = places.creators.get(&unit)?;
            (!creator.is_removed).then_some((creator.project, slot, *sums))
        })
        .collect();
    for (project, slot, sums) in carried {
        changes.add_sums(project, slot, &sums);
    }
    move_creators(connection, places, changes).await
}

/// Moves all that was stored of creators that were removed or came back.
async fn move_creators(
    connection: &mut PgConnection,
    places: &Places,
    changes: &mut SlotChanges,
) -> Result<(), ApplyError> {
    let moved = places
        .creators
        .iter()
        .filter(|(_, place)| place.was_removed != place.is_removed);
    let mut creators = Vec::new();
    let mut projects = Vec::new();
    let mut signs = Vec::new();
    for (creator, place) in moved {
        creators.push(*creator);
        projects.push(place.project);
        signs.push(if place.is_removed { -1_i32 } else { 1 });
    }
    if creators.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query!(
        r#"SELECT u.project_id AS "project_id!", s.org_id, s.slot, u.sign AS "sign!", s.posts,
                  s.views_delta, s.views_base, s.views_firsts,
                  s.likes_delta, s.likes_base, s.likes_firsts,
                  s.comments_delta, s.comments_base, s.comments_firsts,
                  s.shares_delta, s.shares_base, s.shares_firsts,
                  s.saves_delta, s.saves_base, s.saves_firsts,
                  s.followers_delta, s.followers_base, s.followers_firsts
           FROM unnest($1::uuid[], $2::uuid[], $3::integer[]) AS u (creator_id, project_id, sign)
           JOIN slots s ON s.unit_id = u.creator_id"#,
        &creators,
        &projects,
        &signs,
    )
    .fetch(connection);
    let mut rows = rows;
    while let Some(row) = rows.try_next().await? {
        let change = |delta: Option<i64>, base: Option<i64>, firsts: Option<i32>| {
            let change = Change {
                delta: delta.unwrap_or(0),
                base: base.unwrap_or(0),
                firsts: firsts.unwrap_or(0),
            };
            if row.sign < 0 {
                change.negated()
            } else {
                change
            }
        };
        let sums = Sums {
            org: OrgId::from_uuid(row.org_id),
            posts: row.sign * row.posts.unwrap_or(0),
            counters: [
                change(row.views_delta, row.views_base, row.views_firsts),
                change(row.likes_delta, row.likes_base, row.likes_firsts),
                change(row.comments_delta, row.comments_base, row.comments_firsts),
                change(row.shares_delta, row.shares_base, row.shares_firsts),
                change(row.saves_delta, row.saves_base, row.saves_firsts),
                change(
                    row.followers_delta,
                    row.followers_base,
                    row.followers_firsts,
                ),
            ],
        };
        changes.add_sums(row.project_id, row.slot, &sums);
    }
    Ok(())
}
