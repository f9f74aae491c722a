//! What the platform says of creators: names and pictures by the newest reading, counts with every
//! reading kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::event::CreatorProfile;
use domain::ids::OrgId;
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::details::Seen;
use super::figures::{History, Sink};
use super::keyring::SubjectKeyring;
use super::touched::{Touched, ids};
use crate::queries::columns::timestamp;
use crate::text::fold;

/// Followers, following, likes, videos.
const COUNTS: usize = 4;
type Counts = [Option<i64>; COUNTS];

#[derive(Debug, Default)]
struct Profile {
    org: Option<OrgId>,
    display_name: Seen<String>,
    avatar_url: Seen<String>,
    history: History<COUNTS>,
    is_changed: bool,
}

/// The creators that a batch reads of.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    rows: HashMap<Uuid, Profile>,
    readings: BTreeMap<(Uuid, Timestamp), (OrgId, Counts)>,
}

impl Profiles {
    /// Loads the profiles and, of creators with a late reading, all readings: there are few.
    pub async fn load(
        connection: &mut PgConnection,
        touched: &Touched,
        observed: &[(Uuid, Timestamp)],
    ) -> Result<Self, ApplyError> {
        let mut profiles = Self::default();
        if touched.profiles.is_empty() {
            return Ok(profiles);
        }
        let rows = sqlx::query!(
            "SELECT creator_id, org_id, display_name, display_name_at, avatar_url, avatar_url_at,
                    followers, followers_at, following, following_at, likes, likes_at, videos,
                    videos_at, profile_at
             FROM creator_profiles WHERE creator_id = ANY ($1)",
            &ids(&touched.profiles),
        )
        .fetch_all(&mut *connection)
        .await?;
        for row in rows {
            let last = [
                last(row.followers, row.followers_at),
                last(row.following, row.following_at),
                last(row.likes, row.likes_at),
                last(row.videos, row.videos_at),
            ];
            let profile = Profile {
                org: Some(OrgId::from_uuid(row.org_id)),
                display_name: Seen::from_columns(row.display_name, row.display_name_at),
                avatar_url: Seen::from_columns(row.avatar_url, row.avatar_url_at),
                history: History::of(timestamp(row.profile_at), last),
                is_changed: false,
            };
            profiles.rows.insert(row.creator_id, profile);
        }
        profiles.load_late(connection, observed).await?;
        Ok(profiles)
    }

    /// Takes up a reading; tells changes of counts.
    pub fn see(
        &mut self,
        org: OrgId,
        reading: &CreatorProfile,
        keys: &SubjectKeyring,
        sink: impl Sink,
    ) {
        let id = reading.creator_id.as_uuid();
        let at = reading.observed_at;
        let open = |field, sealed: &Option<_>| keys.open(org, id, field, sealed.as_ref()?);
        let row = self.rows.entry(id).or_default();
        row.org = Some(org);
        row.is_changed = true;
        let name = open("display_name", &reading.display_name);
        row.display_name.see(name, at);
        row.avatar_url
            .see(open("avatar_url", &reading.avatar_url), at);
        let counts = [
            reading.follower_count,
            reading.following_count,
            reading.like_count,
            reading.video_count,
        ]
        .map(|count| count.and_then(|count| i64::try_from(count).ok()));
        row.history.record(at, counts, sink);
        self.readings.insert((id, at), (org, counts));
    }

    async fn load_late(
        &mut self,
        connection: &mut PgConnection,
        observed: &[(Uuid, Timestamp)],
    ) -> Result<(), ApplyError> {
        let mut late = BTreeSet::new();
        let mut newest: HashMap<Uuid, Timestamp> = HashMap::new();
        for (id, at) in observed {
            let known = newest.get(id).copied();
            let known = known.max(self.rows.get(id).and_then(|row| row.history.newest));
            if known.is_some_and(|known| *at <= known) {
                late.insert(*id);
            }
            newest.insert(*id, known.map_or(*at, |known| known.max(*at)));
        }
        if late.is_empty() {
            return Ok(());
        }
        for id in &late {
            self.rows.entry(*id).or_default().history.expect_late();
        }
        let rows = sqlx::query!(
            "SELECT creator_id, observed_at, followers, following, likes, videos
             FROM creator_readings WHERE creator_id = ANY ($1)",
            &late.into_iter().collect::<Vec<_>>(),
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let Some(profile) = self.rows.get_mut(&row.creator_id) else {
                continue;
            };
            let at = timestamp(row.observed_at);
            let counts = [row.followers, row.following, row.likes, row.videos];
            for (count, value) in counts.into_iter().enumerate() {
                profile.history.remember(count, at, value);
            }
        }
        Ok(())
    }

    pub async fn store(self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        store_readings(connection, &self.readings).await?;
        let mut rows: Vec<(&Uuid, &Profile)> = self.rows.iter().collect();
        rows.retain(|(_, row)| row.is_changed);
        if rows.is_empty() {
            return Ok(());
        }
        rows.sort_unstable_by_key(|(id, _)| **id);
        let mut columns = Columns::default();
        for (id, row) in rows {
            columns.push(*id, row);
        }
        columns.write(connection).await
    }
}

async fn store_readings(
    connection: &mut PgConnection,
    readings: &BTreeMap<(Uuid, Timestamp), (OrgId, Counts)>,
) -> Result<(), ApplyError> {
    if readings.is_empty() {
        return Ok(());
    }
    let creator_ids: Vec<Uuid> = readings.keys().map(|(id, _)| *id).collect();
    let observed: Vec<DateTime<Utc>> = readings.keys().map(|(_, at)| at.datetime()).collect();
    let org_ids: Vec<Uuid> = readings.values().map(|(org, _)| org.as_uuid()).collect();
    let column = |count: usize| -> Vec<Option<i64>> {
        readings.values().map(|(_, counts)| counts[count]).collect()
    };
    sqlx::query!(
        "INSERT INTO creator_readings (creator_id, observed_at, org_id, followers, following,
                likes, videos)
         SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::bigint[],
                $5::bigint[], $6::bigint[], $7::bigint[])
         ON CONFLICT (creator_id, observed_at) DO UPDATE SET
                followers = excluded.followers, following = excluded.following,
                likes = excluded.likes, videos = excluded.videos",
        &creator_ids,
        &observed,
        &org_ids,
        &column(0) as &[Option<i64>],
        &column(1) as &[Option<i64>],
        &column(2) as &[Option<i64>],
        &column(3) as &[Option<i64>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Rows by column, for one statement.
#[derive(Default)]
struct Columns<'a> {
    creator_id: Vec<Uuid>,
    org_id: Vec<Uuid>,
    display_name: Vec<Option<&'a str>>,
    display_name_at: Vec<Option<DateTime<Utc>>>,
    search: Vec<Option<String>>,
    avatar_url: Vec<Option<&'a str>>,
    avatar_url_at: Vec<Option<DateTime<Utc>>>,
    counts: [Vec<Option<i64>>; COUNTS],
    counts_at: [Vec<Option<DateTime<Utc>>>; COUNTS],
    profile_at: Vec<DateTime<Utc>>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, id: Uuid, row: &'a Profile) {
        let (Some(org), Some(newest)) = (row.org, row.history.newest) else {
            return;
        };
        let name = row.display_name.value().map(String::as_str);
        self.creator_id.push(id);
        self.org_id.push(org.as_uuid());
        self.display_name.push(name);
        self.display_name_at.push(row.display_name.at());
        self.search.push(name.map(fold));
        self.avatar_url
            .push(row.avatar_url.value().map(String::as_str));
        self.avatar_url_at.push(row.avatar_url.at());
        for (count, last) in row.history.last.iter().enumerate() {
            self.counts[count].push(last.map(|(_, value)| value));
            self.counts_at[count].push(last.map(|(at, _)| at.datetime()));
        }
        self.profile_at.push(newest.datetime());
    }

    async fn write(self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        let [followers, following, likes, videos] = self.counts;
        let [followers_at, following_at, likes_at, videos_at] = self.counts_at;
        sqlx::query!(
            "INSERT INTO creator_profiles (creator_id, org_id, display_name, display_name_at,
                    search, avatar_url, avatar_url_at, followers, followers_at, following,
                    following_at, likes, likes_at, videos, videos_at, profile_at)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[],
                    $5::text[], $6::text[], $7::timestamptz[], $8::bigint[], $9::timestamptz[],
                    $10::bigint[], $11::timestamptz[], $12::bigint[], $13::timestamptz[],
                    $14::bigint[], $15::timestamptz[], $16::timestamptz[])
             ON CONFLICT (creator_id) DO UPDATE SET
                    display_name = excluded.display_name,
                    display_name_at = excluded.display_name_at, search = excluded.search,
                    avatar_url = excluded.avatar_url, avatar_url_at = excluded.avatar_url_at,
                    followers = excluded.followers, followers_at = excluded.followers_at,
                    following = excluded.following, following_at = excluded.following_at,
                    likes = excluded.likes, likes_at = excluded.likes_at,
                    videos = excluded.videos, videos_at = excluded.videos_at,
                    profile_at = excluded.profile_at",
            &self.creator_id,
            &self.org_id,
            &self.display_name as &[Option<&str>],
            &self.display_name_at as &[Option<DateTime<Utc>>],
            &self.search as &[Option<String>],
            &self.avatar_url as &[Option<&str>],
            &self.avatar_url_at as &[Option<DateTime<Utc>>],
            &followers as &[Option<i64>],
            &followers_at as &[Option<DateTime<Utc>>],
            &following as &[Option<i64>],
            &following_at as &[Option<DateTime<Utc>>],
            &likes as &[Option<i64>],
            &likes_at as &[Option<DateTime<Utc>>],
            &videos as &[Option<i64>],
            &videos_at as &[Option<DateTime<Utc>>],
            &self.profile_at,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

pub(super) fn last(value: Option<i64>, at: Option<DateTime<Utc>>) -> Option<(Timestamp, i64)> {
    at.map(timestamp).zip(value)
}
