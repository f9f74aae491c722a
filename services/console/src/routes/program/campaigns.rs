//! `/projects/{id}/campaigns`: what a project holds together.

use api::v1::{Campaign, Timestamp};
use askama::Template;
use axum::response::Response;

use super::head::Head;
use super::names;
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::address::Parameters;
use crate::routes::id::Id;
use crate::routes::list::List;
use crate::text::{self, filters};
use crate::visit::Signed;

#[derive(Template)]
#[template(path = "program/campaigns.html")]
struct CampaignsPage {
    shell: Shell,
    head: Head,
    list: List,
    rows: Vec<Row>,
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
    Id(project_id): Id,
    asked: Parameters,
) -> Result<Response, Problem> {
    let place = format!("/projects/{project_id}/campaigns");
    let list = List::new(place, &asked, &["search"]);
    let path = list.path(Path::v1(&["campaigns"]).with("project_id", project_id));
    let head = Head::of(&visit, project_id, "campaigns");
    let campaigns = visit.get::<Vec<Campaign>>(path);
    let (who, head, campaigns) = tokio::try_join!(visit.who(), head, campaigns)?;
    let title = format!("Campaigns of {}", head.project.name);
    Ok(ok(&CampaignsPage {
        shell: Shell::signed(&visit, who, Nav::Projects, title).with_notice(),
        head,
        list: list.answered(&campaigns),
        rows: campaigns.data.into_iter().map(Row::new).collect(),
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
