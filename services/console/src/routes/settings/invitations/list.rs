//! `/settings/invitations`: those of one status.

use api::v1::{Invitation, InvitationStatus};
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;

use super::PLACE;
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::people::People;
use crate::text::filters;
use crate::visit::Signed;

/// Invitations of a page.
const PAGE: u16 = 50;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    status: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "settings/invitations/list.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Row>,
    status: InvitationStatus,
    /// Where the next page is.
    next: Option<String>,
}

struct Row {
    invitation: Invitation,
    inviter: String,
}

impl ListPage {
    fn statuses() -> [InvitationStatus; InvitationStatus::ALL.len()] {
        InvitationStatus::ALL
    }

    fn is_pending(&self) -> bool {
        self.status == InvitationStatus::Pending
    }
}

impl Framed for ListPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let status = status_of(&asked.status);
    let path = Path::v1(&["invitations"])
        .with("status", status.name())
        .with("limit", PAGE)
        .with_filled("cursor", &asked.cursor);
    let invitations = visit.get::<Vec<Invitation>>(path);
    let (who, invitations, people) =
        tokio::try_join!(visit.who(), invitations, People::of(&visit))?;
    let rows = invitations.data.into_iter().map(|invitation| Row {
        inviter: people.actor(&invitation.invited_by),
        invitation,
    });
    let next = invitations.next_cursor.map(|cursor| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("status", status.name());
        query.append_pair("cursor", &cursor);
        format!("{PLACE}?{}", query.finish())
    });
    Ok(ok(&ListPage {
        rows: rows.collect(),
        shell: Shell::signed(&visit, who, Nav::Members, "Invitations"),
        status,
        next,
    }))
}

/// What is asked for; open ones unless it is said.
fn status_of(name: &str) -> InvitationStatus {
    let mut all = InvitationStatus::ALL.into_iter();
    let found = all.find(|status| status.name() == name);
    found.unwrap_or(InvitationStatus::Pending)
}
