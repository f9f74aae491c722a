//! A text of the caller's and what it may mean; shared by bodies, queries and paths.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::NaiveDate;
use chrono_tz::Tz;
use domain::limits::SEARCH_CHARS;
use domain::time::Timestamp;

use super::issue::{Invalid, Issues, Path};

/// A text and where it stands.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    characters: &'a str,
    place: Place<'a>,
    issues: &'a RefCell<Issues>,
}

/// Where a text stands.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Parameter(&'static str),
    Body(Path<'a>),
}

impl<'a> Text<'a> {
    pub(super) const fn new(
        characters: &'a str,
        place: Place<'a>,
        issues: &'a RefCell<Issues>,
    ) -> Self {
        Self {
            characters,
            place,
            issues,
        }
    }

    /// The text itself.
    pub const fn as_str(self) -> &'a str {
        self.characters
    }

    /// Records what is wrong with it.
    pub fn invalid(self, message: impl Into<Cow<'static, str>>) -> Invalid {
        let place = match self.place {
            Place::Parameter(name) => name.to_owned(),
            Place::Body(path) => path.to_string(),
        };
        self.issues.borrow_mut().push(place, message);
        Invalid
    }

    /// Through a door of the domain (`Name::parse`); its error's text is the message.
    pub fn parse<T, E: Display>(
        self,
        door: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Invalid> {
        door(self.characters).map_err(|error| self.invalid(error.to_string()))
    }

    /// Through `FromStr`: ids, platforms, scopes.
    pub fn from_str<T>(self) -> Result<T, Invalid>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.parse(T::from_str)
    }

    /// One of several values with stable names.
    pub fn one_of<T: Copy>(
        self,
        choices: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Result<T, Invalid> {
        let found = choices
            .iter()
            .find(|choice| name(**choice) == self.characters);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|choice| name(*choice)).collect();
            self.invalid(format!("must be one of {}", names.join(", ")))
        })
    }

    /// An instant, RFC 3339 with any offset.
    pub fn instant(self) -> Result<Timestamp, Invalid> {
        self.parse(Timestamp::parse)
    }

    /// A date, `YYYY-MM-DD`.
    pub fn date(self) -> Result<NaiveDate, Invalid> {
        let is_shaped = self.characters.len() == 10
            && self.characters.bytes().enumerate().all(|(index, byte)| {
                if matches!(index, 4 | 7) {
                    byte == b'-'
                } else {
                    byte.is_ascii_digit()
                }
            });
        NaiveDate::parse_from_str(self.characters, "%Y-%m-%d")
            .ok()
            .filter(|_| is_shaped)
            .ok_or_else(|| self.invalid("not a date of the form YYYY-MM-DD"))
    }

    /// A decimal integer without sign, as parameters have it.
    pub fn decimal(self, range: RangeInclusive<u64>) -> Result<u64, Invalid> {
        let is_decimal =
            !self.characters.is_empty() && self.characters.bytes().all(|b| b.is_ascii_digit());
        self.characters
            .parse()
            .ok()
            .filter(|number| is_decimal && range.contains(number))
            .ok_or_else(|| self.invalid(integer_rule(&range)))
    }

    /// An IANA zone.
    pub fn zone(self) -> Result<Tz, Invalid> {
        Tz::from_str(self.characters)
            .map_err(|_| self.invalid("not an IANA time zone such as Europe/Berlin"))
    }

    /// A search text: 1 to 100 characters; it matches whatever its case.
    pub fn search(self) -> Result<String, Invalid> {
        let count = self.characters.chars().count();
        if !(1..=SEARCH_CHARS).contains(&count) || self.characters.chars().any(char::is_control) {
            return Err(self.invalid(format!(
                "must have 1 to {SEARCH_CHARS} characters, none of them a control character"
            )));
        }
        Ok(self.characters.to_owned())
    }

    /// A comma-separated list of `count` different values.
    pub fn list<T: PartialEq>(
        self,
        count: RangeInclusive<usize>,
        mut item: impl FnMut(Text<'a>) -> Result<T, Invalid>,
    ) -> Result<Vec<T>, Invalid> {
        let parts = self.characters.split(',').filter(|part| !part.is_empty());
        if !count.contains(&parts.clone().count()) {
            return Err(self.invalid(count_rule(&count)));
        }
        let mut list = Vec::with_capacity(*count.end());
        for part in self.characters.split(',') {
            let value = item(Text {
                characters: part,
                ..self
            })?;
            if list.contains(&value) {
                return Err(self.invalid("must not name the same value twice"));
            }
            list.push(value);
        }
        Ok(list)
    }
}

pub(super) fn integer_rule<T: Display>(range: &RangeInclusive<T>) -> String {
    format!(
        "must be an integer from {} to {}",
        range.start(),
        range.end()
    )
}

pub(super) fn count_rule(count: &RangeInclusive<usize>) -> String {
    format!("must have {} to {} items", count.start(), count.end())
}

#[cfg(test)]
mod tests {
    use domain::ids::ProjectId;
    use domain::platform::Platform;

    use super::*;

    /// Leaks a little, so that readers need not be general over lifetimes.
    fn read<T>(
        text: &str,
        reader: impl FnOnce(Text<'static>) -> Result<T, Invalid>,
    ) -> Result<T, String> {
        let issues: &RefCell<Issues> = Box::leak(Box::default());
        let text = Box::leak(text.to_owned().into_boxed_str());
        reader(Text::new(text, Place::Parameter("it"), issues)).map_err(|Invalid| {
            let issues = issues.borrow();
            assert_eq!(issues.as_slice()[0].path, "it");
            issues.as_slice()[0].message.to_string()
        })
    }

    #[test]
    fn dates_have_four_two_and_two_digits() {
        assert!(read("2024-02-29", Text::date).is_ok());
        for bad in [
            "",
            "2026-1-5",
            "2026-02-30",
            "+2026-1-05",
            "2026/01/05",
            "20260105",
            "2026-01-05T00:00:00Z",
        ] {
            assert!(read(bad, Text::date).is_err(), "{bad}");
        }
    }

    #[test]
    fn integers_are_digits_within_their_range() {
        assert_eq!(read("100", |it| it.decimal(1..=100)), Ok(100));
        for bad in [
            "",
            "0",
            "101",
            "-1",
            "+1",
            "1.0",
            "1e2",
            " 1",
            "١",
            "99999999999999999999",
        ] {
            assert_eq!(
                read(bad, |it| it.decimal(1..=100)),
                Err("must be an integer from 1 to 100".to_owned())
            );
        }
    }

    #[test]
    fn lists_hold_different_values() {
        let platforms = |it: Text<'_>| it.list(1..=2, Text::from_str::<Platform>);
        assert_eq!(
            read("tiktok,youtube", platforms),
            Ok(vec![Platform::Tiktok, Platform::Youtube])
        );
        for bad in [
            "",
            ",",
            "tiktok,",
            "tiktok,tiktok",
            "tiktok,youtube,instagram",
            "vimeo",
        ] {
            assert!(read(bad, platforms).is_err(), "{bad}");
        }
    }

    #[test]
    fn zones_ids_and_searches_are_read() {
        assert!(read("Pacific/Chatham", Text::zone).is_ok());
        assert!(read("Mars/Olympus", Text::zone).is_err());
        assert!(
            read(
                "0192f0c1-2b7e-7c00-8000-00000000abcd",
                Text::from_str::<ProjectId>
            )
            .is_ok()
        );
        assert!(
            read(
                "0192f0c12b7e7c00800000000000abcd",
                Text::from_str::<ProjectId>
            )
            .is_err()
        );
        assert_eq!(read("50%_", Text::search), Ok("50%_".to_owned()));
        for bad in [String::new(), "a\0b".to_owned(), "x".repeat(101)] {
            assert!(read(&bad, Text::search).is_err());
        }
        assert_eq!(
            read("pro", |it| it.one_of(&Platform::ALL, Platform::name)),
            Err("must be one of tiktok, youtube, instagram".to_owned())
        );
    }
}
