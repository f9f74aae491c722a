//! `/settings/members`: who belongs to the org.

use api::limits::SEARCH_CHARS;
use api::v1::{Member, Role};
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;

use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::people::name_of;
use crate::text::filters;
use crate::visit::Signed;

/// Members of a page.
const PAGE: u16 = 50;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    role: String,
    search: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "settings/members/list.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Row>,
    /// Its name; empty for all.
    role: &'static str,
    search: String,
    /// Where the next page is.
    next: Option<String>,
    /// Whether nobody else is there yet.
    is_alone: bool,
}

struct Row {
    name: String,
    member: Member,
    is_self: bool,
}

impl ListPage {
    fn roles() -> [Role; Role::ALL.len()] {
        Role::ALL
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
    let role = asked.role.parse().map_or("", Role::name);
    let search = asked.search.trim();
    let is_first = [role, search, &asked.cursor].iter().all(|it| it.is_empty());
    let path = Path::v1(&["members"])
        .with("limit", PAGE)
        .with_filled("role", role)
        .with_filled("search", search)
        .with_filled("cursor", &asked.cursor);
    let members = visit.get::<Vec<Member>>(path);
    let (who, members) = tokio::try_join!(visit.who(), members)?;
    let own = who.session.user.id;
    let rows = members.data.into_iter().map(|member| Row {
        name: name_of(&member),
        is_self: member.user_id == own,
        member,
    });
    let rows: Vec<_> = rows.collect();
    let next = members.next_cursor.map(|cursor| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("role", role);
        query.append_pair("search", search);
        query.append_pair("cursor", &cursor);
        format!("/settings/members?{}", query.finish())
    });
    Ok(ok(&ListPage {
        is_alone: is_first && rows.len() == 1,
        shell: Shell::signed(&visit, who, Nav::Members, "Members"),
        rows,
        role,
        search: search.to_owned(),
        next,
    }))
}
