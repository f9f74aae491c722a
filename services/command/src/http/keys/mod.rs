//! Calls on keys.

mod body;
pub(super) mod change;
pub(super) mod create;
pub(super) mod revoke;
pub(super) mod rotate;
