//! `/settings/sessions/{id}/end`: one session is refused from then on.

use api::v1::{Receipt, Session};
use askama::Template;
use axum::extract::Query;
use axum::response::Response;

use super::{Asked, device};
use crate::client::Path;
use crate::cookies;
use crate::form::SignedForm;
use crate::page::{Framed, Nav, Notice, Problem, Shell, ok, tell};
use crate::routes::id::Id;
use crate::text::filters;
use crate::visit::{Signed, see_other};

#[derive(Template)]
#[template(path = "settings/sessions/end.html")]
struct EndPage {
    shell: Shell,
    session: Session,
    device: String,
    /// Whose it is, if not the person's own.
    other: Option<String>,
    user_id: String,
    back: String,
}

impl Framed for EndPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Id(id): Id,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let (who, sessions) = tokio::try_join!(visit.who(), asked.sessions(&visit))?;
    let mut sessions = sessions.into_iter();
    let Some(session) = sessions.find(|session| session.id.as_uuid() == id) else {
        return Err(Problem::not_found(&visit));
    };
    let other = asked.other(&visit, &who).await?;
    Ok(ok(&EndPage {
        shell: Shell::signed(&visit, who, Nav::Sessions, "End a session"),
        device: device::name(session.user_agent.as_deref()),
        session,
        other,
        back: asked.place(),
        user_id: asked.user_id,
    }))
}

pub(super) async fn end(Id(id): Id, form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let who = visit.who().await?;
    let path = Path::v1(&["sessions"]).join(id);
    let ended = visit.delete::<Receipt>(path).await?;
    let mut visit = visit.seen(&ended);
    let text = "The session ended: no replica accepts it any more.";
    let notice = Notice::with(text, Some(&ended.data));
    let is_own = who.session.object.id.as_uuid() == id;
    let place = if is_own {
        visit.jar = cookies::sign_out(visit.jar);
        "/login".to_owned()
    } else {
        Asked::of(&fields).place()
    };
    visit.jar = tell(visit.jar, &notice);
    Ok(see_other(&visit, &place))
}
