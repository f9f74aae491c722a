//! Calls on goals.

pub(super) mod change;
pub(super) mod create;
pub(super) mod remove;
