//! Instants with microseconds, as the log and the wire have them.

use std::fmt;

use chrono::{DateTime, NaiveDate, SecondsFormat, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A text that is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not an RFC 3339 instant such as 2026-01-05T05:37:52Z")]
pub struct InvalidTimestamp;

/// An instant in UTC, cut to whole microseconds, written `2026-01-05T05:37:52.685771Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Cuts what is finer than a microsecond.
    pub fn from_datetime(datetime: DateTime<Utc>) -> Self {
        Self(datetime.trunc_subsecs(6))
    }

    /// The instant so many microseconds after 1970; `None` outside chrono's years.
    pub fn from_micros(micros: i64) -> Option<Self> {
        DateTime::from_timestamp_micros(micros).map(Self)
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0.timestamp_micros()
    }

    /// The instant as chrono has it.
    pub fn datetime(self) -> DateTime<Utc> {
        self.0
    }

    /// The UTC day.
    pub fn date(self) -> NaiveDate {
        self.0.date_naive()
    }

    /// Reads RFC 3339 with any offset; a space is not accepted in place of `T`.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        if text.len() > 40 || !text.contains(['T', 't']) {
            return Err(InvalidTimestamp);
        }
        DateTime::parse_from_rfc3339(text)
            .map(|parsed| Self::from_datetime(parsed.with_timezone(&Utc)))
            .map_err(|_| InvalidTimestamp)
    }

    /// The instant `delta` later; saturates at chrono's last year.
    #[must_use]
    pub fn plus(self, delta: TimeDelta) -> Self {
        Self(
            self.0
                .checked_add_signed(delta)
                .unwrap_or(DateTime::<Utc>::MAX_UTC),
        )
    }

    /// The instant `delta` earlier; saturates at chrono's first year.
    #[must_use]
    pub fn minus(self, delta: TimeDelta) -> Self {
        Self(
            self.0
                .checked_sub_signed(delta)
                .unwrap_or(DateTime::<Utc>::MIN_UTC),
        )
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn any_offset_is_read_and_utc_with_six_digits_is_written() {
        for (text, expected) in [
            ("2026-01-05T05:37:52.685771Z", "2026-01-05T05:37:52.685771Z"),
            ("2026-01-05T05:37:52+05:45", "2026-01-04T23:52:52.000000Z"),
            (
                "2026-01-05t05:37:52.6857719z",
                "2026-01-05T05:37:52.685771Z",
            ),
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "2026-01-05",
            "2026-01-05 05:37:52Z",
            "2026-01-05T05:37:52",
            "soon",
        ] {
            assert_eq!(Timestamp::parse(text), Err(InvalidTimestamp), "{text}");
        }
    }
}
