//! What a key's form holds, on the way in and, when something cannot be taken, out again.

use api::limits::KEY_RATE_DEFAULT;
use api::v1::{ApiKey, Scope, Scopes};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::grants;
use crate::form::Fields;

/// How long keys live, to choose from: name, days, and how it reads.
pub const EXPIRIES: [(&str, i64, &str); 4] = [
    ("30", 30, "30 days"),
    ("90", 90, "90 days"),
    ("365", 365, "1 year"),
    ("730", 730, "2 years"),
];

/// A form of a key.
pub struct KeyForm {
    pub name: String,
    pub scopes: Vec<Choice>,
    /// One of [`EXPIRIES`], `never`, `date`, or `keep`.
    pub expiry: String,
    pub expiry_date: String,
    pub allowlist: String,
    pub rate: String,
    pub is_strict: bool,
    /// When it was opened: spans count from there, so that a form that is sent twice says the same twice.
    pub opened_at: String,
}

/// A scope to tick.
pub struct Choice {
    pub name: &'static str,
    pub grants: &'static str,
    pub is_ticked: bool,
}

impl KeyForm {
    /// Of a new key: the default scopes, and an end in a quarter.
    pub fn new(held: Scopes, now: DateTime<Utc>) -> Self {
        Self {
            opened_at: instant(now),
            name: String::new(),
            scopes: choices(held, |scope| Scopes::DEFAULT.contains(scope)),
            expiry: "90".to_owned(),
            expiry_date: String::new(),
            allowlist: String::new(),
            rate: String::new(),
            is_strict: false,
        }
    }

    /// Of a key that is there.
    pub fn of(key: &ApiKey, held: Scopes, now: DateTime<Utc>) -> Self {
        let all: Scopes = held.iter().chain(key.scopes.iter()).collect();
        Self {
            opened_at: instant(now),
            name: key.name.clone(),
            scopes: choices(all, |scope| key.scopes.contains(scope)),
            expiry: "keep".to_owned(),
            expiry_date: String::new(),
            allowlist: key.ip_allowlist.clone().unwrap_or_default().join("\n"),
            rate: key.rate_limit_per_minute.to_string(),
            is_strict: key.strict,
        }
    }

    /// As it was filled in.
    pub fn sent(fields: &Fields, held: Scopes) -> Self {
        let is_ticked = |scope: Scope| fields.all("scopes").any(|name| name == scope.name());
        let all: Scopes = held
            .iter()
            .chain(Scope::ALL.into_iter().filter(|it| is_ticked(*it)))
            .collect();
        Self {
            opened_at: fields.text("opened_at").to_owned(),
            name: fields.text("name").to_owned(),
            scopes: choices(all, is_ticked),
            expiry: fields.text("expiry").to_owned(),
            expiry_date: fields.text("expiry_date").to_owned(),
            allowlist: fields.text("ip_allowlist").to_owned(),
            rate: fields.text("rate_limit_per_minute").to_owned(),
            is_strict: fields.is_ticked("strict"),
        }
    }
}

fn choices(held: Scopes, is_ticked: impl Fn(Scope) -> bool) -> Vec<Choice> {
    let held = held.iter().map(|scope| Choice {
        name: scope.name(),
        grants: grants(scope),
        is_ticked: is_ticked(scope),
    });
    held.collect()
}

/// The form as the API takes it. What cannot be a number is passed on as it is: the API says what is
/// wrong with it.
pub fn body(fields: &Fields, now: DateTime<Utc>) -> Map<String, Value> {
    let scopes: Vec<_> = fields.all("scopes").collect();
    let ranges: Vec<_> = fields
        .text("ip_allowlist")
        .split([',', '\n', ' '])
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .collect();
    let mut body = Map::new();
    body.insert("name".to_owned(), json!(fields.text("name")));
    body.insert("scopes".to_owned(), json!(scopes));
    if let Some(expires_at) = expires_at(fields, now) {
        body.insert("expires_at".to_owned(), expires_at);
    }
    let ranges = if ranges.is_empty() {
        Value::Null
    } else {
        json!(ranges)
    };
    body.insert("ip_allowlist".to_owned(), ranges);
    if let Some(rate) = fields.some("rate_limit_per_minute") {
        let rate = rate.parse::<u64>().map_or(json!(rate), |rate| json!(rate));
        body.insert("rate_limit_per_minute".to_owned(), rate);
    }
    body.insert("strict".to_owned(), json!(fields.is_ticked("strict")));
    body
}

/// When the key is to end; none to leave it as it is.
fn expires_at(fields: &Fields, now: DateTime<Utc>) -> Option<Value> {
    let chosen = fields.text("expiry");
    match chosen {
        "keep" => None,
        "never" | "" => Some(Value::Null),
        // The end of that day in UTC.
        "date" => Some(json!(format!("{}T23:59:59Z", fields.text("expiry_date")))),
        days => {
            let opened_at = fields.text("opened_at").parse().unwrap_or(now);
            let known = EXPIRIES.iter().find(|(name, ..)| *name == days);
            let until =
                known.and_then(|(_, days, _)| opened_at.checked_add_signed(TimeDelta::days(*days)));
            Some(until.map_or(json!(days), |until| json!(instant(until))))
        }
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// What a key may ask per minute if nothing is said.
pub const DEFAULT_RATE: u64 = KEY_RATE_DEFAULT;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::body;
    use crate::form::Fields;

    #[test]
    fn a_form_says_the_same_whenever_it_is_sent() {
        let sent = "name=a&scopes=read&expiry=90&opened_at=2026-01-01T00%3A00%3A00Z";
        let at = |now: &str| {
            let fields = Fields::parse(sent.as_bytes());
            body(&fields, now.parse().expect("an instant"))
        };
        let body = at("2026-01-01T00:05:00Z");
        assert_eq!(body["expires_at"], json!("2026-04-01T00:00:00Z"));
        assert_eq!(body, at("2026-01-02T00:00:00Z"));
    }
}
