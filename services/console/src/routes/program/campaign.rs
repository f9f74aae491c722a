//! `/campaigns/{id}`: one campaign, how far it is, and what it holds.

use api::v1::{CampaignItem, CampaignWithFigures, Project};
use askama::Template;
use axum::extract::{Path as Named, Query};
use axum::response::Response;
use serde::Deserialize;

use super::analytics::{Asked, Entity, Panel, Subject};
use super::list::{Choice, PAGE, choices, filled, next};
use super::{id, names};
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell};
use crate::text::{self, filters};
use crate::visit::Signed;

const KINDS: [(&str, &str); 4] = [
    ("", "all"),
    ("creator", "creators"),
    ("video", "videos"),
    ("campaign", "campaigns"),
];

/// Which of the items.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Items {
    item_type: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "program/campaign.html")]
struct CampaignPage {
    shell: Shell,
    project: Project,
    campaign: CampaignWithFigures,
    views: String,
    target: Option<Target>,
    chart: String,
    items: Vec<CampaignItem>,
    kinds: Vec<Choice>,
    next: Option<String>,
}

/// How far it is.
struct Target {
    views: String,
    /// Rounded down, and more than 100 once it is passed.
    percent: u64,
    /// The same, as far as a meter goes.
    shown: u64,
}

impl Framed for CampaignPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Named(text): Named<String>,
    Query(asked): Query<Asked>,
    Query(which): Query<Items>,
) -> Result<Response, Problem> {
    let id = id(&visit, &text)?;
    let subject = Subject::new(Entity::Campaign, id);
    let figures = subject.ask(&visit, &asked);
    if visit.is_part {
        let (who, figures) = tokio::try_join!(visit.who(), figures)?;
        return Ok(Panel::new(&visit, &who, &subject, &asked, figures).part());
    }
    let campaign = visit.get::<CampaignWithFigures>(Path::v1(&["campaigns", &text]));
    let items = Path::v1(&["campaigns", &text, "items"])
        .with("limit", PAGE)
        .with_some("item_type", filled(&which.item_type))
        .with_some("cursor", filled(&which.cursor));
    let items = visit.get::<Vec<CampaignItem>>(items);
    let (who, campaign, figures, items) = tokio::try_join!(visit.who(), campaign, figures, items)?;
    let campaign = campaign.data;
    let project_id = campaign.object.project_id.to_string();
    let project = visit
        .get::<Project>(Path::v1(&["projects", &project_id]))
        .await?;
    let next = {
        let kept = asked
            .parameters()
            .into_iter()
            .chain([("item_type", which.item_type.as_str())]);
        let kept: Vec<_> = kept.collect();
        next(subject.place(), &kept, items.next_cursor.as_deref())
    };
    let panel = Panel::new(&visit, &who, &subject, &asked, figures);
    let title = campaign.object.name.clone();
    let page = CampaignPage {
        shell: Shell::signed(&visit, who, Nav::Projects, title).with_notice(),
        project: project.data,
        views: names::gain(campaign.current_views),
        target: Target::of(&campaign),
        chart: panel.html(),
        items: items.data,
        kinds: choices(&KINDS, &which.item_type),
        next,
        campaign,
    };
    Ok(panel.respond(&page))
}

impl Target {
    fn of(campaign: &CampaignWithFigures) -> Option<Self> {
        let target = campaign.object.target_views?;
        let views = u64::try_from(campaign.current_views.unwrap_or(0)).unwrap_or(0);
        let percent = u128::from(views) * 100 / u128::from(target.max(1));
        let percent = u64::try_from(percent).unwrap_or(u64::MAX);
        Some(Self {
            views: text::number(target),
            percent,
            shown: percent.min(100),
        })
    }
}
