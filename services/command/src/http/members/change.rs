//! `PATCH /members/{user_id}` (v1-contract.md 8.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::v1::MemberChanged;
use axum::extract::State;
use domain::event::Role;
use domain::ids::UserId;
use domain::org::Command;

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry::{self, Done};

/// Changes of a member.
#[derive(Debug)]
pub(in crate::http) struct ChangeMember {
    role: Role,
}

impl FromBody for ChangeMember {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let any = fields.refuse_empty();
        let role = fields.optional("role", super::super::invitations::role);
        any?;
        // There is no other field, so one that is there is this one, or unknown.
        role?.map(|role| Self { role }).ok_or(Invalid)
    }
}

/// Gives a member another role. A demotion ends their sessions and is answered once that is in force
/// everywhere.
#[utoipa::path(
    patch,
    path = "/members/{user_id}",
    operation_id = "change_member",
    request_body = api::v1::request::ChangeMember,
    responses(
        (status = 200, description = "The member, with a receipt of a demotion", body = api::openapi::Answer<MemberChanged>),
    )
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(user_id): PathId<UserId>,
    body: StrictJson<ChangeMember>,
) -> Result<Success, ApiError> {
    let ChangeMember { role } = body.value;
    let command = Command::ChangeRole { user_id, role };
    let show = async move |done: Done| {
        Answer::ok(&MemberChanged {
            object: done.member(user_id).await?,
            receipt: done.receipt(user_id.as_uuid()),
        })
    };
    carry::each_time(app, asked.org, asked.context(), command, show).await
}
