//! `/videos/{id}`: one video and its figures.

use api::v1::{Creator, Project, Video};
use askama::Template;
use axum::extract::{Path as Named, Query};
use axum::response::Response;

use super::analytics::{Asked, Entity, Panel, Subject};
use super::{id, names};
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell};
use crate::text::filters;
use crate::visit::{Signed, Visit};

#[derive(Template)]
#[template(path = "program/video.html")]
struct VideoPage {
    shell: Shell,
    project: Project,
    video: Video,
    title: String,
    platform: &'static str,
    /// Id and name.
    creator: Option<(String, String)>,
    link: Option<String>,
    counts: [(&'static str, String); 5],
    chart: String,
}

impl Framed for VideoPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Named(text): Named<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let id = id(&visit, &text)?;
    let subject = Subject::new(Entity::Video, id);
    let figures = subject.ask(&visit, &asked);
    if visit.is_part {
        let (who, figures) = tokio::try_join!(visit.who(), figures)?;
        return Ok(Panel::new(&visit, &who, &subject, &asked, figures).part());
    }
    let video = visit.get::<Video>(Path::v1(&["videos", &text]));
    let (who, video, figures) = tokio::try_join!(visit.who(), video, figures)?;
    let video = video.data;
    let project_id = video.project_id.to_string();
    let project = visit.get::<Project>(Path::v1(&["projects", &project_id]));
    let (project, creator) = tokio::try_join!(project, creator(&visit, &video))?;
    let panel = Panel::new(&visit, &who, &subject, &asked, figures);
    let title = names::video(&video);
    let page = VideoPage {
        shell: Shell::signed(&visit, who, Nav::Projects, title.clone()).with_notice(),
        project: project.data,
        title,
        platform: names::platform(video.platform),
        creator,
        link: names::outside(&video.url),
        counts: [
            ("Views", names::count(video.view_count)),
            ("Likes", names::count(video.like_count)),
            ("Comments", names::count(video.comment_count)),
            ("Shares", names::count(video.share_count)),
            ("Saves", names::count(video.save_count)),
        ],
        chart: panel.html(),
        video,
    };
    Ok(panel.respond(&page))
}

async fn creator(visit: &Visit, video: &Video) -> Result<Option<(String, String)>, Problem> {
    let Some(id) = video.creator_id else {
        return Ok(None);
    };
    let id = id.to_string();
    let creator = visit.get::<Creator>(Path::v1(&["creators", &id])).await?;
    Ok(Some((id, names::creator(&creator.data))))
}
