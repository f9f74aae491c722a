//! What a change was: each field that it holds, with what it is from then on.

use api::v1::AuditEvent;
use serde_json::Value;

use super::slot::{day, listed, plain};
use super::{Teller, name};
use crate::text;

/// Most fields that are told of.
const FIELDS: usize = 12;

/// The changed fields of an event.
pub fn of(teller: &Teller<'_>, event: &AuditEvent) -> String {
    let entity = name(event).split('.').next().unwrap_or_default();
    let own_id = format!("{entity}_id");
    let Some(fields) = event.data.as_object() else {
        return "unknown".to_owned();
    };
    // Whether it takes something away follows from the rest.
    let fields = fields
        .iter()
        .filter(|(field, _)| **field != own_id && *field != "narrowed");
    let told: Vec<_> = fields
        .take(FIELDS)
        .map(|(field, value)| one(teller, field, value))
        .collect();
    if told.is_empty() {
        return "nothing".to_owned();
    }
    told.join("; ")
}

fn one(teller: &Teller<'_>, field: &str, value: &Value) -> String {
    let cleared = value.is_null();
    match field {
        "body" if cleared => "no text".to_owned(),
        "body" => "another text".to_owned(),
        "date" | "end_date" | "start_date" | "tracking_start_date" => {
            let label = match field {
                "date" => "day",
                "end_date" => "last day",
                _ => "first day",
            };
            with(label, day(value))
        }
        "description" if cleared => "no description".to_owned(),
        // Sealed: what it is stands in no event that anybody can read.
        "display_name" if cleared => "no display name of its own".to_owned(),
        "display_name" => "another display name".to_owned(),
        "enabled" => if is(value) {
            "switched on"
        } else {
            "switched off"
        }
        .to_owned(),
        "expires_at" if cleared => "never expires".to_owned(),
        "expires_at" => with("expires", teller.moment(value)),
        "ip_allowlist" if cleared => "may come from anywhere".to_owned(),
        "ip_allowlist" => with("may come from", value.as_array().map(|list| listed(list))),
        "is_active" => if is(value) {
            "pursued again"
        } else {
            "not pursued"
        }
        .to_owned(),
        "metadata" => "other metadata".to_owned(),
        "owner_id" => with("owner", value.as_str().map(|id| teller.people.name(id))),
        "rate_limit_per_minute" => with("requests per minute", value.as_u64().map(text::number)),
        "readme" if cleared => "no notes".to_owned(),
        "readme" => "other notes".to_owned(),
        "scopes" => with("scopes", value.as_array().map(|list| listed(list))),
        "secret_id" => "another secret".to_owned(),
        "strict" => if is(value) { "strict" } else { "not strict" }.to_owned(),
        "target_at" => with("target date", teller.moment(value)),
        "target_value" => with("target", value.as_u64().map(text::number)),
        "target_views" => with("target", value.as_u64().map(|it| text::plural(it, "view"))),
        "timezone" => with("time zone", Some(plain(value))),
        "types" if value.as_array().is_some_and(Vec::is_empty) => "every decision".to_owned(),
        "types" => with("events", value.as_array().map(|list| listed(list))),
        "url" => "another address".to_owned(),
        _ if cleared => with(&text::words(field), None),
        _ => with(&text::words(field), Some(plain(value))),
    }
}

fn with(label: &str, value: Option<String>) -> String {
    format!("{label} {}", value.unwrap_or_else(|| "none".to_owned()))
}

fn is(value: &Value) -> bool {
    value == &Value::Bool(true)
}
