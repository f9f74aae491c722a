//! `/settings/members/{id}/role`: what a member may do.

use api::v1::{Member, MemberChanged, Role};
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use super::departure;
use crate::client::Path;
use crate::cookies;
use crate::edit::{Edit, settle};
use crate::form::SignedForm;
use crate::page::{Errors, Framed, Nav, Notice, Problem, Shell, refused, render, tell};
use crate::routes::id::Id;
use crate::routes::people::{People, name_of};
use crate::visit::{Signed, Visit, Who, see_other};

#[derive(Template)]
#[template(path = "settings/members/role.html")]
struct RolePage {
    shell: Shell,
    errors: Errors,
    id: Uuid,
    name: String,
    role: Edit,
    is_self: bool,
}

impl RolePage {
    fn new(visit: &Visit, who: Who, member: &Member, role: Edit, errors: Errors) -> Self {
        let name = name_of(member);
        Self {
            errors,
            id: member.user_id.as_uuid(),
            role,
            is_self: member.user_id == who.session.user.id,
            shell: Shell::signed(visit, who, Nav::Members, format!("Role of {name}")),
            name,
        }
    }
}

impl Framed for RolePage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

/// Roles, and what they may do.
pub fn roles() -> [(Role, &'static str); Role::ALL.len()] {
    Role::ALL.map(|role| (role, grants(role)))
}

/// What a role may do, in people's words.
fn grants(role: Role) -> &'static str {
    match role {
        Role::Admin => {
            "Does everything: also members, API keys and settings, and reads the audit trail"
        }
        Role::Member => "Reads and changes projects, creators, videos and campaigns",
    }
}

pub(super) async fn show(Signed(visit): Signed, Id(id): Id) -> Result<Response, Problem> {
    let (who, people) = tokio::try_join!(visit.who(), People::of(&visit))?;
    let Some(member) = people.find(id) else {
        return Err(Problem::not_found(&visit));
    };
    let page = RolePage::new(&visit, who, member, edit(member), Errors::default());
    Ok(render(StatusCode::OK, &page))
}

pub(super) async fn change(Id(id): Id, form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let (who, people) = tokio::try_join!(visit.who(), People::of(&visit))?;
    let Some(member) = people.find(id) else {
        return Err(Problem::not_found(&visit));
    };
    let role = fields.text("role");
    let edit = edit(member).sent(&fields, Some(role.to_owned()));
    match settle(std::slice::from_ref(&edit)) {
        Ok(changed) if changed.is_empty() => {
            let (name, role) = (name_of(member), with_article(member.role));
            let notice = Notice::of(format!("Nothing was changed: {name} is {role}."));
            return Ok(told(visit, &notice));
        }
        Ok(_) => {}
        Err(errors) => {
            let page = RolePage::new(&visit, who, member, edit, errors);
            return Ok(render(StatusCode::CONFLICT, &page));
        }
    }
    let path = Path::v1(&["members"]).join(id);
    let body = json!({"role": role});
    let changed = visit.command::<MemberChanged>(Method::PATCH, path, Some(&body), None);
    match changed.await {
        Ok(changed) => Ok(done(visit.seen(&changed), &who, &changed.data)),
        Err(problem) => {
            let Some(refusal) = problem.refusal() else {
                return Err(problem);
            };
            let errors = departure::errors_of(refusal, &format!("{} is", name_of(member)));
            let page = RolePage::new(&visit, who, member, edit, errors);
            Ok(refused(refusal, &page))
        }
    }
}

fn done(mut visit: Visit, who: &Who, changed: &MemberChanged) -> Response {
    let MemberChanged { object, receipt } = changed;
    let is_self = object.user_id == who.session.user.id;
    let text = sentence(object, is_self, receipt.is_some());
    let notice = Notice::with(text, receipt.as_ref());
    if is_self && receipt.is_some() {
        visit.jar = tell(cookies::sign_out(visit.jar), &notice);
        return see_other(&visit, "/login");
    }
    told(visit, &notice)
}

fn told(mut visit: Visit, notice: &Notice) -> Response {
    visit.jar = tell(visit.jar, notice);
    see_other(&visit, "/settings/members")
}

fn edit(member: &Member) -> Edit {
    Edit::opened("role", member.role.name())
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
