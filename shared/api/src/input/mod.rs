//! Strict input: what is not in the contract is refused, and one answer names all that is wrong.
//!
//! A request type implements [`body::FromBody`] or [`query::FromQuery`]; each of its fields is
//! read by a function that records an [`issue::Issue`] and gives [`issue::Invalid`] where the
//! value is not acceptable, so `?` at the end collects every mistake:
//!
//! ```
//! use api::input::body::{Fields, FromBody};
//! use api::input::issue::Invalid;
//! use api::input::node::Node;
//! use domain::text::ProjectName;
//!
//! struct CreateProject {
//!     name: ProjectName,
//!     is_public: bool,
//! }
//!
//! impl FromBody for CreateProject {
//!     fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
//!         let name = fields.required("name", |it| it.parse(ProjectName::parse));
//!         let is_public = fields.optional("is_public", Node::boolean);
//!         Ok(Self {
//!             name: name?,
//!             is_public: is_public?.unwrap_or(false),
//!         })
//!     }
//! }
//! ```

pub mod body;
pub mod issue;
pub mod json;
pub mod node;
pub mod path;
pub mod query;
pub mod text;

#[cfg(test)]
mod tests;
