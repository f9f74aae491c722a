//! `/videos/{id}`: one video and its figures.

use api::v1::{Project, Video};
use askama::Template;
use axum::response::Response;
use uuid::Uuid;

use super::analytics::{Asked, Entity, Panel, Subject};
use super::names;
use super::video_rows::creator_of;
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell};
use crate::routes::id::Id;
use crate::text::filters;
use crate::visit::Signed;

#[derive(Template)]
#[template(path = "program/video.html")]
struct VideoPage {
    shell: Shell,
    project: Project,
    video: Video,
    title: String,
    platform: &'static str,
    /// Id and name.
    creator: Option<(Uuid, String)>,
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
    Id(id): Id,
    asked: Asked,
) -> Result<Response, Problem> {
    let subject = Subject::new(Entity::Video, id);
    if visit.is_part {
        return subject.part(&visit, &asked).await;
    }
    let figures = subject.ask(&visit, &asked);
    let video = visit.get::<Video>(Path::v1(&["videos", &id.to_string()]));
    let (who, video, figures) = tokio::try_join!(visit.who(), video, figures)?;
    let video = video.data;
    let project_id = video.project_id.to_string();
    let project = visit.get::<Project>(Path::v1(&["projects", &project_id]));
    let of = video
        .creator_id
        .map(|id| id.to_string())
        .unwrap_or_default();
    let (project, creator) = tokio::try_join!(project, creator_of(&visit, &of))?;
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
