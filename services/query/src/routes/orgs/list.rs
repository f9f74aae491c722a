//! `GET /orgs`.

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::openapi::Page;
use api::v1::{Org, OrgOfPerson};
use axum::extract::State;
use axum::response::Response;
use domain::event::Role;
use domain::scope::Scopes;
use gate::Principal;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::page::PageDoc;

pub struct ListOrgs(PageParams);

impl FromQuery for ListOrgs {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        params.page().map(Self)
    }
}

/// Lists the caller's orgs; of a key its one.
#[utoipa::path(
    get,
    path = "/orgs",
    operation_id = "list_orgs",
    params(PageDoc),
    responses((status = 200, description = "A page of orgs", body = Page<OrgOfPerson>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ListOrgs>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    // One org is one page: no cursor was ever given out.
    app.page(call.list(&query.filters), &query.value.0)?;
    app.answer(&call, &asked, Orgs).await
}

struct Orgs;

impl Question for Orgs {
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let org = snapshot.org().await?;
        let wire = OrgOfPerson {
            object: Org::new(org.id, &org.profile),
            role: role(snapshot.call.principal()),
        };
        Ok(Answer::lasting(Rendered::json(&[wire], &Meta::page(None))?))
    }
}

/// A person's role in the org of their session, which is what its scopes are made of.
fn role(principal: &Principal) -> Option<Role> {
    match principal {
        Principal::Key { .. } => None,
        Principal::Session { scopes, .. } if *scopes == Scopes::ORG_ADMIN => Some(Role::Admin),
        Principal::Session { .. } => Some(Role::Member),
    }
}
