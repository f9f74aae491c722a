//! The newest signed head of the log.

use api::v1::Checkpoint;

use crate::client::Path;
use crate::page::Problem;
use crate::visit::Visit;

/// The code of an answer that needs a signed head, while there is none.
pub const NOT_SIGNED: &str = "projection_unavailable";

/// It, if the log is signed at this moment.
pub async fn newest(visit: &Visit) -> Result<Option<Checkpoint>, Problem> {
    let newest = visit.get(Path::v1(&["audit", "checkpoint"])).await;
    match newest {
        Ok(newest) => Ok(Some(newest.data)),
        Err(problem) if problem.code() == NOT_SIGNED => Ok(None),
        Err(problem) => Err(problem),
    }
}
