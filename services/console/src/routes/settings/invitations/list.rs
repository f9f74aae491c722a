//! `/settings/invitations`: those of one status.

use api::v1::{Invitation, InvitationStatus};
use askama::Template;
use axum::response::Response;

use super::PLACE;
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::address::Parameters;
use crate::routes::choice::Choice;
use crate::routes::list::List;
use crate::routes::people::People;
use crate::text::filters;
use crate::visit::Signed;

const STATUS: &str = "status";

#[derive(Template)]
#[template(path = "settings/invitations/list.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Row>,
    status: InvitationStatus,
    list: List,
}

struct Row {
    invitation: Invitation,
    inviter: String,
}

impl ListPage {
    fn tabs(&self) -> Vec<Choice> {
        let each = InvitationStatus::ALL.map(|status| (status.name(), label(status)));
        self.list.tabs(STATUS, each, self.status.name())
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

pub(super) async fn show(Signed(visit): Signed, asked: Parameters) -> Result<Response, Problem> {
    let status = status_of(asked.get(STATUS));
    let list = List::new(PLACE, &asked, &[]).keeping(STATUS, status.name());
    let path = list.path(Path::v1(&["invitations"]).with(STATUS, status.name()));
    let invitations = visit.get::<Vec<Invitation>>(path);
    let (who, invitations, people) =
        tokio::try_join!(visit.who(), invitations, People::of(&visit))?;
    let list = list.answered(&invitations);
    let rows = invitations.data.into_iter().map(|invitation| Row {
        inviter: people.actor(&invitation.invited_by),
        invitation,
    });
    Ok(ok(&ListPage {
        rows: rows.collect(),
        shell: Shell::signed(&visit, who, Nav::Members, "Invitations"),
        status,
        list,
    }))
}

/// As people read it.
const fn label(status: InvitationStatus) -> &'static str {
    match status {
        InvitationStatus::Pending => "Open",
        InvitationStatus::Accepted => "Accepted",
        InvitationStatus::Declined => "Declined",
        InvitationStatus::Revoked => "Revoked",
        InvitationStatus::Expired => "Expired",
    }
}

/// What is asked for; open ones unless it is said.
fn status_of(name: &str) -> InvitationStatus {
    let mut all = InvitationStatus::ALL.into_iter();
    let found = all.find(|status| status.name() == name);
    found.unwrap_or(InvitationStatus::Pending)
}
