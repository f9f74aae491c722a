//! `/projects`: where everybody begins.

use std::collections::HashMap;

use api::v1::{Analytics, Project};
use askama::Template;
use axum::response::Response;
use futures_util::future::join_all;

use super::analytics::{spark_of, value_of};
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::address::Parameters;
use crate::routes::keys::api_base;
use crate::routes::list::List;
use crate::text;
use crate::visit::{Signed, Visit};

/// Projects of a page, and of one question for their figures: the API takes so many at once.
const PAGE: u16 = 20;
const TOGETHER: usize = 10;
/// Letters of a project's notes that are shown.
const EXCERPT: usize = 160;

#[derive(Template)]
#[template(path = "program/projects.html")]
struct ProjectsPage {
    shell: Shell,
    list: List,
    rows: Vec<Row>,
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

pub(super) async fn show(Signed(visit): Signed, asked: Parameters) -> Result<Response, Problem> {
    let list = List::new("/projects", &asked, &["search"]).in_pages_of(PAGE);
    let path = list.path(Path::v1(&["projects"]));
    let (who, projects) = tokio::try_join!(visit.who(), visit.get::<Vec<Project>>(path))?;
    let list = list.answered(&projects);
    let mut views = views(&visit, &projects.data).await;
    let rows = projects.data.into_iter().map(|project| Row {
        excerpt: excerpt(project.readme.as_deref().unwrap_or_default()),
        views: views.remove(&project.id.to_string()),
        project,
    });
    Ok(ok(&ProjectsPage {
        example: create_example(&api_base(&visit)),
        shell: Shell::signed(&visit, who, Nav::Projects, "Projects").with_notice(),
        rows: rows.collect(),
        list,
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
