//! Invitations (v1-contract.md 8.3).

pub mod list;
pub mod received;
