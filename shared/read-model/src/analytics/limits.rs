//! The bounds of summaries and breakdowns that a caller can meet (v1-contract.md 15.4, 16).

/// Videos of a breakdown that stand for themselves; all others stand together.
pub const BREAKDOWN_VIDEOS: usize = 10;
/// Farthest place at which a list of rows may begin.
pub const OFFSET_MAX: u64 = 10_000;
/// Rows of a scatter unless a limit is given.
pub const SCATTER_ROWS_DEFAULT: u64 = 100;
/// Most rows of a scatter.
pub const SCATTER_ROWS_MAX: u64 = 500;
/// Bins of a linear distribution unless a number is given.
pub const BINS_DEFAULT: u64 = 20;
/// Most bins of a linear distribution.
pub const BINS_MAX: u64 = 50;
/// Videos without which a group has no outliers.
pub const OUTLIER_GROUP_MIN: usize = 5;
/// Most campaigns whose members are compared at once.
pub const OVERLAP_CAMPAIGNS: usize = 10;
/// Most members of several campaigns that are named.
pub const OVERLAP_MEMBERS: usize = 500;
