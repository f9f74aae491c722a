//! `/projects/{id}/campaigns`: what a project holds together.

use api::v1::{Campaign, Timestamp};
use askama::Template;
use axum::extract::{Path as Named, Query};
use axum::response::Response;
use serde::Deserialize;

use super::head::Head;
use super::list::{PAGE, filled, next};
use super::{id, names};
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::text::{self, filters};
use crate::visit::Signed;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    search: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "program/campaigns.html")]
struct CampaignsPage {
    shell: Shell,
    head: Head,
    rows: Vec<Row>,
    search: String,
    next: Option<String>,
}

struct Row {
    id: String,
    name: String,
    items: String,
    target: String,
    target_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl Framed for CampaignsPage {
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
    let path = Path::v1(&["campaigns"])
        .with("project_id", project_id)
        .with("limit", PAGE)
        .with_some("search", filled(&asked.search))
        .with_some("cursor", filled(&asked.cursor));
    let head = Head::of(&visit, project_id, "campaigns");
    let campaigns = visit.get::<Vec<Campaign>>(path);
    let (who, head, campaigns) = tokio::try_join!(visit.who(), head, campaigns)?;
    let place = format!("/projects/{project_id}/campaigns");
    let filters = [("search", asked.search.as_str())];
    let title = format!("Campaigns of {}", head.project.name);
    Ok(ok(&CampaignsPage {
        shell: Shell::signed(&visit, who, Nav::Projects, title).with_notice(),
        head,
        next: next(&place, &filters, campaigns.next_cursor.as_deref()),
        rows: campaigns.data.into_iter().map(Row::new).collect(),
        search: asked.search,
    }))
}

impl Row {
    fn new(campaign: Campaign) -> Self {
        Self {
            id: campaign.id.to_string(),
            items: text::number(campaign.item_count),
            target: names::count(campaign.target_views),
            target_at: campaign.target_at,
            created_at: campaign.created_at,
            name: campaign.name,
        }
    }
}
