//! `/projects/{id}/videos`: what a project tracks.

use std::collections::HashMap;

use api::v1::{Creator, Video};
use askama::Template;
use axum::extract::{Path as Named, Query};
use axum::response::Response;
use serde::Deserialize;
use uuid::Uuid;

use super::head::Head;
use super::list::{Choice, PAGE, choices, filled, link, next};
use super::video_rows::{VideoRow, creators_of};
use super::{id, names};
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::text::filters;
use crate::visit::{Signed, Visit};

/// Excluded ones stand in the inbox alone.
const STATUSES: [(&str, &str); 5] = [
    ("", "all"),
    ("auto_tracked", "auto tracked"),
    ("included", "included"),
    ("direct_add", "direct add"),
    ("pending_review", "pending review"),
];

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    search: String,
    platform: String,
    tracking_status: String,
    creator_id: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "program/videos.html")]
struct VideosPage {
    shell: Shell,
    head: Head,
    rows: Vec<VideoRow>,
    search: String,
    platforms: Vec<Choice>,
    statuses: Vec<Choice>,
    /// Of which creator alone.
    creator: Option<OfCreator>,
    next: Option<String>,
    is_whole: bool,
}

struct OfCreator {
    id: Uuid,
    name: String,
    /// The list of all creators' videos.
    everybody: String,
}

impl Framed for VideosPage {
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
    let path = Path::v1(&["videos"])
        .with("project_id", project_id)
        .with("limit", PAGE)
        .with_some("search", filled(&asked.search))
        .with_some("platform", filled(&asked.platform))
        .with_some("tracking_status", filled(&asked.tracking_status))
        .with_some("creator_id", filled(&asked.creator_id))
        .with_some("cursor", filled(&asked.cursor));
    let head = Head::of(&visit, project_id, "videos");
    let videos = visit.get::<Vec<Video>>(path);
    let creator = creator(&visit, &asked);
    let (who, head, videos, creator) = tokio::try_join!(visit.who(), head, videos, creator)?;
    let names = match &creator {
        Some(creator) => HashMap::from([(creator.id, creator.name.clone())]),
        None => creators_of(&visit, project_id, &videos.data).await?,
    };
    let place = place(project_id);
    let filters = asked.filters();
    let title = format!("Videos of {}", head.project.name);
    let everybody = link(&place, &filters[..3]);
    Ok(ok(&VideosPage {
        shell: Shell::signed(&visit, who, Nav::Projects, title).with_notice(),
        head,
        next: next(&place, &filters, videos.next_cursor.as_deref()),
        rows: videos
            .data
            .iter()
            .map(|video| VideoRow::new(video, &names))
            .collect(),
        platforms: super::creators::platforms(&asked.platform),
        statuses: choices(&STATUSES, &asked.tracking_status),
        creator: creator.map(|creator| OfCreator {
            everybody,
            ..creator
        }),
        is_whole: filters.iter().all(|(_, value)| filled(value).is_none()),
        search: asked.search,
    }))
}

/// The list of a project's videos.
pub(super) fn place(project: Uuid) -> String {
    format!("/projects/{project}/videos")
}

async fn creator(visit: &Visit, asked: &Asked) -> Result<Option<OfCreator>, Problem> {
    let Some(creator) = filled(&asked.creator_id) else {
        return Ok(None);
    };
    let creator = visit
        .get::<Creator>(Path::v1(&["creators", creator]))
        .await?;
    Ok(Some(OfCreator {
        id: creator.data.id.as_uuid(),
        name: names::creator(&creator.data),
        everybody: String::new(),
    }))
}

impl Asked {
    /// The creator's last.
    fn filters(&self) -> [(&'static str, &str); 4] {
        [
            ("search", &self.search),
            ("platform", &self.platform),
            ("tracking_status", &self.tracking_status),
            ("creator_id", &self.creator_id),
        ]
    }
}
