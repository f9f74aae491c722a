//! `/settings/api-keys`: the org's keys.

use api::limits::SEARCH_CHARS;
use api::v1::{ApiKey, Scope};
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;

use super::week;
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::people::People;
use crate::text::filters;
use crate::visit::Signed;

/// Keys of a page.
const PAGE: u16 = 50;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    /// `live`, `ended` or `all`.
    show: String,
    search: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "keys/list.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Row>,
    show: &'static str,
    search: String,
    /// Where the next page is.
    next: Option<String>,
    /// Whether the org has none at all, as far as this page can tell.
    is_first: bool,
    may_make: bool,
    example: String,
    /// What is to be changed in it.
    address_help: Option<String>,
}

struct Row {
    key: ApiKey,
    maker: String,
    week: String,
    is_live: bool,
}

impl Framed for ListPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let (show, statuses) = match asked.show.as_str() {
        "ended" => ("ended", "expired,revoked"),
        "all" => ("all", "active,rotating,expired,revoked"),
        _ => ("live", "active,rotating"),
    };
    let path = Path::v1(&["api-keys"])
        .with("status", statuses)
        .with("limit", PAGE)
        .with_filled("search", &asked.search)
        .with_filled("cursor", &asked.cursor);
    let keys = visit.get::<Vec<ApiKey>>(path);
    let (who, keys, people) = tokio::try_join!(visit.who(), keys, People::of(&visit))?;
    let today = visit.app.clock.now().date_naive();
    let rows = keys.data.into_iter().map(|key| Row {
        maker: people.actor(&key.created_by),
        week: week(&key, today).render().unwrap_or_default(),
        is_live: super::show::is_live(&key),
        key,
    });
    let rows: Vec<_> = rows.collect();
    let next = keys.next_cursor.map(|cursor| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("show", show);
        query.append_pair("search", asked.search.trim());
        query.append_pair("cursor", &cursor);
        format!("/settings/api-keys?{}", query.finish())
    });
    Ok(ok(&ListPage {
        is_first: rows.is_empty()
            && asked.search.is_empty()
            && asked.cursor.is_empty()
            && show == "live",
        may_make: who.may(Scope::Keys),
        address_help: super::address_help(&visit),
        example: super::secret::curl(&super::secret::api_base(&visit), "/orgs/self"),
        shell: Shell::signed(&visit, who, Nav::Keys, "API keys"),
        rows,
        show,
        search: asked.search,
        next,
    }))
}
