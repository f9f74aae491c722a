//! `/settings/members`: who belongs to the org.

use api::v1::{Member, Role};
use askama::Template;
use axum::response::Response;

use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::address::Parameters;
use crate::routes::choice::Choice;
use crate::routes::list::List;
use crate::routes::people::name_of;
use crate::text::filters;
use crate::visit::Signed;

#[derive(Template)]
#[template(path = "settings/members/list.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Row>,
    list: List,
    roles: Vec<Choice>,
    /// Whether nobody else is there yet.
    is_alone: bool,
}

struct Row {
    name: String,
    member: Member,
    is_self: bool,
}

impl ListPage {
    /// By what a member is found.
    fn searched(&self) -> &'static str {
        if self.shell.is_admin() {
            "name or email"
        } else {
            "name"
        }
    }
}

impl Framed for ListPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed, asked: Parameters) -> Result<Response, Problem> {
    let list = List::new("/settings/members", &asked, &["search", "role"]);
    let members = visit.get::<Vec<Member>>(list.path(Path::v1(&["members"])));
    let (who, members) = tokio::try_join!(visit.who(), members)?;
    let list = list.answered(&members);
    let own = who.session.user.id;
    let rows = members.data.into_iter().map(|member| Row {
        name: name_of(&member),
        is_self: member.user_id == own,
        member,
    });
    let rows: Vec<_> = rows.collect();
    let roles = Role::ALL.map(|role| (role.name(), role.name()));
    Ok(ok(&ListPage {
        is_alone: list.is_first() && !list.is_narrowed() && rows.len() == 1,
        shell: Shell::signed(&visit, who, Nav::Members, "Members"),
        rows,
        roles: Choice::all([("", "all")].into_iter().chain(roles), list.get("role")),
        list,
    }))
}
