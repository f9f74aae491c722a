//! What stands above every page of a project: its name, and the way to its parts.

use api::v1::Project;
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::client::Path;
use crate::page::Problem;
use crate::visit::Visit;

/// Waiting videos that are counted; of more it is only said that there are more.
const WAITING: u16 = 20;

/// Of one project.
pub struct Head {
    pub project: Project,
    /// How many videos wait in the inbox, if any do.
    pub waiting: Option<String>,
    /// Which part is shown.
    pub tab: &'static str,
}

impl Head {
    /// Asks for it.
    pub async fn of(visit: &Visit, id: Uuid, tab: &'static str) -> Result<Self, Problem> {
        let id = id.to_string();
        let project = visit.get::<Project>(Path::v1(&["projects", &id]));
        let waiting = Path::v1(&["projects", &id, "inbox"]).with("limit", WAITING);
        let waiting = visit.get::<Vec<IgnoredAny>>(waiting);
        let (project, waiting) = tokio::try_join!(project, waiting)?;
        let more = if waiting.next_cursor.is_some() {
            "+"
        } else {
            ""
        };
        let count = waiting.data.len();
        Ok(Self {
            project: project.data,
            waiting: (count > 0).then(|| format!("{count}{more}")),
            tab,
        })
    }

    /// Whether this part is shown.
    pub fn is_at(&self, tab: &str) -> bool {
        self.tab == tab
    }
}
