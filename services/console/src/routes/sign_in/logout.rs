//! `/logout`: the session ends, everywhere.

use api::v1::Receipt;
use axum::response::Response;

use crate::client::Path;
use crate::cookies;
use crate::form::SignedForm;
use crate::page::{Notice, Problem, tell};
use crate::visit::see_other;

pub(super) async fn sign_out(form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { mut visit, .. } = form;
    let ended = visit.delete::<Receipt>(Path::v1(&["sessions", "self"]));
    let ended = match ended.await {
        Ok(ended) => Some(ended.data),
        // That is what was asked for.
        Err(problem) if problem.is_signed_out() => None,
        Err(problem) => return Err(problem),
    };
    visit.jar = cookies::sign_out(visit.jar);
    let text = "You are signed out. This session is refused everywhere.";
    visit.jar = tell(visit.jar, &Notice::with(text, ended.as_ref()));
    Ok(see_other(&visit, "/login"))
}
