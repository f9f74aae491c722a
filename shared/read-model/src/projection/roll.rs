//! Campaigns' roll-ups follow what campaigns hold, in steps.
//!
//! A change of what a campaign holds can move any number of readings, and one projector serves all
//! orgs. So it only marks the campaign, and those around it, as not rolled up; until their roll-ups
//! have followed, their readings answer (`queries::raw`). A step is a transaction of its own: it
//! looks at one campaign, moves a bounded number of stored rows and keeps everything consistent:
//! slots always hold the counted ones of `campaign_videos`. The look itself costs the campaign's union,
//! so a union of n videos takes in the order of n steps of n.

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

/// Lets the roll-ups of one campaign follow a step further, within the caller's transaction.
///
/// The step takes up videos, or creators once no video is left, until they have `step` stored rows;
/// at least one. Returns whether there was a campaign to look at, so that there may be more to do.
pub async fn roll_in_tx(connection: &mut PgConnection, step: usize) -> Result<bool, ApplyError> {
    let Some(campaign) = next(connection).await? else {
        return Ok(false);
    };
    let step = i64::try_from(step.max(1)).unwrap_or(i64::MAX);
    let videos = moved_videos(connection, &campaign, step).await?;
    let creators = if videos.is_empty() {
        moved_creators(connection, &campaign, step).await?
    } else {
        Vec::new()
    };
    if videos.is_empty() && creators.is_empty() {
        sqlx::query!(
            "UPDATE campaigns SET is_rolled = true WHERE campaign_id = $1",
            campaign.id,
        )
        .execute(connection)
        .await?;
    } else {
        move_rows(connection, &campaign, &videos, &creators).await?;
    }
    Ok(true)
}

/// Whether the roll-ups of all campaigns are those of what the campaigns hold now.
pub(super) async fn is_rolled(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT NOT EXISTS (SELECT FROM campaigns WHERE NOT is_rolled) AS "is_rolled!""#
    )
    .fetch_one(connection)
    .await
}

/// Any campaign of any org of those that wait: none waits for ever, and an org with many of them
/// does not keep the others waiting.
async fn next(connection: &mut PgConnection) -> Result<Option<Campaign>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT campaign_id, org_id FROM campaigns
         WHERE NOT is_rolled
           AND org_id = (SELECT org_id FROM campaigns WHERE NOT is_rolled
                         GROUP BY org_id ORDER BY random() LIMIT 1)
         ORDER BY random() LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Campaign {
        id: row.campaign_id,
        org: OrgId::from_uuid(row.org_id),
    }))
}

/// Videos that come into the campaign or leave it. What a video moves are its readings, and the
/// follower counts of its creator if it is the first one of theirs or the last. Each is looked up
/// for itself (`LIMIT` says so): a guess about the union's size must not lead to a scan.
async fn moved_videos(
    connection: &mut PgConnection,
    campaign: &Campaign,
    step: i64,
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
           ), owned AS MATERIALIZED (
               SELECT m.video_id, m.comes, v.creator_id, v.project_id,
                      NOT v.removed
                          AND v.tracking_status IN ('auto_tracked', 'included', 'direct_add')
                          AS is_counted,
                      coalesce(v.posted_at, v.created_at) AS posted,
                      row_number() OVER owner = 1
                          AND CASE WHEN m.comes THEN c.creator_id IS NULL
                                   ELSE NOT c.is_item AND c.videos <= count(*) OVER owner END
                          AS with_followers
               FROM moved m
               CROSS JOIN LATERAL (SELECT * FROM videos WHERE video_id = m.video_id LIMIT 1) v
               LEFT JOIN LATERAL (
                   SELECT * FROM campaign_creators
                   WHERE creator_id = v.creator_id AND campaign_id = $1 LIMIT 1) c ON true
               WINDOW owner AS (PARTITION BY m.comes, v.creator_id)
           ), taken AS (
               SELECT o.video_id FROM owned o
               LEFT JOIN LATERAL (
                   (SELECT FROM video_readings WHERE video_id = o.video_id LIMIT $2)
                   UNION ALL
                   (SELECT FROM slots WHERE o.with_followers AND unit_id = o.creator_id LIMIT $2)
               ) stored ON true
               LIMIT $2
           )
           SELECT o.video_id AS "video_id!", o.comes AS "comes!", o.creator_id AS "creator_id?",
                  o.project_id AS "project_id!",
                  o.is_counted AS "is_counted!", coalesce(d.posted_at, o.posted) AS "posted!"
           FROM owned o
           LEFT JOIN LATERAL (
               SELECT posted_at FROM video_details WHERE video_id = o.video_id LIMIT 1) d ON true
           WHERE o.video_id IN (SELECT video_id FROM taken)"#,
        campaign.id,
        step,
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
    step: i64,
) -> Result<Vec<(Uuid, bool)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH within AS MATERIALIZED (
               SELECT creator_id FROM creators_within($1) AS within (creator_id)
               WHERE NOT (SELECT removed FROM campaigns WHERE campaign_id = $1)
           ), rolled AS MATERIALIZED (
               SELECT creator_id FROM campaign_creators WHERE campaign_id = $1 AND is_item
           ), moved AS (
               (SELECT creator_id, true AS comes
                FROM (TABLE within EXCEPT TABLE rolled) AS c LIMIT $2)
               UNION ALL
               (SELECT creator_id, false FROM (TABLE rolled EXCEPT TABLE within) AS l LIMIT $2)
           )
           SELECT DISTINCT creator_id AS "creator_id!", comes AS "comes!" FROM (
               SELECT m.creator_id, m.comes FROM moved m
               LEFT JOIN LATERAL (SELECT FROM slots WHERE unit_id = m.creator_id LIMIT $2) stored
                   ON true
               LIMIT $2
           ) AS taken"#,
        campaign.id,
        step,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.creator_id, row.comes))
        .collect())
}

async fn move_rows(
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
