//! What of the trail is asked for: it stands in the address, so that it can be shared.

use api::v1::EventType;
use serde::Deserialize;

use super::names::Names;
use super::{PAGE, filled, place};
use crate::client::Path;
use crate::routes::people::People;

/// Which events.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Filters {
    /// `key.revoked`, `key.*`, or several.
    #[serde(rename = "type")]
    pub types: String,
    /// `user:<id>`, `key:<id>` or `system`.
    pub actor: String,
    /// `keys/<id>`.
    pub subject: String,
    /// A day of the org's zone, or an instant.
    pub from: String,
    pub to: String,
    stream: String,
    /// A position: what came after it, oldest first.
    pub after: String,
    pub cursor: String,
}

/// Choices under one heading.
pub struct Group {
    pub label: String,
    pub choices: Vec<Choice>,
}

/// One to select.
pub struct Choice {
    pub value: String,
    pub label: String,
    pub is_chosen: bool,
}

impl Filters {
    /// Decisions, unless others are asked for: readings alone are no decisions.
    pub fn stream(&self) -> &str {
        match self.stream.as_str() {
            "" if self.types.starts_with("observation.") => "observations",
            "" => "decisions",
            stream => stream,
        }
    }

    /// Whether nothing is left out.
    pub fn are_open(&self) -> bool {
        let texts = [
            &self.types,
            &self.actor,
            &self.subject,
            &self.from,
            &self.to,
            &self.after,
        ];
        texts.into_iter().all(|text| filled(text).is_none())
    }

    /// The page of events in the API.
    pub fn events(&self) -> Path {
        Path::v1(&["audit", "events"])
            .with("limit", PAGE)
            .with("stream", self.stream())
            .with_some("type", filled(&self.types))
            .with_some("actor", filled(&self.actor))
            .with_some("subject", filled(&self.subject))
            .with_some("from", filled(&self.from))
            .with_some("to", filled(&self.to))
            .with_some("after_position", filled(&self.after))
            .with_some("cursor", filled(&self.cursor))
    }

    /// The next page here.
    pub fn next(&self, cursor: &str) -> String {
        let parameters = [
            ("type", self.types.as_str()),
            ("actor", &self.actor),
            ("subject", &self.subject),
            ("from", &self.from),
            ("to", &self.to),
            ("stream", &self.stream),
            ("after", &self.after),
            ("cursor", cursor),
        ];
        place("/audit", &parameters)
    }

    /// The same as a file; none, since a file cannot leave out by who or by what.
    pub fn export(&self) -> Option<String> {
        if filled(&self.actor).is_some() || filled(&self.subject).is_some() {
            return None;
        }
        let parameters = [
            ("type", self.types.as_str()),
            ("stream", self.stream()),
            ("from", &self.from),
            ("to", &self.to),
            ("after_position", &self.after),
        ];
        Some(place("/audit/export", &parameters))
    }

    /// Types to choose from, by entity.
    pub fn types(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for event_type in EventType::ALL {
            let entity = event_type.entity();
            if groups.last().is_none_or(|group| group.label != entity) {
                let all = format!("{entity}.*");
                groups.push(Group {
                    label: entity.to_owned(),
                    choices: vec![self.of_type(all.clone(), all)],
                });
            }
            if let Some(group) = groups.last_mut() {
                let name = event_type.name().to_owned();
                group.choices.push(self.of_type(name.clone(), name));
            }
        }
        with_chosen(groups, &self.types, &self.types)
    }

    fn of_type(&self, value: String, label: String) -> Choice {
        Choice {
            is_chosen: value == self.types,
            value,
            label,
        }
    }

    /// Callers to choose from.
    pub fn actors(&self, people: &People, names: &Names, chosen: &str) -> Vec<Group> {
        let of = |value: String, label: &str| Choice {
            is_chosen: value == self.actor,
            label: label.to_owned(),
            value,
        };
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
        let mut groups = with_chosen(groups, &self.actor, chosen);
        groups.retain(|group| !group.choices.is_empty());
        groups
    }
}

/// With what was asked for, if it is none of them.
fn with_chosen(mut groups: Vec<Group>, value: &str, label: &str) -> Vec<Group> {
    let mut choices = groups.iter().flat_map(|group| &group.choices);
    if !value.is_empty() && !choices.any(|choice| choice.is_chosen) {
        let chosen = Choice {
            value: value.to_owned(),
            label: label.to_owned(),
            is_chosen: true,
        };
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

    fn asked(types: &str, stream: &str) -> Filters {
        Filters {
            types: types.to_owned(),
            stream: stream.to_owned(),
            ..Filters::default()
        }
    }

    #[test]
    fn readings_are_found_by_their_type_alone() {
        assert_eq!(asked("", "").stream(), "decisions");
        assert_eq!(asked("observation.recorded", "").stream(), "observations");
        assert_eq!(asked("observation.*", "all").stream(), "all");
    }

    #[test]
    fn what_is_asked_for_is_always_a_choice() {
        let chosen = |types| {
            let groups = asked(types, "").types();
            let choices = groups.into_iter().flat_map(|group| group.choices);
            let chosen = choices.filter(|choice| choice.is_chosen);
            chosen.map(|choice| choice.value).collect::<Vec<_>>()
        };
        assert!(chosen("").is_empty());
        for types in ["key.*", "key.revoked", "key.revoked,org.*"] {
            assert_eq!(chosen(types), [types]);
        }
    }

    #[test]
    fn a_file_leaves_out_what_it_can() {
        let mut filters = asked("key.*", "");
        assert_eq!(
            filters.export().as_deref(),
            Some("/audit/export?type=key.*&stream=decisions")
        );
        filters.actor = "system".to_owned();
        assert_eq!(filters.export(), None);
        assert_eq!(
            filters.next("abc"),
            "/audit?type=key.*&actor=system&cursor=abc"
        );
    }
}
