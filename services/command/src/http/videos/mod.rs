//! Calls on videos.

pub(super) mod add;
pub(super) mod body;
pub(super) mod bulk_disable;
pub(super) mod change;
pub(super) mod disable;
pub(super) mod remove;
pub(super) mod review;
