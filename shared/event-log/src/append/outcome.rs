//! The answer to COMMIT was lost: what became of the batch stands in the log. Never guess.

use std::time::Duration;

use domain::event::ChainHash;
use domain::ids::GlobalPosition;
use domain::time::Timestamp;
use runtime::clock::Clock;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;

use super::session::Session;
use super::settle::Settlement;
use super::{Config, NotCommitted};

/// How long to wait before Postgres is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// What proves that a batch was committed: the row at its last position with its hash, or the last
/// of its remembered answers if it has no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    Event(GlobalPosition, ChainHash),
    Answer {
        org_id: Uuid,
        key: String,
        fingerprint: [u8; 32],
        recorded_at: Timestamp,
    },
}

impl Evidence {
    /// The evidence of a settlement that is not empty.
    pub fn of(settlement: &Settlement) -> Option<Self> {
        let event = settlement.events.last();
        event
            .map(|event| Self::Event(event.position, event.hash))
            .or_else(|| {
                let (org, answer) = settlement.answers.last()?;
                Some(Self::Answer {
                    org_id: org.as_uuid(),
                    key: answer.record.key.clone(),
                    fingerprint: answer.record.fingerprint,
                    recorded_at: answer.recorded_at,
                })
            })
    }

    /// Looks for it. The head's lock comes first: whoever gets it knows that a transaction in
    /// doubt that held it has ended. One that has not even begun, because its one statement is
    /// still under way, finds the fence raised: a "no" is told only once that is committed.
    async fn look(&self, session: &mut Session) -> Result<bool, NotCommitted> {
        session.lock_head(None).await?;
        let found = session.finds(self).await?;
        if found {
            session.rollback().await?;
        } else {
            session.raise_fence().await?;
            session.commit().await?;
        }
        Ok(found)
    }

    pub async fn exists_in_tx(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        match self {
            Self::Event(position, hash) => {
                sqlx::query_scalar!(
                    r#"select exists (select from log.events where position = $1 and hash = $2)
                       as "exists!""#,
                    position.as_i64(),
                    &hash.as_bytes()[..]
                )
                .fetch_one(connection)
                .await
            }
            Self::Answer {
                org_id,
                key,
                fingerprint,
                recorded_at,
            } => {
                sqlx::query_scalar!(
                    r#"select exists (
                           select from log.idempotency
                           where org_id = $1 and key = $2 and fingerprint = $3 and recorded_at = $4
                       ) as "exists!""#,
                    org_id,
                    key,
                    &fingerprint[..],
                    recorded_at.datetime()
                )
                .fetch_one(connection)
                .await
            }
        }
    }
}

/// Whether the batch was committed; `None` if the database did not say within the deadline.
pub async fn resolve(
    evidence: &Evidence,
    options: &PgConnectOptions,
    clock: &Clock,
    config: &Config,
) -> Option<bool> {
    let deadline = clock.monotonic() + config.deadline;
    loop {
        let looked = async {
            let mut session = Session::open(options, clock, config.step).await?;
            evidence.look(&mut session).await
        };
        match looked.await {
            Ok(found) => return Some(found),
            Err(error) => {
                tracing::debug!(error = %error, "the outcome of a commit is not known yet");
            }
        }
        if clock.monotonic() > deadline {
            return None;
        }
        clock.sleep(AGAIN).await;
    }
}
