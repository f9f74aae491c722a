//! Where an instant lies in the log.

use domain::ids::GlobalPosition;
use domain::time::Timestamp;
use sqlx::PgConnection;

use crate::archive;
use crate::error::{CorruptRow, ReadError};
use crate::log::EventLog;

/// Where the last event stands that was recorded at an instant or before it: 0 if there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// There, or behind.
    pub at_least: GlobalPosition,
    /// There, or before: another one than `at_least` only where the events between are archived, and
    /// this process has no archive.
    pub at_most: GlobalPosition,
}

impl EventLog {
    /// Where an instant lies. Some 25 look-ups: times never go back with positions. Where events are
    /// archived, those that stayed online bound it, and the archive has the rest.
    pub async fn moment(&self, at: Timestamp) -> Result<Moment, ReadError> {
        let moment = self.ask(async |c| moment(c, at).await).await?;
        if moment.at_least == moment.at_most || !self.has_archive() {
            return Ok(moment);
        }
        self.narrow(moment, at).await
    }

    /// The position of the last event that was recorded at an instant or before it, or of one before
    /// that if it cannot be told exactly; 0 if there is none.
    pub async fn position_at(&self, at: Timestamp) -> Result<GlobalPosition, ReadError> {
        Ok(self.moment(at).await?.at_least)
    }

    /// Finds it in the archive, frame by frame.
    async fn narrow(&self, moment: Moment, at: Timestamp) -> Result<Moment, ReadError> {
        let Moment {
            at_least: mut low,
            at_most: mut high,
        } = moment;
        while low < high {
            let middle = GlobalPosition::new(low.get() + (high.get() - low.get()).div_ceil(2));
            let frame = self.frame_of(middle).await?;
            let later = frame.partition_point(|event| event.recorded_at <= at);
            match (later.checked_sub(1), frame.get(later)) {
                (None, Some(first)) => {
                    let before = first.position.get().saturating_sub(1);
                    high = low.max(GlobalPosition::new(before));
                }
                (Some(last), None) => low = high.min(frame[last].position),
                (Some(last), Some(_)) => {
                    low = frame[last].position;
                    high = low;
                }
                (None, None) => break,
            }
        }
        Ok(Moment {
            at_least: low,
            at_most: high,
        })
    }
}

async fn moment(connection: &mut PgConnection, at: Timestamp) -> Result<Moment, ReadError> {
    // Where events are archived the nearest one before tells: the first of every archive is online.
    let found = sqlx::query!(
        r#"with recursive search (low, high) as (
               select least(coalesce((select min(position) - 1 from log.events), 0), position), position
               from log.head
               union all
               select case when e.is_after then s.low else s.middle end,
                      case when e.is_after then s.middle - 1 else s.high end
               from (select low, high, (low + high + 1) / 2 as middle from search where low < high) s
               cross join lateral (
                   select recorded_at > $1 as is_after from log.events
                   where position <= s.middle order by position desc limit 1
               ) e
           )
           select coalesce((select position from log.events where position <= low
                            order by position desc limit 1), low) as "at_least!",
               low as "at_most!"
           from search where low >= high"#,
        at.datetime(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    let ends = found.and_then(|found| {
        let at_least = GlobalPosition::try_from_i64(found.at_least)?;
        Some((at_least, GlobalPosition::try_from_i64(found.at_most)?))
    });
    let missing = |position| CorruptRow::new("log.events", "position", position, "is missing");
    let (at_least, at_most) = ends.ok_or_else(|| missing(GlobalPosition::new(1)))?;
    if at_least < at_most && archive::upto(connection).await? < at_most {
        return Err(missing(at_least.next()).into());
    }
    Ok(Moment { at_least, at_most })
}
