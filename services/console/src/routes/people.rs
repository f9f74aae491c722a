//! The org's people: to name them, to find one, and to choose from.

use std::collections::HashMap;

use api::v1::{ActorRef, ApiKey, Member};
use uuid::Uuid;

use crate::client::Path;
use crate::page::Problem;
use crate::visit::Visit;

/// Pages of members that are read. Those on later ones are not found, and shown with a part of their id.
const PAGES: u16 = 10;

/// The members of the org.
pub struct People {
    members: Vec<Member>,
    /// Their names by id.
    names: HashMap<String, String>,
    /// Those of keys, which do things too.
    keys: HashMap<String, String>,
    /// Whether they are all: then whoever is not among them has left.
    is_whole: bool,
}

impl People {
    /// Those of the org.
    pub async fn of(visit: &Visit) -> Result<Self, Problem> {
        let (members, is_whole) = visit.get_pages(&Path::v1(&["members"]), PAGES).await?;
        Ok(Self::new(members, is_whole))
    }

    fn new(members: Vec<Member>, is_whole: bool) -> Self {
        let names = members.iter();
        let names = names.map(|member| (member.user_id.to_string(), name_of(member)));
        Self {
            names: names.collect(),
            keys: HashMap::new(),
            members,
            is_whole,
        }
    }

    /// With the names of these keys, which do things too.
    #[must_use]
    pub fn with_keys<'a>(mut self, keys: impl IntoIterator<Item = &'a ApiKey>) -> Self {
        let keys = keys.into_iter();
        self.keys
            .extend(keys.map(|key| (key.id.to_string(), key.name.clone())));
        self
    }

    /// One of them.
    pub fn find(&self, id: Uuid) -> Option<&Member> {
        let mut members = self.members.iter();
        members.find(|member| member.user_id.as_uuid() == id)
    }

    /// All but one.
    pub fn others(&self, id: Uuid) -> impl Iterator<Item = &Member> {
        let members = self.members.iter();
        members.filter(move |member| member.user_id.as_uuid() != id)
    }

    /// A person's name.
    pub fn name(&self, id: &str) -> String {
        let known = self.names.get(id).cloned();
        let former = if self.is_whole { "former " } else { "" };
        known.unwrap_or_else(|| format!("{former}member {}", short(id)))
    }

    /// Everybody's id and name, by name.
    pub fn list(&self) -> Vec<(&str, &str)> {
        let names = self.names.iter();
        let names = names.map(|(id, name)| (id.as_str(), name.as_str()));
        let mut everybody: Vec<_> = names.collect();
        everybody.sort_by_key(|(id, name)| (name.to_lowercase(), *id));
        everybody
    }

    /// Whoever did something.
    pub fn actor(&self, actor: &ActorRef) -> String {
        let id = actor.id.map(|id| id.to_string()).unwrap_or_default();
        match actor.kind.as_str() {
            "user" => self.name(&id),
            "key" => match self.keys.get(&id) {
                Some(name) => format!("key {name}"),
                None => format!("key {}", short(&id)),
            },
            _ => "the operator".to_owned(),
        }
    }
}

/// What others call a member.
pub fn name_of(member: &Member) -> String {
    let known = member.name.as_ref().or(member.email.as_ref());
    known
        .cloned()
        .unwrap_or_else(|| format!("member {}", short(&member.user_id.to_string())))
}

/// The end of an id tells one from another; the beginning is its time.
pub fn short(id: &str) -> String {
    id.chars().skip(id.len().saturating_sub(6)).collect()
}

#[cfg(test)]
mod tests {
    use api::v1::Member;
    use serde_json::json;

    use super::People;

    impl People {
        /// All there are, by id and name.
        pub fn named<'a>(people: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
            let people = people.into_iter();
            let names = people.map(|(id, name)| (id.to_owned(), name.to_owned()));
            Self {
                names: names.collect(),
                ..Self::new(Vec::new(), true)
            }
        }
    }

    const ADA: &str = "01a22221-e89b-7770-b084-12aacb7f27f2";
    const EVE: &str = "01a22221-e89b-7770-b084-12aacb7f27f3";

    fn member(id: &str, name: Option<&str>) -> Member {
        let member = json!({
            "user_id": id, "name": name, "email": null, "role": "member",
            "joined_at": "2026-01-01T00:00:00Z", "last_seen_at": null, "active_keys": 0,
        });
        serde_json::from_value(member).expect("a member")
    }

    #[test]
    fn whoever_is_not_among_all_has_left() {
        let all = People::new(vec![member(ADA, Some("Ada"))], true);
        assert_eq!(all.name(ADA), "Ada");
        assert_eq!(all.name(EVE), "former member 7f27f3");
        let some = People::new(vec![member(ADA, None)], false);
        assert_eq!(some.name(EVE), "member 7f27f3");
        assert_eq!(some.name(ADA), "member 7f27f2");
    }

    #[test]
    fn everybody_is_listed_by_name() {
        let people = People::named([(ADA, "eve"), (EVE, "Ada")]);
        assert_eq!(people.list(), [(EVE, "Ada"), (ADA, "eve")]);
    }

    #[test]
    fn one_is_found_among_the_others() {
        let people = People::new(vec![member(ADA, Some("Ada")), member(EVE, None)], true);
        let [ada, eve] = [ADA, EVE].map(|id| id.parse().expect("an id"));
        assert_eq!(
            people.find(ada).and_then(|ada| ada.name.as_deref()),
            Some("Ada")
        );
        let others: Vec<_> = people
            .others(ada)
            .map(|other| other.user_id.as_uuid())
            .collect();
        assert_eq!(others, [eve]);
        assert!(people.find(uuid::Uuid::nil()).is_none());
    }
}
