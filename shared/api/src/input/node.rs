//! One value of a JSON body and what it may mean.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::NaiveDate;
use domain::text::Metadata;
use domain::time::Timestamp;
use serde_json::Value;

use super::body::{Fields, FromBody};
use super::issue::{Invalid, Issues, Path};
use super::text::{Place, Text, count_rule, integer_rule};

/// A JSON value and where it stands. Each reading gives the value or records an issue.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    value: &'a Value,
    path: Path<'a>,
    issues: &'a RefCell<Issues>,
}

impl<'a> Node<'a> {
    pub(super) const fn new(value: &'a Value, path: Path<'a>, issues: &'a RefCell<Issues>) -> Self {
        Self {
            value,
            path,
            issues,
        }
    }

    /// The value as it came.
    pub const fn value(self) -> &'a Value {
        self.value
    }

    /// Records what is wrong with it.
    pub fn invalid(self, message: impl Into<Cow<'static, str>>) -> Invalid {
        let path = self.path.to_string();
        self.issues.borrow_mut().push(path, message);
        Invalid
    }

    /// A string.
    pub fn text(self) -> Result<Text<'a>, Invalid> {
        match self.value {
            Value::String(text) => Ok(Text::new(text, Place::Body(self.path), self.issues)),
            _ => Err(self.invalid("must be a string")),
        }
    }

    /// A string through a door of the domain (`Name::parse`).
    pub fn parse<T, E: Display>(
        self,
        door: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Invalid> {
        self.text()?.parse(door)
    }

    /// A string through `FromStr`: ids, platforms, scopes.
    pub fn from_str<T>(self) -> Result<T, Invalid>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.text()?.from_str()
    }

    /// A string that is one of several stable names.
    pub fn one_of<T: Copy>(
        self,
        choices: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Result<T, Invalid> {
        self.text()?.one_of(choices, name)
    }

    /// An instant, RFC 3339 with any offset.
    pub fn instant(self) -> Result<Timestamp, Invalid> {
        self.text()?.instant()
    }

    /// A date, `YYYY-MM-DD`.
    pub fn date(self) -> Result<NaiveDate, Invalid> {
        self.text()?.date()
    }

    /// An integer; `148419.0` is none.
    pub fn integer(self, range: RangeInclusive<u64>) -> Result<u64, Invalid> {
        self.value
            .as_u64()
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.invalid(integer_rule(&range)))
    }

    /// `true` or `false`.
    pub fn boolean(self) -> Result<bool, Invalid> {
        self.value
            .as_bool()
            .ok_or_else(|| self.invalid("must be true or false"))
    }

    /// The agents' own object.
    pub fn metadata(self) -> Result<Metadata, Invalid> {
        Metadata::parse(self.value).map_err(|error| self.invalid(error.to_string()))
    }

    /// A list of `count` items; every item is read, so that all that is wrong is named.
    pub fn list<'n, T>(
        &'n self,
        count: RangeInclusive<usize>,
        mut item: impl FnMut(Node<'n>) -> Result<T, Invalid>,
    ) -> Result<Vec<T>, Invalid> {
        let Value::Array(items) = self.value else {
            return Err(self.invalid("must be a list"));
        };
        if !count.contains(&items.len()) {
            return Err(self.invalid(count_rule(&count)));
        }
        let read = items.iter().enumerate().map(|(index, value)| {
            item(Node {
                value,
                path: Path::Item(&self.path, index),
                issues: self.issues,
            })
        });
        // Not collected into a Result at once: that would stop at the first bad item.
        let read: Vec<_> = read.collect();
        read.into_iter().collect()
    }

    /// An object with its own fields; unknown ones are named.
    pub fn object<T: FromBody>(self) -> Result<T, Invalid> {
        let Value::Object(members) = self.value else {
            return Err(self.invalid("must be an object"));
        };
        let mut fields = Fields::new(members, self.path, self.issues);
        let read = T::read(&mut fields);
        fields.refuse_unknown()?;
        read
    }
}
