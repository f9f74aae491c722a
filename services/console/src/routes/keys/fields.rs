//! What a key's form holds, on the way in and, when something cannot be taken, out again.

use api::v1::{ApiKey, Scope, Scopes};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::expiry::{Expiry, KEPT, OF_NEW, instant};
use super::grants;
use crate::edit::Edit;
use crate::form::Fields;
use crate::text;

/// A form of a key.
pub struct KeyForm {
    pub name: String,
    /// Scopes to tick, what they grant, and whether they are ticked.
    pub scopes: Vec<(Scope, &'static str, bool)>,
    /// The name of a span, `never`, `date`, or `keep`.
    pub expiry: String,
    pub expiry_date: String,
    pub allowlist: String,
    pub rate: String,
    pub is_strict: bool,
    /// When it was opened: spans count from there, so that a form that is sent twice says the same twice.
    pub opened_at: String,
    /// What is, of a key that is there: only what a person changes is sent.
    pub edits: Vec<Edit>,
}

impl KeyForm {
    /// Of a new key: the default scopes, and an end in a quarter.
    pub fn new(held: Scopes, now: DateTime<Utc>) -> Self {
        Self {
            opened_at: instant(now),
            name: String::new(),
            scopes: boxes(held, Scopes::DEFAULT),
            expiry: OF_NEW.to_owned(),
            expiry_date: String::new(),
            allowlist: String::new(),
            rate: String::new(),
            is_strict: false,
            edits: Vec::new(),
        }
    }

    /// Of a new key, as it was filled in.
    pub fn sent(fields: &Fields, held: Scopes) -> Self {
        Self {
            opened_at: fields.text("opened_at").to_owned(),
            name: fields.text("name").to_owned(),
            scopes: boxes(held, ticked(fields)),
            expiry: Expiry::chosen(fields, OF_NEW),
            expiry_date: fields.text("expiry_date").to_owned(),
            allowlist: fields.text("ip_allowlist").to_owned(),
            rate: fields.text("rate_limit_per_minute").to_owned(),
            is_strict: fields.is_ticked("strict"),
            edits: Vec::new(),
        }
    }

    /// Of a key that is there, with what was entered.
    pub fn of(edits: Vec<Edit>, held: Scopes, fields: &Fields, now: DateTime<Utc>) -> Self {
        let holds = |name: &str| {
            let edit = edits.iter().find(|edit| edit.name == name);
            edit.map_or("", Edit::holds)
        };
        let scopes = holds("scopes")
            .split(' ')
            .filter_map(|name| name.parse().ok());
        Self {
            opened_at: fields
                .some("opened_at")
                .map_or_else(|| instant(now), str::to_owned),
            name: holds("name").to_owned(),
            scopes: boxes(held, scopes.collect()),
            expiry: Expiry::chosen(fields, KEPT),
            expiry_date: fields.text("expiry_date").to_owned(),
            allowlist: holds("ip_allowlist").to_owned(),
            rate: holds("rate_limit_per_minute").to_owned(),
            is_strict: !holds("strict").is_empty(),
            edits,
        }
    }
}

/// The fields of a key as it is.
pub fn edits(key: &ApiKey, zone: Tz) -> Vec<Edit> {
    let ends = key.expires_at.map(|at| text::moment(at.datetime(), zone));
    let ranges = key.ip_allowlist.clone().unwrap_or_default();
    let reads = match ranges.as_slice() {
        [] => "anywhere".to_owned(),
        ranges => ranges.join(", "),
    };
    vec![
        Edit::opened("name", key.name.clone()),
        Edit::opened("scopes", names(key.scopes)),
        Edit::opened(
            "expires_at",
            key.expires_at
                .map(|at| instant(at.datetime()))
                .unwrap_or_default(),
        )
        .reading(ends.unwrap_or_else(|| "never".to_owned())),
        Edit::opened("ip_allowlist", ranges.join("\n")).reading(reads),
        Edit::opened(
            "rate_limit_per_minute",
            key.rate_limit_per_minute.to_string(),
        ),
        Edit::opened("strict", if key.strict { "1" } else { "" }).reading(if key.strict {
            "strict"
        } else {
            "not strict"
        }),
    ]
}

/// The same as a form was sent.
pub fn entered(edits: Vec<Edit>, fields: &Fields, expiry: &Expiry) -> Vec<Edit> {
    let edits = edits.into_iter().map(|edit| {
        let entered = match edit.name {
            "scopes" => Some(names(ticked(fields))),
            "expires_at" => match expiry {
                Expiry::Kept => None,
                Expiry::Never => Some(String::new()),
                Expiry::At(end) => Some(end.clone()),
            },
            "ip_allowlist" => Some(ranges(fields).join("\n")),
            "strict" => Some(if fields.is_ticked("strict") { "1" } else { "" }.to_owned()),
            // Nothing stands for no change.
            "rate_limit_per_minute" => fields.some("rate_limit_per_minute").map(str::to_owned),
            name => Some(fields.text(name).to_owned()),
        };
        edit.sent(fields, entered)
    });
    edits.collect()
}

/// Scopes to tick: those that may be granted, and those that are ticked all the same.
fn boxes(held: Scopes, ticked: Scopes) -> Vec<(Scope, &'static str, bool)> {
    let all: Scopes = held.iter().chain(ticked.iter()).collect();
    let boxes = all.iter();
    let boxes = boxes.map(|scope| (scope, grants(scope), ticked.contains(scope)));
    boxes.collect()
}

fn ticked(fields: &Fields) -> Scopes {
    fields
        .all("scopes")
        .filter_map(|name| name.parse().ok())
        .collect()
}

fn names(scopes: Scopes) -> String {
    let names: Vec<_> = scopes.iter().map(Scope::name).collect();
    names.join(" ")
}

fn ranges(fields: &Fields) -> Vec<&str> {
    let ranges = fields.text("ip_allowlist").split([',', '\n', ' ']);
    let ranges = ranges.map(str::trim);
    ranges.filter(|range| !range.is_empty()).collect()
}

/// The form as the API takes it. What cannot be a number is passed on as it is: the API says what is
/// wrong with it.
pub fn body(fields: &Fields, expiry: &Expiry) -> Map<String, Value> {
    let scopes: Vec<_> = fields.all("scopes").collect();
    let mut body = Map::new();
    body.insert("name".to_owned(), json!(fields.text("name")));
    body.insert("scopes".to_owned(), json!(scopes));
    let expires_at = match expiry {
        Expiry::Kept => None,
        Expiry::Never => Some(Value::Null),
        Expiry::At(end) => Some(json!(end)),
    };
    body.extend(expires_at.map(|end| ("expires_at".to_owned(), end)));
    let ranges = ranges(fields);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::body;
    use crate::form::Fields;
    use crate::routes::keys::expiry::Expiry;

    #[test]
    fn a_form_is_passed_on_as_the_api_takes_it() {
        let sent = b"name=+a+&scopes=read&scopes=keys&ip_allowlist=192.0.2.1%0D%0A%0D%0A198.51.100.0/24&rate_limit_per_minute=many";
        let fields = Fields::parse(sent);
        let sent = body(&fields, &Expiry::Never);
        let expected = json!({
            "name": "a", "scopes": ["read", "keys"], "expires_at": null,
            "ip_allowlist": ["192.0.2.1", "198.51.100.0/24"],
            "rate_limit_per_minute": "many", "strict": false,
        });
        assert_eq!(json!(sent), expected);
        assert!(!body(&fields, &Expiry::Kept).contains_key("expires_at"));
        let empty = body(&Fields::default(), &Expiry::At("x".to_owned()));
        assert_eq!(
            (&empty["ip_allowlist"], &empty["expires_at"]),
            (&json!(null), &json!("x"))
        );
    }
}
