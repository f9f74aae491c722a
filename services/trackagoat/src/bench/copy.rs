//! What Postgres itself needs to hand out rows of the log: `COPY ... TO STDOUT` of the columns that a
//! reader of the log asks for, in its order.

use domain::ids::OrgId;
use futures_util::TryStreamExt;
use runtime::clock::Clock;
use sqlx::{Connection, PgConnection};

use super::error::BenchError;

/// Rows handed out, and how long that took.
#[derive(Clone, Copy, Debug)]
pub struct Copied {
    pub rows: u64,
    pub seconds: f64,
}

/// Has everything handed out, or what is of one org; looks at nothing but the ends of rows.
pub async fn copy_out(url: &str, org: Option<OrgId>, clock: &Clock) -> Result<Copied, BenchError> {
    let mut connection = PgConnection::connect(url).await?;
    let begun = clock.monotonic();
    let mut rows = 0;
    {
        let mut chunks = connection.copy_out_raw(&statement(org)).await?;
        while let Some(chunk) = chunks.try_next().await? {
            // Postgres sends each row as a message of its own.
            rows += u64::from(chunk.ends_with(b"\n"));
        }
    }
    let seconds = clock.monotonic().saturating_since(begun).as_secs_f64();
    connection.close().await?;
    Ok(Copied { rows, seconds })
}

/// Such a statement takes no parameters; an id has only digits, letters and hyphens.
fn statement(org: Option<OrgId>) -> String {
    let filter = org.map_or_else(String::new, |org| format!(" where org_id = '{org}'"));
    format!(
        "copy (select position, event_id, org_id, stream, version, type, schema_version, subject,
            actor, correlation_id, recorded_at, auth_prev, prev_hash, hash, data::text
        from log.events{filter} order by position) to stdout"
    )
}
