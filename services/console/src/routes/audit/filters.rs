//! What of the trail is asked for: it stands in the address, so that it can be shared.

use api::v1::EventType;

use super::names::Names;
use crate::client::Path;
use crate::routes::address::{Parameters, link};
use crate::routes::choice::Choice;
use crate::routes::list::List;
use crate::routes::people::People;

/// `key.revoked`, `key.*`, or several.
const TYPE: &str = "type";
/// `user:<id>`, `key:<id>` or `system`.
const ACTOR: &str = "actor";
/// `keys/<id>`.
const SUBJECT: &str = "subject";
/// A day of the org's zone, or an instant.
const FROM: &str = "from";
const TO: &str = "to";
/// A position: what came after it, oldest first.
const AFTER: &str = "after_position";
const STREAM: &str = "stream";
/// Streams, as the API and as people call them.
const STREAMS: [(&str, &str); 3] = [
    ("decisions", "decisions"),
    ("observations", "observations"),
    ("all", "all"),
];

/// All fields of the form.
pub const NAMES: [&str; 7] = [TYPE, ACTOR, SUBJECT, FROM, TO, AFTER, STREAM];

/// Which events.
pub struct Filters {
    pub list: List,
    stream: String,
}

/// Choices under one heading.
pub struct Group {
    pub label: String,
    pub choices: Vec<Choice>,
}

impl Filters {
    /// Decisions, unless others are asked for: readings alone are no decisions.
    pub fn new(asked: &Parameters) -> Self {
        let list = List::new("/audit", asked, &[TYPE, ACTOR, SUBJECT, FROM, TO, AFTER]);
        let stream = match asked.get(STREAM) {
            "" if list.get(TYPE).starts_with("observation.") => "observations",
            "" => "decisions",
            stream => stream,
        };
        Self {
            stream: stream.to_owned(),
            list: list.keeping(STREAM, asked.get(STREAM)),
        }
    }

    pub fn actor(&self) -> &str {
        self.list.get(ACTOR)
    }

    pub fn subject(&self) -> &str {
        self.list.get(SUBJECT)
    }

    pub fn from(&self) -> &str {
        self.list.get(FROM)
    }

    pub fn to(&self) -> &str {
        self.list.get(TO)
    }

    pub fn after(&self) -> &str {
        self.list.get(AFTER)
    }

    /// The page of events in the API.
    pub fn events(&self) -> Path {
        let events = Path::v1(&["audit", "events"]);
        self.list.path(events.with(STREAM, &self.stream))
    }

    /// The same as a file; none, since a file cannot leave out by who or by what.
    pub fn export(&self) -> Option<String> {
        if !self.actor().is_empty() || !self.subject().is_empty() {
            return None;
        }
        let of = |name| (name, self.list.get(name));
        let parameters = [
            of(TYPE),
            (STREAM, self.stream.as_str()),
            of(FROM),
            of(TO),
            of(AFTER),
        ];
        Some(link("/audit/export", parameters))
    }

    /// Streams to choose from.
    pub fn streams(&self) -> Vec<Choice> {
        Choice::all(STREAMS, &self.stream)
    }

    /// Types to choose from, by entity.
    pub fn types(&self) -> Vec<Group> {
        let types = self.list.get(TYPE);
        let mut groups: Vec<Group> = Vec::new();
        for event_type in EventType::ALL {
            let entity = event_type.entity();
            if groups.last().is_none_or(|group| group.label != entity) {
                let all = format!("{entity}.*");
                groups.push(Group {
                    label: entity.to_owned(),
                    choices: vec![Choice::new(all.clone(), all, types)],
                });
            }
            if let Some(group) = groups.last_mut() {
                let name = event_type.name();
                group.choices.push(Choice::new(name, name, types));
            }
        }
        with_chosen(groups, types, types)
    }

    /// Callers to choose from.
    pub fn actors(&self, people: &People, names: &Names, chosen: &str) -> Vec<Group> {
        let of = |value: String, label: &str| Choice::new(value, label, self.actor());
        let members = people.list().into_iter();
        let members = members.map(|(id, name)| of(format!("user:{id}"), name));
        let keys = names.keys().into_iter();
        let groups = vec![
            Group {
                label: "Members".to_owned(),
                choices: members.collect(),
            },
            Group {
                label: "Keys".to_owned(),
                choices: keys.map(|(actor, name)| of(actor, name)).collect(),
            },
            Group {
                label: "Others".to_owned(),
                choices: vec![of("system".to_owned(), "The operator, or the service")],
            },
        ];
        let mut groups = with_chosen(groups, self.actor(), chosen);
        groups.retain(|group| !group.choices.is_empty());
        groups
    }
}

/// With what was asked for, if it is none of them.
fn with_chosen(mut groups: Vec<Group>, value: &str, label: &str) -> Vec<Group> {
    let mut choices = groups.iter().flat_map(|group| &group.choices);
    if !value.is_empty() && !choices.any(|choice| choice.is_chosen) {
        let chosen = Choice::new(value, label, value);
        groups.insert(
            0,
            Group {
                label: "Asked for".to_owned(),
                choices: vec![chosen],
            },
        );
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::Filters;
    use crate::routes::address::Parameters;

    fn asked(query: &str) -> Filters {
        Filters::new(&Parameters::parse(query))
    }

    #[test]
    fn readings_are_found_by_their_type_alone() {
        for (query, expected) in [
            ("", "decisions"),
            ("type=observation.recorded", "observations"),
            ("type=observation.*&stream=all", "all"),
        ] {
            assert_eq!(asked(query).stream, expected, "{query}");
        }
    }

    #[test]
    fn what_is_asked_for_is_always_a_choice() {
        let chosen = |query: &str| {
            let groups = asked(query).types();
            let choices = groups.into_iter().flat_map(|group| group.choices);
            let chosen = choices.filter(|choice| choice.is_chosen);
            chosen.map(|choice| choice.value).collect::<Vec<_>>()
        };
        assert!(chosen("").is_empty());
        for types in ["key.*", "key.revoked", "key.revoked,org.*"] {
            assert_eq!(chosen(&format!("type={types}")), [types]);
        }
    }

    #[test]
    fn the_next_page_and_the_file_keep_what_is_asked_for() {
        let filters = asked("type=key.*&stream=all&cursor=c");
        assert_eq!(
            filters.export().as_deref(),
            Some("/audit/export?type=key.*&stream=all")
        );
        assert_eq!(filters.list.here(), "/audit?stream=all&type=key.*&cursor=c");
        assert_eq!(asked("actor=system").export(), None);
        assert_eq!(asked("subject=keys%2F1").export(), None);
    }
}
