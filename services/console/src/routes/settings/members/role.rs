//! `/settings/members/{id}/role`: what a member may do.

use api::v1::{Member, MemberChanged, Role};
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use super::{Everyone, departure, name_of};
use crate::client::Path;
use crate::cookies;
use crate::form::SignedForm;
use crate::page::{Errors, Framed, Nav, Notice, Problem, Shell, render, tell};
use crate::routes::id::Id;
use crate::visit::{Signed, Visit, Who, see_other};

#[derive(Template)]
#[template(path = "settings/members/role.html")]
struct RolePage {
    shell: Shell,
    errors: Errors,
    id: Uuid,
    name: String,
    chosen: Role,
    is_self: bool,
}

impl RolePage {
    fn new(visit: &Visit, who: Who, member: &Member, errors: Errors) -> Self {
        let name = name_of(member);
        Self {
            errors,
            id: member.user_id.as_uuid(),
            chosen: member.role,
            is_self: member.user_id == who.session.user.id,
            shell: Shell::signed(visit, who, Nav::Members, format!("Role of {name}")),
            name,
        }
    }

    /// Roles, and what they may do.
    fn roles() -> [(Role, &'static str); Role::ALL.len()] {
        Role::ALL.map(|role| (role, grants(role)))
    }
}

impl Framed for RolePage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

/// What a role may do, in people's words.
pub fn grants(role: Role) -> &'static str {
    match role {
        Role::Admin => {
            "Does everything: also members, API keys and settings, and reads the audit trail"
        }
        Role::Member => "Reads and changes projects, creators, videos and campaigns",
    }
}

pub(super) async fn show(Signed(visit): Signed, Id(id): Id) -> Result<Response, Problem> {
    let (who, everyone) = tokio::try_join!(visit.who(), Everyone::of(&visit))?;
    let Some(member) = everyone.find(id) else {
        return Err(Problem::not_found(&visit));
    };
    let page = RolePage::new(&visit, who, member, Errors::default());
    Ok(render(StatusCode::OK, &page))
}

pub(super) async fn change(Id(id): Id, form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let who = visit.who().await?;
    let body = json!({"role": fields.text("role")});
    let path = Path::v1(&["members", &id.to_string()]);
    let changed = visit.command::<MemberChanged>(Method::PATCH, path, Some(&body), None);
    let changed = match changed.await {
        Ok(changed) => changed,
        Err(problem) => return again(&visit, who, id, problem).await,
    };
    let mut visit = visit.seen(&changed);
    let MemberChanged { object, receipt } = changed.data;
    let is_self = object.user_id == who.session.user.id;
    let notice = Notice::with(
        sentence(&object, is_self, receipt.is_some()),
        receipt.as_ref(),
    );
    if is_self && receipt.is_some() {
        visit.jar = tell(cookies::sign_out(visit.jar), &notice);
        return Ok(see_other(&visit, "/login"));
    }
    visit.jar = tell(visit.jar, &notice);
    Ok(see_other(&visit, "/settings/members"))
}

async fn again(visit: &Visit, who: Who, id: Uuid, problem: Problem) -> Result<Response, Problem> {
    let Some(refusal) = problem.refusal() else {
        return Err(problem);
    };
    let everyone = Everyone::of(visit).await?;
    let Some(member) = everyone.find(id) else {
        return Err(problem);
    };
    let errors = departure::errors_of(refusal, &format!("{} is", name_of(member)));
    let page = RolePage::new(visit, who, member, errors);
    Ok(render(refusal.status, &page))
}

fn sentence(member: &Member, is_self: bool, is_demoted: bool) -> String {
    let name = name_of(member);
    match (is_self, is_demoted) {
        (true, true) => "You are a member now, and no admin any more. Your sessions ended everywhere: sign in again.".to_owned(),
        (false, true) => format!("{name} is a member now, and no admin any more. Their sessions ended everywhere: they must sign in again."),
        (_, false) => format!("{name} is {} now.", with_article(member.role)),
    }
}

fn with_article(role: Role) -> &'static str {
    match role {
        Role::Admin => "an admin",
        Role::Member => "a member",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::sentence;

    #[test]
    fn a_demotion_says_who_must_sign_in_again() {
        let member = json!({
            "user_id": "01a22221-e89b-7770-b084-12aacb7f27f2",
            "name": "Ada", "email": null, "role": "member",
            "joined_at": "2026-01-01T00:00:00Z", "last_seen_at": null, "active_keys": 0,
        });
        let member = serde_json::from_value(member).expect("a member");
        assert!(sentence(&member, true, true).starts_with("You are a member now"));
        assert!(sentence(&member, false, true).ends_with("they must sign in again."));
        assert_eq!(sentence(&member, false, false), "Ada is a member now.");
    }
}
