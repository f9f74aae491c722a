//! The names of this crate's metrics.

/// Counter by `task`: tasks that failed or panicked.
pub const TASK_FAILURES: &str = "tga_task_failures_total";
/// Gauge: open HTTP connections.
pub const HTTP_CONNECTIONS: &str = "tga_http_connections";
/// Counter by `reason` (`total`, `address`): connections closed on arrival, over a bound.
pub const HTTP_REFUSED: &str = "tga_http_connections_refused_total";
/// Counter by `reason` (`first byte`, `head`, `idle`, `write`): connections whose client took too
/// long.
pub const HTTP_CLOSED: &str = "tga_http_connections_closed_total";
/// Counter: handlers that panicked.
pub const HTTP_PANICS: &str = "tga_http_panics_total";
/// Gauge: bytes of memory that the process holds.
pub const RESIDENT_BYTES: &str = "process_resident_memory_bytes";
/// Gauge: open descriptors of the process.
pub const OPEN_FILES: &str = "process_open_fds";
