//! What ingest brings: lines are parsed, judged against the org's state, and become discoveries
//! (decisions) and readings (observations), v1-contract.md 12.

mod fields;
mod judge;
mod line;

#[cfg(test)]
mod tests;

pub use self::judge::{Judged, JudgedLine, judge};
pub use self::line::{Line, LineError, LineErrorCode, parse_line};
