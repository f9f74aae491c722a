//! `POST /campaigns/{id}/items`, for one or up to 100 (v1-contract.md 13).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::input::path::PathId;
use api::v1::{BulkAnswer, CampaignItem};
use axum::extract::State;
use domain::event::EntityRef;
use domain::ids::CampaignId;
use domain::limits::BULK_ID_ITEMS;
use domain::org::{Command, Outcome};

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// One item, or several.
#[derive(Debug)]
pub(in crate::http) enum AddItems {
    One(Item),
    Many(Vec<Item>),
}

impl FromBody for AddItems {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        if fields.has("items") {
            fields
                .required("items", |it| it.list(1..=BULK_ID_ITEMS, Node::object))
                .map(Self::Many)
        } else {
            Item::read(fields).map(Self::One)
        }
    }
}

/// What a campaign is to hold.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Item(EntityRef);

impl FromBody for Item {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        fields.entity("item_type", "item_id").map(Self)
    }
}

/// Puts a creator, a video or a campaign into a campaign, or up to 100 of them.
#[utoipa::path(
    post,
    path = "/campaigns/{id}/items",
    operation_id = "add_campaign_items",
    request_body = api::v1::request::AddCampaignItems,
    responses(
        (status = 200, description = "What became of each of several", body = api::openapi::Answer<BulkAnswer>),
        (status = 201, description = "The item", body = api::openapi::Answer<CampaignItem>),
    )
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(campaign_id): PathId<CampaignId>,
    body: StrictJson<AddItems>,
) -> Result<Success, ApiError> {
    let one = match &body.value {
        AddItems::One(Item(item)) => Some(*item),
        AddItems::Many(_) => None,
    };
    let command = match body.value {
        AddItems::One(Item(item)) => Command::AddCampaignItem { campaign_id, item },
        AddItems::Many(many) => Command::AddCampaignItems {
            campaign_id,
            items: many.into_iter().map(|Item(item)| item).collect(),
        },
    };
    carry::once(
        app,
        asked,
        body.fingerprint,
        command,
        async move |done| match (&done.executed.outcome, one) {
            (Outcome::Created(_), Some(item)) => {
                let shown = done.campaign_item(campaign_id, item).await?;
                let path = format!(
                    "campaigns/{campaign_id}/items?item_type={}&item_id={}",
                    item.entity_type().name(),
                    item.id().as_hyphenated(),
                );
                Answer::created_at(&shown, path)
            }
            _ => done.bulk(),
        },
    )
    .await
}
