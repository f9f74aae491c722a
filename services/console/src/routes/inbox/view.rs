//! Which videos of an inbox are looked at; it stands in the address, so that it can be shared.

use axum::extract::Query;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

/// What an address says, as it was typed: what cannot be is for the API to refuse.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct View {
    status: String,
    pub creator_id: String,
    pub platform: String,
    pub search: String,
    pub cursor: String,
    /// `all` ticks everything, for browsers without scripts.
    ticked: String,
}

/// A view, from an address.
pub type Asked = Query<View>;

/// Whether a person has decided, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Waiting,
    Approved,
    Excluded,
}

impl Status {
    /// All of them, in the order of the work.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Approved, Self::Excluded];

    /// As the API calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "pending_review",
            Self::Approved => "included",
            Self::Excluded => "excluded",
        }
    }

    /// As people read it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Approved => "Approved",
            Self::Excluded => "Excluded",
        }
    }
}

impl View {
    /// The newest that wait, unless something else was asked for.
    pub fn status(&self) -> Status {
        let mut known = Status::ALL.into_iter();
        known
            .find(|status| status.name() == self.status)
            .unwrap_or(Status::Waiting)
    }

    /// Whether everything is to be ticked.
    pub fn ticks_all(&self) -> bool {
        self.ticked == "all"
    }

    /// Whether something is left out that another view would show.
    pub fn is_narrowed(&self) -> bool {
        let filters = [&self.creator_id, &self.platform, &self.search];
        filters.into_iter().any(|filter| !filter.is_empty())
    }

    /// Where it is.
    pub fn place(&self, project: &str) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("status", self.status().name());
        for (name, value) in [
            ("creator_id", &self.creator_id),
            ("platform", &self.platform),
            ("search", &self.search),
            ("cursor", &self.cursor),
        ] {
            if !value.trim().is_empty() {
                query.append_pair(name, value.trim());
            }
        }
        format!("/projects/{project}/inbox?{}", query.finish())
    }

    /// The same videos of another status, from the beginning.
    pub fn of_status(&self, status: Status) -> Self {
        let status = status.name().to_owned();
        Self {
            status,
            ..self.first_page()
        }
    }

    /// Those of one creator alone, or of all.
    pub fn of_creator(&self, creator_id: String) -> Self {
        Self {
            creator_id,
            ..self.first_page()
        }
    }

    /// Its first page.
    pub fn first_page(&self) -> Self {
        self.after(String::new())
    }

    /// The page after a cursor.
    pub fn after(&self, cursor: String) -> Self {
        Self {
            cursor,
            ticked: String::new(),
            ..self.clone()
        }
    }

    /// The same page, and everything on it ticked.
    pub fn ticked_place(&self, project: &str) -> String {
        format!("{}&ticked=all", self.place(project))
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::Query;

    use super::{Asked, Status, View};

    fn view(query: &str) -> View {
        let uri = format!("/projects/p/inbox?{query}");
        let uri = uri.parse().expect("an address");
        let Query(view): Asked = Query::try_from_uri(&uri).expect("a view");
        view
    }

    #[test]
    fn a_place_says_all_that_was_asked_for() {
        let asked = view("status=excluded&search=+a%26b&cursor=Ae-_&platform=&ticked=all");
        assert!(asked.ticks_all() && asked.is_narrowed());
        assert_eq!(
            asked.place("p"),
            "/projects/p/inbox?status=excluded&search=a%26b&cursor=Ae-_"
        );
        assert_eq!(
            asked.of_status(Status::Approved).place("p"),
            "/projects/p/inbox?status=included&search=a%26b"
        );
        assert_eq!(
            asked.after("x".to_owned()).ticked_place("p"),
            "/projects/p/inbox?status=excluded&search=a%26b&cursor=x&ticked=all"
        );
    }

    #[test]
    fn what_waits_is_shown_first() {
        for query in ["", "status=", "status=direct_add"] {
            assert_eq!(view(query).status(), Status::Waiting, "{query}");
        }
        assert!(!view("cursor=x").is_narrowed());
    }
}
