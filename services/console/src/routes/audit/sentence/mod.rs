//! What happened, told in one sentence.
//!
//! `pattern` has a sentence for every type of event, with slots for what the event holds; `slot` fills
//! them, `changes` tells what a change was. Events are read field by field: one of a newer version, or of
//! a type that is not known here, is told as far as it goes.

mod changes;
mod pattern;
mod slot;
#[cfg(test)]
mod tests;

use api::v1::AuditEvent;
use chrono_tz::Tz;

use super::names::{Kind, Names, Thing};
use crate::routes::people::{People, short};
use crate::routes::program::names::platform_named;
use crate::text;

/// What stands before the name of every type.
const TYPES: &str = "com.trackagoat.";
/// Longest name in a sentence, in characters.
const NAME_CHARS: usize = 80;

/// Words, some of which lead somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence(pub Vec<Piece>);

/// Some words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    /// The page that they lead to.
    pub href: Option<String>,
}

/// Tells events.
pub struct Teller<'a> {
    pub people: &'a People,
    pub names: &'a Names,
    pub zone: Tz,
}

impl Sentence {
    /// The words alone.
    pub fn text(&self) -> String {
        self.0.iter().map(|piece| piece.text.as_str()).collect()
    }

    /// With a capital where it begins with a word of ours; a name stays as it is.
    fn begun(mut self) -> Self {
        if let Some(first) = self.0.first_mut()
            && ["the ", "former member "]
                .iter()
                .any(|ours| first.text.starts_with(ours))
        {
            first
                .text
                .replace_range(..1, &first.text[..1].to_uppercase());
        }
        self
    }
}

impl Piece {
    fn words(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            href: None,
        }
    }
}

impl Teller<'_> {
    /// What happened.
    pub fn tell(&self, event: &AuditEvent) -> Sentence {
        let pieces = match pattern::of(event) {
            Some(pattern) => self.fill(pattern, event),
            None => self.tell_unknown(event),
        };
        Sentence(pieces).begun()
    }

    /// Whoever caused it.
    pub fn actor(&self, actor: &str) -> Sentence {
        Sentence(self.actor_pieces(actor)).begun()
    }

    /// What it is about.
    pub fn subject(&self, event: &AuditEvent) -> Sentence {
        let (of, id) = event
            .subject
            .split_once('/')
            .unwrap_or((&event.subject, ""));
        let pieces = match (of, Thing::of_subject(&event.subject)) {
            (_, Some(thing)) => vec![
                Piece::words(format!("the {} ", thing.kind.name())),
                self.subject_piece(event),
            ],
            ("orgs", None) => vec![linked("the organization", "/settings/general")],
            ("members", None) => vec![linked(&self.people.name(id), "/settings/members")],
            ("handles", None) => {
                let (platform, handle) = id.split_once('/').unwrap_or(("", id));
                let platform = platform_named(platform);
                vec![Piece::words(format!("the account {handle} on {platform}"))]
            }
            (_, None) => {
                let one = text::words(of.strip_suffix('s').unwrap_or(of));
                let whose = event.data["user_id"].as_str();
                let whose = whose.map(|id| format!("of {}", self.people.name(id)));
                let name = own_name(event).map(|name| clipped(&name)).or(whose);
                let name = name.unwrap_or_else(|| short(id));
                vec![Piece::words(format!("the {one} {name}"))]
            }
        };
        Sentence(pieces).begun()
    }

    fn actor_pieces(&self, actor: &str) -> Vec<Piece> {
        if let Some(thing) = Thing::of_actor(actor) {
            return vec![Piece::words("the key "), self.thing(&thing, None)];
        }
        vec![Piece::words(match actor.strip_prefix("user:") {
            Some(id) => self.people.name(id),
            None => "the operator".to_owned(),
        })]
    }

    /// The thing that an event is about, by what it is called now, or was when it was made.
    fn subject_piece(&self, event: &AuditEvent) -> Piece {
        let own = own_name(event);
        match Thing::of_subject(&event.subject) {
            Some(thing) => self.thing(&thing, own),
            None => Piece::words(own.unwrap_or_else(|| short(&event.subject))),
        }
    }

    /// A thing by the name it has in the event, or by the one it has now.
    fn thing(&self, thing: &Thing, own: Option<String>) -> Piece {
        let known = self.names.get(thing);
        let name = own.or_else(|| known.map(|known| known.name.clone()));
        Piece {
            text: name.map_or_else(|| short(&thing.id), |name| clipped(&name)),
            href: known
                .is_none_or(|known| known.is_there)
                .then(|| thing.place()),
        }
    }

    /// Of a type that is not known here.
    fn tell_unknown(&self, event: &AuditEvent) -> Vec<Piece> {
        let (entity, verb) = name(event)
            .split_once('.')
            .unwrap_or((name(event), "noted"));
        let mut pieces = vec![Piece::words(format!("the {} ", text::words(entity)))];
        pieces.push(self.subject_piece(event));
        pieces.push(Piece::words(format!(" was {} by ", text::words(verb))));
        pieces.extend(self.actor_pieces(&event.actor));
        pieces
    }
}

/// The name of an event's type without its version: `key.revoked`.
pub fn name(event: &AuditEvent) -> &str {
    let name = event.event_type.strip_prefix(TYPES);
    let name = name.unwrap_or(&event.event_type);
    match name.rsplit_once(".v") {
        Some((name, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => name,
    }
}

/// What an event that makes something says that it is called.
pub fn own_name(event: &AuditEvent) -> Option<String> {
    let (_, verb) = name(event).split_once('.')?;
    if !["added", "created", "discovered"].contains(&verb) {
        return None;
    }
    let fields = ["name", "handle", "platform_video_id", "label"];
    let mut names = fields.iter().filter_map(|field| event.data[field].as_str());
    names.next().map(ToOwned::to_owned)
}

/// The things whose names are needed to tell of an event.
pub fn things(event: &AuditEvent) -> Vec<Thing> {
    let actor = Thing::of_actor(&event.actor);
    let subject = Thing::of_subject(&event.subject).filter(|_| own_name(event).is_none());
    let others = pattern::of(event).into_iter().flat_map(slot::in_pattern);
    let others = others.filter_map(|(field, form)| {
        let kind = Kind::of(form)?;
        let id = event.data[field].as_str()?.to_owned();
        Some(Thing { kind, id })
    });
    actor.into_iter().chain(subject).chain(others).collect()
}

fn linked(text: &str, place: &str) -> Piece {
    Piece {
        text: text.to_owned(),
        href: Some(place.to_owned()),
    }
}

fn clipped(name: &str) -> String {
    if name.chars().count() <= NAME_CHARS {
        return name.to_owned();
    }
    let kept: String = name.chars().take(NAME_CHARS - 1).collect();
    format!("{}…", kept.trim_end())
}
