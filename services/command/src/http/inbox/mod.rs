//! Calls on the inbox.

pub(super) mod review;
