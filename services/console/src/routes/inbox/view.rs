//! Which videos of an inbox are looked at; it stands in the address, so that it can be shared.

use uuid::Uuid;

use crate::client::Path;
use crate::routes::address::Parameters;
use crate::routes::choice::Choice;
use crate::routes::list::List;

/// Videos of a page; one decision may be about all of them.
const PAGE: u16 = 50;
const STATUS: &str = "status";
/// The filter that only links have, and no field.
const OF_CREATOR: &str = "creator_id";
/// `all` ticks everything, for browsers without scripts.
const TICKED: &str = "ticked";

/// What an address says.
#[derive(Debug, Clone)]
pub struct View {
    project: Uuid,
    status: Status,
    pub list: List,
    ticks_all: bool,
}

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
    /// Of a project's inbox: what waits, unless something else is asked for.
    pub fn new(project: Uuid, asked: &Parameters) -> Self {
        let mut known = Status::ALL.into_iter();
        let status = known.find(|status| status.name() == asked.get(STATUS));
        let status = status.unwrap_or(Status::Waiting);
        let place = format!("/projects/{project}/inbox");
        let list = List::new(place, asked, &["search", "platform", OF_CREATOR]);
        Self {
            project,
            status,
            list: list.in_pages_of(PAGE).keeping(STATUS, status.name()),
            ticks_all: asked.get(TICKED) == "all",
        }
    }

    /// Whose inbox it is.
    pub fn project(&self) -> Uuid {
        self.project
    }

    /// The page of it in the API.
    pub fn path(&self) -> Path {
        let inbox = Path::v1(&["projects", &self.project.to_string(), "inbox"]);
        self.list.path(inbox.with(STATUS, self.status.name()))
    }

    /// Which are looked at.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whether everything is to be ticked.
    pub fn ticks_all(&self) -> bool {
        self.ticks_all
    }

    /// Whose videos alone are asked for; empty for everybody's.
    pub fn creator(&self) -> &str {
        self.list.get(OF_CREATOR)
    }

    /// The ways to the same videos of each status.
    pub fn tabs(&self) -> Vec<Choice> {
        let each = Status::ALL.map(|status| (status.name(), status.label()));
        self.list.tabs(STATUS, each, self.status.name())
    }

    /// Those of one creator alone, or of all.
    pub fn of_creator(&self, creator: &str) -> String {
        self.list.with(OF_CREATOR, creator)
    }

    /// The same page, and everything on it ticked.
    pub fn ticked(&self) -> String {
        self.list.clone().keeping(TICKED, "all").here()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Status, View};
    use crate::routes::address::Parameters;

    const PLACE: &str = "/projects/00000000-0000-0000-0000-000000000000/inbox";

    fn view(query: &str) -> View {
        View::new(Uuid::nil(), &Parameters::parse(query))
    }

    #[test]
    fn a_place_says_all_that_was_asked_for() {
        let asked = view("status=excluded&search=+a%26b&cursor=Ae-_&platform=&ticked=all");
        assert!(asked.ticks_all() && asked.list.is_narrowed());
        for (place, expected) in [
            (
                asked.list.here(),
                "?status=excluded&search=a%26b&cursor=Ae-_",
            ),
            (
                asked.tabs()[1].value.clone(),
                "?status=included&search=a%26b",
            ),
            (
                asked.of_creator("c"),
                "?status=excluded&search=a%26b&creator_id=c",
            ),
            (
                asked.ticked(),
                "?status=excluded&ticked=all&search=a%26b&cursor=Ae-_",
            ),
        ] {
            assert_eq!(place, format!("{PLACE}{expected}"));
        }
    }

    #[test]
    fn what_waits_is_shown_first() {
        for query in ["", "status=", "status=direct_add"] {
            assert_eq!(view(query).status(), Status::Waiting, "{query}");
        }
        assert!(!view("cursor=x").list.is_narrowed());
    }
}
