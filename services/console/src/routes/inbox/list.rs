//! `GET /projects/{id}/inbox`: a page of videos, with what is needed to decide on them.

use std::collections::{HashMap, HashSet};

use api::v1::InboxVideo;
use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use uuid::Uuid;

use super::outcome::Outcome;
use super::view::{Status, View};
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::address::Parameters;
use crate::routes::choice::Choice;
use crate::routes::id::Id;
use crate::routes::people::People;
use crate::routes::program::head::Head;
use crate::routes::program::names;
use crate::routes::program::video_rows::creator_of;
use crate::text::{filters, plural};
use crate::visit::{Signed, VARY_HX, Visit};

/// Letters of a title by which the form names a video.
const NAME_LETTERS: usize = 40;
/// Videos that were left out and are named above the list; of more, how many there are.
const NAMED: usize = 10;
/// What tells htmx where an answer belongs, and how.
const HX_RETARGET: HeaderName = HeaderName::from_static("hx-retarget");
const HX_RESWAP: HeaderName = HeaderName::from_static("hx-reswap");

#[derive(Template)]
#[template(path = "inbox/list.html")]
pub(super) struct InboxPage {
    pub(super) shell: Shell,
    head: Head,
    view: View,
    platforms: Vec<Choice>,
    /// Whose videos alone are shown: id and name.
    creator: Option<(Uuid, String)>,
    rows: Vec<Row>,
    told: Option<Told>,
    /// Makes one command of a decision that is sent twice.
    once: String,
}

/// What is told above the list.
#[derive(Template)]
#[template(path = "inbox/told.html")]
pub(super) struct Told {
    text: String,
    /// Whether something was not done.
    is_alert: bool,
    /// What was left out: each video with why.
    left: Vec<(String, String)>,
    more: usize,
    why: HashMap<String, String>,
}

impl Told {
    /// Why nothing was done.
    pub(super) fn alert(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            is_alert: true,
            left: Vec::new(),
            more: 0,
            why: HashMap::new(),
        }
    }

    /// What was done, and what not.
    pub(super) fn outcome(outcome: &Outcome, titles: &HashMap<&str, &str>) -> Self {
        let left = outcome.left.iter().take(NAMED).map(|left| {
            let title = titles.get(left.id.as_str()).copied();
            (title.unwrap_or("A video").to_owned(), left.why.clone())
        });
        let why = outcome.left.iter();
        Self {
            text: outcome.said.clone(),
            is_alert: !outcome.left.is_empty(),
            left: left.collect(),
            more: outcome.left.len().saturating_sub(NAMED),
            why: why.map(|it| (it.id.clone(), it.why.clone())).collect(),
        }
    }
}

/// What is told above a list that stays as it is.
pub(super) fn alert(visit: &Visit, status: StatusCode, text: &str) -> Response {
    let html = Told::alert(text).render().unwrap_or_default();
    let place = [
        VARY_HX,
        (HX_RETARGET, HeaderValue::from_static("#inbox-told")),
        (HX_RESWAP, HeaderValue::from_static("innerHTML")),
    ];
    (status, place, visit.jar.clone(), Html(html)).into_response()
}

struct Row {
    id: String,
    title: String,
    /// The beginning of it, by which the form names the video.
    short: String,
    platform: &'static str,
    link: Option<String>,
    /// Why it was left out of the decision.
    refused: Option<String>,
    /// The creator's id, name, and where only theirs are.
    creator: Option<(String, String, String)>,
    figures: String,
    /// Who decided.
    reviewer: Option<String>,
    is_ticked: bool,
    found: InboxVideo,
}

impl InboxPage {
    /// With what is told above the list, and beside the rows it is about.
    pub(super) fn with(mut self, mut told: Told) -> Self {
        for row in &mut self.rows {
            row.refused = told.why.remove(&row.id);
        }
        self.told = Some(told);
        self
    }

    fn tabs(&self) -> Vec<Choice> {
        self.view.tabs()
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
    asked: Parameters,
) -> Result<Response, Problem> {
    let view = View::new(id, &asked);
    let mut page = Box::pin(page(&visit, id, view, &HashSet::new())).await?;
    page.shell = page.shell.with_notice();
    Ok(ok(&page))
}

/// The page, with these videos ticked.
pub(super) async fn page(
    visit: &Visit,
    id: Uuid,
    mut view: View,
    ticked: &HashSet<&str>,
) -> Result<InboxPage, Problem> {
    let (who, head, inbox, creator, people) = tokio::try_join!(
        visit.who(),
        Head::of(visit, id, "inbox"),
        visit.get::<Vec<InboxVideo>>(view.path()),
        creator_of(visit, view.creator()),
        reviewers(visit, &view),
    )?;
    view.list = view.list.answered(&inbox);
    let rows = inbox.data.into_iter().map(|found| {
        let id = found.object.id.to_string();
        let is_ticked = view.ticks_all() || ticked.contains(id.as_str());
        row(found, &view, people.as_ref(), is_ticked)
    });
    Ok(InboxPage {
        rows: rows.collect(),
        told: None,
        once: visit.app.entropy.uuid_v4().to_string(),
        platforms: names::platforms(view.list.get("platform")),
        shell: Shell::signed(
            visit,
            who,
            Nav::Projects,
            format!("Inbox of {}", head.project.name),
        ),
        head,
        view,
        creator,
    })
}

/// Who may have decided; nobody on what waits.
async fn reviewers(visit: &Visit, view: &View) -> Result<Option<People>, Problem> {
    if view.status() == Status::Waiting {
        return Ok(None);
    }
    People::of(visit).await.map(Some)
}

fn row(found: InboxVideo, view: &View, people: Option<&People>, is_ticked: bool) -> Row {
    let video = &found.object;
    let title = names::video(video);
    let creator = found.creator.as_ref().map(|creator| {
        let id = creator.id.to_string();
        let only = view.of_creator(&id);
        (id, names::of_video(creator), only)
    });
    let reviewer = found.reviewed_by.as_ref().zip(people);
    Row {
        id: video.id.to_string(),
        short: title.chars().take(NAME_LETTERS).collect(),
        title,
        platform: names::platform(video.platform),
        link: names::outside(&video.url),
        refused: None,
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
