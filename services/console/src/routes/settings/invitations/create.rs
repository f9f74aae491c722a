//! `/settings/invitations/new`: somebody is invited, and the link for them is shown this once.

use api::limits::INVITATION_DAYS;
use api::v1::{Invitation, InvitationCreated, LimitKey, LimitsAnswer, Role};
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::json;

use super::PLACE;
use crate::client::{Path, Refusal};
use crate::form::{ONCE_FIELD, SignedForm};
use crate::page::{Errors, Framed, Nav, Notice, Problem, Shell, render, tell};
use crate::routes::settings::members::grants;
use crate::service::Secret;
use crate::text::filters;
use crate::visit::{Signed, Visit, see_other};

#[derive(Template)]
#[template(path = "settings/invitations/new.html")]
struct NewPage {
    shell: Shell,
    errors: Errors,
    once: String,
    email: String,
    chosen: String,
    /// Places taken, and all there are.
    places: Option<(u64, u64)>,
    days: i64,
}

impl NewPage {
    /// Roles, and what they may do.
    fn roles() -> [(Role, &'static str); Role::ALL.len()] {
        Role::ALL.map(|role| (role, grants(role)))
    }
}

impl Framed for NewPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

#[derive(Template)]
#[template(path = "settings/invitations/link.html")]
struct LinkPage<'a> {
    shell: Shell,
    invitation: &'a Invitation,
    link: &'a str,
}

impl Framed for LinkPage<'_> {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

/// What a form holds.
struct Filled<'a> {
    once: String,
    email: &'a str,
    role: &'a str,
}

pub(super) async fn show(Signed(visit): Signed) -> Result<Response, Problem> {
    let filled = Filled {
        once: visit.app.entropy.uuid_v4().to_string(),
        email: "",
        role: Role::Member.name(),
    };
    form(&visit, filled, StatusCode::OK, Errors::default()).await
}

pub(super) async fn create(sent: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = sent;
    let filled = Filled {
        once: fields.text(ONCE_FIELD).to_owned(),
        email: fields.text("email"),
        role: fields.text("role"),
    };
    let body = json!({"email": filled.email, "role": filled.role});
    let path = Path::v1(&["invitations"]);
    let once = Some(filled.once.as_str());
    // Before the command: what fails after it would keep its link from everybody.
    let who = visit.who().await?;
    let made = visit.command::<InvitationCreated>(Method::POST, path, Some(&body), once);
    let made = match made.await {
        Ok(made) => made,
        Err(problem) => {
            let Some(refusal) = problem.refusal() else {
                return Err(problem);
            };
            return form(&visit, filled, refusal.status, errors_of(refusal)).await;
        }
    };
    let mut visit = visit.seen(&made);
    let Some(link) = &made.data.accept_url else {
        // The same form again: the invitation is there, and its link was shown.
        let text = "This form made its invitation already, and the link was shown then. If it is lost, revoke the invitation and make another.";
        visit.jar = tell(visit.jar, &Notice::of(text));
        return Ok(see_other(&visit, PLACE));
    };
    let page = LinkPage {
        shell: Shell::signed(&visit, who, Nav::Members, "Your invitation link"),
        invitation: &made.data.object,
        link,
    };
    let mut response = render(StatusCode::CREATED, &page);
    response.extensions_mut().insert(Secret);
    Ok(response)
}

async fn form(
    visit: &Visit,
    filled: Filled<'_>,
    status: StatusCode,
    errors: Errors,
) -> Result<Response, Problem> {
    let limits = visit.get::<LimitsAnswer>(Path::v1(&["limits"]));
    let (who, limits) = tokio::try_join!(visit.who(), limits)?;
    let mut limits = limits.data.limits.into_iter();
    let places = limits.find(|limit| limit.key == LimitKey::MaxMembersPerOrg);
    let page = NewPage {
        shell: Shell::signed(visit, who, Nav::Members, "Invite"),
        errors,
        once: filled.once,
        email: filled.email.to_owned(),
        chosen: filled.role.to_owned(),
        places: places.and_then(|limit| Some((limit.current?, limit.max?))),
        days: INVITATION_DAYS,
    };
    Ok(render(status, &page))
}

/// What was refused, by field where it is about one.
fn errors_of(refusal: &Refusal) -> Errors {
    match refusal.code.as_str() {
        "limit_reached" => Errors::of_form(
            "Your plan has no place left: members and open invitations take one each. Nobody was invited. Revoke an invitation, remove a member, or ask your operator for more.",
        ),
        "already_member" => Errors::of_field("email", "This person is a member already."),
        "duplicate" => Errors::of_field(
            "email",
            "There is an open invitation to this address. If its link is lost, revoke it and invite again.",
        ),
        _ => Errors::of_refusal(refusal),
    }
}
