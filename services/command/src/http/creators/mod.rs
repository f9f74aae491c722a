//! Calls on creators.

pub(super) mod add;
mod body;
pub(super) mod bulk;
pub(super) mod change;
pub(super) mod remove;
