//! Stored values as what they mean.

use std::fmt::Display;

use chrono::{DateTime, Utc};
use domain::text::Metadata;
use domain::time::Timestamp;

use crate::error::CorruptRow;

pub(crate) fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp::from_datetime(at)
}

/// A count as the wire has it; stored ones are never negative.
pub(crate) fn count(value: Option<i64>) -> Option<u64> {
    value.and_then(|value| u64::try_from(value).ok())
}

/// Names a row, so that a value in it which cannot be read names it too.
#[derive(Clone, Copy)]
pub(crate) struct Row<K> {
    pub table: &'static str,
    pub key: K,
}

impl<K: Display> Row<K> {
    pub fn corrupt(&self, column: &'static str) -> CorruptRow {
        CorruptRow::new(self.table, column, &self.key)
    }

    /// Reads a value through the door of its type.
    pub fn read<T, E>(
        &self,
        column: &'static str,
        value: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, CorruptRow> {
        parse(value).map_err(|_| self.corrupt(column))
    }

    /// The same for a value that may be null.
    pub fn read_optional<T, E>(
        &self,
        column: &'static str,
        value: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, CorruptRow> {
        value
            .map(|value| self.read(column, value, parse))
            .transpose()
    }

    /// Reads one of a closed list of names.
    pub fn named<T: serde::de::DeserializeOwned>(
        &self,
        column: &'static str,
        value: &str,
    ) -> Result<T, CorruptRow> {
        let name = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(value);
        T::deserialize(name).map_err(|_| self.corrupt(column))
    }

    pub fn named_optional<T: serde::de::DeserializeOwned>(
        &self,
        column: &'static str,
        value: Option<&str>,
    ) -> Result<Option<T>, CorruptRow> {
        value.map(|value| self.named(column, value)).transpose()
    }

    pub fn metadata(&self, value: &str) -> Result<Metadata, CorruptRow> {
        if value == "{}" {
            return Ok(Metadata::empty());
        }
        serde_json::from_str(value).map_err(|_| self.corrupt("metadata"))
    }
}
