//! What one does without a feed: asks Postgres when it says that something was appended
//! (LISTEN/NOTIFY), or every so often.

use std::time::Duration;

use runtime::clock::Clock;
use sqlx::postgres::PgListener;
use sqlx::{Connection, PgConnection, Row};
use tokio::sync::mpsc::UnboundedSender;

use super::job::Arrived;
use crate::bench::error::BenchError;

/// Everything of the events after a position, as a feed reads it.
pub const PAGE: &str = "select position, event_id, org_id, stream, version, type, schema_version,
        subject, actor, correlation_id, recorded_at, auth_prev, prev_hash, hash, data::text
    from log.events where position > $1 order by position limit $2";
/// Events of one page, as the feed's.
pub const PAGE_EVENTS: i64 = 1_024;
/// As our feed asks without NATS.
const POLL_EVERY: Duration = Duration::from_millis(250);
const CHANNEL: &str = "appended";

/// Makes every statement that appends say so.
pub const NOTIFY: &str = "create function public.tell() returns trigger language plpgsql as
        $$ begin perform pg_notify('appended', ''); return null; end $$;
    create trigger tell after insert on log.events for each statement
        execute function public.tell()";

/// When to ask again.
pub enum Wake {
    Notified(Box<PgListener>),
    Polling,
}

impl Wake {
    pub async fn by_notice(url: &str) -> Result<Self, BenchError> {
        let mut listener = PgListener::connect(url).await?;
        listener.listen(CHANNEL).await?;
        Ok(Self::Notified(Box::new(listener)))
    }

    async fn wait(&mut self, clock: &Clock) -> Result<(), BenchError> {
        match self {
            Self::Notified(listener) => {
                listener.recv().await?;
                // One look answers all that came meanwhile.
                while listener.next_buffered().is_some() {}
            }
            Self::Polling => clock.sleep(POLL_EVERY).await,
        }
        Ok(())
    }
}

/// Follows until nobody wants to know any more.
pub async fn follow(
    url: &str,
    mut wake: Wake,
    found: UnboundedSender<Vec<Arrived>>,
    clock: &Clock,
) -> Result<(), BenchError> {
    let mut connection = PgConnection::connect(url).await?;
    let mut last = 0_i64;
    loop {
        let page = sqlx::query(PAGE)
            .bind(last)
            .bind(PAGE_EVENTS)
            .fetch_all(&mut connection)
            .await?;
        if page.is_empty() {
            wake.wait(clock).await?;
            continue;
        }
        let now = clock.monotonic().as_nanos();
        let mut arrived = Vec::with_capacity(page.len());
        for row in page {
            last = row.try_get(0)?;
            arrived.push((last.unsigned_abs(), now));
        }
        if found.send(arrived).is_err() {
            return Ok(());
        }
    }
}
