//! `/projects/{id}`: how a project does.

use api::v1::{CreatorLeaderboardRow, VideoLeaderboardRow};
use askama::Template;
use axum::response::Response;
use uuid::Uuid;

use super::analytics::{Asked, Entity, Panel, Subject};
use super::head::Head;
use super::names;
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell};
use crate::routes::id::Id;
use crate::text;
use crate::visit::{Signed, Visit};

/// Rows of each leaderboard.
const TOP: u16 = 10;

#[derive(Template)]
#[template(path = "program/project.html")]
struct ProjectPage {
    shell: Shell,
    head: Head,
    chart: String,
    /// None if the range cannot be answered for: then the chart says why.
    top: Option<Top>,
}

struct Top {
    creators: Vec<CreatorRow>,
    videos: Vec<VideoRow>,
}

struct CreatorRow {
    id: String,
    name: String,
    initials: String,
    platform: &'static str,
    views: String,
    posts: String,
    engagement: String,
}

struct VideoRow {
    id: String,
    title: String,
    creator: Option<String>,
    platform: &'static str,
    views: String,
    likes: String,
}

impl Framed for ProjectPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Id(id): Id,
    asked: Asked,
) -> Result<Response, Problem> {
    let subject = Subject::new(Entity::Project, id);
    if visit.is_part {
        return subject.part(&visit, &asked).await;
    }
    let figures = subject.ask(&visit, &asked);
    let head = Head::of(&visit, id, "overview");
    let top = top(&visit, id, &asked);
    let (who, head, figures, top) = tokio::try_join!(visit.who(), head, figures, top)?;
    let panel = Panel::new(&visit, &who, &subject, &asked, figures);
    let title = head.project.name.clone();
    let page = ProjectPage {
        shell: Shell::signed(&visit, who, Nav::Projects, title).with_notice(),
        head,
        chart: panel.html(),
        top,
    };
    Ok(panel.respond(&page))
}

/// The best of the range that the chart shows.
async fn top(visit: &Visit, id: Uuid, asked: &Asked) -> Result<Option<Top>, Problem> {
    let path = |board: &str| {
        let path = Path::v1(&["analytics", "aggregate", board]).with("project_id", id);
        asked.range(path).with("limit", TOP)
    };
    let creators = visit.get::<Vec<CreatorLeaderboardRow>>(path("creator-leaderboard"));
    let videos = visit.get::<Vec<VideoLeaderboardRow>>(path("video-leaderboard"));
    let (creators, videos) = match tokio::try_join!(creators, videos) {
        Ok(both) => both,
        Err(problem) => {
            // A range that cannot be answered for; of what is not there the head tells.
            return problem.refusal().map(|_| None).ok_or(problem);
        }
    };
    Ok(Some(Top {
        creators: creators.data.iter().map(CreatorRow::new).collect(),
        videos: videos.data.iter().map(VideoRow::new).collect(),
    }))
}

impl CreatorRow {
    fn new(row: &CreatorLeaderboardRow) -> Self {
        let name = names::card(&row.creator);
        let rate = row.engagement_rate_by_views;
        Self {
            id: row.creator.id.to_string(),
            initials: names::initials(&name),
            name,
            platform: names::platform(row.creator.platform),
            views: names::gain(row.views),
            posts: text::signed(row.posts.into()),
            engagement: rate.map_or_else(
                || names::NOTHING.to_owned(),
                |rate| {
                    format!(
                        "{}\u{202f}%",
                        text::compact(super::analytics::value_of(rate))
                    )
                },
            ),
        }
    }
}

impl VideoRow {
    fn new(row: &VideoLeaderboardRow) -> Self {
        let title = names::titled(row.title.as_deref());
        Self {
            id: row.video_id.to_string(),
            title: title.unwrap_or_else(|| row.url.trim_start_matches("https://").to_owned()),
            creator: row.creator.as_ref().map(names::card),
            platform: names::platform(row.platform),
            views: names::count(row.view_count),
            likes: names::count(row.like_count),
        }
    }
}
