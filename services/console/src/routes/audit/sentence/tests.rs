//! Every type of event that there is has a sentence of its own, which tells what its sample holds.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use api::v1::{AuditEvent, EventType};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::super::names::{Names, Thing};
use super::{Teller, pattern, things};
use crate::routes::people::People;

const ADA: &str = "01010101-0101-0101-0101-010101010101";
const KEY: &str = "02020202-0202-0202-0202-020202020202";

/// Where the samples of all versions of all types are.
const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/domain/events");
const SAMPLE: &str = ".sample.json";

fn event(name: &str, version: &str, subject: &str, data: &Value) -> AuditEvent {
    let hash = "0".repeat(64);
    let event = json!({
        "specversion": "1.0", "id": KEY, "source": "/orgs/1", "datacontenttype": "application/json",
        "type": format!("com.trackagoat.{name}.{version}"), "dataschema": "", "subject": subject,
        "time": "2026-01-05T05:37:52.685771Z", "position": "7", "stream": "decisions",
        "streamversion": "7", "actor": "user:ada", "correlationid": "1", "prevhash": hash,
        "hash": hash, "data": data,
    });
    serde_json::from_value(event).expect("an event")
}

/// As the log writes it.
fn subject(entity: &str, data: &Value) -> String {
    let id = data[format!("{entity}_id")].as_str();
    match (entity, id) {
        ("member", _) => format!("members/{}", data["user_id"].as_str().expect("a person")),
        ("handle", _) => format!(
            "handles/youtube/{}",
            data["handle"].as_str().expect("a handle")
        ),
        (_, Some(id)) => format!("{entity}s/{id}"),
        (_, None) => "orgs/1".to_owned(),
    }
}

/// By type and version.
fn samples() -> BTreeMap<String, AuditEvent> {
    let files = fs::read_dir(Path::new(SAMPLES)).expect("the samples");
    let names = files.map(|file| {
        file.expect("a file")
            .file_name()
            .into_string()
            .expect("UTF-8")
    });
    let names = names.filter_map(|name| name.strip_suffix(SAMPLE).map(ToOwned::to_owned));
    names
        .map(|of| {
            let text = fs::read(format!("{SAMPLES}/{of}{SAMPLE}")).expect("a sample");
            let data: Value = serde_json::from_slice(&text).expect("JSON");
            let (name, version) = of.rsplit_once('.').expect("a version");
            let entity = name.split('.').next().expect("an entity");
            let event = event(name, version, &subject(entity, &data), &data);
            (of, event)
        })
        .collect()
}

fn people() -> People {
    People::named([("ada", "Ada"), (ADA, "Grace")])
}

fn tell(event: &AuditEvent) -> String {
    tell_with(event, &Names::default())
}

fn tell_with(event: &AuditEvent, names: &Names) -> String {
    let people = people();
    let zone = Tz::UTC;
    Teller {
        people: &people,
        names,
        zone,
    }
    .tell(event)
    .text()
}

#[test]
fn every_type_has_a_sentence_of_its_own() {
    let samples = samples();
    let mut of_pattern = HashMap::new();
    for event_type in EventType::ALL {
        let name = event_type.name();
        let versions = samples
            .iter()
            .filter(|(of, _)| of.rsplit_once('.').is_some_and(|(of, _)| of == name));
        let mut versions = versions.peekable();
        assert!(versions.peek().is_some(), "{name} has no sample");
        for (of, event) in versions {
            let pattern = pattern::of(event);
            let pattern = pattern.unwrap_or_else(|| panic!("{of} has no sentence"));
            let other = of_pattern.insert(pattern, name);
            assert!(
                other.is_none_or(|other| other == name),
                "{of} is told like {other:?}"
            );
        }
    }
}

#[test]
fn sentences_tell_all_of_what_the_samples_hold() {
    for (of, event) in samples() {
        let text = tell(&event);
        assert!(text.len() > 15, "{of}: {text}");
        for wrong in ["{", "}", "unknown", "null", "s1.", "  ", "_", "\""] {
            // Handles have underscores.
            let stripped = text.replace("UCq-Fj5jknLsUf-MWSy4_brA", "goat");
            assert!(!stripped.contains(wrong), "{of}: {text}");
        }
        let first = text.chars().next().expect("words");
        assert!(
            first.is_uppercase() || first.is_ascii_digit(),
            "{of}: {text}"
        );
    }
}

#[test]
fn sentences_read_well() {
    let samples = samples();
    for (of, expected) in [
        (
            "org.created.v1",
            "Ada created the organization Goats & Co on the plan ultra",
        ),
        ("member.joined.v1", "Grace joined as admin"),
        (
            "member.role_changed.v1",
            "Ada changed the role of Grace from admin to member",
        ),
        ("invitation.created.v1", "Ada invited someone as member"),
        ("session.ended.v1", "Ada ended a session of Grace"),
        ("key.revoked.v1", "Ada revoked the key 020202"),
        (
            "key.changed.v1",
            "Ada changed the key 020202: never expires; may come from 10.1.0.0/16; name Dashboards; owner \
             none; requests per minute 30; scopes read and write; strict",
        ),
        (
            "key.rotated.v1",
            "Ada rotated the key 020202; the old one works until 2 Mar 2026, 12:00",
        ),
        ("video.reviewed.v1", "Ada approved the video 050505"),
        (
            "video.discovered.v1",
            "The video dQw4w9WgXcQ on YouTube was found and waits for review",
        ),
        ("goal.added.v1", "Ada set a weekly goal for 040404: 5 posts"),
        (
            "annotation.added.v1",
            "Ada annotated 2 Mar 2026: Spring begins (launch)",
        ),
        (
            "webhook.added.v1",
            "Ada added a webhook to hooks.example.com",
        ),
        (
            "campaign.items_added.v1",
            "Ada added 1 creator, 1 video and 1 campaign to the campaign 0a0a0a",
        ),
        (
            "limit.warned.v1",
            "The limit “max api keys per org” is nearly reached: 8 of 10 are used",
        ),
        (
            "observation.recorded.v1",
            "4 readings of 1 video and 1 creator were recorded",
        ),
    ] {
        assert_eq!(tell(&samples[of]), expected, "{of}");
    }
}

#[test]
fn things_are_called_by_their_names_and_lead_to_their_pages() {
    let event = event(
        "key.revoked",
        "v1",
        &format!("keys/{KEY}"),
        &json!({"reason": "requested"}),
    );
    let asked = things(&event);
    let key = Thing::of_subject(&event.subject).expect("a thing");
    assert_eq!(asked, std::slice::from_ref(&key));
    let names = Names::default().with(key, "Reporting {actor} <b>");
    assert_eq!(
        tell_with(&event, &names),
        "Ada revoked the key Reporting {actor} <b>"
    );
    let people = people();
    let zone = Tz::UTC;
    let told = Teller {
        people: &people,
        names: &names,
        zone,
    }
    .tell(&event);
    let href = told.0.iter().find_map(|piece| piece.href.as_deref());
    assert_eq!(href, Some(format!("/settings/api-keys/{KEY}").as_str()));
}

#[test]
fn what_people_do_to_themselves_reads_so() {
    let mut event = samples().remove("session.ended.v1").expect("a sample");
    event.actor = format!("user:{ADA}");
    assert_eq!(tell(&event), "Grace ended a session");
    event.actor = "system".to_owned();
    assert_eq!(tell(&event), "The operator ended a session of Grace");
    event.actor = format!("key:{KEY}");
    assert_eq!(tell(&event), "The key 020202 ended a session of Grace");
}

#[test]
fn a_session_is_called_by_its_person() {
    let event = samples().remove("session.ended.v1").expect("a sample");
    let teller = Teller {
        people: &people(),
        names: &Names::default(),
        zone: Tz::UTC,
    };
    assert_eq!(teller.subject(&event).text(), "The session of Grace");
}

#[test]
fn an_event_of_a_newer_build_is_told_as_far_as_it_goes() {
    let later = event(
        "moon_base.landed_on",
        "v12",
        "moon_bases/123456789",
        &json!([1]),
    );
    assert_eq!(tell(&later), "The moon base 456789 was landed on by Ada");
    for name in [
        "key.revoked",
        "key.changed",
        "observation.recorded",
        "video.reviewed",
        "org.changed",
    ] {
        for data in [
            json!(null),
            json!([]),
            json!({"readings": 3, "scopes": "x"}),
        ] {
            assert!(
                !tell(&event(name, "v9", "keys/1", &data)).is_empty(),
                "{name}"
            );
        }
    }
    let odd = AuditEvent {
        event_type: "something else".to_owned(),
        ..event("key.revoked", "v1", "x", &json!({}))
    };
    assert_eq!(tell(&odd), "The something else x was noted by Ada");
}
