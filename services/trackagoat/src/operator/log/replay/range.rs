//! Where a replay begins and ends.

use std::str::FromStr;

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};
use domain::ids::GlobalPosition;
use domain::time::Timestamp;
use event_log::{EventLog, Head, ReadError};

/// An end of a range, as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Position(GlobalPosition),
    Instant(Timestamp),
    /// A day in UTC.
    Date(NaiveDate),
}

/// The text is none of what an end may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a position from 1, an instant such as 2026-01-05T05:37:52Z, or a date")]
pub struct InvalidEdge;

/// Positions of the log, both ends among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub first: GlobalPosition,
    pub last: GlobalPosition,
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    #[error("position {position} is in the future: the log ends at {head}")]
    Future {
        position: GlobalPosition,
        head: GlobalPosition,
    },
    #[error("{instant} is in the future: the log ends at {head}, recorded {recorded_at}")]
    LaterThanAll {
        instant: Timestamp,
        head: GlobalPosition,
        recorded_at: Timestamp,
    },
    #[error(
        "position {position} is archived: name the folder of the archive (--archive-dir or \
         TGA_ARCHIVE_DIR), or begin with {earliest}, the earliest that is kept online"
    )]
    Archived {
        position: GlobalPosition,
        earliest: GlobalPosition,
    },
    #[error("the log begins after that: nothing was recorded before position 1")]
    BeforeAll,
    #[error("nothing lies between: the range begins at position {first} and ends at {last}")]
    Backwards {
        first: GlobalPosition,
        last: GlobalPosition,
    },
    #[error("the log could not be read")]
    Read(#[from] ReadError),
}

impl FromStr for Edge {
    type Err = InvalidEdge;

    fn from_str(text: &str) -> Result<Self, InvalidEdge> {
        if let Ok(position) = text.parse::<u64>() {
            let is_position = position > 0 && i64::try_from(position).is_ok();
            let position = Self::Position(GlobalPosition::new(position));
            return is_position.then_some(position).ok_or(InvalidEdge);
        }
        if let Ok(date) = text.parse() {
            return Ok(Self::Date(date));
        }
        Timestamp::parse(text)
            .map(Self::Instant)
            .map_err(|_| InvalidEdge)
    }
}

impl Edge {
    /// The position, if it is one.
    pub const fn position(self) -> Option<GlobalPosition> {
        match self {
            Self::Position(position) => Some(position),
            Self::Instant(_) | Self::Date(_) => None,
        }
    }

    /// The instant from which on its events were recorded, if it is one of time.
    pub fn begin(self) -> Option<Timestamp> {
        match self {
            Self::Position(_) => None,
            Self::Instant(instant) => Some(instant),
            Self::Date(date) => Some(midnight(date)),
        }
    }

    /// The last instant at which its events were recorded, if it is one of time.
    fn end(self) -> Option<Timestamp> {
        match self {
            Self::Date(date) => {
                let next = date.checked_add_days(Days::new(1)).unwrap_or(date);
                Some(midnight(next).minus(TimeDelta::microseconds(1)))
            }
            other => other.begin(),
        }
    }
}

impl Range {
    /// Finds the positions; none in an empty log.
    pub async fn resolve(
        log: &EventLog,
        from: Option<Edge>,
        to: Option<Edge>,
    ) -> Result<Option<Self>, RangeError> {
        let head = log.head().await?;
        if head.position == GlobalPosition::ZERO {
            return Ok(None);
        }
        let earliest = earliest(log).await?;
        for edge in [from, to] {
            if let Some(Edge::Position(position)) = edge {
                check(position, earliest, head.position)?;
            }
        }
        let first = match from {
            None => GlobalPosition::new(1),
            Some(Edge::Position(position)) => position,
            Some(edge) => {
                let begin = edge.begin().unwrap_or(head.recorded_at);
                if begin > head.recorded_at {
                    return Err(RangeError::LaterThanAll {
                        instant: begin,
                        head: head.position,
                        recorded_at: head.recorded_at,
                    });
                }
                let before = log
                    .position_at(begin.minus(TimeDelta::microseconds(1)))
                    .await?;
                before.next()
            }
        };
        let last = last(log, &head, to).await?;
        if first > last {
            return Err(RangeError::Backwards { first, last });
        }
        check(first, earliest, head.position)?;
        Ok(Some(Self { first, last }))
    }

    /// Where it ends, for who reads decisions alone, which are online however old they are; none in
    /// an empty log.
    pub async fn end(
        log: &EventLog,
        to: Option<Edge>,
        now: Timestamp,
    ) -> Result<Option<GlobalPosition>, RangeError> {
        let (head, first) = (log.head().await?, GlobalPosition::new(1));
        if head.position == GlobalPosition::ZERO {
            return Ok(None);
        }
        if let Some(instant) = to.and_then(Edge::begin).filter(|begin| *begin > now) {
            return Err(RangeError::LaterThanAll {
                instant,
                head: head.position,
                recorded_at: head.recorded_at,
            });
        }
        let last = last(log, &head, to).await?;
        if last < first {
            return Err(RangeError::BeforeAll);
        }
        check(last, first, head.position)?;
        Ok(Some(last))
    }

    /// The position before the first.
    pub const fn before_first(self) -> GlobalPosition {
        GlobalPosition::new(self.first.get().saturating_sub(1))
    }
}

/// The position of an end.
async fn last(log: &EventLog, head: &Head, to: Option<Edge>) -> Result<GlobalPosition, ReadError> {
    match to {
        None => Ok(head.position),
        Some(Edge::Position(position)) => Ok(position),
        Some(edge) => {
            let end = edge.end().unwrap_or(head.recorded_at);
            log.position_at(end).await
        }
    }
}

/// The first position that can be read.
async fn earliest(log: &EventLog) -> Result<GlobalPosition, ReadError> {
    if log.has_archive() {
        return Ok(GlobalPosition::new(1));
    }
    log.earliest().await
}

/// Whether a position is one that can be read.
pub fn check(
    position: GlobalPosition,
    earliest: GlobalPosition,
    head: GlobalPosition,
) -> Result<(), RangeError> {
    if position > head {
        return Err(RangeError::Future { position, head });
    }
    if position < earliest {
        return Err(RangeError::Archived { position, earliest });
    }
    Ok(())
}

fn midnight(date: NaiveDate) -> Timestamp {
    Timestamp::from_datetime(date.and_time(NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::ids::GlobalPosition;

    use super::{Edge, InvalidEdge, RangeError, check};

    #[test]
    fn an_end_is_a_position_an_instant_or_a_date() {
        let edge = |text: &str| text.parse::<Edge>();
        let position = GlobalPosition::new(17);
        assert_eq!(edge("17").unwrap(), Edge::Position(position));
        let day = edge("2026-01-05").unwrap();
        let text = |instant: Option<domain::time::Timestamp>| instant.unwrap().to_string();
        assert_eq!(text(day.begin()), "2026-01-05T00:00:00.000000Z");
        assert_eq!(text(day.end()), "2026-01-05T23:59:59.999999Z");
        let instant = edge("2026-01-05T05:37:52+01:00").unwrap();
        assert_eq!(text(instant.begin()), "2026-01-05T04:37:52.000000Z");
        assert_eq!(instant.begin(), instant.end());
        for bad in [
            "",
            "0",
            "-1",
            "1.5",
            "99999999999999999999",
            "2026-02-30",
            "soon",
        ] {
            assert_eq!(edge(bad), Err(InvalidEdge), "{bad}");
        }
    }

    #[test]
    fn a_position_outside_the_log_is_refused_with_where_it_ends() {
        let at = GlobalPosition::new;
        assert!(check(at(5), at(5), at(9)).is_ok() && check(at(9), at(5), at(9)).is_ok());
        assert!(matches!(
            check(at(10), at(5), at(9)),
            Err(RangeError::Future { head, .. }) if head == at(9)
        ));
        assert!(matches!(
            check(at(4), at(5), at(9)),
            Err(RangeError::Archived { earliest, .. }) if earliest == at(5)
        ));
    }
}
