//! `GET /members`.

use std::collections::HashMap;

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::input::text::Text;
use api::openapi::Page;
use api::v1::{Member, MemberContext, RoleName};
use axum::extract::State;
use axum::response::Response;
use domain::event::Role;
use domain::ids::UserId;
use domain::scope::Scope;
use domain::time::Timestamp;
use gate::Person;
use read_model::{Member as Found, MemberFilter};
use utoipa::IntoParams;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::FIGURES_LATE;
use crate::routes::page::PageDoc;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListMembers {
    /// Of this role.
    #[param(value_type = Option<RoleName>)]
    role: Option<Role>,
    /// Whose name contains this, case aside; to who administers the org, or whose address does.
    #[param(min_length = 1, max_length = 100, example = "ada")]
    search: Option<String>,
    #[param(ignore)]
    page: PageParams,
}

impl FromQuery for ListMembers {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let role = params.optional("role", |it| it.one_of(&Role::ALL, Role::name));
        let search = params.optional("search", Text::search);
        let page = params.page();
        Ok(Self {
            role: role?,
            search: search?,
            page: page?,
        })
    }
}

/// Lists members, those who joined first coming first.
#[utoipa::path(
    get,
    path = "/members",
    operation_id = "list_members",
    params(ListMembers, PageDoc),
    responses((status = 200, description = "A page of members", body = Page<Member>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ListMembers>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let page = app.page(call.list(&query.filters), &query.value.page)?;
    let question = Members {
        role: query.value.role,
        search: query.value.search,
        filters: query.filters,
        page,
    };
    app.answer(&call, &asked, question).await
}

struct Members {
    role: Option<Role>,
    search: Option<String>,
    filters: String,
    page: read_model::Page,
}

impl Question for Members {
    // Names stand outside the log, and addresses are shown to some alone.
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let sees_addresses = snapshot.call.principal().scopes().contains(Scope::Keys);
        let persons = match &self.search {
            Some(part) => Some(snapshot.find_people(part, sees_addresses).await?),
            None => None,
        };
        let filter = MemberFilter {
            role: self.role,
            persons,
        };
        let now = snapshot.now;
        let listed = snapshot.reader.members(&filter, now, self.page).await;
        let listed = listed.map_err(|error| snapshot.read_error(error))?;
        let ids: Vec<UserId> = listed.items.iter().map(|found| found.user_id).collect();
        let people = snapshot.people(&ids).await?;
        let seen = gate::last_seen(&snapshot.app.primary, snapshot.call.org(), &ids).await;
        let seen = seen.map_err(|error| snapshot.app.unavailable().because(error))?;
        let ends = listed.items.iter().filter_map(|found| found.keys_end_at);
        let valid_until = ends.fold(now.plus(FIGURES_LATE), Ord::min);
        let rendered = snapshot.app.listed(
            snapshot.call.list(&self.filters),
            &listed,
            |found| wire(found, &people, &seen, sees_addresses),
            |meta| meta.valid_until(Some(valid_until)),
        )?;
        Ok(Answer::lasting(rendered))
    }
}

fn wire(
    found: &Found,
    people: &HashMap<UserId, Person>,
    seen: &HashMap<UserId, Timestamp>,
    sees_addresses: bool,
) -> Member {
    let person = people.get(&found.user_id);
    let email = person.filter(|_| sees_addresses);
    let context = MemberContext {
        name: person.map(|person| person.name.clone()),
        email: email.map(|person| person.email.clone()),
        last_seen_at: seen.get(&found.user_id).copied(),
        active_keys: found.active_keys,
    };
    Member::new(found.user_id, &found.member, context)
}

impl Snapshot<'_> {
    /// Who these members are. That stands on the primary, not in the projection.
    pub(in crate::routes) async fn people(
        &self,
        ids: &[UserId],
    ) -> Result<HashMap<UserId, Person>, ApiError> {
        let people = gate::people(&self.app.primary, self.call.org(), ids).await;
        people.map_err(|error| self.app.unavailable().because(error))
    }

    async fn find_people(&self, part: &str, by_email: bool) -> Result<Vec<UserId>, ApiError> {
        let org = self.call.org();
        let found = gate::find_people(&self.app.primary, org, part, by_email).await;
        found.map_err(|error| self.app.unavailable().because(error))
    }
}
