//! `/settings/invitations/{id}/revoke`: the link is worth nothing from then on.

use api::v1::{Invitation, InvitationStatus};
use askama::Template;
use axum::response::Response;
use uuid::Uuid;

use super::PLACE;
use crate::client::Path;
use crate::form::SignedForm;
use crate::page::{Framed, Nav, Notice, Problem, Shell, ok, tell};
use crate::routes::id::Id;
use crate::text::filters;
use crate::visit::{Signed, Visit, see_other};

/// Pages of open invitations that are read: those on later ones are not found.
const PAGES: u16 = 10;

#[derive(Template)]
#[template(path = "settings/invitations/revoke.html")]
struct RevokePage {
    shell: Shell,
    invitation: Invitation,
}

impl Framed for RevokePage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed, Id(id): Id) -> Result<Response, Problem> {
    let (who, found) = tokio::try_join!(visit.who(), find(&visit, id))?;
    let Some(invitation) = found else {
        return Err(Problem::not_found(&visit));
    };
    Ok(ok(&RevokePage {
        shell: Shell::signed(&visit, who, Nav::Members, "Revoke an invitation"),
        invitation,
    }))
}

pub(super) async fn revoke(Id(id): Id, form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { mut visit, .. } = form;
    let path = Path::v1(&["invitations"]).join(id);
    let text = match visit.delete::<Invitation>(path).await {
        Ok(revoked) => {
            visit = visit.seen(&revoked);
            let to = revoked.data.email;
            let to = to.unwrap_or_else(|| "somebody".to_owned());
            format!("The invitation to {to} is revoked. Its link is worth nothing now.")
        }
        Err(problem) if is_closed(&problem) => {
            "Nothing was done: the invitation was accepted, declined or revoked already, or has expired.".to_owned()
        }
        Err(problem) => return Err(problem),
    };
    visit.jar = tell(visit.jar, &Notice::of(text));
    Ok(see_other(&visit, PLACE))
}

fn is_closed(problem: &Problem) -> bool {
    let refusal = problem.refusal();
    refusal.is_some_and(|refusal| refusal.code == "invitation_closed")
}

async fn find(visit: &Visit, id: Uuid) -> Result<Option<Invitation>, Problem> {
    let path = Path::v1(&["invitations"]).with("status", InvitationStatus::Pending.name());
    let (open, _) = visit.get_pages::<Invitation>(&path, PAGES).await?;
    let mut open = open.into_iter();
    Ok(open.find(|invitation| invitation.id.as_uuid() == id))
}
