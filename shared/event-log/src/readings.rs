//! `log.reading_keys`: tells an accepted reading from a duplicate, and finds the newest readings
//! for answers of the write side.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::event::{Event, Reading};
use domain::ids::{GlobalPosition, OrgId};
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{CorruptRow, ReadError};
use crate::read;

/// What makes a reading unique within an org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadingKey {
    /// [`Reading::kind_number`].
    pub kind: i16,
    /// [`Reading::subject`].
    pub subject: Uuid,
    /// [`Reading::observed_at`].
    pub observed_at: Timestamp,
}

impl ReadingKey {
    /// The key of a reading.
    pub const fn of(reading: &Reading) -> Self {
        Self {
            kind: reading.kind_number(),
            subject: reading.subject(),
            observed_at: reading.observed_at(),
        }
    }
}

/// What the log already holds under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownReading {
    /// The key.
    pub key: ReadingKey,
    /// [`Reading::digest`]: equal is a duplicate, different a correction.
    pub digest: [u8; 32],
    /// The event that holds it.
    pub position: GlobalPosition,
}

/// The row that an append writes for a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadingRow {
    pub key: ReadingKey,
    pub carries: i16,
    pub digest: [u8; 32],
}

impl ReadingRow {
    pub fn of(reading: &Reading) -> Self {
        Self {
            key: ReadingKey::of(reading),
            carries: reading.carries(),
            digest: reading.digest(),
        }
    }
}

/// Those of the keys that the log holds.
pub async fn known(
    connection: &mut PgConnection,
    org: OrgId,
    keys: &[ReadingKey],
) -> Result<Vec<KnownReading>, ReadError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let kinds: Vec<_> = keys.iter().map(|key| key.kind).collect();
    let subjects: Vec<_> = keys.iter().map(|key| key.subject).collect();
    let instants: Vec<_> = keys.iter().map(|key| key.observed_at.datetime()).collect();
    let rows = sqlx::query!(
        "select k.kind, k.subject, k.observed_at, k.position, k.digest
         from unnest($2::smallint[], $3::uuid[], $4::timestamptz[]) as wanted (kind, subject, observed_at)
         join log.reading_keys k
             on k.org_id = $1 and k.kind = wanted.kind and k.subject = wanted.subject
             and k.observed_at = wanted.observed_at",
        org.as_uuid(),
        &kinds,
        &subjects,
        &instants
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt =
                |column, problem| CorruptRow::new("log.reading_keys", column, row.subject, problem);
            Ok(KnownReading {
                key: ReadingKey {
                    kind: row.kind,
                    subject: row.subject,
                    observed_at: Timestamp::from_datetime(row.observed_at),
                },
                digest: row
                    .digest
                    .try_into()
                    .map_err(|_| corrupt("digest", "is not 32 bytes"))?,
                position: GlobalPosition::try_from_i64(row.position)
                    .ok_or_else(|| corrupt("position", "is negative"))?,
            })
        })
        .collect()
}

/// Where the newest reading stands that carries one field of one subject.
struct Carrier {
    subject: Uuid,
    position: i64,
    observed_at: DateTime<Utc>,
}

/// Of each subject the newest known value of every field, as one reading dated by the newest.
pub async fn latest(
    connection: &mut PgConnection,
    org: OrgId,
    kind: i16,
    subjects: &[Uuid],
) -> Result<HashMap<Uuid, Reading>, ReadError> {
    let carriers = carriers(&mut *connection, org, kind, subjects).await?;
    let positions: BTreeSet<_> = carriers.iter().map(|carrier| carrier.position).collect();
    let positions: Vec<_> = positions.into_iter().collect();
    let mut found: Vec<Reading> = Vec::new();
    for stored in read::at_positions(connection, &positions).await? {
        let Ok(Event::ObservationRecorded(recorded)) =
            Event::decode(&stored.type_name, stored.schema_version, &stored.data, None)
        else {
            return Err(CorruptRow::new(
                "log.reading_keys",
                "position",
                stored.position,
                "is not the position of a readable observation",
            )
            .into());
        };
        found.extend(recorded.readings.into_iter().filter(|reading| {
            carriers.iter().any(|carrier| {
                carrier.subject == reading.subject()
                    && carrier.observed_at == reading.observed_at().datetime()
                    && carrier.position == stored.position.as_i64()
                    && kind == reading.kind_number()
            })
        }));
    }
    Ok(merge(found))
}

async fn carriers(
    connection: &mut PgConnection,
    org: OrgId,
    kind: i16,
    subjects: &[Uuid],
) -> Result<Vec<Carrier>, ReadError> {
    const FIELDS: [i16; 6] = [1, 2, 4, 8, 16, 32];
    let rows = sqlx::query_as!(
        Carrier,
        r#"select s.subject as "subject!", newest.position as "position!",
               newest.observed_at as "observed_at!"
           from unnest($3::uuid[]) as s (subject)
           cross join unnest($4::smallint[]) as f (field)
           cross join lateral (
               select k.position, k.observed_at from log.reading_keys k
               where k.org_id = $1 and k.kind = $2 and k.subject = s.subject
                   and k.carries & f.field <> 0
               order by k.observed_at desc limit 1
           ) as newest"#,
        org.as_uuid(),
        kind,
        subjects,
        &FIELDS
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// One reading a subject: each field from the newest that carries it.
fn merge(mut readings: Vec<Reading>) -> HashMap<Uuid, Reading> {
    // Stable, so of two lines of one event with the same instant the later one comes first.
    readings.reverse();
    readings.sort_by_key(|reading| std::cmp::Reverse(reading.observed_at()));
    let mut merged: HashMap<Uuid, Reading> = HashMap::new();
    for older in readings {
        match merged.entry(older.subject()) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(older);
            }
            std::collections::hash_map::Entry::Occupied(mut entry) => fill(entry.get_mut(), older),
        }
    }
    merged
}

/// An older reading fills only what is still null.
fn fill(newer: &mut Reading, older: Reading) {
    macro_rules! fill {
        ($newer:ident, $older:ident, $($field:ident),+) => {{
            $($newer.$field = $newer.$field.take().or($older.$field);)+
        }};
    }
    match (newer, older) {
        (Reading::VideoStats(newer), Reading::VideoStats(older)) => {
            fill!(
                newer,
                older,
                view_count,
                like_count,
                comment_count,
                share_count,
                save_count
            );
        }
        (Reading::Video(newer), Reading::Video(older)) => {
            fill!(
                newer,
                older,
                url,
                title,
                posted_at,
                media_type,
                thumbnail_url
            );
        }
        (Reading::CreatorProfile(newer), Reading::CreatorProfile(older)) => {
            fill!(newer, older, display_name, avatar_url, follower_count);
            fill!(newer, older, following_count, like_count, video_count);
        }
        // A comment is one text; its newest reading is all of it.
        _ => {}
    }
}
