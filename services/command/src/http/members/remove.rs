//! `DELETE /members/{user_id}` and `DELETE /members/self` (v1-contract.md 8.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::input::text::Text;
use api::v1::{KeyDispositionName, KeysOfRemoved, MemberRemoved};
use axum::extract::State;
use domain::ids::UserId;
use domain::org::{Command, KeyDisposition};

use crate::app::CommandError;
use crate::http::App;
use crate::http::answer::{Answer, unanswered};
use crate::http::call::Asked;
use crate::http::carry::{self, Done};

/// What becomes of the keys that the person owns.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Keys(Option<KeyDisposition>);

impl FromQuery for Keys {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        const CHOICES: [&str; 3] = ["revoke", "transfer", "keep"];
        let keys = params.optional("keys", |it| it.one_of(&CHOICES, |name| name));
        let heir = params.optional("transfer_to", Text::from_str::<UserId>);
        let (keys, heir) = (keys?, heir?);
        Ok(Self(match (keys, heir) {
            (Some("transfer"), Some(heir)) => Some(KeyDisposition::Transfer(heir)),
            (Some("transfer"), None) => {
                return Err(params.invalid("transfer_to", "is required with keys=transfer"));
            }
            (_, Some(_)) => {
                return Err(params.invalid("transfer_to", "is for keys=transfer alone"));
            }
            (Some("revoke"), None) => Some(KeyDisposition::Revoke),
            (Some(_), None) => Some(KeyDisposition::Keep),
            (None, None) => None,
        }))
    }
}

/// Removes a member: their sessions end, their keys as told, all at once, and the answer comes when
/// that is in force everywhere. May be repeated: the answer comes again.
#[utoipa::path(
    delete,
    path = "/members/{user_id}",
    operation_id = "remove_member",
    params(
        ("keys" = inline(Option<KeyDispositionName>), Query, description = "What becomes of the active keys that the person owns; required if there are any"),
        ("transfer_to" = Option<uuid::Uuid>, Query, description = "With `keys=transfer`: the member who owns them from now on"),
    ),
    responses((status = 200, description = "In force everywhere", body = api::openapi::Answer<MemberRemoved>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asked: Asked,
    PathId(user_id): PathId<UserId>,
    query: StrictQuery<Keys>,
) -> Result<Success, ApiError> {
    remove(app, asked, user_id, query.value).await
}

/// Lets the calling person leave the org.
#[utoipa::path(
    delete,
    path = "/members/self",
    operation_id = "leave_org",
    params(
        ("keys" = inline(Option<KeyDispositionName>), Query, description = "What becomes of the active keys that the person owns; required if there are any"),
        ("transfer_to" = Option<uuid::Uuid>, Query, description = "With `keys=transfer`: the member who owns them from now on"),
    ),
    responses((status = 200, description = "In force everywhere", body = api::openapi::Answer<MemberRemoved>))
)]
pub(in crate::http) async fn handle_self(
    State(app): State<App>,
    asked: Asked,
    query: StrictQuery<Keys>,
) -> Result<Success, ApiError> {
    let (_, user_id) = asked.session()?;
    remove(app, asked, user_id, query.value).await
}

async fn remove(
    app: App,
    asked: Asked,
    user_id: UserId,
    Keys(keys): Keys,
) -> Result<Success, ApiError> {
    let command = Command::RemoveMember { user_id, keys };
    let show = async move |done: Done| {
        let receipt = done.receipt(user_id.as_uuid());
        Answer::ok(&MemberRemoved {
            receipt: receipt.ok_or_else(|| unanswered("a removal without its denial"))?,
            keys: keys_of(&done).await?,
        })
    };
    carry::each_time(app, asked.org, asked.context(), command, show).await
}

/// What became of the keys, by the events of the removal: they stand in one append.
async fn keys_of(done: &Done) -> Result<KeysOfRemoved, CommandError> {
    let denial = done.executed.denial.as_ref();
    let denial = denial.ok_or_else(|| unanswered("a removal without its denial"))?;
    let events = done.app.commander().appended_from(denial.first).await?;
    let mut keys = KeysOfRemoved::default();
    for event in events {
        match event {
            domain::event::Event::KeyRevoked(revoked) => keys.revoked.push(revoked.key_id),
            domain::event::Event::KeyChanged(changed) => match changed.owner_id {
                Some(Some(_)) => keys.transferred.push(changed.key_id),
                Some(None) => keys.kept.push(changed.key_id),
                None => {}
            },
            _ => {}
        }
    }
    Ok(keys)
}
