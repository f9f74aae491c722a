//! What the platform says of videos: for each value the newest reading that carries it holds, and
//! of equally new ones the last received.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::event::{Event, MediaType, Reading, RecordedEvent, VideoDetails};
use domain::ids::OrgId;
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::touched::Touched;
use crate::projection::ApplyError;
use crate::queries::columns::{Row, timestamp};
use crate::text::fold;

/// A value and when it was read.
#[derive(Debug, Clone)]
pub(super) struct Seen<T>(Option<(T, Timestamp)>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Seen<T> {
    pub fn from_columns(value: Option<T>, at: Option<DateTime<Utc>>) -> Self {
        Self(value.zip(at.map(timestamp)))
    }

    /// Takes what a reading carries, unless a newer one was read before. A correction that does not
    /// carry it leaves it: `Reading::lasting`, which the log's index keeps to as well.
    pub fn see(&mut self, value: Option<T>, at: Timestamp) {
        let Some(value) = value else { return };
        if self.0.as_ref().is_none_or(|(_, seen)| *seen <= at) {
            self.0 = Some((value, at));
        }
    }

    pub fn value(&self) -> Option<&T> {
        self.0.as_ref().map(|(value, _)| value)
    }

    pub fn at(&self) -> Option<DateTime<Utc>> {
        self.0.as_ref().map(|(_, at)| at.datetime())
    }
}

/// The details of one video.
#[derive(Debug, Clone, Default)]
struct Detail {
    org: Option<OrgId>,
    url: Seen<String>,
    title: Seen<String>,
    posted_at: Seen<Timestamp>,
    media_type: Seen<MediaType>,
    thumbnail_url: Seen<String>,
}

/// The details of the videos that a batch touches.
pub(super) struct Details {
    rows: HashMap<Uuid, Detail>,
    posted_before: HashMap<Uuid, Timestamp>,
    /// Videos that exist; readings of others are left out.
    changed: BTreeSet<Uuid>,
}

impl Details {
    pub async fn load(
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<Self, ApplyError> {
        let mut details = Self {
            rows: HashMap::new(),
            posted_before: HashMap::new(),
            changed: BTreeSet::new(),
        };
        let videos: BTreeSet<Uuid> = touched
            .details
            .keys()
            .chain(touched.videos.keys())
            .copied()
            .collect();
        if videos.is_empty() {
            return Ok(details);
        }
        let rows = sqlx::query!(
            "SELECT video_id, org_id, url, url_at, title, title_at, posted_at, posted_at_at,
                    media_type, media_type_at, thumbnail_url, thumbnail_url_at
             FROM video_details WHERE video_id = ANY ($1)",
            &videos.into_iter().collect::<Vec<_>>(),
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let named = Row {
                table: "video_details",
                key: row.video_id,
            };
            let media_type = named.named_optional("media_type", row.media_type.as_deref())?;
            let detail = Detail {
                org: Some(OrgId::from_uuid(row.org_id)),
                url: Seen::from_columns(row.url, row.url_at),
                title: Seen::from_columns(row.title, row.title_at),
                posted_at: Seen::from_columns(row.posted_at.map(timestamp), row.posted_at_at),
                media_type: Seen::from_columns(media_type, row.media_type_at),
                thumbnail_url: Seen::from_columns(row.thumbnail_url, row.thumbnail_url_at),
            };
            if let Some(posted_at) = detail.posted_at.value() {
                details.posted_before.insert(row.video_id, *posted_at);
            }
            details.rows.insert(row.video_id, detail);
        }
        Ok(details)
    }

    /// Folds the readings of details among the events.
    pub fn fold(&mut self, events: &[RecordedEvent]) {
        for recorded in events {
            let Event::ObservationRecorded(observation) = &recorded.event else {
                continue;
            };
            for reading in &observation.readings {
                if let Reading::Video(reading) = reading {
                    self.see(recorded.org_id, reading);
                }
            }
        }
    }

    /// When a video was posted, as reported before the batch.
    pub fn posted_before(&self, video: Uuid) -> Option<Timestamp> {
        self.posted_before.get(&video).copied()
    }

    /// When it was posted, as reported by now.
    pub fn posted_after(&self, video: Uuid) -> Option<Timestamp> {
        self.rows.get(&video)?.posted_at.value().copied()
    }

    pub async fn store(self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let mut columns = Columns::default();
        for id in self.changed {
            if let Some(row) = self.rows.get(&id) {
                columns.push(id, row);
            }
        }
        columns.write(connection).await
    }

    fn see(&mut self, org: OrgId, reading: &VideoDetails) {
        let id = reading.video_id.as_uuid();
        let at = reading.observed_at;
        let row = self.rows.entry(id).or_default();
        row.org = Some(org);
        row.url.see(reading.url.clone(), at);
        row.title.see(reading.title.clone(), at);
        row.posted_at.see(reading.posted_at, at);
        row.media_type.see(reading.media_type, at);
        row.thumbnail_url.see(reading.thumbnail_url.clone(), at);
        self.changed.insert(id);
    }
}

/// Rows by column, for one statement.
#[derive(Default)]
struct Columns<'a> {
    video_id: Vec<Uuid>,
    org_id: Vec<Uuid>,
    url: Vec<Option<&'a str>>,
    url_at: Vec<Option<DateTime<Utc>>>,
    title: Vec<Option<&'a str>>,
    title_at: Vec<Option<DateTime<Utc>>>,
    search: Vec<Option<String>>,
    posted_at: Vec<Option<DateTime<Utc>>>,
    posted_at_at: Vec<Option<DateTime<Utc>>>,
    media_type: Vec<Option<&'a str>>,
    media_type_at: Vec<Option<DateTime<Utc>>>,
    thumbnail_url: Vec<Option<&'a str>>,
    thumbnail_url_at: Vec<Option<DateTime<Utc>>>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, id: Uuid, row: &'a Detail) {
        let Some(org) = row.org else { return };
        let title = row.title.value().map(String::as_str);
        self.video_id.push(id);
        self.org_id.push(org.as_uuid());
        self.url.push(row.url.value().map(String::as_str));
        self.url_at.push(row.url.at());
        self.title.push(title);
        self.title_at.push(row.title.at());
        self.search.push(title.map(fold));
        self.posted_at
            .push(row.posted_at.value().map(|at| at.datetime()));
        self.posted_at_at.push(row.posted_at.at());
        self.media_type
            .push(row.media_type.value().map(|media| media.name()));
        self.media_type_at.push(row.media_type.at());
        self.thumbnail_url
            .push(row.thumbnail_url.value().map(String::as_str));
        self.thumbnail_url_at.push(row.thumbnail_url.at());
    }

    async fn write(self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        sqlx::query!(
            "INSERT INTO video_details (video_id, org_id, url, url_at, title, title_at, search,
                    posted_at, posted_at_at, media_type, media_type_at, thumbnail_url,
                    thumbnail_url_at)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[],
                    $5::text[], $6::timestamptz[], $7::text[], $8::timestamptz[],
                    $9::timestamptz[], $10::text[], $11::timestamptz[], $12::text[],
                    $13::timestamptz[])
             ON CONFLICT (video_id) DO UPDATE SET
                    url = excluded.url, url_at = excluded.url_at,
                    title = excluded.title, title_at = excluded.title_at,
                    search = excluded.search,
                    posted_at = excluded.posted_at, posted_at_at = excluded.posted_at_at,
                    media_type = excluded.media_type, media_type_at = excluded.media_type_at,
                    thumbnail_url = excluded.thumbnail_url,
                    thumbnail_url_at = excluded.thumbnail_url_at",
            &self.video_id,
            &self.org_id,
            &self.url as &[Option<&str>],
            &self.url_at as &[Option<DateTime<Utc>>],
            &self.title as &[Option<&str>],
            &self.title_at as &[Option<DateTime<Utc>>],
            &self.search as &[Option<String>],
            &self.posted_at as &[Option<DateTime<Utc>>],
            &self.posted_at_at as &[Option<DateTime<Utc>>],
            &self.media_type as &[Option<&str>],
            &self.media_type_at as &[Option<DateTime<Utc>>],
            &self.thumbnail_url as &[Option<&str>],
            &self.thumbnail_url_at as &[Option<DateTime<Utc>>],
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
