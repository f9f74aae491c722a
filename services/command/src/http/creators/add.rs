//! `POST /projects/{id}/creators`, for one or up to 50 (v1-contract.md 10.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::input::path::PathId;
use api::v1::{BulkAnswer, Creator};
use axum::extract::State;
use domain::ids::{CreatorId, ProjectId};
use domain::limits::BULK_ADD_ITEMS;
use domain::org::{Command, NewCreator, Outcome};
use domain::platform::{Handle, Platform};

use super::body::Settings;
use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// One creator, or several.
#[derive(Debug)]
pub(in crate::http) enum AddCreators {
    One(AddCreator),
    Many(Vec<AddCreator>),
}

impl FromBody for AddCreators {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        if fields.has("creators") {
            fields
                .required("creators", |it| it.list(1..=BULK_ADD_ITEMS, Node::object))
                .map(Self::Many)
        } else {
            AddCreator::read(fields).map(Self::One)
        }
    }
}

/// A creator to be followed.
#[derive(Debug)]
pub(in crate::http) struct AddCreator {
    platform: Platform,
    handle: Handle,
    settings: Settings,
}

impl FromBody for AddCreator {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let account = account(fields);
        let settings = Settings::read(fields);
        let (platform, handle) = account?;
        Ok(Self {
            platform,
            handle,
            settings: settings?,
        })
    }
}

impl AddCreator {
    fn into_new(self, creator_id: CreatorId) -> NewCreator {
        NewCreator {
            creator_id,
            platform: self.platform,
            handle: self.handle,
            tracking_mode: self.settings.tracking_mode,
            tracking_start_date: self.settings.tracking_start_date,
            display_name: self.settings.display_name,
            readme: self.settings.readme,
            metadata: self.settings.metadata,
        }
    }
}

/// The account, from `handle`, `tiktok_handle` or `url`; several must name the same one. Each is
/// read whatever becomes of the others, so that none of them counts as unknown.
fn account(fields: &mut Fields<'_>) -> Result<(Platform, Handle), Invalid> {
    let platform = fields.optional("platform", Node::from_str::<Platform>);
    let url = fields.nullable("url", |it| it.parse(Handle::from_url));
    let tiktok = fields.nullable("tiktok_handle", |it| {
        it.parse(|text| Handle::parse(Platform::Tiktok, text))
    });
    let resolved = match (&platform, &url) {
        (Ok(platform), Ok(url)) => {
            let of_url = url.as_ref().map(|(platform, _)| *platform);
            Ok(platform.or(of_url).unwrap_or(Platform::Tiktok))
        }
        _ => Err(Invalid),
    };
    let handle = fields.nullable("handle", |it| {
        let platform = resolved?;
        it.parse(|text| Handle::parse(platform, text))
    });
    let (resolved, url) = (resolved?, url?);
    let tiktok = tiktok?.map(|handle| (Platform::Tiktok, handle));
    let handle = handle?.map(|handle| (resolved, handle));

    let mut accounts = [("handle", handle), ("tiktok_handle", tiktok), ("url", url)]
        .into_iter()
        .filter_map(|(name, account)| Some((name, account?)));
    let Some((_, account)) = accounts.next() else {
        return Err(fields.invalid("handle", "is required, or tiktok_handle, or url"));
    };
    let folded = |(platform, handle): &(Platform, Handle)| (*platform, handle.folded(*platform));
    for (name, other) in accounts {
        if folded(&other) != folded(&account) {
            return Err(fields.invalid(name, "names another account than the fields before it"));
        }
    }
    if account.0 != resolved {
        return Err(fields.invalid("platform", "does not fit the account"));
    }
    Ok(account)
}

/// Follows an account, or up to 50. A removed one comes back with its history.
#[utoipa::path(
    post,
    path = "/projects/{id}/creators",
    operation_id = "add_creators",
    request_body = api::v1::request::AddCreators,
    responses(
        (status = 200, description = "A removed creator that is back; or what became of each of several", body = OneOrMany),
        (status = 201, description = "The creator", body = api::openapi::Answer<Creator>),
    )
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(project_id): PathId<ProjectId>,
    body: StrictJson<AddCreators>,
) -> Result<Success, ApiError> {
    let new = |one: AddCreator| one.into_new(app.new_id(CreatorId::generate));
    let command = match body.value {
        AddCreators::One(one) => Command::AddCreator {
            project_id,
            creator: new(one),
        },
        AddCreators::Many(many) => Command::AddCreators {
            project_id,
            creators: many.into_iter().map(new).collect(),
        },
    };
    let fingerprint = body.fingerprint;
    carry::once(
        app,
        asked,
        fingerprint,
        command,
        async move |done| match &done.executed.outcome {
            Outcome::Created(id) => {
                let creator = done.creator(CreatorId::from_uuid(*id)).await?;
                Answer::created(&creator, "creators", *id)
            }
            Outcome::Reactivated(id) => Answer::ok(&done.creator(CreatorId::from_uuid(*id)).await?),
            _ => done.bulk(),
        },
    )
    .await
}

/// One creator, or what became of each of several.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the document is made of it")]
#[schema(as = OneCreatorOrMany)]
pub(in crate::http) enum OneOrMany {
    #[schema(title = "one")]
    One(Box<api::openapi::Answer<Creator>>),
    #[schema(title = "several")]
    Many(api::openapi::Answer<BulkAnswer>),
}
