//! Orgs (v1-contract.md 8.1).

pub mod list;
pub mod own;
