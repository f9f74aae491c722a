//! Which videos are in campaigns' roll-ups, as far as a batch touches them.
//!
//! A video's figures are in the slots of the campaigns that `campaign_videos` names for it, while
//! the video is counted. A batch keeps that so: readings and posts go to these campaigns too, and a
//! video that is found under a creator goes where the creator is. What campaigns hold changes in
//! steps of its own: see `roll`.

use std::collections::HashMap;

use domain::ids::{OrgId, VideoId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::decisions::Decisions;
use super::follows::Follows;
use super::places::{Home, Places, VideoPlace};
use super::store::each;

/// Campaigns by video, and whose followers are in them.
#[derive(Debug, Default)]
pub(super) struct Reach {
    videos: HashMap<Uuid, Vec<Uuid>>,
    /// Of videos that were found now: campaign, video, org.
    found: Vec<(Uuid, Uuid, OrgId)>,
    pub follows: Follows,
}

impl Reach {
    /// Of all that a batch touches. Campaigns that are gone are forgotten first.
    pub async fn load(
        connection: &mut PgConnection,
        places: &Places,
        decisions: &Decisions,
    ) -> Result<Self, ApplyError> {
        forget(connection, decisions).await?;
        let videos: Vec<Uuid> = places.videos.keys().copied().collect();
        let creators: Vec<Uuid> = places.creators.keys().copied().collect();
        let rows = sqlx::query!(
            "SELECT campaign_id, video_id FROM campaign_videos WHERE video_id = ANY ($1)",
            &videos,
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut reach = Self {
            follows: Follows::load(connection, &creators).await?,
            ..Self::default()
        };
        for row in rows {
            let campaigns = reach.videos.entry(row.video_id).or_default();
            campaigns.push(row.campaign_id);
        }
        reach.find(decisions);
        for (video, place) in &places.videos {
            reach.count(*video, place);
        }
        Ok(reach)
    }

    /// The units whose slots hold the video's figures while it counts at this home.
    pub fn units(&self, video: Uuid, home: Option<Home>) -> impl Iterator<Item = Uuid> {
        let campaigns = home.and_then(|_| self.videos.get(&video));
        let campaigns = campaigns.into_iter().flatten().copied();
        home.map(Home::unit).into_iter().chain(campaigns)
    }

    /// Writes back what changed.
    pub async fn store(&self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        add_videos(connection, &self.found).await?;
        self.follows.store(connection).await
    }

    /// Takes up videos that did not exist before the batch.
    fn find(&mut self, decisions: &Decisions) {
        for (id, org) in &decisions.videos {
            if decisions
                .videos_before
                .contains_key(&VideoId::from_uuid(*id))
            {
                continue;
            }
            let video = decisions.video(*id, *org);
            let creator = video.and_then(|video| video.creator_id);
            for campaign in creator
                .map(|creator| self.follows.holding(creator.as_uuid()))
                .unwrap_or_default()
            {
                self.videos.entry(*id).or_default().push(campaign);
                self.found.push((campaign, *id, *org));
            }
        }
    }

    /// Notes that a creator has a counted video more, or one less.
    fn count(&mut self, video: Uuid, place: &VideoPlace) {
        let change = i32::from(place.after.is_some()) - i32::from(place.before.is_some());
        let Some(Home::Creator(creator)) = place.after.or(place.before).filter(|_| change != 0)
        else {
            return;
        };
        for campaign in self.videos.get(&video).into_iter().flatten() {
            self.follows
                .add_videos(place.org, *campaign, creator, change);
        }
    }
}

/// Writes what videos campaigns have.
pub(super) async fn add_videos(
    connection: &mut PgConnection,
    rows: &[(Uuid, Uuid, OrgId)],
) -> Result<(), ApplyError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO campaign_videos (campaign_id, video_id, org_id)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])",
        &each(rows, |(campaign, ..)| *campaign),
        &each(rows, |(_, video, _)| *video),
        &each(rows, |(.., org)| org.as_uuid()),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Drops the roll-ups of campaigns that are gone.
async fn forget(connection: &mut PgConnection, decisions: &Decisions) -> Result<(), ApplyError> {
    let gone: Vec<Uuid> = decisions
        .states
        .values()
        .flat_map(|state| &state.campaigns)
        .filter(|(_, campaign)| campaign.removed)
        .map(|(id, _)| id.as_uuid())
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "WITH videos AS (DELETE FROM campaign_videos WHERE campaign_id = ANY ($1)),
              creators AS (DELETE FROM campaign_creators WHERE campaign_id = ANY ($1))
         DELETE FROM slots WHERE unit_id = ANY ($1)",
        &gone,
    )
    .execute(connection)
    .await?;
    Ok(())
}
