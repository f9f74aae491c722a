//! `/settings/api-keys/{id}/revoke`: after a confirmation that says what is about to stop.

use api::v1::{ApiKey, Receipt};
use askama::Template;
use axum::response::Response;

use super::at;
use super::rotated::Rotated;
use crate::form::SignedForm;
use crate::page::{Framed, Nav, Notice, Problem, Shell, ok, tell};
use crate::routes::id::Id;
use crate::text::filters;
use crate::visit::{Signed, see_other};

#[derive(Template)]
#[template(path = "keys/revoke.html")]
struct RevokePage {
    shell: Shell,
    key: ApiKey,
    /// Requests of today and of yesterday, in UTC.
    today: u64,
    yesterday: u64,
    rotated: Option<Rotated>,
}

impl Framed for RevokePage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed, Id(id): Id) -> Result<Response, Problem> {
    let (who, key) = tokio::try_join!(visit.who(), visit.get::<ApiKey>(at(id)))?;
    let key = key.data;
    let [.., yesterday, today] = key.requests_by_day;
    Ok(ok(&RevokePage {
        rotated: Rotated::of(&visit, &key).await,
        shell: Shell::signed(&visit, who, Nav::Keys, format!("Delete {}", key.name)),
        key,
        today,
        yesterday,
    }))
}

pub(super) async fn revoke(Id(id): Id, form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, .. } = form;
    let revoked = visit.delete::<Receipt>(at(id)).await?;
    let mut visit = visit.seen(&revoked);
    let notice = Notice::with(
        "The key is revoked: no replica accepts it any more.",
        Some(&revoked.data),
    );
    visit.jar = tell(visit.jar, &notice);
    Ok(see_other(&visit, &format!("/settings/api-keys/{id}")))
}
