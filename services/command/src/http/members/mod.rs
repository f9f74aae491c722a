//! Calls on members.

pub(super) mod change;
pub(super) mod remove;
