//! Who may call.
#![warn(missing_docs)]

pub mod core;
