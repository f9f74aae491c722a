//! `DELETE /campaigns/{id}/items` (v1-contract.md 13).

use api::envelope::Success;
use api::error::ApiError;
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::input::text::Text;
use api::v1::{CampaignItem, ItemTypeName};
use axum::extract::State;
use domain::event::{EntityRef, EntityType};
use domain::ids::{CampaignId, ProjectId};
use domain::org::Command;

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Asked;
use crate::http::carry;

/// Which item.
#[derive(Debug)]
pub(in crate::http) struct Item(EntityRef);

impl FromQuery for Item {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let item_type = params.required("item_type", |it| {
            it.one_of(&EntityType::ALL, EntityType::name)
        });
        let item_id = params.required("item_id", Text::from_str::<ProjectId>);
        Ok(Self(item_type?.of(item_id?.as_uuid())))
    }
}

/// Takes an item out of a campaign.
#[utoipa::path(
    delete,
    path = "/campaigns/{id}/items",
    operation_id = "remove_campaign_item",
    params(
        ("item_type" = ItemTypeName, Query, description = "What it is"),
        ("item_id" = uuid::Uuid, Query, description = "Its own id"),
    ),
    responses((status = 200, description = "The item as it last was", body = api::openapi::Answer<CampaignItem>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asked: Asked,
    PathId(campaign_id): PathId<CampaignId>,
    query: StrictQuery<Item>,
) -> Result<Success, ApiError> {
    let Item(item) = query.value;
    let command = Command::RemoveCampaignItem { campaign_id, item };
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.campaign_item(campaign_id, item).await?),
    )
    .await
}
