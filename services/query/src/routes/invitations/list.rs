//! `GET /invitations`.

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::openapi::Page;
use api::v1::{Invitation, InvitationStatusName};
use axum::extract::State;
use axum::response::Response;
use domain::ids::InvitationId;
use domain::org::InvitationStatus;
use utoipa::IntoParams;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::page::PageDoc;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListInvitations {
    /// Of this status; `pending` unless given.
    #[param(value_type = Option<InvitationStatusName>)]
    status: Option<InvitationStatus>,
    #[param(ignore)]
    page: PageParams,
}

impl FromQuery for ListInvitations {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let status = params.optional("status", |it| {
            it.one_of(&InvitationStatus::ALL, InvitationStatus::name)
        });
        let page = params.page();
        Ok(Self {
            status: status?,
            page: page?,
        })
    }
}

/// Lists invitations of the org, newest first.
#[utoipa::path(
    get,
    path = "/invitations",
    operation_id = "list_invitations",
    params(ListInvitations, PageDoc),
    responses((status = 200, description = "A page of invitations", body = Page<Invitation>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ListInvitations>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let page = app.page(call.list(&query.filters), &query.value.page)?;
    let question = Invitations {
        status: query.value.status.unwrap_or(InvitationStatus::Pending),
        filters: query.filters,
        page,
    };
    app.answer(&call, &asked, question).await
}

struct Invitations {
    status: InvitationStatus,
    filters: String,
    page: read_model::Page,
}

impl Question for Invitations {
    // Addresses stand outside the log.
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let now = snapshot.now;
        let statuses = [self.status];
        let listed = snapshot.reader.invitations(&statuses, now, self.page).await;
        let listed = listed.map_err(|error| snapshot.read_error(error))?;
        let ids: Vec<InvitationId> = listed.items.iter().map(|found| found.id).collect();
        let emails = gate::invited(&snapshot.app.primary, snapshot.call.org(), &ids).await;
        let emails = emails.map_err(|error| snapshot.app.unavailable().because(error))?;
        // What is closed stays so; time alone makes an expired one of a pending one.
        let changes_at = match self.status {
            InvitationStatus::Pending | InvitationStatus::Expired => {
                let end = snapshot.reader.next_invitation_end(now).await;
                end.map_err(|error| snapshot.read_error(error))?
            }
            InvitationStatus::Accepted | InvitationStatus::Declined | InvitationStatus::Revoked => {
                None
            }
        };
        let rendered = snapshot.app.listed(
            snapshot.call.list(&self.filters),
            &listed,
            |found| {
                let email = emails.get(&found.id).cloned();
                Invitation::new(found.id, &found.invitation, email, now)
            },
            |meta| meta.valid_until(changes_at),
        )?;
        Ok(Answer::lasting(rendered))
    }
}
