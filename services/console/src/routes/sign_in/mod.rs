//! Coming in and going out.

mod invitation;
mod login;
mod logout;
mod oidc;
mod orgs;
mod setup;

use std::time::Duration;

use api::v1::{Receipt, SessionCreated};
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use runtime::files;
use secrecy::SecretString;

use crate::app::Shared;
use crate::client::Path;
use crate::cookies;
use crate::page::{Next, Notice, Problem, tell};
use crate::visit::{Visit, see_other};

/// Their pages.
pub fn pages() -> Router<Shared> {
    Router::new()
        .route("/login", get(login::show).post(login::sign_in))
        .route("/login/oidc", get(oidc::begin))
        .route("/login/oidc/callback", get(oidc::finish))
        .route("/logout", post(logout::sign_out))
        .route("/setup", get(setup::show).post(setup::set_up))
        .route(
            "/invitations/accept",
            get(invitation::show).post(invitation::accept),
        )
        .route("/orgs", get(orgs::show).post(orgs::switch))
}

/// Names the browser, so that forms have a token before anybody is signed in.
fn named(mut visit: Visit) -> Visit {
    if visit.credential().is_none() && cookies::browser(&visit.jar).is_none() {
        let random = files::hex(&visit.app.entropy.bytes::<16>());
        visit.jar = cookies::name_browser(visit.jar, random);
    }
    visit
}

/// How long whoever signs in waits for the end of the session that their browser had.
const FORMER_WITHIN: Duration = Duration::from_secs(3);
/// Told where that end is not known of.
const FORMER_LIVES: &str = "The session that this browser had before could not be ended just now, so that it may \
     be live for up to a week. Whoever it belongs to ends it under Sessions, in its organization.";

/// Signs in with a new session, and goes to a page. The session that the browser had ends, or nobody who
/// signs out would end it.
async fn enter(visit: Visit, session: SessionCreated, next: &Next) -> Result<Response, Problem> {
    let former = visit.credential().is_some().then(|| visit.clone());
    let mut visit = sign_in(visit, session)?;
    let has_ended = match former {
        Some(former) => end(&former).await,
        None => true,
    };
    let reminders = next.reminder().into_iter();
    let reminders = reminders.chain((!has_ended).then(|| FORMER_LIVES.to_owned()));
    let reminders = reminders.collect::<Vec<_>>().join(" ");
    if !reminders.is_empty() {
        visit.jar = tell(visit.jar, &Notice::of(reminders));
    }
    Ok(see_other(&visit, next.place().unwrap_or("/")))
}

/// Ends the session that a browser had; whether it has ended now.
async fn end(former: &Visit) -> bool {
    let ended = former.delete::<Receipt>(Path::v1(&["sessions", "self"]));
    let ended = former.app.clock.timeout(FORMER_WITHIN, Box::pin(ended));
    match ended.await {
        Ok(Ok(_)) => true,
        Ok(Err(problem)) => problem.is_signed_out(),
        Err(_) => {
            let request_id = former.request_id();
            tracing::warn!(request_id, "a former session did not end in time");
            false
        }
    }
}

/// Signs in with a new session. What the browser held before is gone.
pub(super) fn sign_in(mut visit: Visit, session: SessionCreated) -> Result<Visit, Problem> {
    let Some(token) = session.token else {
        return Err(Problem::not_our_form(&visit));
    };
    visit.jar = cookies::sign_in(visit.jar, &SecretString::from(token));
    Ok(visit)
}
