//! Org settings -> API keys.

mod change;
mod create;
mod expiry;
mod fields;
mod list;
mod revoke;
mod rotate;
mod rotated;
mod safety;
mod secret;
mod show;

pub use self::secret::{address_help, api_base};
use api::v1::ApiKey;
use axum::Router;
use axum::routing::get;
use uuid::Uuid;

use crate::app::Shared;
use crate::chart::Bars;
use crate::client::Path;

/// Their pages.
pub fn pages() -> Router<Shared> {
    Router::new()
        .route("/settings/api-keys", get(list::show).post(create::create))
        .route("/settings/api-keys/new", get(create::show))
        .route("/settings/api-keys/safety", get(safety::show))
        .route("/settings/api-keys/{id}", get(show::show))
        .route(
            "/settings/api-keys/{id}/change",
            get(change::show).post(change::change),
        )
        .route(
            "/settings/api-keys/{id}/rotate",
            get(rotate::show).post(rotate::rotate),
        )
        .route(
            "/settings/api-keys/{id}/revoke",
            get(revoke::show).post(revoke::revoke),
        )
}

/// A key in the API.
fn at(id: Uuid) -> Path {
    Path::v1(&["api-keys"]).join(id)
}

/// What the scopes grant, in people's words.
fn grants(scope: api::v1::Scope) -> &'static str {
    use api::v1::Scope;

    match scope {
        Scope::Read => "Read projects, creators, videos, campaigns and their figures",
        Scope::Write => "Add, change and remove them",
        Scope::Keys => "Administer the organization: keys, members, settings",
        Scope::Ingest => "Send readings in",
        Scope::Audit => "Read the audit trail and follow events",
        Scope::Admin => "Administer the platform",
    }
}

/// The last seven days of a key, today last.
fn week(key: &ApiKey, today: chrono::NaiveDate) -> Bars {
    let days = (0..7)
        .rev()
        .map(|back| today - chrono::TimeDelta::days(back));
    let values: Vec<_> = days
        .zip(key.requests_by_day)
        .map(|(day, requests)| (crate::text::day(day), requests))
        .collect();
    Bars::new("Requests of the last seven days", &values)
}
