//! `/projects/{id}/creators`: the accounts that a project follows.

use api::v1::{Creator, Timestamp};
use askama::Template;
use axum::response::Response;

use super::head::Head;
use super::names;
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::address::Parameters;
use crate::routes::choice::Choice;
use crate::routes::id::Id;
use crate::routes::list::List;
use crate::text::filters;
use crate::visit::Signed;

const STATUSES: [(&str, &str); 3] = [
    ("", "all"),
    ("active", "active"),
    ("auto_disabled", "auto disabled"),
];

#[derive(Template)]
#[template(path = "program/creators.html")]
struct CreatorsPage {
    shell: Shell,
    head: Head,
    list: List,
    rows: Vec<Row>,
    platforms: Vec<Choice>,
    statuses: Vec<Choice>,
}

struct Row {
    id: String,
    name: String,
    initials: String,
    handle: String,
    platform: &'static str,
    status: &'static str,
    mode: &'static str,
    followers: String,
    profile_at: Option<Timestamp>,
}

impl Framed for CreatorsPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Id(project_id): Id,
    asked: Parameters,
) -> Result<Response, Problem> {
    let place = format!("/projects/{project_id}/creators");
    let list = List::new(place, &asked, &["search", "platform", "status"]);
    let path = list.path(Path::v1(&["creators"]).with("project_id", project_id));
    let head = Head::of(&visit, project_id, "creators");
    let creators = visit.get::<Vec<Creator>>(path);
    let (who, head, creators) = tokio::try_join!(visit.who(), head, creators)?;
    let title = format!("Creators of {}", head.project.name);
    Ok(ok(&CreatorsPage {
        shell: Shell::signed(&visit, who, Nav::Projects, title).with_notice(),
        head,
        rows: creators.data.iter().map(Row::new).collect(),
        platforms: names::platforms(list.get("platform")),
        statuses: Choice::all(STATUSES, list.get("status")),
        list: list.answered(&creators),
    }))
}

impl Row {
    fn new(creator: &Creator) -> Self {
        let name = names::creator(creator);
        Self {
            id: creator.id.to_string(),
            initials: names::initials(&name),
            name,
            handle: names::handle(creator.platform, &creator.handle),
            platform: names::platform(creator.platform),
            status: names::status(creator.status),
            mode: creator.tracking_mode.name(),
            followers: names::count(creator.follower_count),
            profile_at: creator.profile_at,
        }
    }
}
