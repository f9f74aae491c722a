//! `GET /orgs`.

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::openapi::Page;
use api::v1::OrgOfPerson;
use axum::extract::State;
use axum::response::Response;
use domain::event::Role;
use domain::ids::UserId;
use gate::Principal;
use read_model::{Cursor, Org};

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
    let page = app.page(call.list(&query.filters), &query.value.0)?;
    let question = Orgs {
        filters: query.filters,
        page,
    };
    app.answer(&call, &asked, question).await
}

struct Orgs {
    filters: String,
    page: read_model::Page,
}

impl Question for Orgs {
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let own = snapshot.org().await?;
        let orgs = match *snapshot.call.principal() {
            Principal::Key { .. } => vec![wire(&own, None)],
            Principal::Session { user, .. } => snapshot.orgs_of(user, own).await?,
        };
        let listed = self.page.cut(orgs, |org| Cursor {
            created_at: org.object.created_at,
            id: org.object.id.as_uuid(),
        });
        let list = snapshot.call.list(&self.filters);
        let rendered = snapshot
            .app
            .listed(list, &listed, Clone::clone, |meta| meta)?;
        Ok(Answer::lasting(rendered))
    }
}

impl Snapshot<'_> {
    /// All orgs of a person: where they belong the primary says, what those are the projection.
    async fn orgs_of(&mut self, person: UserId, own: Org) -> Result<Vec<OrgOfPerson>, ApiError> {
        let roles = gate::orgs_of(&self.app.primary, person).await;
        let roles = roles.map_err(|error| self.app.unavailable().because(error))?;
        let mut orgs = Vec::with_capacity(roles.len());
        for (id, role) in roles {
            if id == own.id {
                orgs.push(wire(&own, Some(role)));
                continue;
            }
            let turned = self.reader.turn_to(id).await;
            turned.map_err(|error| self.read_error(error))?;
            let org = self.reader.profile().await;
            let org = org.map_err(|error| self.read_error(error))?;
            // One that the projection has not heard of yet comes a moment later.
            orgs.extend(org.map(|org| wire(&org, Some(role))));
        }
        Ok(orgs)
    }
}

fn wire(org: &Org, role: Option<Role>) -> OrgOfPerson {
    OrgOfPerson {
        object: api::v1::Org::new(org.id, &org.profile),
        role,
    }
}
