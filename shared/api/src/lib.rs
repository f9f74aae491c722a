//! v1 on the wire: what the two services read and write alike, so that a caller cannot tell which
//! of them answered.
//!
//! May depend on: `domain`.
//!
//! Architecture invariant: this crate knows the shape of requests and answers, and nothing of
//! where data comes from: no SQL, no log, no gate, no clock, no random source. Time and chance
//! come in as values ([`error::Jitter`]).
//!
//! # The map
//!
//! A request comes in:
//! - [`route`]: the table of all routes; `route::find(method, path).admit(scopes, is_session)` is
//!   404, 405 and 403, in that order, and gives the route's template for usage and logs.
//! - [`header`]: [`header::QueryHeaders`] and [`header::CommandHeaders`], one of which every
//!   handler takes as an argument; [`header::wants_strict`] is for the gate.
//! - [`input`]: [`input::path::PathId`], [`input::query::StrictQuery`],
//!   [`input::body::StrictJson`] (and `OptionalJson`, `Ndjson`), all extractors whose rejection is
//!   an [`error::ApiError`]. Every mistake is collected, each with its place.
//! - [`cursor`]: opens and writes `cursor`.
//!
//! An answer goes out:
//! - [`error`]: [`error::ApiError`] with a constructor for each sentence of the contract, `From`
//!   for the domain's rejections, and [`error::negotiate`], the layer for RFC 9457.
//! - [`envelope`]: [`envelope::Success`] for commands, [`envelope::Rendered`] for queries (what a
//!   cache keeps; [`etag`] is inside).
//! - [`rate`]: what is left to the caller.
//! - [`v1`]: the objects, made from what the domain folds; [`v1::request`]: the bodies as clients
//!   write them; [`csv`]: the flat form.
//! - [`openapi`]: what a handler must say, and the one document; [`asyncapi`]: that of events.
//!
//! A query, whole:
//!
//! ```
//! use api::cursor::{Cursors, List};
//! use api::envelope::{Meta, Rendered};
//! use api::error::ApiError;
//! use api::header::QueryHeaders;
//! use api::input::issue::Invalid;
//! use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
//! use api::input::text::Text;
//! use api::v1::Project;
//! use axum::response::Response;
//! use domain::ids::{GlobalPosition, OrgId};
//!
//! struct ListProjects {
//!     search: Option<String>,
//!     page: PageParams,
//! }
//!
//! impl FromQuery for ListProjects {
//!     fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
//!         let search = params.optional("search", Text::search);
//!         let page = params.page();
//!         Ok(Self {
//!             search: search?,
//!             page: page?,
//!         })
//!     }
//! }
//!
//! async fn list_projects(
//!     asked: QueryHeaders,
//!     query: StrictQuery<ListProjects>,
//! ) -> Result<Response, ApiError> {
//!     # let (org, cursors) = (OrgId::from_uuid(uuid::Uuid::nil()), Cursors::new([0; 32], None));
//!     let list = List {
//!         org,
//!         route: "/projects",
//!         filters: &query.filters,
//!     };
//!     let cursor = query.value.page.cursor.as_deref();
//!     let after: Option<(i64, String)> =
//!         cursor.map(|cursor| cursors.read(list, cursor)).transpose()?;
//!     # let (projects, next, position) = (Vec::<Project>::new(), after, GlobalPosition::ZERO);
//!     let next = next.map(|place| cursors.write(list, &place)).transpose()?;
//!     Ok(Rendered::json(&projects, &Meta::page(next))?.respond(position, &asked))
//! }
//! ```
//!
//! A command ends in `Ok(Success::created(&object, "projects/<id>")?.at(position))`.
#![warn(missing_docs)]

pub mod asyncapi;
pub mod csv;
pub mod cursor;
pub mod envelope;
pub mod error;
pub mod etag;
pub mod header;
pub mod input;
pub mod openapi;
pub mod rate;
pub mod route;
pub mod v1;

pub use domain::limits;

/// Where v1 is mounted.
pub const BASE_PATH: &str = "/api/v1";
