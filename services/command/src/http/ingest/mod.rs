//! Calls that bring readings.

pub(super) mod observations;
