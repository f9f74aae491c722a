//! `GET /projects/{id}/inbox`: a page of videos, with what is needed to decide on them.

use std::collections::HashSet;

use api::v1::{Creator, InboxVideo};
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use uuid::Uuid;

use super::view::{Asked, Status, View};
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::id::Id;
use crate::routes::people::People;
use crate::routes::program::head::Head;
use crate::routes::program::names::{self, PLATFORMS};
use crate::text::{filters, plural};
use crate::visit::{Signed, Visit};

/// Videos of a page; one decision may be about all of them.
const PAGE: u16 = 50;

#[derive(Template)]
#[template(path = "inbox/list.html")]
pub(super) struct InboxPage {
    pub(super) shell: Shell,
    head: Head,
    view: View,
    platforms: [(&'static str, &'static str); 3],
    /// Whose videos alone are shown.
    creator: Option<String>,
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    id: String,
    title: String,
    platform: &'static str,
    /// The creator's id, name, and where only theirs are.
    creator: Option<(String, String, String)>,
    figures: String,
    /// Who decided.
    reviewer: Option<String>,
    is_ticked: bool,
    found: InboxVideo,
}

impl InboxPage {
    fn place(&self) -> String {
        self.view.place(&self.head.id())
    }

    fn tabs(&self) -> [(Status, String); 3] {
        let project = self.head.id();
        Status::ALL.map(|status| (status, self.view.of_status(status).place(&project)))
    }

    /// With everything ticked, for browsers without scripts.
    fn ticked_place(&self) -> String {
        self.view.ticked_place(&self.head.id())
    }

    fn first_place(&self) -> String {
        let first = self.view.first_page();
        first.place(&self.head.id())
    }

    fn all_creators_place(&self) -> String {
        let all = self.view.of_creator(String::new());
        all.place(&self.head.id())
    }

    fn may_approve(&self) -> bool {
        self.view.status() != Status::Approved
    }

    fn may_exclude(&self) -> bool {
        self.view.status() != Status::Excluded
    }
}

impl Framed for InboxPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Id(id): Id,
    Query(view): Asked,
) -> Result<Response, Problem> {
    let mut page = Box::pin(page(&visit, id, view, &HashSet::new())).await?;
    page.shell = page.shell.with_notice();
    Ok(ok(&page))
}

/// The page, with these videos ticked.
pub(super) async fn page(
    visit: &Visit,
    id: Uuid,
    view: View,
    ticked: &HashSet<&str>,
) -> Result<InboxPage, Problem> {
    let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let inbox = Path::v1(&["projects", &id.to_string(), "inbox"])
        .with("status", view.status().name())
        .with("limit", PAGE)
        .with_some("creator_id", filled(&view.creator_id))
        .with_some("platform", filled(&view.platform))
        .with_some("search", filled(&view.search))
        .with_some("cursor", filled(&view.cursor));
    let (who, head, inbox, creator, people) = tokio::try_join!(
        visit.who(),
        Head::of(visit, id, "inbox"),
        visit.get::<Vec<InboxVideo>>(inbox),
        creator(visit, &view),
        reviewers(visit, &view),
    )?;
    let rows = inbox.data.into_iter().map(|found| {
        let id = found.object.id.to_string();
        let is_ticked = view.ticks_all() || ticked.contains(id.as_str());
        row(found, &view, &head.id(), people.as_ref(), is_ticked)
    });
    Ok(InboxPage {
        rows: rows.collect(),
        next: inbox
            .next_cursor
            .map(|cursor| view.after(cursor).place(&head.id())),
        shell: Shell::signed(
            visit,
            who,
            Nav::Projects,
            format!("Inbox of {}", head.project.name),
        ),
        head,
        view,
        platforms: PLATFORMS,
        creator,
    })
}

/// The name of the creator whose videos alone are asked for.
async fn creator(visit: &Visit, view: &View) -> Result<Option<String>, Problem> {
    if view.creator_id.is_empty() {
        return Ok(None);
    }
    let creator = Path::v1(&["creators", &view.creator_id]);
    let creator = visit.get::<Creator>(creator).await?.data;
    Ok(Some(creator.display_name.unwrap_or(creator.handle)))
}

/// Who may have decided; nobody on what waits.
async fn reviewers(visit: &Visit, view: &View) -> Result<Option<People>, Problem> {
    if view.status() == Status::Waiting {
        return Ok(None);
    }
    People::of(visit).await.map(Some)
}

fn row(
    found: InboxVideo,
    view: &View,
    project: &str,
    people: Option<&People>,
    is_ticked: bool,
) -> Row {
    let video = &found.object;
    let platform = names::platform(video.platform);
    let title = video.title.clone().filter(|title| !title.trim().is_empty());
    let creator = found.creator.as_ref().map(|creator| {
        let id = creator.id.to_string();
        let only = view.of_creator(id.clone()).place(project);
        let name = creator.display_name.as_ref().unwrap_or(&creator.handle);
        (id, name.clone(), only)
    });
    let reviewer = found.reviewed_by.as_ref().zip(people);
    Row {
        id: video.id.to_string(),
        title: title.unwrap_or_else(|| format!("{platform} video {}", video.platform_video_id)),
        platform,
        creator,
        figures: figures(&found),
        reviewer: reviewer.map(|(actor, people)| people.actor(actor)),
        is_ticked,
        found,
    }
}

/// The figures that were reported.
fn figures(found: &InboxVideo) -> String {
    let video = &found.object;
    let known = [
        (video.view_count, "view"),
        (video.like_count, "like"),
        (video.comment_count, "comment"),
        (video.share_count, "share"),
        (video.save_count, "save"),
    ];
    let known = known.into_iter();
    let known: Vec<_> = known
        .filter_map(|(count, noun)| Some(plural(count?, noun)))
        .collect();
    if known.is_empty() {
        return "no figures yet".to_owned();
    }
    known.join(" · ")
}
