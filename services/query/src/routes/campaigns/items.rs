//! `GET /campaigns/{id}/items`.

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::openapi::Page;
use api::v1::{CampaignItem, ItemTypeName};
use axum::extract::State;
use axum::response::Response;
use domain::event::EntityType;
use domain::ids::CampaignId;
use utoipa::IntoParams;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::{Topic, Topics};
use crate::call::Call;
use crate::routes::page::PageDoc;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListItems {
    /// Of this kind.
    #[param(value_type = Option<ItemTypeName>)]
    item_type: Option<EntityType>,
    #[param(ignore)]
    page: PageParams,
}

impl FromQuery for ListItems {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let item_type = params.optional("item_type", |it| {
            it.one_of(&EntityType::ALL, EntityType::name)
        });
        let page = params.page();
        Ok(Self {
            item_type: item_type?,
            page: page?,
        })
    }
}

/// Lists what a campaign holds at first hand, the newest first.
#[utoipa::path(
    get,
    path = "/campaigns/{id}/items",
    operation_id = "list_campaign_items",
    params(ListItems, PageDoc),
    responses((status = 200, description = "A page of items", body = Page<CampaignItem>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    PathId(id): PathId<CampaignId>,
    query: StrictQuery<ListItems>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let page = app.page(call.list(&query.filters), &query.value.page)?;
    app.answer(&call, &asked, Items { id, query, page }).await
}

struct Items {
    id: CampaignId,
    query: StrictQuery<ListItems>,
    page: read_model::Page,
}

impl Question for Items {
    /// Labels are names, handles and titles.
    const RESTS_ON: Option<Topics> = Some(Topics::of(&[
        Topic::Campaigns,
        Topic::Creators,
        Topic::Videos,
    ]));

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        snapshot.require_campaign(self.id).await?;
        let listed = snapshot
            .reader
            .campaign_items(self.id, self.query.value.item_type, self.page)
            .await;
        let listed = listed.map_err(|error| snapshot.read_error(error))?;
        let list = snapshot.call.list(&self.query.filters);
        let wire = |found: &read_model::CampaignItem| {
            CampaignItem::new(found.item, found.label.clone(), found.added_at)
        };
        let rendered = snapshot.app.listed(list, &listed, wire, |meta| meta)?;
        Ok(Answer::lasting(rendered))
    }
}
