//! Campaigns' roll-ups follow what campaigns hold, in steps.
//!
//! A change of what a campaign holds can move any number of readings, and one projector serves all
//! orgs. So it only marks the campaign, and those around it, as not rolled up; until their roll-ups
//! have followed, their readings answer (`queries::raw`). A step moves a bounded number of videos
//! and keeps everything consistent: slots always hold the counted ones of `campaign_videos`.

use std::collections::HashMap;

use domain::ids::OrgId;
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::changes::SlotChanges;
use super::follows::Follows;
use super::places::Home;
use super::reach::add_videos;
use super::{rollup, slots};
use crate::queries::columns::timestamp;

/// Most videos and creators that one step moves.
const STEP: usize = 100;

/// A campaign that is not rolled up.
struct Campaign {
    id: Uuid,
    org: OrgId,
}

/// A video that comes into the campaign or leaves it.
pub(super) struct Moved {
    pub video: Uuid,
    pub home: Option<Home>,
    pub posted: Timestamp,
    pub comes: bool,
}

/// Lets the roll-ups of campaigns follow a step further, within the caller's transaction, which
/// must have stored all else. Returns whether something is left to do.
pub async fn roll_in_tx(connection: &mut PgConnection) -> Result<bool, ApplyError> {
    let mut left = STEP;
    loop {
        let Some(campaign) = next(connection).await? else {
            return Ok(false);
        };
        if left == 0 {
            return Ok(true);
        }
        let moved = moved(connection, &campaign, left).await?;
        let creators = moved_creators(connection, &campaign, left).await?;
        if moved.is_empty() && creators.is_empty() {
            sqlx::query!(
                "UPDATE campaigns SET is_rolled = true WHERE campaign_id = $1",
                campaign.id,
            )
            .execute(&mut *connection)
            .await?;
            continue;
        }
        left = left.saturating_sub(moved.len() + creators.len());
        step(connection, &campaign, &moved, &creators).await?;
    }
}

/// Any of those that wait, so that none waits for ever.
async fn next(connection: &mut PgConnection) -> Result<Option<Campaign>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT campaign_id, org_id FROM campaigns WHERE NOT is_rolled ORDER BY random() LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Campaign {
        id: row.campaign_id,
        org: OrgId::from_uuid(row.org_id),
    }))
}

async fn moved(
    connection: &mut PgConnection,
    campaign: &Campaign,
    most: usize,
) -> Result<Vec<Moved>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH within AS MATERIALIZED (
               SELECT video_id FROM videos_within($1) AS within (video_id)
               WHERE NOT (SELECT removed FROM campaigns WHERE campaign_id = $1)
           ), rolled AS MATERIALIZED (
               SELECT video_id FROM campaign_videos WHERE campaign_id = $1
           ), moved AS (
               (SELECT video_id, true AS comes FROM (TABLE within EXCEPT TABLE rolled) AS c LIMIT $2)
               UNION ALL
               (SELECT video_id, false FROM (TABLE rolled EXCEPT TABLE within) AS l LIMIT $2)
           )
           SELECT v.video_id, m.comes AS "comes!", v.creator_id, v.project_id,
                  NOT v.removed AND v.tracking_status IN ('auto_tracked', 'included', 'direct_add')
                      AS "is_counted!",
                  coalesce(d.posted_at, v.posted_at, v.created_at) AS "posted!"
           FROM moved m
           JOIN videos v ON v.video_id = m.video_id
           LEFT JOIN video_details d ON d.video_id = v.video_id"#,
        campaign.id,
        i64::try_from(most).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let moved = rows.into_iter().map(|row| {
        let home = match row.creator_id {
            Some(creator) => Home::Creator(creator),
            None => Home::Project(row.project_id),
        };
        Moved {
            video: row.video_id,
            home: row.is_counted.then_some(home),
            posted: timestamp(row.posted),
            comes: row.comes,
        }
    });
    Ok(moved.collect())
}

/// Creators that the campaign holds as such from now on, or does not hold any more.
async fn moved_creators(
    connection: &mut PgConnection,
    campaign: &Campaign,
    most: usize,
) -> Result<Vec<(Uuid, bool)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH within AS MATERIALIZED (
               SELECT creator_id FROM creators_within($1) AS within (creator_id)
               WHERE NOT (SELECT removed FROM campaigns WHERE campaign_id = $1)
           ), rolled AS MATERIALIZED (
               SELECT creator_id FROM campaign_creators WHERE campaign_id = $1 AND is_item
           )
           (SELECT creator_id AS "creator_id!", true AS "comes!"
            FROM (TABLE within EXCEPT TABLE rolled) AS c LIMIT $2)
           UNION ALL
           (SELECT creator_id, false FROM (TABLE rolled EXCEPT TABLE within) AS l LIMIT $2)"#,
        campaign.id,
        i64::try_from(most).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.creator_id, row.comes))
        .collect())
}

async fn step(
    connection: &mut PgConnection,
    campaign: &Campaign,
    moved: &[Moved],
    creators: &[(Uuid, bool)],
) -> Result<(), ApplyError> {
    let mut changes = SlotChanges::default();
    let counted: HashMap<Uuid, bool> = moved
        .iter()
        .filter(|moved| moved.home.is_some())
        .map(|moved| (moved.video, moved.comes))
        .collect();
    for one in moved.iter().filter(|moved| moved.home.is_some()) {
        let posts = if one.comes { 1 } else { -1 };
        changes.add_posts(campaign.org, campaign.id, one.posted, posts);
    }
    let videos: Vec<Uuid> = counted.keys().copied().collect();
    rollup::stored_figures(&mut *connection, &videos, |video, count, at, change| {
        let change = match counted.get(&video) {
            Some(true) => change,
            Some(false) => change.negated(),
            None => return,
        };
        changes.add(campaign.org, campaign.id, count, at, change);
    })
    .await?;
    follow(connection, campaign, moved, creators, &mut changes).await?;
    let comes = moved.iter().filter(|moved| moved.comes);
    let comes: Vec<_> = comes
        .map(|moved| (campaign.id, moved.video, campaign.org))
        .collect();
    add_videos(connection, &comes).await?;
    let goes = moved.iter().filter(|moved| !moved.comes);
    let goes: Vec<Uuid> = goes.map(|moved| moved.video).collect();
    sqlx::query!(
        "DELETE FROM campaign_videos WHERE video_id = ANY ($2) AND campaign_id = $1",
        campaign.id,
        &goes,
    )
    .execute(&mut *connection)
    .await?;
    slots::store(connection, changes).await?;
    Ok(())
}

/// Followers come and go with the creators that the campaign holds, and with the owners of its
/// counted videos.
async fn follow(
    connection: &mut PgConnection,
    campaign: &Campaign,
    moved: &[Moved],
    creators: &[(Uuid, bool)],
    changes: &mut SlotChanges,
) -> Result<(), ApplyError> {
    let owners: Vec<(Uuid, i32)> = moved
        .iter()
        .filter_map(|moved| match moved.home {
            Some(Home::Creator(creator)) => Some((creator, if moved.comes { 1 } else { -1 })),
            _ => None,
        })
        .collect();
    let mut concerned: Vec<Uuid> = owners.iter().map(|(creator, _)| *creator).collect();
    concerned.extend(creators.iter().map(|(creator, _)| *creator));
    concerned.sort_unstable();
    concerned.dedup();
    let mut follows = Follows::load(connection, &concerned).await?;
    for (creator, comes) in creators {
        follows.set_item(campaign.org, campaign.id, *creator, *comes);
    }
    for (creator, videos) in owners {
        follows.add_videos(campaign.org, campaign.id, creator, videos);
    }
    follows.move_stored(connection, changes).await?;
    follows.store(connection).await
}
