//! The same, in templates.
#![expect(
    clippy::inline_always,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "how askama calls filters"
)]

use std::fmt;

use api::v1::Timestamp;
use askama::Values;
use askama::filters::HtmlSafe;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// `<time>` with a day and a time of it.
#[askama::filter_fn]
pub fn moment(at: &Timestamp, _: &dyn Values, zone: Tz) -> askama::Result<Time> {
    let at = at.datetime();
    Ok(Time {
        at,
        text: super::moment(at, zone),
        title: at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    })
}

/// `<time>` that says how long ago.
#[askama::filter_fn]
pub fn ago(at: &Timestamp, _: &dyn Values, now: DateTime<Utc>, zone: Tz) -> askama::Result<Time> {
    let at = at.datetime();
    Ok(Time {
        at,
        text: super::distance(at, now),
        title: super::moment(at, zone),
    })
}

/// With thousands apart.
#[askama::filter_fn]
pub fn number(value: &u64, _: &dyn Values) -> askama::Result<String> {
    Ok(super::number(*value))
}

/// An underscore becomes a space.
#[askama::filter_fn]
pub fn words(name: &str, _: &dyn Values) -> askama::Result<String> {
    Ok(super::words(name))
}

/// An element; its parts hold nothing that needs escaping.
pub struct Time {
    at: DateTime<Utc>,
    text: String,
    title: String,
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.format("%Y-%m-%dT%H:%M:%SZ");
        let (title, text) = (&self.title, &self.text);
        write!(
            formatter,
            r#"<time datetime="{at}" title="{title}">{text}</time>"#
        )
    }
}

impl HtmlSafe for Time {}
