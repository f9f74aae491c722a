//! `/projects`: where everybody begins.

use std::collections::HashMap;

use api::v1::{Analytics, Project};
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use futures_util::future::join_all;
use serde::Deserialize;

use super::analytics::{spark_of, value_of};
use super::list::{filled, next};
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::keys::api_base;
use crate::text;
use crate::visit::{Signed, Visit};

/// Projects of a page, and of one question for their figures: the API takes so many at once.
const PAGE: usize = 20;
const TOGETHER: usize = 10;
/// Letters of a project's notes that are shown.
const EXCERPT: usize = 160;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    search: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "program/projects.html")]
struct ProjectsPage {
    shell: Shell,
    rows: Vec<Row>,
    search: String,
    next: Option<String>,
    /// Whether the org has none at all.
    is_first: bool,
    example: String,
}

struct Row {
    project: Project,
    excerpt: String,
    views: Option<Views>,
}

/// Of the last 30 days.
struct Views {
    total: String,
    spark: String,
}

impl Framed for ProjectsPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let path = Path::v1(&["projects"])
        .with("limit", PAGE)
        .with_some("search", filled(&asked.search))
        .with_some("cursor", filled(&asked.cursor));
    let (who, projects) = tokio::try_join!(visit.who(), visit.get::<Vec<Project>>(path))?;
    let mut views = views(&visit, &projects.data).await;
    let rows = projects.data.into_iter().map(|project| Row {
        excerpt: excerpt(project.readme.as_deref().unwrap_or_default()),
        views: views.remove(&project.id.to_string()),
        project,
    });
    let rows: Vec<_> = rows.collect();
    let filters = [("search", asked.search.as_str())];
    Ok(ok(&ProjectsPage {
        is_first: rows.is_empty() && asked.search.is_empty() && asked.cursor.is_empty(),
        example: create_example(&api_base(&visit)),
        next: next("/projects", &filters, projects.next_cursor.as_deref()),
        shell: Shell::signed(&visit, who, Nav::Projects, "Projects").with_notice(),
        rows,
        search: asked.search,
    }))
}

/// Views by project. A list without them is better than none, so whatever fails is left out.
async fn views(visit: &Visit, projects: &[Project]) -> HashMap<String, Views> {
    let asked = projects.chunks(TOGETHER).map(|projects| {
        let ids: Vec<_> = projects
            .iter()
            .map(|project| project.id.to_string())
            .collect();
        let path = Path::v1(&["analytics"])
            .with("entity", "project")
            .with("entity_id", ids.join(","))
            .with("metric", "views");
        visit.get::<Analytics>(path)
    });
    let answers = join_all(asked).await.into_iter();
    let series = answers.flatten().flat_map(|answer| answer.data.series);
    let views = series.filter_map(|series| {
        let total = text::compact(value_of(series.total?));
        let title = format!("Views gained in the last 30 days: {total}");
        let spark = spark_of(title, &series);
        Some((series.entity_ref.id, Views { total, spark }))
    });
    views.collect()
}

fn excerpt(notes: &str) -> String {
    let mut letters = notes.chars();
    let mut excerpt: String = letters.by_ref().take(EXCERPT).collect();
    if letters.next().is_some() {
        excerpt.push('…');
    }
    excerpt
}

/// How to make one: the console only shows them.
fn create_example(base: &str) -> String {
    format!(
        "curl -X POST -H \"Authorization: Bearer $TRACKAGOAT_KEY\" \\\n  \
         -H \"Content-Type: application/json\" \\\n  \
         -d '{{\"name\": \"Spring launch\"}}' \\\n  {base}/projects"
    )
}
