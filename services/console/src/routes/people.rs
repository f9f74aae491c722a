//! Names of the org's people.

use std::collections::HashMap;

use api::v1::{ActorRef, Member};

use crate::client::Path;
use crate::page::Problem;
use crate::visit::Visit;

/// Most members whose names are looked up; others are shown with a part of their id.
const MEMBERS: u16 = 100;

/// Names by id.
pub struct People {
    names: HashMap<String, String>,
    /// Whether they are all: then whoever is not among them has left.
    is_whole: bool,
}

impl People {
    /// Those of the org.
    pub async fn of(visit: &Visit) -> Result<Self, Problem> {
        let members = Path::v1(&["members"]).with("limit", MEMBERS);
        let members = visit.get::<Vec<Member>>(members).await?;
        let is_whole = members.next_cursor.is_none();
        let named = members.data.into_iter().map(|member| {
            let id = member.user_id.to_string();
            let name = member.name.or(member.email);
            let name = name.unwrap_or_else(|| short(&id));
            (id, name)
        });
        Ok(Self {
            names: named.collect(),
            is_whole,
        })
    }

    /// A person's name.
    pub fn name(&self, id: &str) -> String {
        let known = self.names.get(id).cloned();
        let former = if self.is_whole { "former " } else { "" };
        known.unwrap_or_else(|| format!("{former}member {}", short(id)))
    }

    /// Everybody's id and name, by name.
    pub fn list(&self) -> Vec<(&str, &str)> {
        let everybody = self
            .names
            .iter()
            .map(|(id, name)| (id.as_str(), name.as_str()));
        let mut everybody: Vec<_> = everybody.collect();
        everybody.sort_by_key(|(id, name)| (name.to_lowercase(), *id));
        everybody
    }

    #[cfg(test)]
    pub fn named<'a>(people: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let people = people.into_iter();
        Self {
            names: people
                .map(|(id, name)| (id.to_owned(), name.to_owned()))
                .collect(),
            is_whole: true,
        }
    }

    /// Whoever did something.
    pub fn actor(&self, actor: &ActorRef) -> String {
        let id = actor.id.map(|id| id.to_string()).unwrap_or_default();
        match actor.kind.as_str() {
            "user" => self.name(&id),
            "key" => format!("key {}", short(&id)),
            _ => "the operator".to_owned(),
        }
    }
}

/// The end of an id tells one from another; the beginning is its time.
pub fn short(id: &str) -> String {
    id.chars().skip(id.len().saturating_sub(6)).collect()
}
