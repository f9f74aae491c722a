//! Where videos and creators count, before a batch and after it.

use std::collections::{BTreeSet, HashMap};

use domain::ids::{CreatorId, OrgId};
use domain::org::{CreatorStatus, Video};
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::decisions::Decisions;
use super::touched::Touched;
use crate::queries::columns::timestamp;

/// The unit that a counted video's figures go to at first hand: its creator or, for a direct add,
/// its project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    Creator(Uuid),
    Project(Uuid),
}

impl Home {
    pub const fn unit(self) -> Uuid {
        match self {
            Self::Creator(id) | Self::Project(id) => id,
        }
    }
}

/// A video; a home is `None` where it is not counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct VideoPlace {
    pub org: OrgId,
    pub before: Option<Home>,
    pub after: Option<Home>,
    /// When it counts as posted if no reading of its details says when.
    pub posted: Timestamp,
}

/// A creator, whose slots are part of the project's unless it is removed.
#[derive(Debug, Clone, Copy)]
pub(super) struct CreatorPlace {
    pub project: Uuid,
    pub was_removed: bool,
    pub is_removed: bool,
}

/// The places of all that a batch touches.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub videos: HashMap<Uuid, VideoPlace>,
    pub creators: HashMap<Uuid, CreatorPlace>,
}

impl Places {
    /// `decisions` must have been folded.
    pub async fn load(
        connection: &mut PgConnection,
        touched: &Touched,
        decisions: &Decisions,
    ) -> Result<Self, ApplyError> {
        let mut places = Self::default();
        for (id, org) in &decisions.videos {
            places.add_decided_video(*id, *org, decisions);
        }
        for state in decisions.states.values() {
            for (id, creator) in &state.creators {
                let is_removed = creator.status == CreatorStatus::Removed;
                let was_removed = decisions.creators_before.get(id).copied();
                let place = CreatorPlace {
                    project: creator.project_id.as_uuid(),
                    was_removed: was_removed.unwrap_or(is_removed),
                    is_removed,
                };
                places.creators.insert(id.as_uuid(), place);
            }
        }
        places.load_videos(connection, touched).await?;
        places.load_creators(connection, touched).await?;
        Ok(places)
    }

    fn add_decided_video(&mut self, id: Uuid, org: OrgId, decisions: &Decisions) {
        let Some(video) = decisions.video(id, org) else {
            return;
        };
        let before = decisions
            .videos_before
            .get(&domain::ids::VideoId::from_uuid(id));
        let place = VideoPlace {
            org,
            before: before.and_then(home),
            after: home(video),
            posted: video.posted_at.unwrap_or(video.created_at),
        };
        self.videos.insert(id, place);
    }

    /// Videos that only readings touch: they stay where they are.
    async fn load_videos(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<(), ApplyError> {
        let read: BTreeSet<&Uuid> = touched.stats.keys().chain(touched.details.keys()).collect();
        let wanted: Vec<Uuid> = read
            .into_iter()
            .filter(|id| !self.videos.contains_key(id))
            .copied()
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let rows = sqlx::query!(
            r#"SELECT video_id, org_id, project_id, creator_id, creator_removed,
                      NOT removed AND tracking_status IN ('auto_tracked', 'included', 'direct_add')
                          AS "is_counted!",
                      coalesce(posted_at, created_at) AS "posted!"
               FROM videos WHERE video_id = ANY ($1)"#,
            &wanted,
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let org = OrgId::from_uuid(row.org_id);
            let home = match row.creator_id {
                Some(creator) => Home::Creator(creator),
                None => Home::Project(row.project_id),
            };
            let home = row.is_counted.then_some(home);
            let place = VideoPlace {
                org,
                before: home,
                after: home,
                posted: timestamp(row.posted),
            };
            self.videos.insert(row.video_id, place);
            if let Some(creator) = row.creator_id {
                self.creators.entry(creator).or_insert(CreatorPlace {
                    project: row.project_id,
                    was_removed: row.creator_removed,
                    is_removed: row.creator_removed,
                });
            }
        }
        Ok(())
    }

    /// Creators that only readings touch.
    async fn load_creators(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<(), ApplyError> {
        let known = |id: &&Uuid| !self.creators.contains_key(id);
        let wanted: Vec<Uuid> = touched.profiles.keys().filter(known).copied().collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let rows = sqlx::query!(
            r#"SELECT creator_id, project_id, status = 'removed' AS "is_removed!"
               FROM creators WHERE creator_id = ANY ($1)"#,
            &wanted,
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let place = CreatorPlace {
                project: row.project_id,
                was_removed: row.is_removed,
                is_removed: row.is_removed,
            };
            self.creators.insert(row.creator_id, place);
        }
        Ok(())
    }
}

fn home(video: &Video) -> Option<Home> {
    let is_counted = !video.removed && video.tracking_status.is_counted();
    is_counted.then(|| match video.creator_id.map(CreatorId::as_uuid) {
        Some(creator) => Home::Creator(creator),
        None => Home::Project(video.project_id.as_uuid()),
    })
}
