//! Which positions belong to instants.

use domain::ids::GlobalPosition;
use domain::time::Timestamp;
use sqlx::PgConnection;

use crate::error::ReadError;
use crate::log::EventLog;
use crate::read;

impl EventLog {
    /// The newest event that was recorded at an instant or before it; zero if none was. Times never
    /// go back along the log, so a few dozen look-ups by position find it.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn position_at(&self, at: Timestamp) -> Result<GlobalPosition, ReadError> {
        self.ask(async |c| newest_at(c, at).await).await
    }

    /// The oldest event that is kept here; none while the log is empty.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn earliest(&self) -> Result<Option<GlobalPosition>, ReadError> {
        self.ask(async |c| read::earliest(c).await).await
    }
}

async fn newest_at(
    connection: &mut PgConnection,
    at: Timestamp,
) -> Result<GlobalPosition, ReadError> {
    let head = read::head(connection).await?;
    if head.recorded_at <= at {
        return Ok(head.position);
    }
    let Some(earliest) = read::earliest(connection).await? else {
        return Ok(GlobalPosition::ZERO);
    };
    // What lies before `low` was recorded in time, what lies from `high` on was not.
    let (mut low, mut high) = (earliest.get(), head.position.get());
    while low < high {
        let middle = low + (high - low) / 2;
        let recorded = read::recorded_at(connection, GlobalPosition::new(middle)).await?;
        if recorded <= at {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(GlobalPosition::new(low - 1))
}
