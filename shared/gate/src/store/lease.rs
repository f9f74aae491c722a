use std::time::Duration;

use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};
use runtime::clock::Clock;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::StoreError;
use super::rows::{position, term};
use crate::bus::MacKey;
use crate::core::follower::Registration;
#[cfg(feature = "mutants")]
use crate::core::mutant::Mutant;
use crate::core::replica::{Head, Renewal};

/// How long Postgres may take for one statement of a lease (revocation.md 3).
const STATEMENT_TIMEOUT: Duration = Duration::from_millis(300);
/// How long an answer may take on its way besides.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(400);
/// Only with a fault: how long a row may take to be committed, and an answer to come.
#[cfg(feature = "mutants")]
const LONG: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Allows lease terms up to `term`; what is allowed already stays so. For the owner's connection,
/// and to be committed before any replica's term is raised (revocation.md 3): whoever settles a
/// denial rests on it.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn allow_lease(connection: &mut PgConnection, term: Duration) -> Result<(), StoreError> {
    let term = i32::try_from(term.as_millis()).unwrap_or(i32::MAX);
    let mut tx = connection.begin().await?;
    sqlx::query!("set local synchronous_commit = on")
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "update gate.head set lease_max_ms = greatest(lease_max_ms, $1)",
        term
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// The primary's answer to a renewal.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// The newest auth event.
    pub head: Head,
    /// Every denial up to here holds everywhere.
    pub settled: GlobalPosition,
    /// The longest lease term that may register.
    pub longest_term: Duration,
}

/// A connection of the lease's own, so that no lack of others ends it (faults.md, row 26).
#[derive(Debug)]
pub struct LeaseLine {
    options: PgConnectOptions,
    /// What only this process and command services know: whoever has not got it moves no row of it.
    ack_key: MacKey,
    clock: Clock,
    connection: Option<PgConnection>,
    #[cfg(feature = "mutants")]
    joined: Option<Answer>,
}

impl LeaseLine {
    /// Connects on first use, and again after every failure.
    pub fn new(options: PgConnectOptions, ack_key: MacKey, clock: Clock) -> Self {
        let statement_timeout = STATEMENT_TIMEOUT.as_millis().to_string();
        Self {
            options: options
                .application_name("trackagoat lease")
                .options([
                    ("statement_timeout", statement_timeout.as_str()),
                    // A row must be durable before it is used (pitfall 1), whatever the server's
                    // or the login's own setting is.
                    ("synchronous_commit", "on"),
                    // A renewal must not wait for a plan to be compiled.
                    ("jit", "off"),
                ])
                .disable_statement_logging(),
            ack_key,
            clock,
            connection: None,
            #[cfg(feature = "mutants")]
            joined: None,
        }
    }

    /// R1 REGISTER: a committed row; false if the term is above the maximum.
    pub async fn register(
        &mut self,
        made: &Registration,
        replica: &str,
        term: Duration,
    ) -> Result<bool, StoreError> {
        let term = i32::try_from(term.as_millis()).unwrap_or(i32::MAX);
        #[cfg(feature = "mutants")]
        self.before_registering(made).await?;
        let registered = self
            .run(async |connection, ack_key| {
                sqlx::query_scalar!(
                    r#"select gate.register_lease($1, $2, $3, $4, $5, $6) as "registered!""#,
                    made.incarnation.as_uuid(),
                    replica,
                    term,
                    made.applied.as_i64(),
                    made.epoch.as_uuid(),
                    ack_key
                )
                .fetch_one(connection)
                .await
            })
            .await?;
        #[cfg(feature = "mutants")]
        self.after_registering().await?;
        Ok(registered)
    }

    /// R2 RENEW: none if the row is gone.
    pub async fn renew(&mut self, renewal: &Renewal) -> Result<Option<Answer>, StoreError> {
        #[cfg(feature = "mutants")]
        if let Some(joined) = self.joined.take() {
            return Ok(Some(joined));
        }
        let row = self
            .run(async |connection, ack_key| {
                sqlx::query!(
                    r#"select auth_position as "auth_position!", epoch as "epoch!",
                           settled as "settled!", lease_max_ms as "lease_max_ms!"
                       from gate.renew_lease($1, $2, $3)"#,
                    renewal.incarnation.as_uuid(),
                    ack_key,
                    renewal.applied.as_i64()
                )
                .fetch_optional(connection)
                .await
            })
            .await?;
        Ok(row.map(|row| Answer {
            head: Head {
                auth_position: position(row.auth_position),
                epoch: LogEpoch::from_uuid(row.epoch),
            },
            settled: position(row.settled),
            longest_term: term(row.lease_max_ms),
        }))
    }

    /// R5 LEAVE: after everything is refused.
    pub async fn leave(&mut self, incarnation: IncarnationId) -> Result<(), StoreError> {
        self.run(async |connection, ack_key| {
            sqlx::query_scalar!("select gate.leave($1, $2)", incarnation.as_uuid(), ack_key)
                .fetch_one(connection)
                .await
        })
        .await?;
        Ok(())
    }

    #[cfg(feature = "mutants")]
    async fn before_registering(&mut self, made: &Registration) -> Result<(), StoreError> {
        if Mutant::SameIdReplaces.is_active() {
            self.leave(made.incarnation).await?;
        }
        if Mutant::JoinOneSnapshot.is_active() {
            let state = self.run(async |connection, _| {
                let begin = sqlx::raw_sql("begin isolation level repeatable read");
                begin.execute(&mut *connection).await?;
                let state = "select auth_position, epoch, settled, lease_max_ms from gate.state()";
                let state = sqlx::query_as(state).fetch_one(connection);
                state.await
            });
            let (head, epoch, settled, longest): (i64, uuid::Uuid, i64, i32) = state.await?;
            self.joined = Some(Answer {
                head: Head {
                    auth_position: position(head),
                    epoch: LogEpoch::from_uuid(epoch),
                },
                settled: position(settled),
                longest_term: term(longest),
            });
        }
        Ok(())
    }

    #[cfg(feature = "mutants")]
    async fn after_registering(&mut self) -> Result<(), StoreError> {
        if Mutant::JoinOneSnapshot.is_active() {
            let committed = self.run_within(LONG, async |connection, _| {
                sqlx::raw_sql("commit work").execute(connection).await
            });
            committed.await.inspect_err(|_| self.joined = None)?;
        }
        Ok(())
    }

    async fn run<T>(
        &mut self,
        statement: impl AsyncFnOnce(&mut PgConnection, &[u8]) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        self.run_within(answer_timeout(), statement).await
    }

    async fn run_within<T>(
        &mut self,
        timeout: Duration,
        statement: impl AsyncFnOnce(&mut PgConnection, &[u8]) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        // Taken out: a connection whose answer did not come is not used again.
        let mut connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            let connect = PgConnection::connect_with(&self.options);
            self.clock.timeout(CONNECT_TIMEOUT, connect).await??
        };
        let answer = self
            .clock
            .timeout(timeout, statement(&mut connection, self.ack_key.bytes()))
            .await??;
        self.connection = Some(connection);
        Ok(answer)
    }
}

#[cfg(not(feature = "mutants"))]
const fn answer_timeout() -> Duration {
    ANSWER_TIMEOUT
}

/// An answer that is given up after 400 ms hides that the lease would run from it.
#[cfg(feature = "mutants")]
fn answer_timeout() -> Duration {
    if Mutant::LeaseFromReceive.is_active() {
        LONG
    } else {
        ANSWER_TIMEOUT
    }
}
