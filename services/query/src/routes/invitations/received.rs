//! `GET /invitations/received`.

use std::collections::BTreeMap;

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::openapi::Page;
use api::v1::{Invitation, InvitationReceived, OrgRef};
use axum::extract::State;
use axum::response::Response;
use domain::ids::{OrgId, UserId};
use domain::org::InvitationStatus;
use gate::Received;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::page::PageDoc;

pub struct ListReceived(PageParams);

impl FromQuery for ListReceived {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        params.page().map(Self)
    }
}

/// Lists open invitations to the calling person, of whatever org, newest first.
#[utoipa::path(
    get,
    path = "/invitations/received",
    operation_id = "list_received_invitations",
    params(PageDoc),
    responses((status = 200, description = "A page of invitations", body = Page<InvitationReceived>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ListReceived>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let (_, person) = call.session()?;
    let page = app.page(call.list(&query.filters), &query.value.0)?;
    let question = Invitations {
        person,
        filters: query.filters,
        page,
    };
    app.answer(&call, &asked, question).await
}

struct Invitations {
    person: UserId,
    filters: String,
    page: read_model::Page,
}

impl Question for Invitations {
    // Addresses stand outside the log, and what is listed is other orgs'.
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let received = gate::received(&snapshot.app.primary, self.person).await;
        let received = received.map_err(|error| snapshot.app.unavailable().because(error))?;
        let mut of_orgs: BTreeMap<OrgId, Vec<Received>> = BTreeMap::new();
        for invitation in received {
            of_orgs.entry(invitation.org).or_default().push(invitation);
        }
        let now = snapshot.now;
        let mut open = Vec::new();
        for (org, received) in of_orgs {
            let ids: Vec<_> = received.iter().map(|received| received.id).collect();
            let turned = snapshot.reader.turn_to(org).await;
            turned.map_err(|error| snapshot.read_error(error))?;
            let found = snapshot.reader.invitations_by_id(&ids).await;
            let found = found.map_err(|error| snapshot.read_error(error))?;
            for found in found {
                let status = found.invitation.status(now);
                let of = received.iter().find(|received| received.id == found.id);
                if let (InvitationStatus::Pending, Some(of)) = (status, of) {
                    open.push((found, of.clone()));
                }
            }
        }
        let changes_at = open
            .iter()
            .map(|(found, _)| found.invitation.expires_at)
            .min();
        let listed = self.page.cut(open, |(found, _)| read_model::Cursor {
            created_at: found.invitation.created_at,
            id: found.id.as_uuid(),
        });
        let rendered = snapshot.app.listed(
            snapshot.call.list(&self.filters),
            &listed,
            |(found, of)| InvitationReceived {
                object: Invitation::new(found.id, &found.invitation, Some(of.email.clone()), now),
                org: OrgRef {
                    id: of.org,
                    name: of.org_name.clone(),
                },
            },
            |meta| meta.valid_until(changes_at),
        )?;
        Ok(Answer::lasting(rendered))
    }
}
