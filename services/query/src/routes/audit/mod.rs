//! The audit trail (v1-contract.md 19): what proves what the log holds.

pub mod checkpoint;
pub mod proof;
pub mod seal;

use api::error::ApiError;
use event_log::{ReadError, SignedCheckpoint};

use crate::app::App;

impl App {
    /// Maps what the log says.
    fn log_error(&self, error: ReadError) -> ApiError {
        match error {
            ReadError::Database(_) => self.unavailable().because(error),
            ReadError::Corrupt(_) => ApiError::internal(error),
        }
    }

    /// The newest signed head of the log; 503 if there is none.
    async fn newest_checkpoint(&self) -> Result<SignedCheckpoint, ApiError> {
        let newest = self.log.newest_checkpoint().await;
        let newest = newest.map_err(|error| self.log_error(error))?;
        newest.ok_or_else(|| ApiError::not_signed(self.jitter()))
    }
}
