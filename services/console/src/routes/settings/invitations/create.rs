//! `/settings/invitations/new`: somebody is invited, and the link for them is shown this once.

use api::limits::{EMAIL_CHARS, INVITATION_DAYS};
use api::v1::{Invitation, InvitationCreated, LimitKey, LimitsAnswer, Role};
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::json;

use super::PLACE;
use crate::client::{Path, Refusal};
use crate::form::{Fields, ONCE_FIELD, SignedForm};
use crate::page::{Errors, Framed, Nav, Notice, Problem, Shell, refused, render, tell};
use crate::routes::settings::members::roles;
use crate::service::Secret;
use crate::text::filters;
use crate::visit::{Signed, Visit, Who, see_other};

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

impl NewPage {
    fn new(
        visit: &Visit,
        (who, limits): (Who, LimitsAnswer),
        once: String,
        fields: &Fields,
        errors: Errors,
    ) -> Self {
        let mut limits = limits.limits.into_iter();
        let places = limits.find(|limit| limit.key == LimitKey::MaxMembersPerOrg);
        let chosen = fields.some("role").unwrap_or(Role::Member.name());
        Self {
            shell: Shell::signed(visit, who, Nav::Members, "Invite"),
            errors,
            once,
            email: fields.text("email").to_owned(),
            chosen: chosen.to_owned(),
            places: places.and_then(|limit| Some((limit.current?, limit.max?))),
        }
    }
}

pub(super) async fn show(Signed(visit): Signed) -> Result<Response, Problem> {
    let known = visit.who_and_limits().await?;
    let once = visit.app.entropy.uuid_v4().to_string();
    let page = NewPage::new(&visit, known, once, &Fields::default(), Errors::default());
    Ok(render(StatusCode::OK, &page))
}

pub(super) async fn create(sent: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = sent;
    let once = fields.text(ONCE_FIELD).to_owned();
    let body = json!({"email": fields.text("email"), "role": fields.text("role")});
    let path = Path::v1(&["invitations"]);
    // Before the command: what fails after it would keep its link from everybody.
    let known = visit.who_and_limits().await?;
    let made = visit.command::<InvitationCreated>(Method::POST, path, Some(&body), Some(&once));
    let made = match made.await {
        Ok(made) => made,
        Err(problem) => {
            let Some(refusal) = problem.refusal() else {
                return Err(problem);
            };
            let page = NewPage::new(&visit, known, once, &fields, errors_of(refusal));
            return Ok(refused(refusal, &page));
        }
    };
    let (mut visit, (who, _)) = (visit.seen(&made), known);
    let Some(link) = &made.data.accept_url else {
        // The same form again: the invitation is there, and its link was shown.
        let text = "This form made its invitation already. If you did not see its link then, or lost it, revoke the invitation and make another.";
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

/// What was refused, by field where it is about one.
fn errors_of(refusal: &Refusal) -> Errors {
    match refusal.code.as_str() {
        "limit_reached" => Errors::of_form(
            "Your plan has no place left: members and open invitations take one each. Nobody was invited. Revoke an invitation, remove a member, or ask your operator for more.",
        ),
        "idempotency_in_progress" => Errors::sent_twice(
            PLACE,
            "Invitations",
            "If the invitation is there and you were not shown its link, revoke it and make another.",
        ),
        "already_member" => Errors::of_field("email", "This person is a member already."),
        "duplicate" => Errors::of_field(
            "email",
            "There is an open invitation to this address. If its link is lost, revoke it and invite again.",
        ),
        _ => Errors::of_refusal(refusal),
    }
}
