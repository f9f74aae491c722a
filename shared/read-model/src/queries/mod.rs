//! The questions, one file for each kind of thing; all are methods of [`OrgReader`](crate::OrgReader).

pub(crate) mod analytics;
pub(crate) mod api_keys;
pub(crate) mod columns;
pub(crate) mod creators;
pub(crate) mod inbox;
pub(crate) mod invitations;
pub(crate) mod members;
pub(crate) mod orgs;
pub(crate) mod page;
pub(crate) mod projects;
mod raw;
mod rollups;
pub(crate) mod videos;
