//! Calls on sessions.

pub(super) mod create;
pub(super) mod end;
