//! Levels from raw readings: how a video is answered, a campaign whose roll-ups have not followed
//! yet, and what roll-ups are held against (law 2).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::time::Timestamp;
use futures_util::TryStreamExt;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::analytics::{Changes, Counter, EntityKind, Inputs, Level, Levels, edge_after};
use crate::error::ReadError;
use crate::queries::columns::timestamp;
use crate::reader::OrgReader;

/// An instant before all readings.
const BEGINNING: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// Which entity's figures a unit's readings go to.
type Owners = HashMap<Uuid, Vec<Uuid>>;

impl OrgReader {
    /// The levels of entities of one kind at ascending edges, from the readings themselves; of what
    /// is not among `inputs` they may be nothing. Costs as much as there are readings between the
    /// edges, and a look-up for each unit and counter before them. So it serves single videos, and
    /// campaigns while their roll-ups have not followed what they hold; creators and projects are
    /// asked like this to check their roll-ups.
    pub async fn from_raw(
        &mut self,
        kind: EntityKind,
        ids: &[Uuid],
        edges: &[Timestamp],
        inputs: Inputs,
    ) -> Result<HashMap<Uuid, Levels>, ReadError> {
        let none = Changes::none(edges.len());
        let mut changes: HashMap<Uuid, Changes> =
            ids.iter().map(|id| (*id, none.clone())).collect();
        let of_videos = VideoInputs::of(inputs);
        let with_followers = inputs.counters().any(|one| one == Counter::Followers);
        // Whose followers are a campaign's is told by its videos.
        let is_needed = of_videos.any() || inputs.has_posts() || kind == EntityKind::Campaign;
        let videos = match kind {
            _ if !is_needed => Owners::new(),
            EntityKind::Video => ids.iter().map(|id| (*id, vec![*id])).collect(),
            EntityKind::Creator => self.counted_videos(ids, edges, &mut changes, false).await?,
            EntityKind::Campaign => self.videos_of_campaigns(ids, edges, &mut changes).await?,
            EntityKind::Project => self.counted_videos(ids, edges, &mut changes, true).await?,
        };
        if of_videos.any() {
            self.add_video_readings(&videos, edges, of_videos, &mut changes)
                .await?;
        }
        if with_followers {
            let creators = match kind {
                EntityKind::Video => Owners::new(),
                EntityKind::Creator => ids.iter().map(|id| (*id, vec![*id])).collect(),
                EntityKind::Campaign => self.creators_of_campaigns(ids, &videos).await?,
                EntityKind::Project => self.live_creators(ids).await?,
            };
            self.add_creator_readings(&creators, edges, &mut changes)
                .await?;
        }
        Ok(changes
            .into_iter()
            .map(|(id, changes)| (id, changes.into_levels()))
            .collect())
    }

    /// The counted videos of creators or projects; their posts are added on the way.
    async fn counted_videos(
        &mut self,
        ids: &[Uuid],
        edges: &[Timestamp],
        changes: &mut HashMap<Uuid, Changes>,
        of_projects: bool,
    ) -> Result<Owners, ReadError> {
        let rows = sqlx::query!(
            r#"SELECT v.video_id, v.creator_id, v.project_id,
                      coalesce(d.posted_at, v.posted_at, v.created_at) AS "posted_at!"
               FROM videos v LEFT JOIN video_details d ON d.video_id = v.video_id
               WHERE v.org_id = $1 AND NOT v.removed AND v.tracking_status = ANY ($4)
                 AND (v.creator_id = ANY ($2) OR v.project_id = ANY ($3) AND NOT v.creator_removed)"#,
            self.org.as_uuid(),
            if of_projects { &[] } else { ids },
            if of_projects { ids } else { &[] },
            &COUNTED.map(str::to_owned),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let mut owners = Owners::new();
        for row in rows {
            let owner = if of_projects {
                Some(row.project_id)
            } else {
                row.creator_id
            };
            let Some(owner) = owner else { continue };
            owners.entry(row.video_id).or_default().push(owner);
            if let Some(changes) = changes.get_mut(&owner) {
                changes.add_posts(edge_after(edges, timestamp(row.posted_at)), 1);
            }
        }
        Ok(owners)
    }

    /// The counted videos of campaigns' unions; their posts are added on the way. Each is looked up
    /// for itself (`LIMIT 1` says so): a guess about the unions' size must not lead to a scan.
    async fn videos_of_campaigns(
        &mut self,
        ids: &[Uuid],
        edges: &[Timestamp],
        changes: &mut HashMap<Uuid, Changes>,
    ) -> Result<Owners, ReadError> {
        let rows = sqlx::query!(
            r#"SELECT v.video_id, u.campaign_id AS "campaign_id!",
                      coalesce(d.posted_at, v.posted_at, v.created_at) AS "posted_at!"
               FROM unnest($2::uuid[]) AS u (campaign_id)
               CROSS JOIN LATERAL videos_within(u.campaign_id) AS within (video_id)
               CROSS JOIN LATERAL (
                   SELECT * FROM videos WHERE video_id = within.video_id LIMIT 1
               ) v
               LEFT JOIN LATERAL (
                   SELECT posted_at FROM video_details WHERE video_id = within.video_id LIMIT 1
               ) d ON true
               WHERE v.org_id = $1 AND NOT v.removed AND NOT v.creator_removed
                 AND v.tracking_status = ANY ($3)"#,
            self.org.as_uuid(),
            ids,
            &COUNTED.map(str::to_owned),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let mut owners = Owners::new();
        for row in rows {
            owners
                .entry(row.video_id)
                .or_default()
                .push(row.campaign_id);
            if let Some(changes) = changes.get_mut(&row.campaign_id) {
                changes.add_posts(edge_after(edges, timestamp(row.posted_at)), 1);
            }
        }
        Ok(owners)
    }

    /// The creators that campaigns hold, at any depth, and the owners of their counted videos.
    async fn creators_of_campaigns(
        &mut self,
        ids: &[Uuid],
        videos: &Owners,
    ) -> Result<Owners, ReadError> {
        let pairs = videos
            .iter()
            .flat_map(|(video, campaigns)| campaigns.iter().map(|one| (*video, *one)));
        let (of, campaigns): (Vec<Uuid>, Vec<Uuid>) = pairs.unzip();
        let rows = sqlx::query!(
            r#"SELECT u.campaign_id AS "campaign_id!", c.creator_id AS "creator_id!"
               FROM unnest($2::uuid[]) AS u (campaign_id)
               CROSS JOIN LATERAL creators_within(u.campaign_id) AS within (creator_id)
               CROSS JOIN LATERAL (
                   SELECT * FROM creators WHERE creator_id = within.creator_id LIMIT 1
               ) c
               WHERE c.org_id = $1 AND c.status <> 'removed'
               UNION
               SELECT u.campaign_id, v.creator_id
               FROM unnest($3::uuid[], $4::uuid[]) AS u (video_id, campaign_id)
               CROSS JOIN LATERAL (
                   SELECT * FROM videos WHERE video_id = u.video_id LIMIT 1
               ) v
               WHERE v.org_id = $1 AND v.creator_id IS NOT NULL"#,
            self.org.as_uuid(),
            ids,
            &of,
            &campaigns,
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let mut owners = Owners::new();
        for row in rows {
            let of_creator = owners.entry(row.creator_id).or_default();
            of_creator.push(row.campaign_id);
        }
        Ok(owners)
    }

    async fn live_creators(&mut self, projects: &[Uuid]) -> Result<Owners, ReadError> {
        let rows = sqlx::query!(
            "SELECT creator_id, project_id FROM creators
             WHERE org_id = $1 AND project_id = ANY ($2) AND status <> 'removed'",
            self.org.as_uuid(),
            projects,
        )
        .fetch_all(&mut *self.tx)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.creator_id, vec![row.project_id]))
            .collect())
    }

    async fn add_video_readings(
        &mut self,
        owners: &Owners,
        edges: &[Timestamp],
        wanted: VideoInputs,
        changes: &mut HashMap<Uuid, Changes>,
    ) -> Result<(), ReadError> {
        if owners.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = owners.keys().copied().collect();
        // What was last known before the first edge, then every reading up to the last edge. A
        // reading before the first edge stands there as a baseline: only differences from there
        // on are asked for, and whether there was one.
        let mut rows = sqlx::query!(
            r#"SELECT u.video_id AS "unit!", $3 AS "observed_at!",
                      views.last AS views, likes.last AS likes, comments.last AS comments,
                      shares.last AS shares, saves.last AS saves
               FROM unnest($2::uuid[]) AS u (video_id)
               LEFT JOIN LATERAL (
                   SELECT r.views AS last FROM video_readings r
                   WHERE ($6::bool[])[1] AND r.org_id = $1 AND r.video_id = u.video_id
                     AND r.observed_at < $4 AND r.views IS NOT NULL ORDER BY r.observed_at DESC LIMIT 1) views ON true
               LEFT JOIN LATERAL (
                   SELECT r.likes AS last FROM video_readings r
                   WHERE ($6::bool[])[2] AND r.org_id = $1 AND r.video_id = u.video_id
                     AND r.observed_at < $4 AND r.likes IS NOT NULL ORDER BY r.observed_at DESC LIMIT 1) likes ON true
               LEFT JOIN LATERAL (
                   SELECT r.comments AS last FROM video_readings r
                   WHERE ($6::bool[])[3] AND r.org_id = $1 AND r.video_id = u.video_id
                     AND r.observed_at < $4 AND r.comments IS NOT NULL ORDER BY r.observed_at DESC LIMIT 1) comments ON true
               LEFT JOIN LATERAL (
                   SELECT r.shares AS last FROM video_readings r
                   WHERE ($6::bool[])[4] AND r.org_id = $1 AND r.video_id = u.video_id
                     AND r.observed_at < $4 AND r.shares IS NOT NULL ORDER BY r.observed_at DESC LIMIT 1) shares ON true
               LEFT JOIN LATERAL (
                   SELECT r.saves AS last FROM video_readings r
                   WHERE ($6::bool[])[5] AND r.org_id = $1 AND r.video_id = u.video_id
                     AND r.observed_at < $4 AND r.saves IS NOT NULL ORDER BY r.observed_at DESC LIMIT 1) saves ON true
               UNION ALL
               SELECT video_id, observed_at, views, likes, comments, shares, saves
               FROM video_readings
               WHERE org_id = $1 AND video_id = ANY ($2) AND observed_at >= $4 AND observed_at < $5
               ORDER BY 1, 2"#,
            self.org.as_uuid(),
            &ids,
            BEGINNING,
            edge(edges.first()),
            edge(edges.last()),
            &wanted.0,
        )
        .fetch(&mut *self.tx);
        let mut fold = Fold::new(edges, owners, changes);
        while let Some(row) = rows.try_next().await? {
            let values = [row.views, row.likes, row.comments, row.shares, row.saves];
            let values = Counter::OF_VIDEOS.into_iter().zip(values).zip(wanted.0);
            let values = values.filter_map(|(value, is_wanted)| is_wanted.then_some(value));
            fold.add(row.unit, row.observed_at, values);
        }
        Ok(())
    }

    async fn add_creator_readings(
        &mut self,
        owners: &Owners,
        edges: &[Timestamp],
        changes: &mut HashMap<Uuid, Changes>,
    ) -> Result<(), ReadError> {
        if owners.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = owners.keys().copied().collect();
        let tx: &mut Transaction<'static, Postgres> = &mut self.tx;
        let mut rows = sqlx::query!(
            r#"SELECT u.creator_id AS "creator_id!", $3 AS "observed_at!", before.followers
               FROM unnest($2::uuid[]) AS u (creator_id)
               CROSS JOIN LATERAL (
                   SELECT r.followers FROM creator_readings r
                   WHERE r.org_id = $1 AND r.creator_id = u.creator_id AND r.observed_at < $4
                     AND r.followers IS NOT NULL ORDER BY r.observed_at DESC LIMIT 1) before
               UNION ALL
               SELECT creator_id, observed_at, followers FROM creator_readings
               WHERE org_id = $1 AND creator_id = ANY ($2) AND observed_at >= $4
                 AND observed_at < $5 AND followers IS NOT NULL
               ORDER BY 1, 2"#,
            self.org.as_uuid(),
            &ids,
            BEGINNING,
            edge(edges.first()),
            edge(edges.last()),
        )
        .fetch(&mut **tx);
        let mut fold = Fold::new(edges, owners, changes);
        while let Some(row) = rows.try_next().await? {
            let values = [(Counter::Followers, row.followers)];
            fold.add(row.creator_id, row.observed_at, values);
        }
        Ok(())
    }
}

/// Which counters of videos are asked for, in the order of [`Counter::OF_VIDEOS`].
#[derive(Clone, Copy)]
struct VideoInputs([bool; Counter::OF_VIDEOS.len()]);

impl VideoInputs {
    fn of(inputs: Inputs) -> Self {
        Self(Counter::OF_VIDEOS.map(|one| inputs.counters().any(|input| input == one)))
    }

    fn any(self) -> bool {
        self.0.contains(&true)
    }
}

/// The statuses of [`domain::event::TrackingStatus::is_counted`].
pub(super) const COUNTED: [&str; 3] = ["auto_tracked", "included", "direct_add"];

fn edge(edge: Option<&Timestamp>) -> DateTime<Utc> {
    edge.map_or(BEGINNING, |edge| edge.datetime())
}

/// Adds up readings that come in the order of units and, within a unit, of time.
struct Fold<'a> {
    edges: &'a [Timestamp],
    owners: &'a Owners,
    changes: &'a mut HashMap<Uuid, Changes>,
    unit: Option<Uuid>,
    last: [Option<i64>; Counter::COUNT],
}

impl<'a> Fold<'a> {
    fn new(
        edges: &'a [Timestamp],
        owners: &'a Owners,
        changes: &'a mut HashMap<Uuid, Changes>,
    ) -> Self {
        Self {
            edges,
            owners,
            changes,
            unit: None,
            last: [None; Counter::COUNT],
        }
    }

    fn add(
        &mut self,
        unit: Uuid,
        at: DateTime<Utc>,
        values: impl IntoIterator<Item = (Counter, Option<i64>)>,
    ) {
        if self.unit != Some(unit) {
            self.unit = Some(unit);
            self.last = [None; Counter::COUNT];
        }
        let edge = edge_after(self.edges, timestamp(at));
        for (counter, value) in values {
            let Some(value) = value else { continue };
            let change = match self.last[counter.index()].replace(value) {
                Some(last) => Level::next_reading(value, last),
                None => Level::first_reading(value),
            };
            for owner in self.owners.get(&unit).into_iter().flatten() {
                if let Some(changes) = self.changes.get_mut(owner) {
                    changes.add(edge, counter, change);
                }
            }
        }
    }
}
