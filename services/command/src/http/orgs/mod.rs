//! Calls on the org.

pub(super) mod change;
