//! `/creators/{id}`: one account, its figures and its videos.

use std::collections::HashMap;

use api::v1::{Creator, Project, Video};
use askama::Template;
use axum::response::Response;

use super::analytics::{Asked, Entity, Panel, Subject};
use super::video_rows::VideoRow;
use super::{names, videos};
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell};
use crate::routes::address::link;
use crate::routes::id::Id;
use crate::text::{self, filters};
use crate::visit::Signed;

/// Videos that are shown; the list of videos has all.
const VIDEOS: u16 = 10;

#[derive(Template)]
#[template(path = "program/creator.html")]
struct CreatorPage {
    shell: Shell,
    project: Project,
    creator: Creator,
    name: String,
    initials: String,
    handle: String,
    platform: &'static str,
    status: &'static str,
    profile: Option<String>,
    counts: [(&'static str, String); 4],
    taken_from: Option<String>,
    chart: String,
    videos: Vec<VideoRow>,
    /// Where all of them are, if there are more.
    all_videos: Option<String>,
}

impl Framed for CreatorPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Id(id): Id,
    asked: Asked,
) -> Result<Response, Problem> {
    let subject = Subject::new(Entity::Creator, id);
    if visit.is_part {
        return subject.part(&visit, &asked).await;
    }
    let figures = subject.ask(&visit, &asked);
    let creator = visit.get::<Creator>(Path::v1(&["creators", &id.to_string()]));
    let found = Path::v1(&["videos"])
        .with("creator_id", id)
        .with("limit", VIDEOS);
    let found = visit.get::<Vec<Video>>(found);
    let (who, creator, figures, found) = tokio::try_join!(visit.who(), creator, figures, found)?;
    let creator = creator.data;
    let project_id = creator.project_id.to_string();
    let project = visit
        .get::<Project>(Path::v1(&["projects", &project_id]))
        .await?;
    let panel = Panel::new(&visit, &who, &subject, &asked, figures);
    let name = names::creator(&creator);
    let own = HashMap::from([(id, name.clone())]);
    let all = link(
        &videos::place(creator.project_id.as_uuid()),
        [(videos::OF_CREATOR, id.to_string().as_str())],
    );
    let page = CreatorPage {
        shell: Shell::signed(&visit, who, Nav::Projects, name.clone()).with_notice(),
        project: project.data,
        initials: names::initials(&name),
        name,
        handle: names::handle(creator.platform, &creator.handle),
        platform: names::platform(creator.platform),
        status: names::status(creator.status),
        profile: names::outside(&creator.profile_url),
        counts: [
            ("Followers", names::count(creator.follower_count)),
            ("Follows", names::count(creator.following_count)),
            ("Likes of all videos", names::count(creator.like_count)),
            ("Videos on the platform", names::count(creator.video_count)),
        ],
        taken_from: creator.tracking_start_date.map(text::day),
        chart: panel.html(),
        videos: found
            .data
            .iter()
            .map(|video| VideoRow::new(video, &own))
            .collect(),
        all_videos: found.next_cursor.map(|_| all),
        creator,
    };
    Ok(panel.respond(&page))
}
