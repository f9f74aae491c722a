#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use domain::event::EventType;
use serde_json::Value;

use super::{document, take_definitions, versions};

#[test]
fn every_version_of_every_event_is_on_every_channel() {
    let document = document();
    for versioned in versions() {
        let name = versioned.name();
        let message = &document["components"]["messages"][&name];
        assert_eq!(message["name"], format!("com.trackagoat.{name}"));
        assert!(message["summary"].is_string(), "{name} says nothing");
        for channel in ["events", "stream", "webhook"] {
            assert!(
                document["channels"][channel]["messages"][&name].is_object(),
                "{name} is not on {channel}"
            );
        }
    }
    assert!(versions().count() >= EventType::ALL.len());
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
