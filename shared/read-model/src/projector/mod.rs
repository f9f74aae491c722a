//! Follows the log and applies it.
