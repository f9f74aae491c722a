//! `/settings/sessions`: the live ones of a person in this org.

use api::limits::SESSION_DAYS;
use api::v1::Session;
use askama::Template;
use axum::extract::Query;
use axum::response::Response;

use super::{Asked, device};
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::text::filters;
use crate::visit::Signed;

#[derive(Template)]
#[template(path = "settings/sessions/list.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Row>,
    /// Whose they are, if not the person's own.
    other: Option<String>,
    user_id: String,
    /// How many can be ended at once.
    others: usize,
    days: i64,
}

struct Row {
    session: Session,
    device: String,
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
    let (who, sessions) = tokio::try_join!(visit.who(), asked.sessions(&visit))?;
    let other = asked.other(&visit, &who).await?;
    let (nav, title) = match &other {
        Some(name) => (Nav::Members, format!("Sessions of {name}")),
        None => (Nav::Sessions, "Sessions".to_owned()),
    };
    let mut rows: Vec<_> = sessions.into_iter().map(Row::new).collect();
    // This one first, then as they come.
    rows.sort_by_key(|row| !row.session.current);
    Ok(ok(&ListPage {
        shell: Shell::signed(&visit, who, nav, title),
        others: rows.iter().filter(|row| !row.session.current).count(),
        rows,
        other,
        user_id: asked.user_id,
        days: SESSION_DAYS,
    }))
}

impl Row {
    fn new(session: Session) -> Self {
        Self {
            device: device::name(session.user_agent.as_deref()),
            session,
        }
    }
}
