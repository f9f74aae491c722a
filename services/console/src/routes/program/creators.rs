//! `/projects/{id}/creators`: the accounts that a project follows.

use api::v1::{Creator, Timestamp};
use askama::Template;
use axum::extract::{Path as Named, Query};
use axum::response::Response;
use serde::Deserialize;

use super::head::Head;
use super::list::{Choice, PAGE, choices, filled, next};
use super::{id, names};
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::text::filters;
use crate::visit::Signed;

const STATUSES: [(&str, &str); 3] = [
    ("", "all"),
    ("active", "active"),
    ("auto_disabled", "auto disabled"),
];

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    search: String,
    platform: String,
    status: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "program/creators.html")]
struct CreatorsPage {
    shell: Shell,
    head: Head,
    rows: Vec<Row>,
    search: String,
    platforms: Vec<Choice>,
    statuses: Vec<Choice>,
    next: Option<String>,
    /// Whether nothing was filtered out.
    is_whole: bool,
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
    Named(project): Named<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let project_id = id(&visit, &project)?;
    let path = Path::v1(&["creators"])
        .with("project_id", project_id)
        .with("limit", PAGE)
        .with_some("search", filled(&asked.search))
        .with_some("platform", filled(&asked.platform))
        .with_some("status", filled(&asked.status))
        .with_some("cursor", filled(&asked.cursor));
    let head = Head::of(&visit, project_id, "creators");
    let creators = visit.get::<Vec<Creator>>(path);
    let (who, head, creators) = tokio::try_join!(visit.who(), head, creators)?;
    let place = format!("/projects/{project_id}/creators");
    let filters = [
        ("search", asked.search.as_str()),
        ("platform", asked.platform.as_str()),
        ("status", asked.status.as_str()),
    ];
    let title = format!("Creators of {}", head.project.name);
    Ok(ok(&CreatorsPage {
        shell: Shell::signed(&visit, who, Nav::Projects, title).with_notice(),
        head,
        next: next(&place, &filters, creators.next_cursor.as_deref()),
        rows: creators.data.iter().map(Row::new).collect(),
        platforms: platforms(&asked.platform),
        statuses: choices(&STATUSES, &asked.status),
        is_whole: filters.iter().all(|(_, value)| filled(value).is_none()),
        search: asked.search,
    }))
}

/// Platforms to filter by.
pub(super) fn platforms(chosen: &str) -> Vec<Choice> {
    let all = [("", "all")].into_iter().chain(names::PLATFORMS);
    choices(&all.collect::<Vec<_>>(), chosen)
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
