#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use domain::event::EventType;
use domain::ids::{EventId, OrgId};
use domain::signed::SealedLine;
use domain::time::Timestamp;
use serde_json::Value;

use super::apart::{EXPORT_SEALED, WEBHOOK_TEST};
use super::{document, take_definitions, versions};

#[test]
fn every_version_of_every_event_is_on_every_channel() {
    let document = document();
    for versioned in versions() {
        let name = versioned.name();
        let message = &document["components"]["messages"][&name];
        assert_eq!(message["name"], format!("com.trackagoat.{name}"));
        assert!(message["summary"].is_string(), "{name} says nothing");
        for channel in ["events", "stream", "webhook", "export"] {
            assert!(
                document["channels"][channel]["messages"][&name].is_object(),
                "{name} is not on {channel}"
            );
        }
    }
    assert!(versions().count() >= EventType::ALL.len());
}

#[test]
fn what_is_no_event_of_the_log_is_where_it_is_sent_and_nowhere_else() {
    let document = document();
    let channels = document["channels"].as_object().unwrap();
    for (name, channel) in [(WEBHOOK_TEST, "webhook"), (EXPORT_SEALED, "export")] {
        for (other, of_it) in channels {
            let is_there = of_it["messages"].get(name).is_some();
            assert_eq!(is_there, other == channel, "{name} on {other}");
        }
        let payload = &document["components"]["messages"][name]["payload"];
        let required = payload["required"].as_array().unwrap();
        let mut required: Vec<_> = required.iter().filter_map(Value::as_str).collect();
        required.sort_unstable();
        assert_eq!(members(&payload["properties"]), required, "{name}");
    }
}

fn members(value: &Value) -> Vec<&str> {
    let members = value.as_object().unwrap().keys();
    let mut names: Vec<_> = members.map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_line_that_seals_an_export_is_as_it_is_described() {
    let id = uuid::Uuid::nil();
    let line = SealedLine {
        id: EventId::from_uuid(id),
        org: OrgId::from_uuid(id),
        at: Timestamp::parse("2026-03-02T12:00:00Z").unwrap(),
        seal: String::new(),
        checkpoint: String::new(),
    };
    let line: Value = serde_json::from_str(&line.to_json()).unwrap();
    let document = document();
    let described = &document["components"]["messages"][EXPORT_SEALED]["payload"]["properties"];
    assert_eq!(described["type"]["const"], line["type"]);
    assert_eq!(members(described), members(&line));
    let data = &described["data"]["properties"];
    assert_eq!(members(data), members(&line["data"]));
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let path = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(path).is_some(), "{reference}");
    }
}

fn collect<'a>(value: &'a Value, references: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(reference) if name == "$ref" => {
                        references.insert(reference);
                    }
                    member => collect(member, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

/// They stand under one name for all types, so one name must mean one thing.
#[test]
fn types_agree_on_the_definitions_that_they_share() {
    let mut all = serde_json::Map::new();
    for versioned in versions() {
        let mut own = serde_json::Map::new();
        take_definitions(&mut versioned.schema(), &mut own);
        for (name, definition) in own {
            let known = all
                .entry(name.clone())
                .or_insert_with(|| definition.clone());
            assert_eq!(*known, definition, "{name} in {}", versioned.name());
        }
    }
    assert!(!all.contains_key("CloudEvent"));
}
