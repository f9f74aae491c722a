//! What stands in the slots of a sentence.

use std::collections::HashSet;

use api::v1::{AuditEvent, Timestamp};
use chrono::NaiveDate;
use serde_json::Value;
use url::Url;

use super::super::names::{Kind, Thing};
use super::{Piece, Teller, changes, clipped};
use crate::routes::program::names::platform_named;
use crate::text;

/// The slots of a pattern: a field, and its form.
pub fn in_pattern(pattern: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let slots = pattern.split('{').skip(1);
    slots.filter_map(|slot| Some(parts(slot.split_once('}')?.0)))
}

fn parts(slot: &str) -> (&str, &str) {
    slot.split_once(':').unwrap_or((slot, ""))
}

impl Teller<'_> {
    /// The pattern, with what the event holds in its slots.
    pub(super) fn fill(&self, pattern: &str, event: &AuditEvent) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once('{') {
            let (slot, behind) = after.split_once('}').unwrap_or((after, ""));
            pieces.push(Piece::words(before));
            pieces.extend(self.slot(slot, event));
            rest = behind;
        }
        pieces.push(Piece::words(rest));
        pieces.retain(|piece| !piece.text.is_empty());
        pieces
    }

    fn slot(&self, slot: &str, event: &AuditEvent) -> Vec<Piece> {
        let (field, form) = parts(slot);
        let value = &event.data[field];
        if let Some(kind) = Kind::of(form) {
            return vec![match value.as_str() {
                Some(id) => self.thing(
                    &Thing {
                        kind,
                        id: id.to_owned(),
                    },
                    None,
                ),
                None => Piece::words("unknown"),
            }];
        }
        match field {
            "actor" => self.actor_pieces(&event.actor),
            "subject" => vec![self.subject_piece(event)],
            "changes" => vec![Piece::words(changes::of(self, event))],
            _ => vec![Piece::words(self.value(value, form))],
        }
    }

    /// A value in the form that is asked for; as it is where it has not that form.
    fn value(&self, value: &Value, form: &str) -> String {
        let told = match form {
            "person" => value.as_str().map(|id| self.people.name(id)),
            "moment" => self.moment(value),
            "day" => day(value),
            "number" => value.as_u64().map(text::number),
            "words" => value.as_str().map(text::words),
            "platform" => value.as_str().map(|name| platform_named(name).to_owned()),
            "host" => host(value),
            "list" => value.as_array().map(|list| listed(list)),
            "things" => value.as_array().map(|list| things(list)),
            "readings" => value.as_array().map(|list| readings(list)),
            _ => None,
        };
        told.unwrap_or_else(|| plain(value))
    }

    pub(super) fn moment(&self, value: &Value) -> Option<String> {
        let at = Timestamp::parse(value.as_str()?).ok()?;
        Some(text::moment(at.datetime(), self.zone))
    }
}

pub(super) fn day(value: &Value) -> Option<String> {
    let day: NaiveDate = value.as_str()?.parse().ok()?;
    Some(text::day(day))
}

pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "unknown".to_owned(),
        Value::String(text) => clipped(text),
        other => clipped(&other.to_string()),
    }
}

/// An address says where to; the rest of it may be a secret of its owner's.
fn host(value: &Value) -> Option<String> {
    let url: Url = value.as_str()?.parse().ok()?;
    url.host_str().map(ToOwned::to_owned)
}

pub(super) fn listed(list: &[Value]) -> String {
    let names: Vec<_> = list.iter().map(plain).collect();
    joined(&names)
}

/// `a`, `a and b`, `a, b and c`.
fn joined(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

/// How many of which type.
fn things(list: &[Value]) -> String {
    let counted = ["creator", "video", "campaign"].into_iter().map(|kind| {
        let of_kind = list.iter().filter(|thing| thing["type"] == kind);
        (of_kind.count() as u64, kind)
    });
    let told: Vec<_> = counted
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| text::plural(count, kind))
        .collect();
    if told.is_empty() {
        return text::plural(list.len() as u64, "thing");
    }
    joined(&told)
}

/// How many, and of how many videos and creators.
fn readings(list: &[Value]) -> String {
    let of = |field: &str| {
        let ids = list.iter().filter_map(|reading| reading[field].as_str());
        ids.collect::<HashSet<_>>().len() as u64
    };
    let counted = [(of("video_id"), "video"), (of("creator_id"), "creator")];
    let told: Vec<_> = counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| text::plural(count, kind))
        .collect();
    let count = text::plural(list.len() as u64, "reading");
    if told.is_empty() {
        return count;
    }
    format!("{count} of {}", joined(&told))
}
