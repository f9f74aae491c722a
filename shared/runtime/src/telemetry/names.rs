//! The names of this crate's metrics.

/// Counter by `task`: tasks that failed or panicked.
pub const TASK_FAILURES: &str = "tga_task_failures_total";
