//! What the things are called that events are about: an event names them by their ids.

use std::collections::{HashMap, HashSet};

use api::v1::{ApiKey, AuditEvent};
use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::sentence::own_name;
use crate::client::Path;
use crate::page::Problem;
use crate::visit::Visit;

/// Most things that are looked up for a page; others are shown with a part of their id. A session may
/// ask 600 times a minute.
const LOOK_UPS: usize = 40;
/// Look-ups that are under way at once.
const AT_ONCE: usize = 8;
/// Most keys that are listed, the newest.
const KEYS: u16 = 100;

/// What has a page of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Key,
    Project,
    Creator,
    Video,
    Campaign,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Thing {
    pub kind: Kind,
    pub id: String,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Key,
        Self::Project,
        Self::Creator,
        Self::Video,
        Self::Campaign,
    ];

    /// As sentences name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Project => "project",
            Self::Creator => "creator",
            Self::Video => "video",
            Self::Campaign => "campaign",
        }
    }

    /// The kind of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// As subjects of events begin.
    const fn subject(self) -> &'static str {
        match self {
            Self::Key => "keys",
            Self::Project => "projects",
            Self::Creator => "creators",
            Self::Video => "videos",
            Self::Campaign => "campaigns",
        }
    }

    /// Where the API has them.
    const fn api(self) -> &'static str {
        match self {
            Self::Key => "api-keys",
            _ => self.subject(),
        }
    }

    /// What it is called, the best first.
    const fn called(self) -> &'static [&'static str] {
        match self {
            Self::Key | Self::Project | Self::Campaign => &["name"],
            Self::Creator => &["display_name", "handle"],
            Self::Video => &["title", "platform_video_id"],
        }
    }
}

impl Thing {
    /// What a subject names, if it has a page.
    pub fn of_subject(subject: &str) -> Option<Self> {
        let (of, id) = subject.split_once('/')?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.subject() == of)?;
        Some(Self {
            kind,
            id: id.to_owned(),
        })
    }

    /// The key that an actor is, if it is one.
    pub fn of_actor(actor: &str) -> Option<Self> {
        let id = actor.strip_prefix("key:")?;
        Some(Self {
            kind: Kind::Key,
            id: id.to_owned(),
        })
    }

    /// As a subject.
    fn subject(&self) -> String {
        format!("{}/{}", self.kind.subject(), self.id)
    }

    /// Its page.
    pub fn place(&self) -> String {
        match self.kind {
            Kind::Key => format!("/settings/api-keys/{}", self.id),
            _ => format!("/{}", self.subject()),
        }
    }
}

/// A thing as it is known.
#[derive(Debug, Clone)]
pub struct Known {
    pub name: String,
    /// Whether its page is there.
    pub is_there: bool,
}

/// Names of things.
#[derive(Debug, Default)]
pub struct Names(HashMap<Thing, Known>);

impl Names {
    /// Those of the newest keys.
    pub async fn of_keys(visit: &Visit) -> Result<Self, Problem> {
        let path = Path::v1(&["api-keys"])
            .with("status", "active,rotating,expired,revoked")
            .with("limit", KEYS);
        let keys = visit.get::<Vec<ApiKey>>(path).await?.data;
        let known = keys.into_iter().map(|key| {
            let thing = Thing {
                kind: Kind::Key,
                id: key.id.to_string(),
            };
            (thing, Known::there(key.name))
        });
        Ok(Self(known.collect()))
    }

    /// Those too that these events are about. One that cannot be found is not worth the page.
    #[must_use]
    pub async fn and_of(mut self, visit: &Visit, things: Vec<Thing>) -> Self {
        let mut seen = HashSet::new();
        let due: Vec<_> = things
            .into_iter()
            .filter(|thing| !self.0.contains_key(thing) && seen.insert(thing.clone()))
            .take(LOOK_UPS)
            .collect();
        let look_ups = due.into_iter().map(|thing| look_up(visit, thing));
        let found: Vec<_> = stream::iter(look_ups)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        self.0.extend(found.into_iter().flatten());
        self
    }

    /// What is known of a thing.
    pub fn get(&self, thing: &Thing) -> Option<&Known> {
        self.0.get(thing)
    }

    /// All keys that are known: as an actor, and by name.
    pub fn keys(&self) -> Vec<(String, &str)> {
        let keys = self.0.iter().filter(|(thing, _)| thing.kind == Kind::Key);
        let mut keys: Vec<_> = keys
            .map(|(thing, known)| (format!("key:{}", thing.id), known.name.as_str()))
            .collect();
        keys.sort_by_key(|(actor, name)| (name.to_lowercase(), actor.clone()));
        keys
    }

    #[cfg(test)]
    pub fn with(mut self, thing: Thing, name: &str) -> Self {
        self.0.insert(thing, Known::there(name.to_owned()));
        self
    }
}

impl Known {
    fn there(name: String) -> Self {
        Self {
            name,
            is_there: true,
        }
    }
}

async fn look_up(visit: &Visit, thing: Thing) -> Option<(Thing, Known)> {
    let path = Path::v1(&[thing.kind.api(), &thing.id]);
    let known = match visit.get::<Value>(path).await {
        Ok(answer) => Known::there(called(thing.kind, &answer.data)?),
        Err(problem) if problem.code() == "not_found" => founded(visit, &thing).await?,
        Err(_) => return None,
    };
    Some((thing, known))
}

fn called(kind: Kind, object: &Value) -> Option<String> {
    let names = kind.called().iter();
    let mut names = names.filter_map(|field| object[field].as_str());
    names.next().map(ToOwned::to_owned)
}

/// What something that is gone was called when it was made: that stands in its first event.
async fn founded(visit: &Visit, thing: &Thing) -> Option<Known> {
    let path = Path::v1(&["audit", "events"])
        .with("subject", thing.subject())
        .with("after_position", 0)
        .with("limit", 1);
    let events = visit.get::<Vec<AuditEvent>>(path).await.ok()?.data;
    let name = own_name(events.first()?)?;
    Some(Known {
        name,
        is_there: false,
    })
}

#[cfg(test)]
mod tests {
    use super::Thing;

    #[test]
    fn things_with_a_page_lead_to_it() {
        let place = |subject| Thing::of_subject(subject).map(|thing| thing.place());
        assert_eq!(place("keys/1").as_deref(), Some("/settings/api-keys/1"));
        assert_eq!(place("videos/1").as_deref(), Some("/videos/1"));
        for subject in ["orgs/1", "members/1", "handles/tiktok/goat", "keys", ""] {
            assert_eq!(place(subject), None, "{subject}");
        }
        assert_eq!(Thing::of_actor("user:1"), None);
        assert!(Thing::of_actor("key:1").is_some());
    }
}
