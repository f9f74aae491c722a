//! `/settings/sessions/end-all`: all of a person's sessions in this org, but the one that asks.

use api::v1::{Receipt, Session};
use askama::Template;
use axum::extract::Query;
use axum::response::Response;

use super::Asked;
use crate::client::Path;
use crate::form::SignedForm;
use crate::page::{Framed, Nav, Notice, Problem, Shell, ok, tell};
use crate::text;
use crate::visit::{Signed, Visit, see_other};

#[derive(Template)]
#[template(path = "settings/sessions/end_all.html")]
struct EndAllPage {
    shell: Shell,
    count: String,
    /// Whose they are, if not the person's own.
    other: Option<String>,
    user_id: String,
    back: String,
}

impl Framed for EndAllPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let (who, sessions) = tokio::try_join!(visit.who(), asked.sessions(&visit))?;
    let count = but_this(sessions).count() as u64;
    if count == 0 {
        return Ok(see_other(&visit, &asked.place()));
    }
    let other = asked.other(&visit, &who).await?;
    Ok(ok(&EndAllPage {
        shell: Shell::signed(&visit, who, Nav::Sessions, "End sessions"),
        count: text::plural(count, "session"),
        other,
        back: asked.place(),
        user_id: asked.user_id,
    }))
}

pub(super) async fn end_all(form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let asked = Asked::of(&fields);
    let (mut visit, notice) = end_each(visit, &asked).await?;
    visit.jar = tell(visit.jar, &notice);
    Ok(see_other(&visit, &asked.place()))
}

/// Ends one after the other, as many as there are now: those that are opened meanwhile stay.
async fn end_each(mut visit: Visit, asked: &Asked) -> Result<(Visit, Notice), Problem> {
    let mut ended = 0;
    let mut newest = None;
    for session in but_this(asked.sessions(&visit).await?) {
        let path = Path::v1(&["sessions", &session.id.to_string()]);
        match visit.delete::<Receipt>(path).await {
            Ok(answer) => {
                visit = visit.seen(&answer);
                newest = Some(answer.data);
                ended += 1;
            }
            Err(problem) if ended == 0 => return Err(problem),
            Err(_) => {
                let ended = sentence(ended);
                let text = format!("{ended} The others could not be ended: try again.");
                return Ok((visit, Notice::with(text, newest.as_ref())));
            }
        }
    }
    Ok((visit, Notice::with(sentence(ended), newest.as_ref())))
}

fn but_this(sessions: Vec<Session>) -> impl Iterator<Item = Session> {
    sessions.into_iter().filter(|session| !session.current)
}

fn sentence(ended: u64) -> String {
    match ended {
        0 => "There was no other session to end.".to_owned(),
        1 => "1 session ended: no replica accepts it any more.".to_owned(),
        _ => format!(
            "{} ended: no replica accepts them any more.",
            text::plural(ended, "session")
        ),
    }
}
