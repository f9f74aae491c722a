//! Names of those who made or own keys.

use std::collections::HashMap;

use api::v1::{ActorRef, Member};

use crate::client::Path;
use crate::page::Problem;
use crate::visit::Visit;

/// Most members whose names are looked up; the keys of others are shown with a part of their id.
const MEMBERS: u16 = 100;

/// Names by id.
pub struct People(HashMap<String, String>);

impl People {
    /// Those of the org.
    pub async fn of(visit: &Visit) -> Result<Self, Problem> {
        let members = Path::v1(&["members"]).with("limit", MEMBERS);
        let members = visit.get::<Vec<Member>>(members).await?.data;
        let named = members.into_iter().map(|member| {
            let id = member.user_id.to_string();
            let name = member.name.or(member.email);
            let name = name.unwrap_or_else(|| short(&id));
            (id, name)
        });
        Ok(Self(named.collect()))
    }

    /// A person's name.
    pub fn name(&self, id: &str) -> String {
        let known = self.0.get(id).cloned();
        known.unwrap_or_else(|| format!("former member {}", short(id)))
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
fn short(id: &str) -> String {
    id.chars().skip(id.len().saturating_sub(6)).collect()
}
