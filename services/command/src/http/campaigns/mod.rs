//! Calls on campaigns.

pub(super) mod add_items;
pub(super) mod change;
pub(super) mod create;
pub(super) mod remove;
pub(super) mod remove_item;
