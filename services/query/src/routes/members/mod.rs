//! Members (v1-contract.md 8.2).

pub mod list;
