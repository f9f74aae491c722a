//! `/projects/{id}/videos`: what a project tracks.

use std::collections::HashMap;

use api::v1::Video;
use askama::Template;
use axum::response::Response;
use uuid::Uuid;

use super::head::Head;
use super::names;
use super::video_rows::{VideoRow, creator_of, creators_of};
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::address::Parameters;
use crate::routes::choice::Choice;
use crate::routes::id::Id;
use crate::routes::list::List;
use crate::text::filters;
use crate::visit::Signed;

/// Excluded ones stand in the inbox alone.
const STATUSES: [(&str, &str); 5] = [
    ("", "all"),
    ("auto_tracked", "auto tracked"),
    ("included", "included"),
    ("direct_add", "direct add"),
    ("pending_review", "pending review"),
];

/// The filter that only links have, and no field.
pub(super) const OF_CREATOR: &str = "creator_id";

#[derive(Template)]
#[template(path = "program/videos.html")]
struct VideosPage {
    shell: Shell,
    head: Head,
    list: List,
    rows: Vec<VideoRow>,
    platforms: Vec<Choice>,
    statuses: Vec<Choice>,
    /// Of which creator alone: id and name.
    creator: Option<(Uuid, String)>,
}

impl VideosPage {
    fn of_all_creators(&self) -> String {
        self.list.with(OF_CREATOR, "")
    }
}

impl Framed for VideosPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Id(project_id): Id,
    asked: Parameters,
) -> Result<Response, Problem> {
    let filters = ["search", "platform", "tracking_status", OF_CREATOR];
    let list = List::new(place(project_id), &asked, &filters);
    let path = list.path(Path::v1(&["videos"]).with("project_id", project_id));
    let head = Head::of(&visit, project_id, "videos");
    let videos = visit.get::<Vec<Video>>(path);
    let creator = creator_of(&visit, list.get(OF_CREATOR));
    let (who, head, videos, creator) = tokio::try_join!(visit.who(), head, videos, creator)?;
    let names = match &creator {
        Some(creator) => HashMap::from([creator.clone()]),
        None => creators_of(&visit, project_id, &videos.data).await?,
    };
    let title = format!("Videos of {}", head.project.name);
    Ok(ok(&VideosPage {
        shell: Shell::signed(&visit, who, Nav::Projects, title).with_notice(),
        head,
        rows: videos
            .data
            .iter()
            .map(|video| VideoRow::new(video, &names))
            .collect(),
        platforms: names::platforms(list.get("platform")),
        statuses: Choice::all(STATUSES, list.get("tracking_status")),
        creator,
        list: list.answered(&videos),
    }))
}

/// The list of a project's videos.
pub(super) fn place(project: Uuid) -> String {
    format!("/projects/{project}/videos")
}
