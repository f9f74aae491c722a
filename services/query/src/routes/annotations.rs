//! `GET /analytics/annotations` (v1-contract.md 14).

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::input::text::Text;
use api::openapi::Page;
use api::v1::{Annotation, AnnotationKindName, ItemTypeName};
use axum::extract::State;
use axum::response::Response;
use chrono::NaiveDate;
use domain::event::{AnnotationKind, EntityRef, EntityType};
use domain::ids::ProjectId;
use domain::org::MarkKind;
use read_model::{AnnotationFilter, DayCursor};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::{Topic, Topics};
use crate::call::Call;
use crate::routes::page::PageDoc;

/// The wire form of a mark.
pub fn wire(found: &read_model::Annotation) -> Annotation {
    Annotation {
        id: found.id,
        project_id: found.project_id,
        entity: found.entity.map(Into::into),
        kind: found.kind.clone(),
        source: found.source.clone(),
        date: found.date,
        label: found.label.clone(),
        body: found.body.clone(),
        created_by: found.created_by.into(),
        created_at: found.created_at,
        updated_at: found.updated_at,
    }
}

/// The parameters.
#[derive(Debug)]
pub struct ListAnnotations {
    filter: AnnotationFilter,
    page: PageParams,
}

/// The same parameters, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here")]
struct Described {
    /// Of this project.
    project_id: Option<Uuid>,
    /// About something of this kind; with `entity_id` and only there.
    #[param(value_type = Option<ItemTypeName>)]
    entity: Option<String>,
    /// About this; with `entity` and only there.
    entity_id: Option<Uuid>,
    /// That mark this.
    #[param(value_type = Option<AnnotationKindName>)]
    kind: Option<String>,
    /// First day.
    #[param(example = "2026-01-01")]
    from: Option<NaiveDate>,
    /// Last day.
    #[param(example = "2026-01-31")]
    to: Option<NaiveDate>,
}

impl FromQuery for ListAnnotations {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let project_id = params.optional("project_id", Text::from_str::<ProjectId>);
        let entity = entity(params);
        let kind = params.optional("kind", |it| it.one_of(&kinds(), |name| name));
        let range = params.range();
        let page = params.page();
        let range = range?;
        Ok(Self {
            filter: AnnotationFilter {
                project_id: project_id?,
                entity: entity?,
                kind: kind?.map(str::to_owned),
                from: range.from,
                to: range.to,
            },
            page: page?,
        })
    }
}

fn kinds() -> Vec<&'static str> {
    let of_people = AnnotationKind::ALL.map(AnnotationKind::name);
    let of_the_system = MarkKind::ALL.map(MarkKind::name);
    of_people.into_iter().chain(of_the_system).collect()
}

fn entity(params: &mut Params<'_>) -> Result<Option<EntityRef>, Invalid> {
    let kind = params.optional("entity", |it| it.one_of(&EntityType::ALL, EntityType::name));
    // Whatever it is, its id has the form of every id.
    let id = params.optional("entity_id", Text::from_str::<ProjectId>);
    match (kind?, id?) {
        (None, None) => Ok(None),
        (Some(kind), Some(id)) => Ok(Some(kind.of(id.as_uuid()))),
        (Some(_), None) => Err(params.invalid("entity_id", "goes with entity")),
        (None, Some(_)) => Err(params.invalid("entity", "goes with entity_id")),
    }
}

/// Lists marks on the time axis, the newest day first.
#[utoipa::path(
    get,
    path = "/analytics/annotations",
    operation_id = "list_annotations",
    params(Described, PageDoc),
    responses((status = 200, description = "A page of marks", body = Page<Annotation>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ListAnnotations>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let after: Option<Place> = app.place(call.list(&query.filters), &query.value.page)?;
    let after = after.map(|(date, id)| DayCursor { date, id });
    app.answer(&call, &asked, Annotations { query, after })
        .await
}

/// Where a page ended, as it stands in a cursor.
type Place = (NaiveDate, Uuid);

struct Annotations {
    query: StrictQuery<ListAnnotations>,
    after: Option<DayCursor>,
}

impl Question for Annotations {
    /// What a mark is about must be there to be asked for.
    const RESTS_ON: Option<Topics> = Some(Topics::of(&[
        Topic::Annotations,
        Topic::Projects,
        Topic::Creators,
        Topic::Videos,
        Topic::Campaigns,
    ]));

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let ListAnnotations { filter, page } = &self.query.value;
        snapshot.require_project(filter.project_id).await?;
        match filter.entity {
            Some(EntityRef::Creator(id)) => snapshot.require_creator(Some(id)).await?,
            Some(EntityRef::Video(id)) => snapshot.require_video(id).await?,
            Some(EntityRef::Campaign(id)) => snapshot.require_campaign(id).await?,
            None => {}
        }
        let found = snapshot
            .reader
            .annotations(filter, page.limit, self.after)
            .await;
        let (found, next) = found.map_err(|error| snapshot.read_error(error))?;
        let list = snapshot.call.list(&self.query.filters);
        let place = next.map(|next| -> Place { (next.date, next.id) });
        let next = snapshot.app.next(list, place)?;
        let items: Vec<Annotation> = found.iter().map(wire).collect();
        let meta = Meta::page(next);
        Ok(Answer::lasting(Rendered::json(&items, &meta)?))
    }
}
