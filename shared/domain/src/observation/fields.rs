//! The members of one flat JSON object, strictly: no member twice, none unknown, scalars only.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::line::{LineError, LineErrorCode};
use crate::limits::{EARLIEST_YEAR, MAX_COUNT, OBSERVED_AHEAD_SECONDS};
use crate::text::clean;
use crate::time::Timestamp;

/// A member's value, as far as lines have any.
#[derive(Debug)]
pub(super) enum Scalar {
    Null,
    Count(u64),
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar::Count(value))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Scalar, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// The members that have not been taken yet.
pub(super) struct Fields(BTreeMap<String, Scalar>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Fields, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, Scalar>()? {
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format_args!("member {name} stands twice")));
            }
            fields.insert(name, value);
        }
        Ok(Fields(fields))
    }
}

impl Fields {
    /// A text that must be there.
    pub(super) fn required(&mut self, name: &str) -> Result<String, LineError> {
        self.text(name)?.ok_or_else(|| invalid(name, "is required"))
    }

    /// A text, absent or null.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, LineError> {
        match self.0.remove(name) {
            None | Some(Scalar::Null) => Ok(None),
            Some(Scalar::Text(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(name, "must be a string")),
        }
    }

    /// A text from outside, cleaned; empty ones are null.
    pub(super) fn cleaned(&mut self, name: &str, max: usize) -> Result<Option<String>, LineError> {
        let Some(text) = self.text(name)?.as_deref().and_then(clean) else {
            return Ok(None);
        };
        if text.chars().count() > max {
            return Err(invalid(
                name,
                &format!("must have at most {max} characters"),
            ));
        }
        Ok(Some(text))
    }

    /// A URL, absent or null.
    pub(super) fn url(&mut self, name: &str) -> Result<Option<String>, LineError> {
        let Some(url) = self.text(name)? else {
            return Ok(None);
        };
        let lower = url.get(..8).unwrap_or(&url).to_ascii_lowercase();
        let is_http = lower.starts_with("http://") || lower.starts_with("https://");
        let is_plain = !url.chars().any(|c| c.is_control() || c.is_whitespace());
        if is_http && is_plain && url.chars().count() <= crate::limits::URL_CHARS {
            Ok(Some(url))
        } else {
            Err(invalid(
                name,
                "must be an http or https URL of at most 2048 characters",
            ))
        }
    }

    /// A count, absent or null.
    pub(super) fn count(&mut self, name: &str) -> Result<Option<u64>, LineError> {
        match self.0.remove(name) {
            None | Some(Scalar::Null) => Ok(None),
            Some(Scalar::Count(count)) if count <= MAX_COUNT => Ok(Some(count)),
            Some(_) => Err(invalid(
                name,
                "must be an integer from 0 to 9007199254740991",
            )),
        }
    }

    /// `observed_at`: between 2005 and five minutes from now.
    pub(super) fn observed_at(&mut self, now: Timestamp) -> Result<Timestamp, LineError> {
        let observed_at = self.instant("observed_at")?;
        let observed_at = observed_at.ok_or_else(|| invalid("observed_at", "is required"))?;
        let latest = now.plus(chrono::TimeDelta::seconds(OBSERVED_AHEAD_SECONDS));
        if observed_at > latest {
            let code = LineErrorCode::ObservedInFuture;
            let message = "observed_at lies more than 5 minutes ahead".to_owned();
            return Err(LineError { code, message });
        }
        Ok(observed_at)
    }

    /// An instant not before 2005, absent or null.
    pub(super) fn instant(&mut self, name: &str) -> Result<Option<Timestamp>, LineError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let instant = Timestamp::parse(&text).map_err(|_| {
            invalid(
                name,
                "must be an RFC 3339 instant such as 2026-01-05T05:37:52Z",
            )
        })?;
        if chrono::Datelike::year(&instant.date()) < EARLIEST_YEAR {
            return Err(invalid(name, "must not be before 2005-01-01"));
        }
        Ok(Some(instant))
    }

    /// Refuses what is left.
    pub(super) fn finish(self) -> Result<(), LineError> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => {
                let shown: String = name.chars().take(64).collect();
                Err(invalid(&shown, "is not a field of this kind"))
            }
        }
    }
}

pub(super) fn invalid(field: &str, message: &str) -> LineError {
    LineError {
        code: LineErrorCode::InvalidLine,
        message: format!("{field} {message}"),
    }
}
