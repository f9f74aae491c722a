//! `/campaigns/{id}`: one campaign, how far it is, and what it holds.

use api::v1::{CampaignItem, CampaignWithFigures, Project};
use askama::Template;
use axum::response::Response;

use super::analytics::{Asked, Entity, Panel, Subject};
use super::names;
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell};
use crate::routes::address::Parameters;
use crate::routes::choice::Choice;
use crate::routes::id::Id;
use crate::routes::list::List;
use crate::text::{self, filters};
use crate::visit::Signed;

const KINDS: [(&str, &str); 4] = [
    ("", "all"),
    ("creator", "creators"),
    ("video", "videos"),
    ("campaign", "campaigns"),
];

#[derive(Template)]
#[template(path = "program/campaign.html")]
struct CampaignPage {
    shell: Shell,
    project: Project,
    campaign: CampaignWithFigures,
    views: String,
    target: Option<Target>,
    chart: String,
    list: List,
    items: Vec<CampaignItem>,
    kinds: Vec<Choice>,
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
    Id(id): Id,
    asked: Asked,
    which: Parameters,
) -> Result<Response, Problem> {
    let subject = Subject::new(Entity::Campaign, id);
    if visit.is_part {
        return subject.part(&visit, &asked).await;
    }
    let figures = subject.ask(&visit, &asked);
    let text = id.to_string();
    let campaign = visit.get::<CampaignWithFigures>(Path::v1(&["campaigns", &text]));
    let list = List::new(subject.place(), &which, &["item_type"]);
    let items = list.path(Path::v1(&["campaigns", &text, "items"]));
    let items = visit.get::<Vec<CampaignItem>>(items);
    let (who, campaign, figures, items) = tokio::try_join!(visit.who(), campaign, figures, items)?;
    let campaign = campaign.data;
    let project_id = campaign.object.project_id.to_string();
    let project = visit
        .get::<Project>(Path::v1(&["projects", &project_id]))
        .await?;
    let kept = asked.parameters().into_iter();
    let list = kept.fold(list.at("items").answered(&items), |list, (name, value)| {
        list.keeping(name, value)
    });
    let panel = Panel::new(&visit, &who, &subject, &asked, figures);
    let title = campaign.object.name.clone();
    let page = CampaignPage {
        shell: Shell::signed(&visit, who, Nav::Projects, title).with_notice(),
        project: project.data,
        views: names::gain(campaign.current_views),
        target: Target::of(&campaign),
        chart: panel.html(),
        items: items.data,
        kinds: Choice::all(KINDS, list.get("item_type")),
        list,
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
