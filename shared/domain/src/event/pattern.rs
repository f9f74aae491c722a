//! Which types of events somebody wants.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

use super::EventType;

/// A text that names no type of events; says which there are.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnknownType {
    /// Nothing is called so that has events.
    #[error(
        "must be an event type such as key.revoked, or all of an entity such as key.*; entities are {}",
        entities()
    )]
    Entity,
    /// It has others.
    #[error("must be {entity}.* or one of {}", types_of(entity))]
    Event {
        /// Of what.
        entity: &'static str,
    },
}

/// An event type, or all types of one kind of thing: `video.discovered`, `key.*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct TypePattern(String);

impl TypePattern {
    /// Takes types that this build knows, and entities that have one.
    ///
    /// # Errors
    /// [`UnknownType`]
    pub fn parse(text: &str) -> Result<Self, UnknownType> {
        let (entity, event) = text.split_once('.').unwrap_or((text, ""));
        let known = EventType::ALL.iter().find(|it| it.entity() == entity);
        let entity = known.ok_or(UnknownType::Entity)?.entity();
        if event == "*" || EventType::from_name(text).is_some() {
            return Ok(Self(text.to_owned()));
        }
        Err(UnknownType::Event { entity })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The entity of which all types are meant, those of newer builds too; none: it is one type.
    pub fn entity(&self) -> Option<&str> {
        self.0.strip_suffix(".*")
    }

    /// Whether an event type of this name is meant.
    pub fn matches(&self, type_name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(entity) => type_name.starts_with(entity),
            None => type_name == self.0,
        }
    }
}

impl FromStr for TypePattern {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        Self::parse(text)
    }
}

/// What an event or a row holds: its form is checked, but a newer build may have taken a type that
/// this one does not know, which must not keep this one from reading the org. What a caller sends
/// comes in by [`TypePattern::parse`].
impl<'de> Deserialize<'de> for TypePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.split_once('.') {
            Some((entity, event)) if !entity.is_empty() && !event.is_empty() => Ok(Self(text)),
            _ => Err(de::Error::custom(UnknownType::Entity)),
        }
    }
}

fn entities() -> impl fmt::Display {
    let mut entities: Vec<_> = EventType::ALL.iter().map(|it| it.entity()).collect();
    entities.dedup();
    entities.join(", ")
}

fn types_of(entity: &str) -> impl fmt::Display + use<> {
    let all = EventType::ALL.iter();
    let types = all.filter(|it| it.entity() == entity).map(|it| it.name());
    types.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn patterns_name_types_and_entities_that_exist() {
        for (text, name, matches) in [
            ("key.*", "key.revoked", true),
            ("key.*", "keyring.opened", false),
            ("video.discovered", "video.discovered", true),
            ("video.discovered", "video.added", false),
            ("observation.recorded", "observation.recorded", true),
        ] {
            assert_eq!(TypePattern::parse(text).unwrap().matches(name), matches);
        }
        for text in ["", "*", ".*", "imagined.*", "Key.*", " key.*"] {
            assert_eq!(TypePattern::parse(text), Err(UnknownType::Entity), "{text}");
        }
        for text in ["key", "key.", "key.imagined", "key.**", "key.revoked "] {
            let entity = "key";
            let unknown = Err(UnknownType::Event { entity });
            assert_eq!(TypePattern::parse(text), unknown, "{text}");
        }
    }

    #[test]
    fn who_names_none_is_told_which_there_are() {
        let said = |text: &str| TypePattern::parse(text).unwrap_err().to_string();
        assert!(said("moon.landed").contains("entities are org, "));
        let of_keys = said("key.revokd");
        assert!(of_keys.starts_with("must be key.* or one of ") && of_keys.contains("key.revoked"));
    }

    #[test]
    fn what_is_read_has_the_form_of_one_that_could_have_been_taken() {
        let read = |text| serde_json::from_value::<TypePattern>(serde_json::Value::from(text));
        for text in [
            "key.*",
            "video.discovered",
            "imagined_later.*",
            "key.imagined_later",
        ] {
            assert_eq!(read(text).unwrap().as_str(), text);
        }
        for text in ["", "*", ".*", "key", "key."] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
