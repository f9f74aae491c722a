//! Which observations stay online of what is archived, beside all decisions:
//!
//! - those where the newest known value of a field of any subject stands, for answers of the write side
//!   ([`latest_readings`](crate::EventLog::latest_readings)). A later correction may take a figure back, and
//!   then an older one that left is the newest: such a field is left out of the answer;
//! - the newest of each stream, by which it is known where the stream ends;
//! - the first and the last of the stretch: who stands at its end knows the log by it;
//! - those behind the last complete tile of the tree (255 at most), from which it grows on.

use domain::ids::GlobalPosition;
use domain::merkle::TILE_WIDTH;
use sqlx::PgConnection;
use uuid::Uuid;

use super::manifest::Stretch;
use crate::readings::{ANY, FIELDS};

/// Subjects of one statement, so that none lasts long.
const SUBJECTS: i64 = 2_000;

/// Goes through all subjects of readings.
#[derive(Debug)]
pub struct Subjects {
    org: Uuid,
    kind: i16,
    subject: Uuid,
    /// The fields whose newest values are asked for.
    fields: Vec<i16>,
}

/// What stays whatever the readings are; the newest of streams aside.
pub fn fixed(stretch: Stretch) -> impl Iterator<Item = GlobalPosition> {
    let behind = behind_tiles(stretch)..=stretch.last.get();
    let ends = [stretch.first, stretch.last];
    ends.into_iter().chain(behind.map(GlobalPosition::new))
}

/// Whether an event of the stretch is one of [`fixed`].
pub fn is_fixed(stretch: Stretch, position: GlobalPosition) -> bool {
    let is_end = position == stretch.first || position == stretch.last;
    is_end || position.get() >= behind_tiles(stretch)
}

/// The first position of the stretch that is in no complete tile.
fn behind_tiles(stretch: Stretch) -> u64 {
    let last = stretch.last.get();
    let tile = last - last % TILE_WIDTH + 1;
    tile.max(stretch.first.get())
}

impl Default for Subjects {
    /// As in `readings`: the newest value of every field, and the newest reading.
    fn default() -> Self {
        Self::of(FIELDS.into_iter().chain([ANY]).collect())
    }
}

impl Subjects {
    /// Asks for the newest reading of each alone, whatever it carries. What it is in a stretch was it
    /// already when the stretch was archived: what is recorded later stands behind.
    pub fn newest_alone() -> Self {
        Self::of(vec![ANY])
    }

    const fn of(fields: Vec<i16>) -> Self {
        Self {
            org: Uuid::nil(),
            kind: 0,
            subject: Uuid::nil(),
            fields,
        }
    }

    /// Of the next subjects the positions in the stretch where newest values stand; none once all
    /// subjects were seen.
    pub async fn next(
        &mut self,
        connection: &mut PgConnection,
        stretch: Stretch,
    ) -> Result<Option<Vec<i64>>, sqlx::Error> {
        let rows = sqlx::query!(
            r#"with recursive seen (org_id, kind, subject, n) as (
                   (select k.org_id, k.kind, k.subject, 1::bigint from log.reading_keys k
                    where (k.org_id, k.kind, k.subject) > ($1, $2, $3)
                    order by k.org_id, k.kind, k.subject limit 1)
                   union all
                   select next.org_id, next.kind, next.subject, seen.n + 1
                   from seen cross join lateral (
                       select k.org_id, k.kind, k.subject from log.reading_keys k
                       where (k.org_id, k.kind, k.subject) > (seen.org_id, seen.kind, seen.subject)
                       order by k.org_id, k.kind, k.subject limit 1
                   ) as next
                   where seen.n < $4
               )
               select seen.org_id as "org_id!", seen.kind as "kind!", seen.subject as "subject!",
                   array(
                       select distinct newest.position
                       from unnest($5::smallint[]) with ordinality as f (field, place)
                       cross join lateral (
                           select case
                               when f.field = 0 or k.carries & f.field <> 0 then k.position
                               else k.former[f.place::int]
                           end as position
                           from log.reading_keys k
                           where k.org_id = seen.org_id and k.kind = seen.kind
                               and k.subject = seen.subject
                               and (f.field = 0 or k.carries & f.field <> 0
                                   or k.former[f.place::int] is not null)
                           order by k.observed_at desc limit 1
                       ) as newest
                       where newest.position between $6 and $7
                   ) as "positions!"
               from seen order by seen.n"#,
            self.org,
            self.kind,
            self.subject,
            SUBJECTS,
            &self.fields,
            stretch.first.as_i64(),
            stretch.last.as_i64()
        )
        .fetch_all(connection)
        .await?;
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        (self.org, self.kind, self.subject) = (last.org_id, last.kind, last.subject);
        Ok(Some(
            rows.into_iter().flat_map(|row| row.positions).collect(),
        ))
    }
}
