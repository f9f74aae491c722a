//! One OpenAPI 3.1 document out of what the two services describe (v1-contract.md 18.2).
//!
//! A handler says what is its own, with `#[utoipa::path]`: method, path (as in [`crate::route`]),
//! `operation_id`, a doc comment, its query parameters, `request_body` (of [`crate::v1::request`])
//! and the body of its success ([`Answer`] or [`Page`] of an object of [`crate::v1`]):
//!
//! ```
//! use api::openapi::Page;
//! use api::v1::Project;
//!
//! /// Lists projects, newest first.
//! #[utoipa::path(
//!     get,
//!     path = "/projects",
//!     operation_id = "list_projects",
//!     responses((status = 200, description = "A page of projects", body = Page<Project>))
//! )]
//! async fn list_projects() {}
//! ```
//!
//! [`document`] adds the rest from the table of routes: scope, security, ids of the path, common
//! headers, every code with an example, examples of bodies. [`problems`] says what is still
//! missing; a test of the binary wants it empty.

mod answer;
mod complete;
mod example;
mod lint;
mod parts;
mod rules;
mod sample;
#[cfg(test)]
mod tests;

use serde_json::Value;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::openapi::{
    ComponentsBuilder, ContactBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder,
    OpenApiVersion, ServerBuilder,
};

use crate::BASE_PATH;

pub use self::answer::{Answer, Counted, GroupedRows, List, Page, Rows};
pub use self::lint::problems;
pub use self::sample::sample;

/// `info.version`: additive changes move the last two numbers.
pub const API_VERSION: &str = "1.5.0";

/// The whole document, of what each service described.
pub fn document(described: impl IntoIterator<Item = OpenApi>) -> OpenApi {
    let mut document = base();
    for part in described {
        document.merge(part);
    }
    complete::complete(&mut document);
    rules::add(&mut document);
    document
}

/// The schema of a parameter that is one of these names, and which it is unless given. Written in
/// place: an enumeration of a type's own beside a default would be a schema that nothing fits.
pub fn choice(
    names: impl IntoIterator<Item = &'static str>,
    default: Option<&'static str>,
) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names))
        .default(default.map(Value::from))
        .build()
}

/// What stands around the operations.
fn base() -> OpenApi {
    let license = LicenseBuilder::new()
        .name("Proprietary")
        .identifier(Some("LicenseRef-Proprietary"))
        .build();
    let contact = ContactBuilder::new()
        .name(Some("trackagoat"))
        .url(Some("https://www.trackagoat.com"))
        .build();
    let info = InfoBuilder::new()
        .title("trackagoat")
        .version(API_VERSION)
        .description(Some(parts::DESCRIPTION))
        .license(Some(license))
        .contact(Some(contact))
        .build();
    let hosted = ServerBuilder::new()
        .url(format!("https://www.trackagoat.com{BASE_PATH}"))
        .description(Some("The hosted service"))
        .build();
    let own = ServerBuilder::new()
        .url(BASE_PATH)
        .description(Some("The server that gave you this document"))
        .build();
    let mut document = OpenApiBuilder::new()
        .info(info)
        .servers(Some([hosted, own]))
        .components(Some(parts::add_to(ComponentsBuilder::new()).build()))
        .tags(Some(parts::tags()))
        .build();
    document.openapi = OpenApiVersion::Version31;
    document
}
