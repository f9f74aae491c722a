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
    /// Campaigns that a video may leave, since it is no creator's any more.
    left: Vec<Uuid>,
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
        reach.part(decisions);
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
        add_videos(&mut *connection, &self.found).await?;
        if !self.left.is_empty() {
            sqlx::query!(
                "UPDATE campaigns SET is_rolled = false WHERE campaign_id = ANY ($1)",
                &self.left,
            )
            .execute(&mut *connection)
            .await?;
        }
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

    /// Takes note of videos that were a creator's and are direct adds now.
    fn part(&mut self, decisions: &Decisions) {
        for (id, org) in &decisions.videos {
            let before = decisions.videos_before.get(&VideoId::from_uuid(*id));
            let creator = before.and_then(|video| video.creator_id);
            let after = decisions.video(*id, *org);
            let parted = creator.is_some() && after.is_some_and(|video| video.creator_id.is_none());
            if let Some(campaigns) = self.videos.get(id).filter(|_| parted) {
                self.left.extend(campaigns);
            }
        }
    }

    /// Notes which creators have a counted video more, or one less.
    fn count(&mut self, video: Uuid, place: &VideoPlace) {
        if place.before == place.after {
            return;
        }
        let campaigns = self.videos.get(&video);
        for campaign in campaigns.into_iter().flatten() {
            for (home, videos) in [(place.before, -1), (place.after, 1)] {
                if let Some(Home::Creator(creator)) = home {
                    let follows = &mut self.follows;
                    follows.add_videos(place.org, *campaign, creator, videos);
                }
            }
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
              creators AS (DELETE FROM campaign_creators WHERE campaign_id = ANY ($1)),
              days AS (DELETE FROM days WHERE unit_id = ANY ($1))
         DELETE FROM slots WHERE unit_id = ANY ($1)",
        &gone,
    )
    .execute(connection)
    .await?;
    Ok(())
}
