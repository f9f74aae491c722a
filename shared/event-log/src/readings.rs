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

/// Every field that a reading may have, by its bit in [`Reading::carries`].
pub const FIELDS: [i16; 6] = [1, 2, 4, 8, 16, 32];
/// In place of a field: the newest reading, whatever it carries.
pub const ANY: i16 = 0;

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

/// By field where a former reading of the same key stands that carries it, if the last received
/// does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Former(Option<Box<[Option<GlobalPosition>; FIELDS.len()]>>);

impl Former {
    /// Notes fields that stand at a position; what was noted before stands in a later event.
    pub fn note(&mut self, fields: i16, position: GlobalPosition) {
        if fields == 0 {
            return;
        }
        let noted = self.0.get_or_insert_default();
        for (noted, field) in noted.iter_mut().zip(FIELDS) {
            if fields & field != 0 {
                noted.get_or_insert(position);
            }
        }
    }

    /// As the column has it: an array in Postgres' text form.
    pub fn to_column(&self) -> Option<String> {
        let noted = self.0.as_deref()?;
        let positions = noted.map(|at| at.map_or("null".to_owned(), |at| at.to_string()));
        Some(format!("{{{}}}", positions.join(",")))
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
    field: i16,
    position: i64,
    observed_at: DateTime<Utc>,
}

/// Of each subject the newest known value of every field, as one reading dated by the newest; a subject
/// whose newest reading is not there is left out.
pub async fn latest(
    connection: &mut PgConnection,
    org: OrgId,
    kind: i16,
    subjects: &[Uuid],
) -> Result<HashMap<Uuid, Reading>, ReadError> {
    let mut carriers = carriers(&mut *connection, org, kind, subjects).await?;
    let held = held(connection, &carriers).await?;
    // The newest reading of each subject first: it takes the fields over. Without it older ones would pass
    // for the newest.
    carriers.sort_by_key(|carrier| carrier.field != ANY);
    let mut latest: HashMap<Uuid, Reading> = HashMap::new();
    for carrier in carriers {
        let readings = held.get(&carrier.position).into_iter().flatten();
        // Of lines of one event with the same instant the later one holds.
        let Some(reading) = readings.rev().find(|reading| carrier.is(kind, reading)) else {
            continue;
        };
        if carrier.field == ANY {
            latest.insert(carrier.subject, reading.clone());
        } else if let Some(latest) = latest.get_mut(&carrier.subject) {
            latest.take(carrier.field, reading);
        }
    }
    Ok(latest)
}

impl Carrier {
    fn is(&self, kind: i16, reading: &Reading) -> bool {
        kind == reading.kind_number()
            && self.subject == reading.subject()
            && self.observed_at == reading.observed_at().datetime()
            && (self.field == ANY || reading.carries() & self.field != 0)
    }
}

/// The readings of the events where the carriers stand.
async fn held(
    connection: &mut PgConnection,
    carriers: &[Carrier],
) -> Result<HashMap<i64, Vec<Reading>>, ReadError> {
    let positions: BTreeSet<_> = carriers.iter().map(|carrier| carrier.position).collect();
    let positions: Vec<_> = positions.into_iter().collect();
    let mut held = HashMap::new();
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
        held.insert(stored.position.as_i64(), recorded.readings);
    }
    Ok(held)
}

async fn carriers(
    connection: &mut PgConnection,
    org: OrgId,
    kind: i16,
    subjects: &[Uuid],
) -> Result<Vec<Carrier>, ReadError> {
    // Last, since the places of the others are those of their positions in `former`.
    let fields: Vec<i16> = FIELDS.into_iter().chain([ANY]).collect();
    let rows = sqlx::query_as!(
        Carrier,
        r#"select s.subject as "subject!", f.field as "field!", newest.position as "position!",
               newest.observed_at as "observed_at!"
           from unnest($3::uuid[]) as s (subject)
           cross join unnest($4::smallint[]) with ordinality as f (field, place)
           cross join lateral (
               select k.observed_at, case
                   when f.field = 0 or k.carries & f.field <> 0 then k.position
                   else k.former[f.place::int]
               end as position
               from log.reading_keys k
               where k.org_id = $1 and k.kind = $2 and k.subject = s.subject and (
                   f.field = 0 or k.carries & f.field <> 0 or k.former[f.place::int] is not null
               )
               order by k.observed_at desc limit 1
           ) as newest"#,
        org.as_uuid(),
        kind,
        subjects,
        &fields
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}
