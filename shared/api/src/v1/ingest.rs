//! `POST /ingest/observations` (v1-contract.md 12).

use domain::observation::{LineError, LineErrorCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::LineCodeName;

/// What became of the lines: `accepted + duplicate + rejected` is their number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IngestAnswer {
    /// Lines that are kept.
    #[schema(example = 4_998)]
    pub accepted: usize,
    /// Lines that were there already.
    #[schema(example = 1)]
    pub duplicate: usize,
    /// Lines that are not taken.
    #[schema(example = 1)]
    pub rejected: usize,
    /// Every rejected line.
    pub errors: Vec<IngestError>,
}

/// A line that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IngestError {
    /// Which, counted from 1.
    #[schema(example = 17)]
    pub line: usize,
    /// What programs branch on.
    #[schema(value_type = LineCodeName, example = "invalid_json")]
    pub code: LineErrorCode,
    /// Names the field and what is allowed.
    #[schema(example = "not a JSON object: expected value at line 1 column 1")]
    pub message: String,
}

impl IngestAnswer {
    /// Counts and names a rejected line.
    pub fn reject(&mut self, line: usize, error: &LineError) {
        self.rejected += 1;
        self.errors.push(IngestError {
            line,
            code: error.code,
            message: error.message.clone(),
        });
    }
}
