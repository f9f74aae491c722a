//! Instants, spans and numbers as people read them.

pub mod filters;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

/// A day and a time of it, in a zone: `12 Jan 2026, 14:03`.
pub fn moment(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone)
        .format("%-d %b %Y, %H:%M")
        .to_string()
}

/// A day: `12 Jan 2026`.
pub fn day(date: NaiveDate) -> String {
    date.format("%-d %b %Y").to_string()
}

/// How long ago, or how far ahead: `4 minutes ago`, `in 3 days`.
pub fn distance(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let delta = now - at;
    let span = span(delta.abs());
    match span {
        None => "just now".to_owned(),
        Some(span) if delta < TimeDelta::zero() => format!("in {span}"),
        Some(span) => format!("{span} ago"),
    }
}

/// A span in its largest unit; none below a minute.
pub fn span(delta: TimeDelta) -> Option<String> {
    let (count, unit) = match delta.num_minutes() {
        ..1 => return None,
        minutes @ 1..60 => (minutes, "minute"),
        minutes @ 60..1_440 => (minutes / 60, "hour"),
        minutes @ 1_440..86_400 => (minutes / 1_440, "day"),
        minutes @ 86_400..525_600 => (minutes / 43_200, "month"),
        minutes => (minutes / 525_600, "year"),
    };
    Some(plural(count.unsigned_abs(), unit))
}

/// `1 key`, `1,204 keys`.
pub fn plural(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", number(count))
}

/// With thousands apart: `1,204,311`.
pub fn number(value: u64) -> String {
    signed(i128::from(value))
}

/// The same, below zero too.
pub fn signed(value: i128) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    if value < 0 {
        // A minus, and not a hyphen.
        text.push('\u{2212}');
    }
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// In three figures: `1.2M`, `48.2k`, `311`.
pub fn compact(value: f64) -> String {
    const STEPS: [(f64, &str); 4] = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")];
    let size = value.abs();
    let minus = if value < 0.0 { "\u{2212}" } else { "" };
    for (step, unit) in STEPS {
        if size >= step * 0.999_5 {
            let scaled = size / step;
            let decimals = usize::from(scaled < 99.95);
            let text = format!("{scaled:.decimals$}");
            return format!("{minus}{}{unit}", trimmed(&text));
        }
    }
    let decimals = if size >= 100.0 || size.fract() == 0.0 {
        0
    } else {
        2
    };
    let text = format!("{size:.decimals$}");
    format!("{minus}{}", trimmed(&text))
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// A word of the API as people read it: `auto_tracked` becomes `auto tracked`.
pub fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// With a capital, which the API's messages and words lack.
pub fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// Names of zones to choose from: places, and not the old abbreviations.
pub fn zones() -> Vec<&'static str> {
    let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    let places = names.filter(|name| name.contains('/') && !name.starts_with("Etc/"));
    ["UTC"].into_iter().chain(places).collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{compact, distance, moment, number, plural, signed};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    #[test]
    fn instants_are_shown_in_the_zone() {
        let zone = "America/New_York".parse().expect("a zone");
        assert_eq!(
            moment(at("2026-01-01T02:05:00Z"), zone),
            "31 Dec 2025, 21:05"
        );
    }

    #[test]
    fn distances_are_told_in_their_largest_unit() {
        let now = at("2026-06-01T00:00:00Z");
        for (text, expected) in [
            ("2026-05-31T23:59:30Z", "just now"),
            ("2026-05-31T23:59:00Z", "1 minute ago"),
            ("2026-05-31T21:59:00Z", "2 hours ago"),
            ("2026-06-04T00:00:00Z", "in 3 days"),
            ("2026-03-01T00:00:00Z", "3 months ago"),
            ("2023-05-01T00:00:00Z", "3 years ago"),
        ] {
            assert_eq!(distance(at(text), now), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_grouped_and_shortened() {
        assert_eq!(number(1_204_311), "1,204,311");
        assert_eq!(number(204), "204");
        assert_eq!(signed(-12_000), "\u{2212}12,000");
        assert_eq!(plural(1, "key"), "1 key");
        assert_eq!(plural(0, "key"), "0 keys");
        for (value, expected) in [
            (0.0, "0"),
            (7.126, "7.13"),
            (311.0, "311"),
            (999.6, "1k"),
            (48_210.0, "48.2k"),
            (999_950.0, "1M"),
            (1_234_567.0, "1.2M"),
            (123_456_789.0, "123M"),
            (-1_500.0, "\u{2212}1.5k"),
        ] {
            assert_eq!(compact(value), expected, "{value}");
        }
    }
}
