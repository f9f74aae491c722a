//! Calls on marks on the time axis.

pub(super) mod change;
pub(super) mod create;
pub(super) mod remove;
